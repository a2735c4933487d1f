//! Which answers a rule of `Cache-Control` is for.

use http::header::{SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sec_core::path::{PathMap, PathMatch};

use super::answer::Answer;
use crate::cache_control::CacheControl;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::list::members;

static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The rules of [`SecHeaders::cache`](crate::SecHeaders::cache), and the paths at which a route
/// says `Cache-Control` itself.
#[derive(Debug, Default)]
pub(super) struct CacheRules(PathMap<CacheRule>);

#[derive(Debug)]
enum CacheRule {
    /// What the header set of this path says.
    AsTheSetSays,
    Never,
    Stored {
        value: HeaderValue,
        shared: bool,
    },
}

impl CacheRules {
    pub(super) fn build(rules: &[(String, CacheControl)], faults: &mut Vec<Fault>) -> Self {
        let mut map = PathMap::new();
        for (rule, control) in rules {
            let field = format!("cache {rule:?}");
            match control.header() {
                Ok(_) if control.is_no_store() => put(&mut map, rule, CacheRule::Never, faults),
                Ok(value) => {
                    // The first clone moves a value behind a reference count: not on a request.
                    let value = value.clone();
                    let shared = control.is_shared();
                    put(&mut map, rule, CacheRule::Stored { value, shared }, faults);
                }
                Err(error) => {
                    let more = PolicyError::into_faults(error).into_iter();
                    faults.extend(more.map(|fault| fault.within(&field)));
                }
            }
        }
        Self(map)
    }

    /// The route at this path says `Cache-Control` itself.
    pub(super) fn leave_to_route(&mut self, rule: &str, faults: &mut Vec<Fault>) {
        if let Err(error) = self.0.insert(rule, CacheRule::AsTheSetSays) {
            let message = format!("{error}: the route of this path says `Cache-Control` as well");
            let field = format!("cache {rule:?}");
            faults.push(Fault::new(field, FaultKind::Setting, message));
        }
    }

    /// The value for this answer, whose headers so far are the handler's; `None` for what the
    /// header set says.
    pub(super) fn value_for<'a>(
        &'a self,
        answer: &Answer<'_>,
        own: &HeaderMap,
        facts: Facts,
    ) -> Option<&'a HeaderValue> {
        match self.0.find(answer.path) {
            PathMatch::Nothing | PathMatch::Value(CacheRule::AsTheSetSays) => None,
            PathMatch::Doubtful | PathMatch::Value(CacheRule::Never) => Some(&NO_STORE),
            PathMatch::Value(CacheRule::Stored { value, shared }) => {
                let kept = is_the_resource(answer.method, answer.status)
                    && !(*shared && is_for_one(answer, own, facts));
                match kept {
                    false => Some(&NO_STORE),
                    // The cache would put it onto a page that was rendered with another nonce.
                    true if answer.status == StatusCode::NOT_MODIFIED && facts.may_be_nonced => {
                        None
                    }
                    true => Some(value),
                }
            }
        }
    }
}

fn put(map: &mut PathMap<CacheRule>, rule: &str, value: CacheRule, faults: &mut Vec<Fault>) {
    if let Err(error) = map.insert(rule, value) {
        let field = format!("cache {rule:?}");
        faults.push(Fault::new(field, FaultKind::Setting, error.to_string()));
    }
}

/// What the header set knows about the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// It adds a cookie of its own, or varies by everything.
    pub(super) is_for_one: bool,
    /// The answer may be a page under a policy with a nonce.
    pub(super) may_be_nonced: bool,
}

/// Whether this is the resource itself, whole or in part, or the word that it has not changed: not
/// an error, a redirection, or the outcome of an action.
fn is_the_resource(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && matches!(
            status,
            StatusCode::OK
                | StatusCode::NON_AUTHORITATIVE_INFORMATION
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        )
}

/// Whether this answer must not reach anybody but who asked.
fn is_for_one(answer: &Answer<'_>, own: &HeaderMap, facts: Facts) -> bool {
    answer.authorized
        || facts.is_for_one
        || own.contains_key(SET_COOKIE)
        || members(own, &VARY).any(|name| name == "*")
}
