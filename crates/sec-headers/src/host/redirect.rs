//! Where a request over http belongs.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use sec_core::{Authority, Scheme};

/// The same request over https: 308, which keeps method and body (RFC 9110 §15.4.9).
///
/// `Cache-Control: no-store`, although a 308 could be cached. Browsers are to remember https by
/// `Strict-Transport-Security`, which can be taken back; a redirect in a cache cannot, and where a cache
/// leaves the scheme out of its key it would answer https requests as well and turn them in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsRedirect {
    location: HeaderValue,
}

impl HttpsRedirect {
    /// `None` when the parts make no header, which parts of a request always do.
    pub(super) fn new(
        authority: &Authority,
        port: u16,
        path: &str,
        query: Option<&str>,
    ) -> Option<Self> {
        let size = authority.host().len().saturating_add(path.len());
        let size = size.saturating_add(query.map_or(0, str::len));
        let mut url = String::with_capacity(size.saturating_add("https://:65535?".len()));
        url.push_str("https://");
        url.push_str(authority.host());
        if port != Scheme::Https.default_port() {
            write!(url, ":{port}").ok()?;
        }
        // From here on nothing is part of the authority any more: a path such as `//evil.example` stays one.
        // What is no path (`OPTIONS *`) is about the server as a whole.
        encode(&mut url, if path.starts_with('/') { path } else { "/" })?;
        if let Some(query) = query {
            url.push('?');
            encode(&mut url, query)?;
        }
        let location = HeaderValue::try_from(url).ok()?;
        Some(Self { location })
    }

    /// The address: `https`, a listed host, and the path and query that were asked for.
    #[must_use]
    pub const fn location(&self) -> &HeaderValue {
        &self.location
    }

    /// The answer.
    #[must_use]
    pub fn respond(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let headers = response.headers_mut();
        headers.insert(LOCATION, self.location.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Leaves what is there as it is, and encodes what would not arrive as it is: bytes that are not visible
/// ASCII, and the backslash, which browsers read as `/` (WHATWG URL, "path state").
fn encode(url: &mut String, text: &str) -> Option<()> {
    for byte in text.bytes() {
        match byte {
            b'\\' | b'#' => write!(url, "%{byte:02X}").ok()?,
            0x21..=0x7e => url.push(char::from(byte)),
            _ => write!(url, "%{byte:02X}").ok()?,
        }
    }
    Some(())
}
