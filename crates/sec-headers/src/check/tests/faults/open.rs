//! Headers other than the policy that look right and leave something open.

use super::super::super::{Severity, check};
use super::{csp, with};
use Severity::{High, Low, Medium};

const NONCED: &str = "default-src 'none'; script-src NONCE; REST";

#[test]
fn a_nonce_that_some_cache_may_keep() {
    let rows: [(&[&str], Option<&str>); 16] = [
        // RFC 9111, section 5.2.2.7: with field names, `private` concerns those fields alone.
        (
            &["cache-control: private=\"x\", max-age=60"],
            Some("nonce-cacheable"),
        ),
        (
            &["cache-control: max-age=60, private=\"a, no-store\""],
            Some("nonce-cacheable"),
        ),
        (
            &["cache-control: private, s-maxage=60"],
            Some("nonce-cacheable"),
        ),
        (&["cache-control: public, private"], Some("nonce-cacheable")),
        (&["cache-control: no-cache"], Some("nonce-cacheable")),
        // RFC 9213, section 2.2: a targeted header stands before Cache-Control.
        (
            &["cache-control: no-store", "cdn-cache-control: max-age=60"],
            Some("nonce-cacheable-by-cdn"),
        ),
        (
            &[
                "cache-control: no-store",
                "cloudflare-cdn-cache-control: max-age=60",
            ],
            Some("nonce-cacheable-by-cdn"),
        ),
        // Edge Architecture Specification, section 2.1; nginx, ngx_http_proxy_module.
        (
            &["cache-control: no-store", "surrogate-control: max-age=60"],
            Some("nonce-cacheable-by-cdn"),
        ),
        (
            &["cache-control: private", "x-accel-expires: 60"],
            Some("nonce-cacheable-by-cdn"),
        ),
        (
            &["cache-control: no-store", "edge-control: max-age=60"],
            Some("nonce-cacheable-by-cdn"),
        ),
        (&["cache-control: no-store"], None),
        (&["cache-control: private, max-age=60"], None),
        (
            &["cache-control: no-store", "cdn-cache-control: no-store"],
            None,
        ),
        (&["cache-control: no-store", "x-accel-expires: 0"], None),
        (
            &["cache-control: no-store", "surrogate-control: no-store"],
            None,
        ),
        (
            &["cache-control: PRIVATE", "cdn-cache-control: private"],
            None,
        ),
    ];
    for (lines, code) in rows {
        let policy = csp(NONCED);
        let lines: Vec<_> = lines.iter().copied().chain([policy.as_str()]).collect();
        let report = check(&with(&lines));
        match code {
            Some(code) => {
                let mut found = report.findings().iter().filter(|f| f.code() == code);
                assert_eq!(
                    found.next().map(|f| f.severity()),
                    Some(High),
                    "{lines:?}\n{report}"
                );
            }
            None => assert!(report.is_clean(), "{lines:?}\n{report}"),
        }
    }
}

