use std::mem;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sec_core::Scheme;

use crate::csp::CspTemplate;
use crate::nonce::CspNonce;

/// A checked header set, ready to be applied. Made by [`SecHeaders::build`](crate::SecHeaders::build);
/// cloning it costs one reference count.
#[derive(Debug, Clone)]
pub struct HeaderPolicy(Arc<Built>);

#[derive(Debug)]
pub(super) struct Built {
    pub(super) http: Form,
    pub(super) https: Form,
    pub(super) added: Box<[(HeaderName, HeaderValue)]>,
}

/// What clients of one scheme are told.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Every header of the policy, those with a nonce in their form without one.
    pub(super) base: HeaderMap,
    /// Those with a nonce.
    pub(super) templates: Box<[Template]>,
    /// What is taken from the handler's headers: removed ones, and those that the policy wins.
    pub(super) dropped: Box<[HeaderName]>,
}

#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: HeaderName,
    pub(super) csp: CspTemplate,
}

impl HeaderPolicy {
    pub(super) const fn new(built: Arc<Built>) -> Self {
        Self(built)
    }

    pub(super) fn empty() -> Self {
        Self(Arc::new(Built {
            http: Form::default(),
            https: Form::default(),
            added: Box::default(),
        }))
    }

    /// Whether answers carry a nonce, so that [`apply`](Self::apply) wants one.
    #[must_use]
    pub fn uses_nonce(&self) -> bool {
        !self.0.https.templates.is_empty()
    }

    /// Puts the policy's headers into an answer's.
    ///
    /// `scheme` is the client's, as [`RequestContext`](sec_core::RequestContext) gives it: HSTS and
    /// `upgrade-insecure-requests` are for https alone. `nonce` is the one that the page was
    /// rendered with; without it the policy is written without nonces, which refuses every inline
    /// script. Three rules keep nonces unique:
    ///
    /// - An answer that carries one gets `Cache-Control: no-store`, unless the handler said
    ///   `no-store` or `private`. A handler that also sets a cache header of a CDN's own must leave
    ///   nonce'd pages out of it.
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
        let form = match scheme {
            Scheme::Https => &self.0.https,
            Scheme::Http => &self.0.http,
        };
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
        form.take_over(headers, own);
        if nonced && !is_kept_private(headers) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        for (name, value) in &self.0.added {
            if *name != VARY || !varies_by(headers, value) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
}

impl Form {
    fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }

    fn drops(&self, name: &HeaderName) -> bool {
        self.dropped.contains(name)
    }

    /// Moves the handler's headers in, repeated ones whole; each replaces the policy's.
    fn take_over(&self, headers: &mut HeaderMap, own: HeaderMap) {
        if own.is_empty() {
            return;
        }
        headers.reserve(own.len());
        let mut kept = true;
        headers.extend(own.into_iter().filter(|(name, _)| {
            // Further values of the same header come without its name.
            if let Some(name) = name {
                kept = !self.drops(name);
            }
            kept
        }));
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
        || essence.starts_with(b"multipart/")
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().saturating_sub(end.len());
    text.get(start..)
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Whether the answer's own `Cache-Control` keeps it out of shared caches.
fn is_kept_private(headers: &HeaderMap) -> bool {
    directives(headers, &CACHE_CONTROL)
        .any(|name| name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("private"))
}

fn varies_by(headers: &HeaderMap, value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else {
        return false;
    };
    value.split(',').map(str::trim).all(|wanted| {
        directives(headers, &VARY).any(|name| name == "*" || name.eq_ignore_ascii_case(wanted))
    })
}

/// The members of a comma-separated header over all its lines.
fn directives<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
