use http::{Method, StatusCode};
use sec_core::{RequestContext, Scheme};

use super::HeaderPolicy;
use crate::nonce::CspNonce;

/// What an answer is to, and how it turned out: by this [`HeaderPolicy::apply_for`] decides.
///
/// ```
/// use http::{Method, StatusCode};
/// use sec_headers::{Answer, Scheme};
///
/// let answer = Answer::new(&Method::GET, "/static/app.js", StatusCode::OK).scheme(Scheme::Https);
/// assert!(answer.nonce.is_none());
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[must_use]
pub struct Answer<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's path as the client sent it, without its query.
    pub path: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The client's scheme: some headers are for https alone. Default: http.
    pub scheme: Scheme,
    /// The nonce that the page was rendered with. Default: none.
    pub nonce: Option<&'a CspNonce>,
    /// Whether the request carried `Authorization`, or its sender was recognised in another way: its
    /// answer is then never made `public` by a cache rule (RFC 9111, section 3.5). Default: `false`.
    pub authorized: bool,
    /// The header set that the handler chose. Default: none.
    pub chosen: Option<&'a HeaderPolicy>,
}

impl<'a> Answer<'a> {
    /// An answer to this request. The path is the original one, without its query.
    pub const fn new(method: &'a Method, path: &'a str, status: StatusCode) -> Self {
        Self {
            method,
            path,
            status,
            scheme: Scheme::Http,
            nonce: None,
            authorized: false,
            chosen: None,
        }
    }

    /// An answer to the request of this context: method, original path and scheme are its.
    pub fn of(context: &'a RequestContext, status: StatusCode) -> Self {
        Self::new(context.method(), context.path(), status).scheme(context.scheme())
    }

    /// The client's scheme.
    pub const fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// The nonce that the page was rendered with.
    pub const fn nonce(mut self, nonce: Option<&'a CspNonce>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Whether the request carried `Authorization`.
    pub const fn authorized(mut self, authorized: bool) -> Self {
        self.authorized = authorized;
        self
    }

    /// The header set that the handler chose.
    pub const fn chosen(mut self, policy: Option<&'a HeaderPolicy>) -> Self {
        self.chosen = policy;
        self
    }
}
