use super::super::super::{Check, check};
use super::with;

#[test]
fn faults_of_other_headers() {
    let rows: &[(&[&str], &str)] = &[
        // A shared cache would give one nonce to everybody (NetEscapades.AspNetCore #117).
        (
            &[
                "content-security-policy: default-src 'none'; script-src 'nonce-MDEyMzQ1Njc4OWFiY2RlZg=='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ],
            "nonce-cacheable",
        ),
        (
            &[
                "content-security-policy-report-only: script-src 'nonce-MDEyMzQ1Njc4OWFiY2RlZg=='",
                "cache-control: public, max-age=60",
            ],
            "nonce-cacheable",
        ),
        // RFC 9651, section 4.2: one error drops the whole of it. Rows of http-security-headers' faults.
        (
            &["permissions-policy: camera 'none'; microphone 'self'"],
            "permissions-policy-unparsable",
        ),
        (
            &["permissions-policy: camera=('self')"],
            "permissions-policy-unparsable",
        ),
        (
            &["permissions-policy: Camera=()"],
            "permissions-policy-unparsable",
        ),
        (
            &["permissions-policy: 1st=()"],
            "permissions-policy-unparsable",
        ),
        (
            &["permissions-policy: camera=(),"],
            "permissions-policy-unparsable",
        ),
        (
            &["permissions-policy: camera=/x"],
            "permissions-policy-unparsable",
        ),
        // Permissions Policy, section 5.2: what is no list is ignored.
        (
            &["permissions-policy: geolocation=\"https://maps.example\""],
            "permissions-policy-ignored",
        ),
        (
            &["permissions-policy: camera"],
            "permissions-policy-ignored",
        ),
        (
            &["permissions-policy: camera=(none)"],
            "permissions-policy-ignored",
        ),
        (
            &["permissions-policy: camera=(\"maps.example\")"],
            "permissions-policy-ignored",
        ),
        // Reporting API, section 3.2.
        (
            &["reporting-endpoints: csp=/r"],
            "reporting-endpoints-unparsable",
        ),
        (
            &["reporting-endpoints: Csp=\"/r\""],
            "reporting-endpoints-unparsable",
        ),
        (
            &["reporting-endpoints: csp=token"],
            "reporting-endpoint-ignored",
        ),
        (
            &["reporting-endpoints: csp=(\"/r\")"],
            "reporting-endpoint-ignored",
        ),
        (
            &["reporting-endpoints: csp=\"http://reports.example/\""],
            "reporting-endpoint-address",
        ),
        (
            &["reporting-endpoints: csp=\"r\""],
            "reporting-endpoint-address",
        ),
        // HTML, sections 7.1.3 and 7.1.4: another value counts as unsafe-none.
        (&["cross-origin-opener-policy: sameorigin"], "coop-invalid"),
        (
            &["cross-origin-opener-policy: \"same-origin\""],
            "coop-invalid",
        ),
        (
            &["cross-origin-opener-policy: same-origin, same-origin"],
            "coop-invalid",
        ),
        (
            &["cross-origin-embedder-policy: require-cors"],
            "coep-invalid",
        ),
        (&["origin-agent-cluster: 1"], "origin-agent-cluster-invalid"),
        // RFC 6797, section 6.1; hstspreload.org for the preload list.
        (
            &["strict-transport-security: max-age=abc"],
            "hsts-max-age-invalid",
        ),
        (
            &["strict-transport-security: max-age='31536000'"],
            "hsts-max-age-invalid",
        ),
        (
            &["strict-transport-security: max-age=\"\"31536000\"\""],
            "hsts-max-age-invalid",
        ),
        (
            &["strict-transport-security: max-age=31536000; max-age=0"],
            "hsts-directive-twice",
        ),
        (
            &["strict-transport-security: max-age=31536000; includeSubDomain"],
            "hsts-unknown-directive",
        ),
        (
            &["strict-transport-security: max-age=31536000; preload"],
            "hsts-preload-conditions",
        ),
        (
            &["strict-transport-security: max-age=15552000; includeSubDomains; preload"],
            "hsts-preload-conditions",
        ),
        (
            &["strict-transport-security: max-age=15552000"],
            "hsts-under-a-year",
        ),
        // RFC 6265bis, section 4.1.3; browsers compare prefixes without case.
        (
            &["set-cookie: __Host-a=b; Secure; Path=/; Domain=example.com; SameSite=Lax"],
            "cookie-prefix-violated",
        ),
        (
            &["set-cookie: __Host-a=b; Secure; Path=/x; SameSite=Lax"],
            "cookie-prefix-violated",
        ),
        (
            &["set-cookie: __Host-a=b; Path=/; SameSite=Lax"],
            "cookie-prefix-violated",
        ),
        (
            &["set-cookie: __Secure-a=b; SameSite=Lax"],
            "cookie-prefix-violated",
        ),
        (
            &["set-cookie: __secure-a=b; SameSite=Lax"],
            "cookie-prefix-violated",
        ),
        (
            &["set-cookie: a=b; SameSite=None"],
            "cookie-samesite-none-insecure",
        ),
        // CHIPS, section 2.1.
        (
            &["set-cookie: a=b; Partitioned; SameSite=Lax"],
            "cookie-partitioned-insecure",
        ),
        // OWASP Session Management Cheat Sheet, "HttpOnly Attribute".
        (
            &["set-cookie: connect.sid=b; Secure; SameSite=Lax"],
            "cookie-session-readable",
        ),
        (
            &["set-cookie: refresh_token=b; Secure; SameSite=Lax"],
            "cookie-session-readable",
        ),
        (
            &["set-cookie: jwt=b; Secure; SameSite=Lax"],
            "cookie-session-readable",
        ),
        // RFC 6265, section 4.1.1.
        (
            &[
                "set-cookie: a=b; Secure; SameSite=Lax",
                "set-cookie: a=c; Secure; SameSite=Lax",
            ],
            "cookie-set-twice",
        ),
        // Fetch, section 3.3.
        (
            &[
                "access-control-allow-origin: *",
                "access-control-allow-credentials: true",
            ],
            "cors-wildcard-with-credentials",
        ),
        (&["access-control-allow-origin: null"], "cors-null"),
        (
            &[
                "access-control-allow-origin: null",
                "access-control-allow-credentials: true",
            ],
            "cors-null",
        ),
        (
            &[
                "access-control-allow-origin: https://a.example",
                "access-control-allow-origin: https://b.example",
            ],
            "cors-repeated",
        ),
        (
            &["access-control-allow-origin: https://a.example, https://b.example"],
            "cors-repeated",
        ),
        (
            &["access-control-allow-origin: https://a.example/"],
            "cors-not-an-origin",
        ),
        (
            &["access-control-allow-origin: https://*.example"],
            "cors-not-an-origin",
        ),
        (
            &[
                "access-control-allow-origin: https://a.example",
                "vary: Origin",
                "access-control-allow-credentials: True",
            ],
            "cors-credentials-value",
        ),
        (
            &[
                "access-control-allow-origin: https://a.example",
                "vary: Origin",
                "access-control-allow-credentials: true",
                "access-control-allow-headers: *",
            ],
            "cors-literal-wildcard",
        ),
        // OWASP HTTP Headers Cheat Sheet: X-Frame-Options, X-XSS-Protection, obsolete and telling ones.
        (
            &["x-frame-options: ALLOW-FROM https://a.example"],
            "x-frame-options-allow-from",
        ),
        (
            &["x-frame-options: SAMEORIGIN"],
            "x-frame-options-contradicts-csp",
        ),
        (&["x-xss-protection: 1; mode=block"], "xss-filter-on"),
        (
            &["public-key-pins: pin-sha256=\"x\"; max-age=1"],
            "obsolete-header",
        ),
        (&["expect-ct: max-age=1"], "obsolete-header"),
        (&["feature-policy: camera 'none'"], "obsolete-header"),
        (&["p3p: CP=\"x\""], "obsolete-header"),
        (
            &["x-content-security-policy: default-src 'none'"],
            "obsolete-header",
        ),
        (&["server: Apache/2.4.58 (Unix)"], "server-version"),
        (&["x-powered-by: PHP/8.3"], "telling-header"),
        (&["x-aspnet-version: 4.0.30319"], "telling-header"),
        (&["x-generator: Drupal 10"], "telling-header"),
        // Clear Site Data, section 3.1.
        (&["clear-site-data: cookies"], "clear-site-data-invalid"),
        (&["clear-site-data: \"cookie\""], "clear-site-data-invalid"),
        // RFC 9111, sections 5.2.2.5, 5.2.2.9 and 7.3.
        (
            &["cache-control: public, no-store"],
            "cache-control-contradiction",
        ),
        (
            &["cache-control: private, s-maxage=60"],
            "cache-control-contradiction",
        ),
        (
            &["cache-control: no-store, max-age=3600"],
            "cache-control-contradiction",
        ),
        (
            &[
                "cache-control: public, max-age=60",
                "set-cookie: a=b; Secure; SameSite=Lax",
            ],
            "cache-control-public-cookie",
        ),
    ];
    for (lines, code) in rows {
        let report = check(&with(lines));
        assert!(report.has(code), "{lines:?}: {code} is not among\n{report}");
        assert!(!report.is_clean());
        let headers = with(lines);
        let accepted = Check::new(&headers).accept(code).run();
        assert!(!accepted.has(code), "{accepted}");
        assert_eq!(
            accepted.score(),
            report.score(),
            "what is accepted does not change points"
        );
    }
}
