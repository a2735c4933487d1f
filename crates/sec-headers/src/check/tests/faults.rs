//! What the Observatory does not look for: one row per fault, each with where the rule is from.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::{Check, Report, Severity, check};
use crate::Scheme;

/// A set in which nothing is found, as text.
const CLEAN: &[&str] = &[
    "content-type: text/html",
    "content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "strict-transport-security: max-age=31536000; includeSubDomains",
    "x-content-type-options: nosniff",
    "x-frame-options: DENY",
    "referrer-policy: same-origin",
    "cross-origin-resource-policy: same-origin",
];
const NONCE: &str = "'nonce-MDEyMzQ1Njc4OWFiY2RlZg=='";
const REST: &str = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn map<'a>(lines: impl IntoIterator<Item = &'a str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

/// The clean set, its headers of these names replaced by the lines.
fn with(lines: &[&str]) -> HeaderMap {
    let name = |line: &str| line.split(':').next().unwrap().to_owned();
    let given: Vec<_> = lines.iter().map(|line| name(line)).collect();
    let kept = CLEAN.iter().filter(|line| !given.contains(&name(line)));
    map(kept.chain(lines).copied())
}

fn codes(report: &Report) -> Vec<&'static str> {
    report
        .findings()
        .iter()
        .map(super::super::Finding::code)
        .collect()
}

fn csp(policy: &str) -> String {
    let policy = policy.replace("REST", REST).replace("NONCE", NONCE);
    format!("content-security-policy: {policy}")
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let report = check(&map(CLEAN.iter().copied()));
    assert!(report.is_clean(), "{report}");
    let rows: &[&[&str]] = &[
        &[
            "permissions-policy: camera=(), geolocation=(self \"https://maps.example\"), fullscreen=*",
        ],
        &["permissions-policy: camera=();report-to=\"pp\""],
        &["reporting-endpoints: csp=\"/csp-report\", default=\"https://reports.example/a\""],
        &["cross-origin-opener-policy: same-origin; report-to=\"coop\""],
        &["cross-origin-embedder-policy: require-corp"],
        &["origin-agent-cluster: ?1"],
        &["clear-site-data: \"cache\", \"cookies\", \"storage\""],
        &["cache-control: no-store, max-age=0"],
        &["cache-control: public, max-age=31536000, immutable"],
        &["set-cookie: __Host-session=x; Secure; HttpOnly; SameSite=Lax; Path=/"],
        &["set-cookie: csrf_token=x; Secure; SameSite=Strict; Path=/"],
        &["server: nginx"],
        &["x-xss-protection: 0"],
        &[
            "access-control-allow-origin: https://app.example",
            "vary: Accept, origin",
        ],
        &["access-control-allow-origin: *"],
        &["strict-transport-security: max-age=\"63072000\"; includeSubDomains; preload"],
    ];
    for row in rows {
        let report = check(&with(row));
        assert!(report.is_clean(), "{row:?}\n{report}");
    }
    let policies = [
        "default-src 'none'; script-src NONCE 'strict-dynamic' 'unsafe-inline'; style-src NONCE; REST",
        "default-src 'self'; script-src 'self' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; img-src data: https://*.example.com:8443/x; REST",
        "default-src 'none'; REST; sandbox allow-scripts; require-trusted-types-for 'script'; trusted-types a; report-uri /r",
    ];
    for policy in policies {
        let report = check(&with(&[&csp(policy), "cache-control: no-store"]));
        assert!(report.is_clean(), "{policy}\n{report}");
    }
}