#[test]
fn what_looks_right() {
    let rows = [
        // RFC 6265bis, section 5.7: a Path must be said; the last attribute counts; no name, no prefix.
        (
            "set-cookie: __Host-a=b; Secure; HttpOnly; SameSite=Lax",
            "cookie-prefix-violated",
            High,
        ),
        (
            "set-cookie: __Host-a=b; Secure; SameSite=Lax; Path=/; Path=/x",
            "cookie-prefix-violated",
            High,
        ),
        (
            "set-cookie: __Http-a=b; Secure; SameSite=Lax; Path=/",
            "cookie-prefix-violated",
            High,
        ),
        (
            "set-cookie: __Host-Http-a=b; Secure; HttpOnly; SameSite=Lax",
            "cookie-prefix-violated",
            High,
        ),
        (
            "set-cookie: =__Host-sid=1; Secure; Path=/; SameSite=Lax",
            "cookie-nameless-prefix",
            High,
        ),
        (
            "set-cookie:  = __secure-sid=1; Secure; SameSite=Lax",
            "cookie-nameless-prefix",
            High,
        ),
        (
            "set-cookie: __Host-sid; Secure; Path=/; SameSite=Lax",
            "cookie-nameless-prefix",
            High,
        ),
        (
            "set-cookie: =b; Secure; SameSite=Lax",
            "cookie-nameless",
            Low,
        ),
        (
            "set-cookie: a=b; Secure; SameSite=Strict; SameSite=None",
            "cookie-attribute-twice",
            Medium,
        ),
        (
            "set-cookie: a=b; Secure; SameSite=Lax; domain=a.example; Domain=example",
            "cookie-attribute-twice",
            Medium,
        ),
        (
            "set-cookie: a=b; SameSite=Strict; samesite = NONE",
            "cookie-samesite-none-insecure",
            High,
        ),
        // HTML, section 7.5.2; frame-ancestors stands beside them and hides them from the Observatory.
        ("x-frame-options: ALLOWALL", "x-frame-options-not-one", Low),
        (
            "x-frame-options: SAMEORIGIN, DENY",
            "x-frame-options-not-one",
            Low,
        ),
        (
            "x-frame-options: SAMEORIGIN",
            "x-frame-options-contradicts-csp",
            Low,
        ),
        // OWASP Secure Headers Project, X-Permitted-Cross-Domain-Policies.
        (
            "x-permitted-cross-domain-policies: all",
            "cross-domain-policies-all",
            Low,
        ),
        // Permissions Policy, section 9.
        (
            "permissions-policy: camera=*",
            "permissions-policy-anyone",
            Low,
        ),
        (
            "permissions-policy: camera=(), usb=(self *)",
            "permissions-policy-anyone",
            Low,
        ),
        // HTML, section 7.1.3.
        (
            "cross-origin-opener-policy: unsafe-none; report-to=\"a\"",
            "coop-unsafe-none",
            Low,
        ),
        // Encoding, section 4.2: `utf-7` and what is no label count as not said; ISO-2022-JP has states.
        (
            "content-type: text/html; charset=utf-7",
            "content-type-charset",
            Medium,
        ),
        (
            "content-type: text/html;charset=\"ISO-2022-JP\"",
            "content-type-charset",
            Medium,
        ),
        (
            "content-type: image/svg+xml; charset=UTF-16LE",
            "content-type-charset",
            Medium,
        ),
        (
            "content-type: text/html; charset=utf8mb4",
            "content-type-charset",
            Medium,
        ),
    ];
    for (line, code, severity) in rows {
        let report = check(&with(&[line]));
        let found: Vec<_> = report
            .findings()
            .iter()
            .filter(|finding| finding.code() == code)
            .map(|finding| (finding.severity(), finding.points()))
            .collect();
        assert_eq!(found, [(severity, 0)], "{line}: {code} in\n{report}");
    }
}

/// MIME Sniffing, section 7: without a type, and without `nosniff`, an upload may be taken for a page.
#[test]
fn what_browsers_guess() {
    assert!(check(&http::HeaderMap::new()).has("content-type-missing"));
    let no_type = "content-type: ";
    for (lines, guessed) in [
        (&[no_type, "x-content-type-options: "][..], true),
        (&[no_type, "x-content-type-options: sniff"], true),
        (&[no_type], false),
        (
            &[no_type, "x-content-type-options: ", "content-length: 0"],
            false,
        ),
        (
            &[no_type, "x-content-type-options: ", "location: /login"],
            false,
        ),
    ] {
        let report = check(&with(lines));
        let found = report
            .findings()
            .iter()
            .find(|f| f.code() == "content-type-missing");
        let found = found.map(|finding| finding.severity());
        assert_eq!(found, guessed.then_some(Medium), "{lines:?}\n{report}");
    }
}

#[test]
fn what_is_right() {
    let rows: &[&[&str]] = &[
        &["set-cookie: __Host-Http-a=b; Secure; HttpOnly; SameSite=Lax; Path=/"],
        &["set-cookie: __Host-a=b; path=/; secure; SameSite=Lax; domain="],
        &["set-cookie: __Secure-a=b; Secure; SameSite=Lax"],
        &["set-cookie: a=__Host-b; Secure; SameSite=Lax; samesite=lax; Secure"],
        &["x-frame-options: DENY", "x-frame-options: deny"],
        &["x-permitted-cross-domain-policies: none"],
        &["x-permitted-cross-domain-policies: master-only"],
        &["permissions-policy: fullscreen=*, autoplay=*, storage-access=*"],
        &["cross-origin-opener-policy: same-origin-allow-popups"],
        &["content-type: text/html; charset=\"UTF-8\""],
        &["content-type: text/html; charset=windows-1252"],
        &["content-type: text/html; Charset=Shift_JIS"],
        &["content-type: application/json; charset=utf-7"],
        &["content-type: multipart/form-data; boundary=a"],
    ];
    for lines in rows {
        let report = check(&with(lines));
        assert!(report.is_clean(), "{lines:?}\n{report}");
    }
}
