use std::mem;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sec_core::Scheme;

use super::cache::Facts;
use super::form::Form;
use super::private::{keep_from_cdns, keep_private, tend_policies};
use super::routes;
use crate::list::members;
use crate::names::CLEAR_SITE_DATA;
use crate::nonce::CspNonce;

/// A checked header set, ready to be applied. Made by [`SecHeaders::build`](crate::SecHeaders::build);
/// cloning it costs one reference count.
///
/// In the extensions of an answer it is a handler's choice: [`HeadersLayer`](crate::HeadersLayer)
/// then applies it in place of the route's, see [`apply_for`](Self::apply_for).
#[derive(Debug, Clone)]
pub struct HeaderPolicy(Arc<Built>);

#[derive(Debug)]
pub(super) struct Built {
    pub(super) http: Form,
    pub(super) https: Form,
    pub(super) added: Box<[(HeaderName, HeaderValue)]>,
    /// Where `Clear-Site-Data` stands, only on answers that say so.
    pub(super) clear_site_data: Option<HeaderValue>,
    /// Whether the set itself says `Cache-Control`.
    pub(super) says_cache_control: bool,
    /// The headers of those that are put on some answers only, where the policy wins.
    pub(super) winning: Winning,
    pub(super) overrides: Option<Box<routes::Built>>,
}

/// Where the policy wins over the handler, as far as it is not known from [`Form::dropped`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Winning {
    /// For any header at all.
    pub(super) anywhere: bool,
    pub(super) cache_control: bool,
    pub(super) clear_site_data: bool,
}

impl HeaderPolicy {
    pub(super) const fn new(built: Arc<Built>) -> Self {
        Self(built)
    }

    /// Whether answers carry a nonce, so that [`apply`](Self::apply) wants one.
    #[must_use]
    pub fn uses_nonce(&self) -> bool {
        !self.0.https.templates.is_empty()
    }

    /// Puts the policy's headers into an answer's; what is said for single routes is not regarded,
    /// see [`apply_for`](Self::apply_for).
    ///
    /// `scheme` is the client's, as [`RequestContext`](sec_core::RequestContext) gives it: HSTS and
    /// `upgrade-insecure-requests` are for https alone. `nonce` is the one that the page was
    /// rendered with; without it the policy is written without nonces, which refuses every inline
    /// script. Three rules keep nonces unique:
    ///
    /// - An answer that carries one gets `Cache-Control: no-store`, unless the handler said
    ///   `no-store`, or `private` without `public` and `s-maxage`. What is meant for one cache and
    ///   goes before `Cache-Control` there (`CDN-Cache-Control` and its like, RFC 9213;
    ///   `Surrogate-Control`, `Edge-Control`, `X-Accel-Expires`) is taken off unless it forbids
    ///   storing, too. This also holds where the handler wrote the nonce into a policy of its own.
    /// - A 304 gets none of the nonce'd policies: the browser would apply the new nonce to the
    ///   page in its cache, which was rendered with another.
    /// - Only what may become a document (HTML, XML, SVG, or no content type at all) carries one.
    ///   A style sheet, image or JSON answer gets the same policy without it, and stays cacheable.
    ///
    /// The policy's prepared map is cloned and the handler's headers are moved into it: a static
    /// policy costs the allocations of a header map and nothing else, each nonce'd header one more.
    pub fn apply(
        &self,
        headers: &mut HeaderMap,
        status: StatusCode,
        scheme: Scheme,
        nonce: Option<&CspNonce>,
    ) {
        self.write(headers, status, scheme, nonce, |_| None);
    }

    /// `cache` gives the `Cache-Control` that goes before the set's, by the handler's own headers.
    pub(super) fn write<'a>(
        &self,
        headers: &mut HeaderMap,
        status: StatusCode,
        scheme: Scheme,
        nonce: Option<&CspNonce>,
        cache: impl FnOnce(&HeaderMap) -> Option<&'a HeaderValue>,
    ) {
        let form = self.form(scheme);
        let own = mem::replace(headers, form.base.clone());
        let mut nonced = false;
        if status == StatusCode::NOT_MODIFIED {
            for template in &form.templates {
                headers.remove(&template.name);
            }
        } else if let Some(nonce) = nonce.filter(|_| form.has_templates() && is_document(&own)) {
            for template in &form.templates {
                if !own.contains_key(&template.name) || form.drops(&template.name) {
                    headers.insert(template.name.clone(), template.csp.render(Some(nonce)));
                    nonced = true;
                }
            }
        }
        let winning = self.0.winning;
        let wins = |wins: bool, name: &HeaderName| wins || !own.contains_key(name);
        let cache = cache(&own).filter(|_| wins(winning.cache_control, &CACHE_CONTROL));
        let clears = self.0.clear_site_data.as_ref().filter(|_| {
            scheme.is_https()
                && (status.is_success() || status.is_redirection())
                && status != StatusCode::NOT_MODIFIED
                && wins(winning.clear_site_data, &CLEAR_SITE_DATA)
        });
        let kept = form.take_over(headers, own);
        if let Some(value) = cache {
            headers.insert(CACHE_CONTROL, value.clone());
        }
        if let Some(value) = clears {
            headers.insert(CLEAR_SITE_DATA, value.clone());
        }
        if kept.policy {
            nonced |= tend_policies(headers, status);
        }
        if nonced || clears.is_some() {
            keep_private(headers);
        } else if kept.targeted && (cache.is_some() || !kept.cache_control) {
            // Where the policy itself forbids storing, no cache is told otherwise.
            keep_from_cdns(headers);
        }
        for (name, value) in &self.0.added {
            if *name != VARY || !varies_by(headers, value) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
}

impl HeaderPolicy {
    /// Whether anything is said for single paths, or for handlers to choose.
    pub(crate) fn differs_somewhere(&self) -> bool {
        self.0.overrides.is_some()
    }

    pub(super) fn overrides(&self) -> Option<&routes::Built> {
        self.0.overrides.as_deref()
    }

    pub(super) fn says_cache_control(&self) -> bool {
        self.0.says_cache_control
    }

    /// Whether the policy wins for any header.
    pub(super) fn wins(&self) -> bool {
        self.0.winning.anywhere
    }

    /// Whether both are the same built set.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn cache_facts(&self, own: &HeaderMap, scheme: Scheme) -> Facts {
        let mut added = self.0.added.iter();
        Facts {
            is_for_one: added
                .any(|(name, value)| *name == SET_COOKIE || value.as_bytes().contains(&b'*')),
            may_be_nonced: self.form(scheme).has_templates() && is_document(own),
        }
    }

    fn form(&self, scheme: Scheme) -> &Form {
        match scheme {
            Scheme::Https => &self.0.https,
            Scheme::Http => &self.0.http,
        }
    }
}

/// Whether a browser may take the answer for a document whose inline scripts could carry the nonce.
fn is_document(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.as_bytes().split(|&byte| byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"text/html")
        || ends_with(essence, b"/xml")
        || ends_with(essence, b"+xml")
        || essence
            .get(..10)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().saturating_sub(end.len());
    text.get(start..)
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn varies_by(headers: &HeaderMap, value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else {
        return false;
    };
    value.split(',').map(str::trim).all(|wanted| {
        members(headers, &VARY).any(|name| name == "*" || name.eq_ignore_ascii_case(wanted))
    })
}
