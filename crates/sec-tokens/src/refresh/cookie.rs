//! The cookie that carries a refresh token.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use sec_core::{Authority, Scheme};

use super::token::RefreshToken;

const NAME: &str = "__Host-refresh";
const DEVELOPMENT_NAME: &str = "refresh";
const CLEAR: &str = "__Host-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";
const DEVELOPMENT_CLEAR: &str = "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";

/// The refresh token as cookie: `__Host-refresh`, `HttpOnly`, `Secure`, `SameSite=Strict`, `Path=/`.
///
/// The prefix makes the browser refuse such a cookie from a subdomain or over plain HTTP, so that
/// nobody can plant one (RFC 6265bis §4.1.3.2); it also prescribes the path. `SameSite=Strict` does
/// not replace a cross-origin guard: sites of one domain are the same site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshCookie {
    development: bool,
}

/// A `Cookie` header from which no token is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name occurs twice: one of the two was planted, and nothing says which.
    #[error("the refresh cookie occurs twice")]
    Duplicate,
    /// The value is no refresh token.
    #[error("the refresh cookie is malformed")]
    Malformed,
}

impl RefreshCookie {
    /// The secure cookie.
    #[must_use]
    pub const fn new() -> Self {
        Self { development: false }
    }

    /// Over plain HTTP on the loopback, a cookie named `refresh` without prefix and `Secure`, which browsers keep
    /// there. Default: off. [`for_client`](Self::for_client) gives the secure one to everybody else, so forgetting
    /// this in a deployment leaks nothing.
    #[must_use]
    pub const fn insecure_for_loopback_development(self) -> Self {
        Self { development: true }
    }

    /// The cookie for a client that asked for this authority over this scheme: the secure one, unless this is the
    /// development cookie and the client speaks plain HTTP to `localhost`, `*.localhost`, `127.0.0.0/8` or
    /// `[::1]`.
    #[must_use]
    pub fn for_client(self, scheme: Scheme, authority: &Authority) -> Self {
        Self {
            development: self.development && !scheme.is_https() && authority.is_loopback(),
        }
    }

    /// The cookie's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        if self.development {
            DEVELOPMENT_NAME
        } else {
            NAME
        }
    }

    /// A `Set-Cookie` that lives as long as the token's family still does. The value is marked
    /// sensitive, so that logs of headers leave it out.
    #[must_use]
    pub fn set(&self, token: &RefreshToken, max_age: Duration) -> HeaderValue {
        let secure = if self.development { "" } else { " Secure;" };
        let text = zeroize::Zeroizing::new(format!(
            "{}={}; Path=/; Max-Age={}; HttpOnly;{secure} SameSite=Strict",
            self.name(),
            token.expose().as_str(),
            max_age.as_secs(),
        ));
        // Every part of it is printable ASCII; if it ever were not, the client is logged out.
        let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| self.clear());
        value.set_sensitive(true);
        value
    }

    /// A `Set-Cookie` that removes it.
    #[must_use]
    pub fn clear(&self) -> HeaderValue {
        HeaderValue::from_static(if self.development {
            DEVELOPMENT_CLEAR
        } else {
            CLEAR
        })
    }

    /// The token of a request, looked for in every `Cookie` line (HTTP/2 may split them, RFC 9113
    /// §8.2.3).
    ///
    /// # Errors
    ///
    /// [`CookieError::Duplicate`] and [`CookieError::Malformed`]. Neither is to be read as "no cookie".
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<RefreshToken>, CookieError> {
        let mut found = None;
        for line in headers.get_all(header::COOKIE) {
            for pair in line.as_bytes().split(|&byte| byte == b';') {
                let Some(value) = value_of(pair, self.name()) else {
                    continue;
                };
                if found.replace(value).is_some() {
                    return Err(CookieError::Duplicate);
                }
            }
        }
        let Some(value) = found else { return Ok(None) };
        let text = std::str::from_utf8(value).map_err(|_| CookieError::Malformed)?;
        RefreshToken::parse(text)
            .map(Some)
            .ok_or(CookieError::Malformed)
    }
}

impl Default for RefreshCookie {
    fn default() -> Self {
        Self::new()
    }
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut parts = pair.splitn(2, |&byte| byte == b'=');
    let key = parts.next()?.trim_ascii();
    let value = parts.next()?.trim_ascii();
    (key == name.as_bytes()).then_some(value)
}
