use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::apply::directives;

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

/// Whether this header keeps the answer out of shared caches. `private` beside `public` or `s-maxage`
/// is taken at its least careful word: caches differ about it.
fn forbids_storing(headers: &HeaderMap, name: &HeaderName) -> bool {
    let says = |wanted: &str| {
        directives(headers, name).any(|said| {
            let (said, _) = said.split_once('=').unwrap_or((said, ""));
            said.trim_end().eq_ignore_ascii_case(wanted)
        })
    };
    // `private="field"` concerns that field alone, so the whole member is compared.
    let private = || directives(headers, name).any(|said| said.eq_ignore_ascii_case("private"));
    says("no-store") || (private() && !says("public") && !says("s-maxage"))
}

/// A header that lets one cache store the answer, whatever `Cache-Control` says.
fn allowing(headers: &HeaderMap) -> Option<HeaderName> {
    let found = headers.keys().find(|name| match name.as_str() {
        // Varnish, Fastly and others (W3C, Edge Architecture); Akamai.
        "surrogate-control" | "edge-control" => !forbids_storing(headers, name),
        // nginx: seconds, of which 0 forbids.
        "x-accel-expires" => headers.get_all(*name).iter().any(|value| value != "0"),
        // RFC 9213, section 2.2: `CDN-Cache-Control`, and one for each CDN that has its own.
        targeted => targeted.ends_with("-cache-control") && !forbids_storing(headers, name),
    });
    found.cloned()
}
