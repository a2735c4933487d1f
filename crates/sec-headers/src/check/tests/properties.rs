use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::{Check, Redirect};
use crate::Scheme;

const NAMES: [&str; 24] = [
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "reporting-endpoints",
    "report-to",
    "cross-origin-opener-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
    "origin-agent-cluster",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "vary",
    "set-cookie",
    "cache-control",
    "clear-site-data",
    "server",
    "x-xss-protection",
    "x-powered-by",
];

/// Pieces that mean something, in any order, and bytes that mean nothing.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "default-src", "script-src", "frame-ancestors", "'none'", "'self'", "'nonce-", "YWJj", "'",
            "\"", "=", ";", ",", " ", "*", "https:", "http://", "max-age", "31536000", "preload",
            "__Host-", "session", "SameSite", "None", "Secure", "Domain", "(", ")", "camera", "?1",
            "text/html", "'sha256-", "'strict-dynamic'", "{\"group\":\"a\"}", "report-to",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let line = (prop::sample::select(NAMES.to_vec()), value());
    prop::collection::vec(line, 0..16).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    })
}

fn html() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "<", ">", "<script", "</script>", " src=", "'", "\"", "https://a.example/", "//b", "=", "/",
            "<!--", "-->", "<meta", " http-equiv=", "content-security-policy", " content=",
            "<template>", "</template>", "<svg>", "<base href=", "integrity", "&#58;", "&", "&amp;",
            "<textarea>", "name=referrer", "é",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Text that is as long as a server lets it be must not take longer than its length: each of these is
/// a megabyte, and a loop within a loop over it would not come to an end.
#[test]
fn long_headers_are_read_once() {
    let rows = [
        ("content-security-policy", "script-src 'nonce-a' x;"),
        ("content-security-policy", "a, "),
        ("content-security-policy", "'self' "),
        ("strict-transport-security", "max-age=1;"),
        ("permissions-policy", "a=(), "),
        ("permissions-policy", "("),
        ("reporting-endpoints", "a=\"/\", "),
        ("report-to", "{},"),
        ("report-to", "["),
        ("set-cookie", "a=b; SameSite;"),
        ("cache-control", "public,"),
        ("clear-site-data", "x,"),
        ("referrer-policy", "x,"),
        ("access-control-allow-origin", "https://a.example,"),
    ];
    for (name, piece) in rows {
        let mut headers = HeaderMap::new();
        let value = piece.repeat((1 << 20) / piece.len());
        headers.insert(name, HeaderValue::from_str(&value).unwrap());
        let report = Check::new(&headers).earlier(&headers).run();
        assert!(report.to_string().len() < 200 * 1024, "{name}");
    }
    let mut headers = HeaderMap::new();
    for index in 0..10_000 {
        let value = HeaderValue::from_str(&format!("c{index}=x; SameSite=None")).unwrap();
        headers.append("set-cookie", value);
    }
    let report = Check::new(&headers).run();
    assert!((190..=200).contains(&report.findings().len()));
    assert!(
        report.has("cookies-samesite-flag-invalid"),
        "what costs points is never left out"
    );
    assert!(!report.is_clean() && report.to_string().contains(" more\n"));

    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    for piece in [
        "<",
        "<a ",
        "<script>",
        "<!--",
        "</",
        "<meta content=&",
        "<script></scrip",
        "&#",
    ] {
        let html = piece.repeat((1 << 20) / piece.len());
        let report = Check::new(&headers).html(&html).run();
        assert_eq!(report.outcomes().len(), 10, "{piece}");
    }
}

proptest! {
    #[test]
    fn every_answer_has_a_report(
        headers in headers(),
        other in headers(),
        html in html(),
        host in "[a-z.:\\[\\]0-9é]{0,12}",
        route in prop::collection::vec("(http|https)?(://)?[a-z.:@/]{0,8}", 0..4),
        http in any::<bool>(),
    ) {
        let route: Vec<_> = route.iter().map(String::as_str).collect();
        let mut check = Check::new(&headers)
            .host(&host)
            .html(&html)
            .cors("https://a.example", &other)
            .earlier(&other)
            .redirect(Redirect::of(&route));
        if http {
            check = check.scheme(Scheme::Http);
        }
        let report = check.run();
        prop_assert!((0..=150).contains(&report.score()));
        prop_assert_eq!(report.outcomes().len(), 10);
        prop_assert!(report.findings().len() <= 200);
        // The points are those of the outcomes, so that the text explains the score.
        let points: i32 = report.findings().iter().map(super::super::Finding::points).sum();
        let outcomes = report.outcomes().iter().map(super::super::Outcome::points);
        prop_assert_eq!(points, outcomes.filter(|points| *points < 0).sum::<i32>());
        let text = report.to_string();
        prop_assert!(text.len() < 200 * 1024);
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}", text);
    }
}
