//! Which header set an answer gets.

use http::HeaderMap;

use super::HeaderPolicy;
use super::answer::Answer;
use crate::error::{FaultKind, PolicyError};

impl HeaderPolicy {
    /// The header set of this path, which is the request's original one without its query: that of
    /// the longest [`route`](crate::SecHeaders::route), or this one. A doubtful path has this one.
    ///
    /// With routes it costs a look-up in a [`PathMap`](sec_core::PathMap), and no allocation.
    #[must_use]
    pub fn for_path(&self, path: &str) -> &Self {
        let routes = self.overrides().map(|overrides| &overrides.routes);
        routes.and_then(|map| map.get(path)).unwrap_or(self)
    }

    /// A set of [`SecHeaders::named`](crate::SecHeaders::named), for handlers to choose: into the
    /// extensions of the answer with it, as `Extension(policy)` in axum. Names are looked up where
    /// the service is put together, so that none is unknown while it serves.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Setting`] when there is none of this name; the text lists those that are there.
    pub fn named(&self, name: &str) -> Result<Self, PolicyError> {
        let named = self.overrides().map(|overrides| overrides.named.as_slice());
        let named = named.unwrap_or_default();
        if let Some((_, policy)) = named.iter().find(|(known, _)| known == name) {
            return Ok(policy.clone());
        }
        let known: Vec<&str> = named.iter().map(|(known, _)| known.as_str()).collect();
        let message = if known.is_empty() {
            "is no named header set: there are none".to_owned()
        } else {
            format!("is none of the named header sets [{}]", known.join(", "))
        };
        let field = format!("named {name:?}");
        Err(PolicyError::one(field, FaultKind::Setting, message))
    }

    /// Whether a request to this path needs a nonce: the set of the path has one, or a named one
    /// does, which the handler could choose.
    #[must_use]
    pub fn needs_nonce(&self, path: &str) -> bool {
        let by_name = self.overrides().is_some_and(|built| built.named_nonce);
        by_name || self.for_path(path).uses_nonce()
    }

    /// Puts headers into an answer's as [`apply`](Self::apply) does, with everything that depends on
    /// the path, the method and the handler's choice.
    ///
    /// The header set is the chosen one, else that of the longest route, else this one. A chosen set
    /// may be any policy; its own routes, names and cache rules do not count, and it has a nonce only
    /// where the request got one (see [`needs_nonce`](Self::needs_nonce)). Under
    /// [`Precedence::Policy`](crate::Precedence::Policy) it must be one of this policy's
    /// [`named`](crate::SecHeaders::named) sets, anything else is not regarded.
    ///
    /// It costs the allocations of [`apply`](Self::apply).
    pub fn apply_for(&self, headers: &mut HeaderMap, answer: &Answer<'_>) {
        let of_path = self.for_path(answer.path);
        let chosen = answer
            .chosen
            .filter(|chosen| of_path.lets_choose(self, chosen));
        let policy = chosen.unwrap_or(of_path);
        let rules = self.overrides().map(|overrides| &overrides.cache);
        let rules = rules.filter(|_| !chosen.is_some_and(Self::says_cache_control));
        policy.write(headers, answer.status, answer.scheme, answer.nonce, |own| {
            let rules = rules?;
            rules.value_for(answer, own, policy.cache_facts(own, answer.scheme))
        });
    }

    /// Whether a handler may choose this set where `self` would apply.
    fn lets_choose(&self, whole: &Self, chosen: &Self) -> bool {
        !self.wins()
            || whole
                .overrides()
                .is_some_and(|built| built.named.iter().any(|(_, named)| named.is(chosen)))
    }
}
