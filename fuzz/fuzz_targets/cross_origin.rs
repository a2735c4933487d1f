//! The first line of the input is the method; each further line is a header: `+` and a value of
//! `Sec-Fetch-Site`, or `@` and one of `Origin`.
//!
//! What a browser says to come from elsewhere never passes, unless its origin is the trusted one.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderValue, Method, Request, header::ORIGIN};
use libfuzzer_sys::fuzz_target;
use sec_core::{RequestContext, RequestView, Scheme};
use sec_headers::{CrossOriginGuard, names::SEC_FETCH_SITE};

const OWN: &str = "https://app.example";
const TRUSTED: &str = "https://accounts.example";

static PLAIN: LazyLock<CrossOriginGuard> = LazyLock::new(CrossOriginGuard::new);
static TRUSTING: LazyLock<CrossOriginGuard> =
    LazyLock::new(|| CrossOriginGuard::new().trust(TRUSTED).unwrap());
static CONTEXT: LazyLock<RequestContext> = LazyLock::new(|| {
    let context = RequestContext::builder().scheme(Scheme::Https);
    context.authority("app.example").unwrap().build()
});

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Ok(method) = Method::from_bytes(lines.next().unwrap_or_default()) else {
        return;
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    for line in lines {
        let Some((kind, value)) = line.split_first() else {
            continue;
        };
        let Ok(value) = HeaderValue::from_bytes(value) else {
            continue;
        };
        let name = if *kind == b'+' {
            SEC_FETCH_SITE
        } else {
            ORIGIN
        };
        request.headers_mut().append(name, value);
    }
    let plain = PLAIN.verify(RequestView::from(&request), &CONTEXT).is_ok();
    let trusting = TRUSTING
        .verify(RequestView::from(&request), &CONTEXT)
        .is_ok();
    assert!(trusting || !plain, "trust took something away");

    if ["GET", "HEAD", "OPTIONS"].contains(&request.method().as_str()) {
        assert!(plain);
        return;
    }
    let headers = request.headers();
    let sites: Vec<_> = headers.get_all(SEC_FETCH_SITE).iter().collect();
    let origins: Vec<_> = headers.get_all(ORIGIN).iter().collect();
    let names = |origin: &str| matches!(*origins, [only] if is(only, origin));
    let own = match *sites {
        [site] if !site.is_empty() => site == "same-origin" || site == "none",
        // Only what no browser sends has neither.
        [_] | [] => {
            origins.is_empty() || matches!(*origins, [only] if only.is_empty()) || names(OWN)
        }
        _ => false,
    };
    assert_eq!(plain, own, "{headers:?}");
    assert_eq!(trusting, own || names(TRUSTED), "{headers:?}");
});

/// In any case, and with or without the default port.
fn is(header: &HeaderValue, origin: &str) -> bool {
    let text = header.to_str().unwrap_or_default().to_ascii_lowercase();
    text.strip_prefix(origin).is_some_and(|port| {
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse() == Ok(443)
        };
        port.is_empty() || port.strip_prefix(':').is_some_and(number)
    })
}
