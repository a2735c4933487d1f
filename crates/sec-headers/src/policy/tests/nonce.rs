use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use sec_core::Scheme;

use super::own;
use crate::{Csp, CspNonce, SecHeaders};

#[test]
fn what_carries_a_nonce_is_not_stored_by_shared_caches() {
    let policy = SecHeaders::web_app().build().unwrap();
    for (mine, expected) in [
        (vec![], "no-store"),
        (vec!["public, max-age=31536000"], "no-store"),
        (vec!["max-age=60"], "no-store"),
        (vec!["private=\"set-cookie\""], "no-store"),
        (vec!["private, max-age=60"], "private, max-age=60"),
        (vec!["max-age=0", "PRIVATE"], "max-age=0"),
        (vec!["No-Store"], "No-Store"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        for value in &mine {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        let nonce = CspNonce::generate();
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
        assert_eq!(headers[CACHE_CONTROL], expected, "{mine:?}");
    }
}

#[test]
fn a_304_has_no_nonce() {
    // NetEscapades.AspNetCore.SecurityHeaders #117: the cached page was rendered with another one.
    let nonced = SecHeaders::web_app()
        .csp_report_only(Csp::strict())
        .build()
        .unwrap();
    let mut headers = HeaderMap::new();
    let nonce = CspNonce::generate();
    nonced.apply(
        &mut headers,
        StatusCode::NOT_MODIFIED,
        Scheme::Https,
        Some(&nonce),
    );
    assert!(!headers.contains_key(CONTENT_SECURITY_POLICY));
    assert!(!headers.contains_key(CONTENT_SECURITY_POLICY_REPORT_ONLY));
    assert!(!headers.contains_key(CACHE_CONTROL));
    assert!(headers.contains_key("x-frame-options"));
    let fixed = SecHeaders::api().build().unwrap();
    let mut headers = HeaderMap::new();
    fixed.apply(
        &mut headers,
        StatusCode::NOT_MODIFIED,
        Scheme::Https,
        Some(&nonce),
    );
    assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
}

#[test]
fn assets_have_the_policy_without_nonce_and_stay_cacheable() {
    let policy = SecHeaders::web_app().build().unwrap();
    for (content_type, document) in [
        ("text/html", true),
        ("TEXT/HTML;charset=utf-8", true),
        ("application/xhtml+xml", true),
        ("image/svg+xml", true),
        ("text/xml", true),
        ("text/css", false),
        ("text/javascript; charset=utf-8", false),
        ("application/json", false),
        ("image/png", false),
        ("text/plain", false),
    ] {
        let mut headers = own(&[("cache-control", "public, max-age=31536000, immutable")]);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let nonce = CspNonce::generate();
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
        let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert_eq!(csp.contains("nonce"), document, "{content_type}");
        assert!(csp.contains("script-src"), "{content_type}");
        assert_eq!(
            headers[CACHE_CONTROL] == "no-store",
            document,
            "{content_type}"
        );
    }
}
