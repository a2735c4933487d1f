//! What keeps an answer out of the caches that people share.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::list::members;

pub(super) const POLICIES: [&HeaderName; 2] = [
    &CONTENT_SECURITY_POLICY,
    &CONTENT_SECURITY_POLICY_REPORT_ONLY,
];

/// Keeps an answer with a nonce out of every shared cache: a second reader would get a nonce that the
/// first one has seen. Allocates nothing.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    if !forbids_storing(headers, &CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // Those caches would not look at `Cache-Control` at all.
    while let Some(name) = allowing(headers) {
        headers.remove(name);
    }
}

/// Where `Cache-Control` forbids storing, takes off what would allow it to a single cache.
pub(super) fn keep_from_cdns(headers: &mut HeaderMap) {
    if forbids_storing(headers, &CACHE_CONTROL) {
        keep_private(headers);
    }
}

/// Looks after policies that the handler, or a layer within, wrote itself: whether one has a nonce,
/// whoever made it. From a 304 such a policy is taken off.
pub(super) fn tend_policies(headers: &mut HeaderMap, status: StatusCode) -> bool {
    let mut nonced = false;
    for name in POLICIES {
        if !has_nonce(headers, name) {
            continue;
        }
        if status == StatusCode::NOT_MODIFIED {
            headers.remove(name);
        } else {
            nonced = true;
        }
    }
    nonced
}

fn has_nonce(headers: &HeaderMap, policy: &HeaderName) -> bool {
    const START: &[u8] = b"'nonce-";
    headers.get_all(policy).into_iter().any(|value| {
        let mut places = value.as_bytes().windows(START.len());
        places.any(|place| place.eq_ignore_ascii_case(START))
    })
}

/// Whether this header keeps the answer out of shared caches. `private` beside `public` or `s-maxage`
/// is taken at its least careful word: caches differ about it. So they do about quotes, in which a
/// comma divides nothing, and what has any forbids nothing.
pub(crate) fn forbids_storing(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut values = headers.get_all(name).into_iter();
    if values.any(|value| value.as_bytes().contains(&b'"')) {
        return false;
    }
    let says = |wanted: &str| {
        members(headers, name).any(|said| {
            let (said, _) = said.split_once('=').unwrap_or((said, ""));
            said.trim_end().eq_ignore_ascii_case(wanted)
        })
    };
    says("no-store") || (says("private") && !says("public") && !says("s-maxage"))
}

/// [`forbids_storing`] for a single value.
pub(super) fn forbids_storing_text(value: &HeaderValue) -> bool {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(CACHE_CONTROL, value.clone());
    forbids_storing(&headers, &CACHE_CONTROL)
}

/// A header that lets one cache store the answer, whatever `Cache-Control` says.
pub(crate) fn allowing(headers: &HeaderMap) -> Option<HeaderName> {
    let found = headers.keys().find(|name| match name.as_str() {
        // nginx: seconds, of which 0 forbids.
        "x-accel-expires" => headers.get_all(*name).iter().any(|value| value != "0"),
        _ => is_targeted(name) && !forbids_storing(headers, name),
    });
    found.cloned()
}

/// Whether a header speaks to one cache alone.
pub(super) fn is_targeted(name: &HeaderName) -> bool {
    match name.as_str() {
        // Varnish, Fastly and others (W3C, Edge Architecture); Akamai; nginx.
        "surrogate-control" | "edge-control" | "x-accel-expires" => true,
        // RFC 9213, section 2.2: `CDN-Cache-Control`, and one for each CDN that has its own.
        targeted => targeted.ends_with("-cache-control"),
    }
}