#[test]
fn faults_of_a_policy() {
    let rows = [
        // CSP 3, section 7.1: 128 bits at least; section 2.3.1: base64.
        (
            "default-src 'none'; script-src 'nonce-abc'; REST",
            "csp-nonce-short",
        ),
        (
            "default-src 'none'; script-src 'nonce-MDEyMzQ1Njc4OWFiY2Q='; REST",
            "csp-nonce-short",
        ),
        (
            "default-src 'none'; script-src 'nonce-not base64!'; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'nonce-{{csp_nonce}}'; REST",
            "csp-nonce-not-base64",
        ),
        (
            "default-src 'none'; script-src 'nonce-'; REST",
            "csp-nonce-not-base64",
        ),
        // CSP 3, section 2.2.1: unknown names are ignored, of two the first counts, case does not.
        (
            "default-src 'none'; scrpt-src 'self'; REST",
            "csp-unknown-directive",
        ),
        (
            "default-src 'none'; report-uri /r;x-injected *; REST",
            "csp-unknown-directive",
        ),
        (
            "default-src 'none'; script-src 'self'; Script-Src *; REST",
            "csp-directive-twice",
        ),
        (
            "default-src 'none'; block-all-mixed-content; REST",
            "csp-obsolete-directive",
        ),
        (
            "default-src 'none'; plugin-types application/pdf; REST",
            "csp-obsolete-directive",
        ),
        // Section 2.3.1: without quotes they are hosts. http-security-headers lets them pass.
        (
            "default-src 'none'; script-src self; REST",
            "csp-unquoted-keyword",
        ),
        ("default-src none; REST", "csp-unquoted-keyword"),
        (
            "default-src 'none'; script-src unsafe-inline; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src nonce-MDEyMzQ1Njc4OWFiY2RlZg==; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src \"self\"; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'self; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'https://a.example'; REST",
            "csp-unknown-keyword",
        ),
        (
            "default-src 'none'; script-src 'unsafe-inlin'; REST",
            "csp-unknown-keyword",
        ),
        (
            "default-src 'none'; script-src 'sha256-YWJj'; REST",
            "csp-hash-malformed",
        ),
        (
            "default-src 'none'; script-src 'sha512-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
            "csp-hash-malformed",
        ),
        // Section 6.7.2.4: 'none' counts only alone.
        ("default-src 'none' 'self'; REST", "csp-none-beside-others"),
        (
            "default-src 'none'; img-src https://a.example 'NONE'; REST",
            "csp-none-beside-others",
        ),
        // Sections 6.3, 6.4: these do not fall back to default-src.
        (
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'",
            "csp-no-base-uri",
        ),
        (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            "csp-no-form-action",
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'",
            "csp-no-frame-ancestors",
        ),
        (
            "script-src 'self'; style-src 'self'; REST",
            "csp-no-object-src",
        ),
        // Reporting API, section 3.2: a name without an endpoint reports nowhere.
        (
            "default-src 'none'; report-to nowhere; REST",
            "csp-report-to-unknown",
        ),
        // Section 6.4.2 with section 2.3: `*` matches every ancestor.
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *",
            "csp-frame-ancestors-anyone",
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors https:",
            "csp-frame-ancestors-anyone",
        ),
    ];
    for (policy, code) in rows {
        let report = check(&with(&[&csp(policy), "cache-control: no-store"]));
        assert!(report.has(code), "{policy}: {code} is not among\n{report}");
        assert!(!report.is_clean());
        // It is told for a policy that only reports as well, but for what is missing.
        if !code.starts_with("csp-no-") && !code.starts_with("csp-frame") {
            let line = csp(policy).replace("policy:", "policy-report-only:");
            let report = check(&with(&[&line, "cache-control: no-store"]));
            assert!(
                report.has(code),
                "{policy} as report-only: {code} is not among\n{report}"
            );
        }
    }
}

#[test]
fn a_comma_begins_another_policy() {
    // CSP 3, section 2.2.2. The Observatory reads it as a source.
    let line =
        csp("default-src 'none'; base-uri 'none', form-action 'none'; frame-ancestors 'none'");
    let report = check(&with(&[&line]));
    assert!(
        !report.has("csp-no-form-action") && !report.has("csp-unknown-directive"),
        "{report}"
    );
}

#[test]
fn nonces_over_several_headers() {
    let own = csp("default-src 'none'; script-src NONCE; REST");
    let cache = "cache-control: private";
    let same = "content-security-policy-report-only: script-src 'nonce-MDEyMzQ1Njc4OWFiY2RlZg=='";
    let other = "content-security-policy-report-only: script-src 'nonce-AAEyMzQ1Njc4OWFiY2RlZg=='";
    let report = check(&with(&[&own, same, cache]));
    assert!(report.is_clean(), "{report}");
    assert!(check(&with(&[&own, other, cache])).has("csp-nonces-differ"));

    let (first, second) = (
        with(&[&own, cache]),
        with(&[&own.replace("MDEy", "MDEz"), cache]),
    );
    assert!(Check::new(&first).earlier(&second).run().is_clean());
    assert!(
        Check::new(&first)
            .earlier(&first)
            .run()
            .has("csp-nonce-reused")
    );
}

