//! What the Observatory does not look for: one row per fault, each with where the rule is from.

mod breadth;
mod causes;
mod open;
mod page;
mod policy;
mod rows;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::{CODES, Check, Report, Severity, Standing, Test, check};
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
        // The same for everybody, as far as one answer tells.
        &["access-control-allow-origin: https://app.example"],
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

#[test]
fn every_code_is_listed_once_and_can_be_found() {
    // That none is missing, `Findings` asserts in every test.
    assert!(CODES.is_sorted_by(|one, next| one < next));
    let sources = concat!(
        include_str!("../../cache.rs"),
        include_str!("../../content_type.rs"),
        include_str!("../../cookie_lint.rs"),
        include_str!("../../cookies.rs"),
        include_str!("../../cors.rs"),
        include_str!("../../csp.rs"),
        include_str!("../../csp_breadth.rs"),
        include_str!("../../csp_lint.rs"),
        include_str!("../../frames.rs"),
        include_str!("../../hsts.rs"),
        include_str!("../../inline.rs"),
        include_str!("../../integrity.rs"),
        include_str!("../../isolation.rs"),
        include_str!("../../leaks.rs"),
        include_str!("../../redirect.rs"),
        include_str!("../../referrer.rs"),
        include_str!("../../structured.rs"),
    );
    for code in CODES {
        assert!(sources.contains(&format!("\"{code}\"")), "{code}");
    }
}

#[test]
fn one_origin_without_vary_is_wrong_where_another_answer_differs() {
    let one = with(&["access-control-allow-origin: https://a.example"]);
    let other = map(["access-control-allow-origin: https://b.example"]);
    let empty = map([]);
    // Fetch, section 3.3.5: what depends on `Origin` says so.
    let differing = [
        Check::new(&one).cors("https://a.example", &one),
        Check::new(&one).cors("https://b.example", &other),
        Check::new(&one).earlier(&other),
    ];
    for check in differing {
        let report = check.run();
        assert!(report.has("cors-no-vary") && !report.is_clean(), "{report}");
    }
    let alike = [
        Check::new(&one),
        Check::new(&one).cors("https://b.example", &one),
        Check::new(&one).cors("https://b.example", &empty),
        Check::new(&one).earlier(&one),
    ];
    for check in alike {
        let report = check.run();
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn what_an_outcome_is_worth() {
    let standing = |check: Check<'_>, test: Test| {
        let report = check.run();
        let found = report.outcomes().iter().find(|o| o.test() == test);
        found.unwrap().standing()
    };
    let clean = map(CLEAN.iter().copied());
    let none = map([]);
    let told = || Check::new(&clean).redirect(super::super::Redirect::ToHttps);
    assert_eq!(standing(told(), Test::Redirection), Standing::Met);
    assert_eq!(
        standing(Check::new(&clean), Test::Redirection),
        Standing::Assumed
    );
    assert_eq!(
        standing(Check::new(&none).scheme(Scheme::Http), Test::Redirection),
        Standing::Missed
    );
    let corp = Test::CrossOriginResourcePolicy;
    assert_eq!(standing(told(), corp), Standing::Met);
    assert_eq!(standing(Check::new(&none), corp), Standing::NotThere);
    assert_eq!(standing(told(), Test::Cookies), Standing::NotThere);
    let cors = Test::CrossOriginResourceSharing;
    assert_eq!(standing(Check::new(&clean), cors), Standing::Assumed);
    let asked = Check::new(&clean).cors("https://foreign.example", &none);
    assert_eq!(standing(asked, cors), Standing::NotThere);
    let null = with(&["access-control-allow-origin: null"]);
    let asked = Check::new(&null).cors("https://foreign.example", &null);
    assert_eq!(standing(asked.clone(), cors), Standing::Contradicted);
    assert_eq!(standing(asked.accept("cors-null"), cors), Standing::Met);
    let sri = Test::SubresourceIntegrity;
    assert_eq!(standing(Check::new(&clean), sri), Standing::Assumed);
    assert_eq!(
        standing(Check::new(&clean).html("<p>"), sri),
        Standing::NotThere
    );
    let framed = with(&[&csp(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *",
    )]);
    assert_eq!(
        standing(Check::new(&framed), Test::XFrameOptions),
        Standing::Contradicted
    );
    // An accepted fault is no success.
    let accepted = Check::new(&none).accept("hsts-not-implemented");
    assert_eq!(
        standing(accepted, Test::StrictTransportSecurity),
        Standing::Missed
    );
}
