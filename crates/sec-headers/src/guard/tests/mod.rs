mod layer;
mod peers;

use http::{HeaderValue, Request};
use sec_core::Scheme;

use super::*;
use crate::FaultKind;

fn context(scheme: Scheme, authority: &str, path: &str) -> RequestContext {
    RequestContext::builder()
        .scheme(scheme)
        .authority(authority)
        .unwrap()
        .path(path)
        .build()
}

fn verify(
    guard: &CrossOriginGuard,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(), CrossOriginReason> {
    verify_at(guard, Scheme::Https, "example.com", method, path, headers)
}

fn verify_at(
    guard: &CrossOriginGuard,
    scheme: Scheme,
    authority: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(), CrossOriginReason> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let request = request.body(()).unwrap();
    let context = context(scheme, authority, path);
    guard
        .verify((&request).into(), &context)
        .map_err(|refusal| refusal.reason())
}

const SITE: &str = "sec-fetch-site";
const EVIL: (&str, &str) = ("origin", "https://attacker.example");

/// The expectations of Go's TestCrossOriginProtectionSecFetchSite.
#[test]
fn sec_fetch_site_decides_first() {
    use CrossOriginReason::{Null, Origin, Site};
    let rows: [(&str, &str, &str, Result<(), CrossOriginReason>); 21] = [
        ("POST", "same-origin", "", Ok(())),
        ("POST", "none", "", Ok(())),
        ("POST", "cross-site", "", Err(Site)),
        ("POST", "same-site", "", Err(Site)),
        ("POST", "", "", Ok(())),
        ("POST", "", "https://example.com", Ok(())),
        ("POST", "", "https://attacker.example", Err(Origin)),
        ("POST", "", "null", Err(Null)),
        ("GET", "cross-site", "", Ok(())),
        ("HEAD", "cross-site", "", Ok(())),
        ("OPTIONS", "cross-site", "", Ok(())),
        ("PUT", "cross-site", "", Err(Site)),
        // Further ones of tower-http, and our own.
        ("DELETE", "cross-site", "", Err(Site)),
        ("PATCH", "same-site", "https://sub.example.com", Err(Site)),
        ("TRACE", "cross-site", "", Err(Site)),
        ("CONNECT", "cross-site", "", Err(Site)),
        ("QUERY", "cross-site", "", Err(Site)),
        ("POST", "whatever", "", Err(Site)),
        ("POST", "Same-Origin", "", Err(Site)),
        ("POST", "same-origin, cross-site", "", Err(Site)),
        ("POST", "cross-site", "https://example.com", Err(Site)),
    ];
    let guard = CrossOriginGuard::new();
    for (method, site, origin, expected) in rows {
        // An empty header is the same as none.
        let headers = [(SITE, site), ("origin", origin)];
        assert_eq!(
            verify(&guard, method, "/", &headers),
            expected,
            "{method} {site} {origin}"
        );
        let present: Vec<_> = headers
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        assert_eq!(
            verify(&guard, method, "/", &present),
            expected,
            "{method} {site} {origin}"
        );
    }
}

/// Go's TestCrossOriginProtectionTrustedOriginBypass.
#[test]
fn a_pattern_trusts_sub_domains_and_nothing_that_looks_like_them() {
    let guard = CrossOriginGuard::new()
        .trust("https://*.tenants.example")
        .unwrap();
    for (origin, passes) in [
        ("https://a.tenants.example", true),
        ("https://A.B.tenants.example:443", true),
        ("https://tenants.example", false),
        ("https://eviltenants.example", false),
        ("http://a.tenants.example", false),
        ("https://a.tenants.example.evil.example", false),
        ("https://user@a.tenants.example", false),
    ] {
        for site in ["cross-site", ""] {
            let mut request = Request::post("/").header("origin", origin);
            if !site.is_empty() {
                request = request.header("sec-fetch-site", site);
            }
            let request = request.body(()).unwrap();
            let context = RequestContext::builder()
                .authority("api.example")
                .unwrap()
                .build();
            let verdict = guard.verify(RequestView::from(&request), &context);
            assert_eq!(verdict.is_ok(), passes, "{origin} {site}");
        }
    }
    assert!(CrossOriginGuard::new().trust("https://*.com").is_err());
}

#[test]
fn trusted_origins_pass_however_they_are_spelled() {
    let guard = CrossOriginGuard::new()
        .trust("HTTPS://Trusted.example:443")
        .unwrap();
    let refused = Err(CrossOriginReason::Site);
    for (origin, site, expected) in [
        ("https://trusted.example", "", Ok(())),
        ("https://trusted.example", "cross-site", Ok(())),
        ("https://trusted.example", "same-site", Ok(())),
        ("https://TRUSTED.example:443", "cross-site", Ok(())),
        (
            "https://attacker.example",
            "",
            Err(CrossOriginReason::Origin),
        ),
        ("https://attacker.example", "cross-site", refused),
        ("http://trusted.example", "cross-site", refused),
        (
            "https://trusted.example.attacker.example",
            "cross-site",
            refused,
        ),
        ("https://attacker@trusted.example", "cross-site", refused),
        ("null", "cross-site", refused),
    ] {
        let headers = [("origin", origin), (SITE, site)];
        assert_eq!(
            verify(&guard, "POST", "/", &headers),
            expected,
            "{origin} {site}"
        );
    }
    let faults = [
        "null",
        "https://a.example/",
        "a.example",
        "https://u@a.example",
        "*",
    ];
    for origin in faults {
        let error = CrossOriginGuard::new().trust(origin).unwrap_err();
        assert!(error.has(FaultKind::Origin), "{origin}");
    }
}

/// Go's TestCrossOriginProtectionPatternBypass with the expectations after CVE-2025-47910: a path
/// that only becomes an exempt one by cleaning it up is not exempt.
#[test]
fn only_the_path_itself_is_exempt() {
    let paths = PathRules::all().exclude("/bypass").unwrap();
    let guard = CrossOriginGuard::new().paths(paths);
    for (path, exempt) in [
        ("/bypass", true),
        ("/bypass/", true),
        ("/bypass/bar", true),
        ("/api", false),
        ("/api/", false),
        ("/bypassed", false),
        ("/foo/../bypass/bar", false),
        ("/foo/../api/bar", false),
        ("/bypass/../api", false),
        ("/bypass/%2e%2e/api", false),
        ("/bypass/..%2fapi", false),
        ("/bypass//api", false),
        ("//bypass", false),
        ("/bypass\\..\\api", false),
        ("/BYPASS", false),
    ] {
        for headers in [&[EVIL][..], &[EVIL, (SITE, "cross-site")]] {
            let decided = verify(&guard, "POST", path, headers);
            assert_eq!(decided.is_ok(), exempt, "{path} {headers:?}");
        }
    }
}

/// tower-http's test_middleware_origin_host_port_match; where it compares bytes, we compare origins.
#[test]
fn the_origin_is_compared_by_meaning() {
    let https = Scheme::Https;
    for (scheme, authority, origin, same, why) in [
        (
            https,
            "example.com",
            "https://example.com",
            true,
            "default port on both",
        ),
        (
            https,
            "example.com:8443",
            "https://example.com:8443",
            true,
            "own port",
        ),
        (
            https,
            "example.com:443",
            "https://example.com:443",
            true,
            "explicit default port",
        ),
        (
            https,
            "example.com:443",
            "https://example.com",
            true,
            "tower-http falsely refuses",
        ),
        (
            https,
            "example.com",
            "https://example.com:443",
            true,
            "tower-http falsely refuses",
        ),
        (
            https,
            "EXAMPLE.com",
            "https://example.com",
            true,
            "tower-http falsely refuses",
        ),
        (https, "example.com", "https://EXAMPLE.COM", true, "case"),
        (
            Scheme::Http,
            "localhost:3000",
            "http://localhost:3000",
            true,
            "development",
        ),
        (
            Scheme::Http,
            "[::1]:3000",
            "http://[::1]:3000",
            true,
            "IPv6",
        ),
        (
            https,
            "example.com:8443",
            "https://example.com:8444",
            false,
            "other port",
        ),
        (
            https,
            "example.com",
            "https://example.com:8443",
            false,
            "other port",
        ),
        (
            https,
            "example.com",
            "http://example.com",
            false,
            "Go lets plain http through",
        ),
        (
            Scheme::Http,
            "example.com",
            "https://example.com",
            false,
            "other scheme",
        ),
        (
            https,
            "example.com:8443",
            "example.com:8443",
            false,
            "no scheme",
        ),
        (
            https,
            "example.com:8443",
            "ftp://example.com:8443",
            false,
            "other scheme",
        ),
        (https, "example.com", "https://example.com/", false, "path"),
        (
            https,
            "example.com",
            "https://example.com.evil.example",
            false,
            "suffix",
        ),
        (
            https,
            "example.com",
            "https://evil-example.com",
            false,
            "prefix",
        ),
        (
            https,
            "example.com",
            "https://evil@example.com",
            false,
            "go#78563: user information",
        ),
        (
            https,
            "example.com",
            "https://example.com@evil.example",
            false,
            "user information",
        ),
        (
            https,
            "example.com",
            "https://example.com https://evil.example",
            false,
            "a list",
        ),
        (
            https,
            "example.com",
            "\u{fffd}",
            false,
            "not text of an origin",
        ),
    ] {
        let guard = CrossOriginGuard::new();
        let decided = verify_at(
            &guard,
            scheme,
            authority,
            "POST",
            "/",
            &[("origin", origin)],
        );
        assert_eq!(decided.is_ok(), same, "{authority} {origin}: {why}");
    }
}

#[test]
fn what_browsers_send_once_is_not_taken_twice() {
    let guard = CrossOriginGuard::new()
        .trust("https://trusted.example")
        .unwrap();
    let own = ("origin", "https://example.com");
    let rows: [&[(&str, &str)]; 3] = [
        &[(SITE, "same-origin"), (SITE, "cross-site"), own],
        &[own, EVIL],
        &[("origin", "https://trusted.example"), EVIL],
    ];
    for headers in rows {
        let decided = verify(&guard, "POST", "/", headers);
        assert_eq!(decided, Err(CrossOriginReason::Repeated), "{headers:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_unless_the_path_is_exempt() {
    let request = Request::post("/")
        .header(
            "origin",
            HeaderValue::from_bytes(b"https://\xff\xfe").unwrap(),
        )
        .body(())
        .unwrap();
    let guard = CrossOriginGuard::new().paths(PathRules::all().exclude("/hook").unwrap());
    let refused = guard.verify(
        (&request).into(),
        &context(Scheme::Https, "example.com", "/"),
    );
    assert_eq!(refused.unwrap_err().reason(), CrossOriginReason::Malformed);
    let exempt = context(Scheme::Https, "example.com", "/hook");
    assert_eq!(guard.verify((&request).into(), &exempt), Ok(()));
}

#[test]
fn a_section_becomes_a_guard_or_names_its_faults() {
    let config = |json: &str| serde_json::from_str::<GuardConfig>(json);
    assert!(config(r#"{"trusted": []}"#).is_err());
    let good =
        config(r#"{"trusted_origins": ["https://a.example"], "exclude": ["/hook"]}"#).unwrap();
    let guard = CrossOriginGuard::from_config(&good).unwrap();
    let from_a = [("origin", "https://a.example"), (SITE, "cross-site")];
    assert_eq!(verify(&guard, "POST", "/", &from_a), Ok(()));
    assert_eq!(verify(&guard, "POST", "/hook", &[EVIL]), Ok(()));
    assert!(verify(&guard, "POST", "/x", &[EVIL]).is_err());

    let wrong = r#"{"trusted_origins": ["https://a.example", "a.example"], "include": ["x"], "exclude": ["/a", "/b/../c"]}"#;
    let faults = FieldFaults::of(&config(wrong).unwrap());
    let paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
    assert_eq!(paths, ["trusted_origins[1]", "include[0]", "exclude[1]"]);
}
