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
        // RFC 9111, section 4.2.1, asks for the strictest of contradicting words, and not all do so.
        (vec!["private, s-maxage=600"], "no-store"),
        (vec!["public", "private"], "no-store"),
        (vec!["s-maxage = 5, private"], "no-store"),
        (vec!["public, no-store"], "public, no-store"),
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
fn what_carries_a_nonce_is_not_stored_by_a_cdn_either() {
    let policy = SecHeaders::web_app().build().unwrap();
    for (name, value, stays) in [
        // RFC 9213: the cache that such a header names obeys it and not `Cache-Control`.
        ("cdn-cache-control", "max-age=600", false),
        ("cdn-cache-control", "private, s-maxage=600", false),
        ("cdn-cache-control", "no-store", true),
        ("cloudflare-cdn-cache-control", "max-age=600", false),
        ("vercel-cdn-cache-control", "public", false),
        ("netlify-cdn-cache-control", "s-maxage=600", false),
        // W3C note "Edge Architecture Specification", section 2.3.
        ("surrogate-control", "max-age=600", false),
        ("surrogate-control", "no-store", true),
        // Akamai and nginx have words of their own.
        ("edge-control", "!no-store, max-age=1d", false),
        ("x-accel-expires", "600", false),
        ("x-accel-expires", "0", true),
    ] {
        for own_cache_control in [None, Some("private"), Some("public, max-age=600")] {
            let mut headers = own(&[(name, value), ("content-type", "text/html")]);
            if let Some(value) = own_cache_control {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            let cached = headers.clone();
            let nonce = CspNonce::generate();
            policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
            assert_eq!(headers.contains_key(name), stays, "{name}: {value}");
            assert_ne!(headers[CACHE_CONTROL], "public, max-age=600");
            // What carries no nonce keeps them all.
            let mut headers = cached;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
            policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
            assert_eq!(headers[name], value);
        }
    }
}

#[test]
fn a_nonce_in_a_policy_of_the_handler_s_own_counts_as_well() {
    let policy = SecHeaders::web_app().build().unwrap();
    let nonce = CspNonce::generate();
    for name in [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY] {
        let own = HeaderValue::try_from(format!("script-src 'nonce-{nonce}'")).unwrap();
        for content_type in ["text/html", "text/plain"] {
            let mut headers = super::own(&[("cache-control", "public")]);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(name.clone(), own.clone());
            policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
            assert_eq!(headers[&name], own);
            assert_eq!(headers[CACHE_CONTROL], "no-store", "{name}, {content_type}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), own);
        let status = StatusCode::NOT_MODIFIED;
        policy.apply(&mut headers, status, Scheme::Https, Some(&nonce));
        assert!(!headers.contains_key(&name));
    }
    // Another value is the handler's to say.
    let mut headers = super::own(&[("content-security-policy", "default-src 'none'")]);
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
    assert!(!headers.contains_key(CACHE_CONTROL));
}

#[test]
fn a_policy_that_says_nothing_over_http_is_not_sent_there() {
    let csp = Csp::empty().upgrade_insecure_requests(true);
    let policy = SecHeaders::none().csp(csp).build().unwrap();
    for (scheme, there) in [(Scheme::Https, true), (Scheme::Http, false)] {
        let mut headers = HeaderMap::new();
        policy.apply(&mut headers, StatusCode::OK, scheme, None);
        assert_eq!(headers.contains_key(CONTENT_SECURITY_POLICY), there);
    }
}

#[test]
fn a_304_has_no_nonce() {
    // NetEscapades.AspNetCore.SecurityHeaders #117: the cached page was rendered with another one.
    let nonced = SecHeaders::web_app()
        .report_to("csp", "/reports")
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