#[test]
fn a_reporting_endpoint_may_be_named_in_either_header() {
    let own = csp("default-src 'none'; REST; report-to csp");
    for header in [
        "reporting-endpoints: csp=\"/r\"",
        "report-to: {\"group\":\"csp\",\"max_age\":60,\"endpoints\":[{\"url\":\"/r\"}]}, {\"max_age\":1}",
    ] {
        let report = check(&with(&[&own, header]));
        assert!(report.is_clean(), "{report}");
    }
    let report = check(&with(&[&own, "reporting-endpoints: CSP=\"/r\""]));
    assert_eq!(
        codes(&report),
        ["reporting-endpoints-unparsable"],
        "named once, not twice"
    );
}

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
            &["access-control-allow-origin: https://a.example"],
            "cors-no-vary",
        ),
        (
            &[
                "access-control-allow-origin: https://a.example",
                "vary: Accept",
            ],
            "cors-no-vary",
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

#[test]
fn embedding_asks_for_a_resource_policy() {
    let lines = CLEAN
        .iter()
        .copied()
        .filter(|line| !line.starts_with("cross-origin-resource"));
    let headers = map(lines.chain(["cross-origin-embedder-policy: require-corp"]));
    assert_eq!(codes(&check(&headers)), ["coep-without-corp"]);
}

#[test]
fn hsts_over_http_has_no_effect() {
    let report = Check::new(&map(CLEAN.iter().copied()))
        .scheme(Scheme::Http)
        .run();
    assert!(
        report.has("hsts-over-http") && report.has("redirection-missing"),
        "{report}"
    );
}

#[test]
fn a_policy_in_meta_is_read() {
    let html = "<meta http-equiv=Content-Security-Policy content=\"frame-ancestors 'none'; img-src self\">";
    let report = Check::new(&map(CLEAN.iter().copied())).html(html).run();
    assert_eq!(
        codes(&report),
        ["csp-unquoted-keyword", "csp-ignored-in-meta"],
        "{report}"
    );
}

#[test]
fn the_worst_stands_first_and_all_of_it_is_told() {
    let report = check(&map(["x-powered-by: PHP/8.3", "content-type: text/html"]));
    let severities: Vec<_> = report
        .findings()
        .iter()
        .map(super::super::Finding::severity)
        .collect();
    assert!(
        severities.is_sorted_by(|one, next| one >= next),
        "{severities:?}"
    );
    assert_eq!(
        (severities.first(), severities.last()),
        (Some(&Severity::High), Some(&Severity::Low))
    );
    let text = report.to_string();
    assert!(text.starts_with("grade D, 30 points\n"), "{text}");
    for finding in report.findings() {
        for part in [
            finding.header(),
            finding.why(),
            finding.mend(),
            finding.code(),
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
    for assumed in report.assumed() {
        assert!(text.contains(assumed), "{text}");
    }
    assert_eq!(report.assumed().len(), 4);

    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["grade"], "D");
    assert_eq!(json["score"], 30);
    assert_eq!(json["findings"][0]["severity"], "high");
    assert_eq!(json["findings"][0]["points"], -25);
    assert_eq!(json["outcomes"][0]["test"], "content-security-policy");
}

#[test]
fn what_is_repeated_of_a_header_is_safe_and_short() {
    let long = format!("server: 1\u{1b}[2J{}", "x".repeat(10_000)).replace('\u{1b}', "\u{9b}");
    let report = check(&map([long.as_str()]));
    let finding = report
        .findings()
        .iter()
        .find(|f| f.code() == "server-version")
        .unwrap();
    assert!(
        !finding.why().chars().any(char::is_control) && finding.why().len() < 400,
        "{finding}"
    );
}

#[test]
fn a_secret_is_not_repeated() {
    let secret = "c2VjcmV0";
    let cookie = format!("set-cookie: __Host-session={secret}; Path=/x; SameSite=None; Domain=a.b");
    let report = check(&map([cookie.as_str()]));
    assert!(report.has("cookie-prefix-violated"));
    assert!(!report.to_string().contains(secret));
}
