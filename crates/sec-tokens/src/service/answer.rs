//! What log-in, refresh and log-out answer.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    refresh::{Family, FamilyId},
    token::AccessToken,
};

/// A new access token and the cookie of the refresh token beside it.
#[derive(Debug)]
pub struct TokenPair {
    access: AccessToken,
    cookie: HeaderValue,
    family: Family,
}

impl TokenPair {
    pub(super) fn new(access: AccessToken, cookie: HeaderValue, family: Family) -> Self {
        Self {
            access,
            cookie,
            family,
        }
    }

    /// The access token.
    #[must_use]
    pub fn access(&self) -> &AccessToken {
        &self.access
    }

    /// The `Set-Cookie` of the refresh token, marked sensitive.
    #[must_use]
    pub fn set_cookie(&self) -> &HeaderValue {
        &self.cookie
    }

    /// The session's identifier.
    #[must_use]
    pub fn session(&self) -> FamilyId {
        self.family.id
    }

    /// The session.
    #[must_use]
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// The body of RFC 6749 §5.1: `access_token`, `token_type` and `expires_in`.
    #[must_use]
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: u64,
        }
        let body = Body {
            access_token: self.access.expose(),
            token_type: "Bearer",
            expires_in: self.access.lifetime().as_secs(),
        };
        // Strings and a number always serialise.
        serde_json::to_vec(&body).map_or_else(|_| Bytes::new(), Bytes::from)
    }

    /// The whole answer: 200, the body, the cookie, and no caching (RFC 6749 §5.1).
    #[must_use]
    pub fn respond(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.append(header::SET_COOKIE, self.cookie.clone());
        response
    }
}

/// A log-out: 204 and a cookie that removes the refresh token.
#[derive(Debug, Clone)]
pub struct LoggedOut {
    cookie: HeaderValue,
    ended: usize,
}

impl LoggedOut {
    pub(super) fn new(cookie: HeaderValue, ended: usize) -> Self {
        Self { cookie, ended }
    }

    /// How many sessions ended; 0 when there was none to end.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended
    }

    /// The `Set-Cookie` that removes the refresh token.
    #[must_use]
    pub fn set_cookie(&self) -> &HeaderValue {
        &self.cookie
    }

    /// The whole answer.
    #[must_use]
    pub fn respond(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.append(header::SET_COOKIE, self.cookie.clone());
        response
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for TokenPair {
    fn into_response(self) -> axum_core::response::Response {
        self.respond().map(axum_core::body::Body::from)
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for LoggedOut {
    fn into_response(self) -> axum_core::response::Response {
        self.respond().map(axum_core::body::Body::from)
    }
}
