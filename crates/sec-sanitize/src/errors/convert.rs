//! Which answers are errors of somebody else, and what becomes of them.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING,
    VARY,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use sec_core::Problem;

/// What describes the body that goes, not the answer.
const OF_THE_BODY: [HeaderName; 12] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    TRAILER,
    TRANSFER_ENCODING,
];

/// What is needed of the request to answer it: both are cheap to keep.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) accept: Option<HeaderValue>,
    pub(super) head: bool,
}

impl Caller {
    pub(super) fn respond(&self, problem: &Problem) -> Response<Bytes> {
        let headers: HeaderMap = self
            .accept
            .clone()
            .map(|value| (ACCEPT, value))
            .into_iter()
            .collect();
        let mut response = problem.respond(&headers);
        if self.head {
            // The length of what GET would send (RFC 9110, section 9.3.2).
            let length = HeaderValue::from(response.body().len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// Whether an answer is a bare error: 4xx or 5xx that no one gave a body of a type of its own.
pub(super) fn is_foreign<B: http_body::Body>(parts: &Parts, body: &B) -> bool {
    let error = parts.status.is_client_error() || parts.status.is_server_error();
    if !error || parts.extensions.get::<Problem>().is_some() {
        return false;
    }
    let Some(media) = parts.headers.get(CONTENT_TYPE) else {
        return true;
    };
    let media = media
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media.trim().eq_ignore_ascii_case("text/plain")
        || body.is_end_stream()
        || body.size_hint().exact() == Some(0)
}

/// The problem in place of the body: headers that are about the answer (`Allow`, `WWW-Authenticate`, `Retry-After`,
/// `Set-Cookie`, ...) and extensions stay.
pub(super) fn replace_body(mut old: Parts, new: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = new.into_parts();
    for name in OF_THE_BODY {
        old.headers.remove(name);
    }
    // What the problem sets wins (`Cache-Control: no-store`), but both may vary.
    for name in parts.headers.keys().filter(|name| **name != VARY) {
        old.headers.remove(name);
    }
    for (name, value) in &parts.headers {
        old.headers.append(name, value.clone());
    }
    parts.headers = old.headers;
    old.extensions.extend(parts.extensions);
    parts.extensions = old.extensions;
    Response::from_parts(parts, body)
}
