mod apart;
mod cut;
mod noise;
mod receiver;
mod types;

use serde_json::{Value, json};

use super::*;

const BATCH: &str = "application/reports+json";
const SINGLE: &str = "application/csp-report";

/// Every type that is known.
const KINDS: [&str; 12] = [
    "csp-violation",
    "csp-hash",
    "network-error",
    "deprecation",
    "intervention",
    "crash",
    "coep",
    "coop",
    "permissions-policy-violation",
    "potential-permissions-policy-violation",
    "document-policy-violation",
    "integrity-violation",
];

/// A body with this text under every key that any of them reads, but for a policy's sample, which is
/// kept as sent.
fn stuffed(text: &str) -> Value {
    let keys = [
        "id",
        "message",
        "sourceFile",
        "anticipatedRemoval",
        "reason",
        "visibility_state",
        "type",
        "phase",
        "protocol",
        "method",
        "referrer",
        "blockedURL",
        "destination",
        "effectivePolicy",
        "property",
        "openerURL",
        "featureId",
        "policyId",
        "srcAttribute",
        "subresourceURL",
        "hash",
        "documentURL",
        "url",
        "effectiveDirective",
    ];
    keys.iter()
        .map(|key| ((*key).to_owned(), json!(text)))
        .collect()
}

/// As Chromium sends it.
fn chromium(blocked: &str) -> Value {
    json!({
        "age": 12,
        "type": "csp-violation",
        "url": "https://a.example/page?token=secret#top",
        "user_agent": "Mozilla/5.0",
        "body": {
            "blockedURL": blocked,
            "columnNumber": 7,
            "disposition": "enforce",
            "documentURL": "https://a.example/page?token=secret#top",
            "effectiveDirective": "script-src-elem",
            "lineNumber": 42,
            "originalPolicy": "default-src 'none'",
            "referrer": "https://b.example/",
            "sample": "alert(1)",
            "sourceFile": "https://u:p@a.example/app.js?v=1",
            "statusCode": 200
        }
    })
}

/// As Firefox and Safari send it.
fn hyphenated(blocked: &str) -> Value {
    json!({"csp-report": {
        "blocked-uri": blocked,
        "column-number": 7,
        "disposition": "enforce",
        "document-uri": "https://a.example/page?token=secret",
        "effective-directive": "script-src-elem",
        "line-number": 42,
        "original-policy": "default-src 'none'",
        "script-sample": "alert(1)",
        "source-file": "https://a.example/app.js",
        "status-code": 200,
        "violated-directive": "script-src-elem"
    }})
}

fn parse(content_type: &str, body: &Value) -> Result<Vec<Report>, ReportError> {
    parse_reports(
        content_type,
        body.to_string().as_bytes(),
        &ReportLimits::default(),
    )
}

/// Every text of a report that comes from outside.
fn texts(report: &Report) -> Vec<&str> {
    let details = report.details().filter_map(|(_, value)| match value {
        ReportDetail::Text(text) | ReportDetail::Address(text) => Some(text),
        _ => None,
    });
    let mut texts: Vec<&str> = details.collect();
    if let ReportKind::Other(name) = &report.kind {
        texts.push(name);
    }
    if !report.user_agent.is_empty() {
        texts.push(&report.user_agent);
    }
    texts
}

fn csp(report: &Report) -> &CspViolation {
    match &report.kind {
        ReportKind::CspViolation(body) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_forms_become_the_same_report() {
    let batch = parse(BATCH, &json!([chromium("inline")])).unwrap();
    let single = parse(
        "Application/CSP-Report; charset=utf-8",
        &hyphenated("inline"),
    )
    .unwrap();
    let report = &batch[0];
    assert_eq!(report.kind, single[0].kind);
    assert_eq!(report.document, single[0].document);
    // Only the Reporting API says when and in which browser.
    assert_eq!(report.age, Duration::from_millis(12));
    assert_eq!(report.user_agent, "Mozilla/5.0");
    assert!(single[0].age.is_zero() && single[0].user_agent.is_empty());
    assert_eq!(
        report.document, "https://a.example/page",
        "queries may hold secrets"
    );
    let body = csp(report);
    assert_eq!(
        body.location.source, "https://a.example/app.js",
        "credentials are taken out"
    );
    assert_eq!(
        (body.directive.as_str(), body.blocked.as_str()),
        ("script-src-elem", "inline")
    );
    assert_eq!((body.location.line, body.location.column), (42, 7));
    assert_eq!((body.status, body.disposition), (200, Disposition::Enforce));
    assert!(!format!("{report:?}").contains("secret"));
}

#[test]
fn odd_fields_do_not_cost_the_batch() {
    let reports = parse(
        BATCH,
        &json!([
            1,
            null,
            {"no": "type"},
            {"type": 7},
            {"type": "csp-violation", "body": "text"},
            {"type": "csp-violation", "body": {"lineNumber": "x", "blockedURL": ["y"], "disposition": "report"}},
            {"type": "deprecation", "url": "https://a.example/?q", "body": {"id": "x"}},
            {"type": "new-thing", "extra": {"deep": [[[]]]}},
            chromium("eval"),
        ]),
    )
    .unwrap();
    let kinds: Vec<_> = reports.iter().map(|report| report.kind.name()).collect();
    assert_eq!(
        kinds,
        ["csp-violation", "deprecation", "new-thing", "csp-violation"]
    );
    assert_eq!(csp(&reports[0]).disposition, Disposition::Report);
    assert_eq!(csp(&reports[0]).location.line, 0);
    assert_eq!(reports[1].document, "https://a.example/");
    assert_eq!(reports[2].kind, ReportKind::Other("new-thing".to_owned()));
    // CSP 1 put the directive's whole value there.
    let old = json!({"csp-report": {"violated-directive": "img-src 'self' data:"}});
    assert_eq!(csp(&parse(SINGLE, &old).unwrap()[0]).directive, "img-src");
    assert_eq!(parse(BATCH, &json!([])).unwrap(), []);
}

#[test]
fn what_is_not_a_report_is_refused() {
    let text = |content_type: &str, body: &str| {
        parse_reports(content_type, body.as_bytes(), &ReportLimits::default()).unwrap_err()
    };
    for (content_type, body, error) in [
        ("", "[]", ReportError::ContentType),
        ("application/json", "[]", ReportError::ContentType),
        ("text/plain", "[]", ReportError::ContentType),
        ("application/reports+jsonx", "[]", ReportError::ContentType),
        (BATCH, "", ReportError::Malformed),
        (BATCH, "{}", ReportError::Malformed),
        (BATCH, "[", ReportError::Malformed),
        (BATCH, "[] []", ReportError::Malformed),
        (BATCH, "[1,]", ReportError::Malformed),
        (BATCH, "\u{feff}[]", ReportError::Malformed),
        (SINGLE, "[]", ReportError::Malformed),
        (SINGLE, "{}", ReportError::Malformed),
        (SINGLE, r#"{"csp-report": []}"#, ReportError::Malformed),
        (SINGLE, r#"{"csp-report": {}} x"#, ReportError::Malformed),
    ] {
        assert_eq!(text(content_type, body), error, "{content_type} {body:?}");
    }
    assert_eq!(
        parse_reports(
            SINGLE,
            b"{\"csp-report\": {\"sample\": \"\xff\"}}",
            &ReportLimits::default()
        ),
        Err(ReportError::Malformed)
    );
    let deep = "[".repeat(100_000);
    assert_eq!(text(BATCH, &deep), ReportError::Malformed);
}

#[test]
fn everything_is_bounded() {
    let limits = ReportLimits {
        reports: 3,
        text: 10,
        body: 10_000,
    };
    let batch = |count: usize| Value::Array(vec![chromium("inline"); count]).to_string();
    assert_eq!(
        parse_reports(BATCH, batch(3).as_bytes(), &limits)
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        parse_reports(BATCH, batch(4).as_bytes(), &limits),
        Err(ReportError::TooMany(3))
    );
    let big = vec![b' '; 10_001];
    assert_eq!(
        parse_reports(BATCH, &big, &limits),
        Err(ReportError::TooLarge(10_000))
    );
    let long = hyphenated(&format!("https://{}.example/", "a".repeat(5_000))).to_string();
    let report = &parse_reports(SINGLE, long.as_bytes(), &limits).unwrap()[0];
    for text in texts(report) {
        assert!(text.chars().count() <= 11, "{text}");
    }
}

#[test]
fn control_characters_do_not_reach_a_log() {
    let evil = "x\r\n2026-01-01 admin logged in\u{1b}[2J\u{202e}\u{0}";
    let body = json!({"csp-report": {
        "blocked-uri": evil, "document-uri": evil, "source-file": evil, "script-sample": evil,
        "effective-directive": "script-src\u{1b}[2J",
    }});
    let report = &parse(SINGLE, &body).unwrap()[0];
    assert!(texts(report).len() >= 5);
    for text in texts(report) {
        assert!(
            !text.is_empty() && !text.chars().any(sec_core::text::is_unsafe),
            "{text:?}"
        );
    }
}

#[test]
fn extensions_are_noise_and_pages_are_not() {
    for noise in [
        "chrome-extension://abc/x.js",
        "chrome-extension", // bare: Nelmio #390
        "moz-extension://abc",
        "moz-extension",
        "safari-extension://x",
        "safari-web-extension://x",
        "ms-browser-extension://x",
        "webkit-masked-url://hidden/",
        "about",
        "about:blank",
        "about:srcdoc",
        "CHROME-EXTENSION://abc",
        "resource://x",
        // Sentry's DEFAULT_DISALLOWED_SOURCES, its schemes.
        "ms-browser-extension",
        "chrome://x",
        "chromeinvokeimmediate://x",
        "chromenull://x",
        "mxaddon-pkg://x",
        "jar://x",
        "webviewprogressproxy://x",
        "tmtbff://x",
        "mbinit://x",
        "symres://x",
        // Injected by Safari, Chromium's and Firefox's own pages.
        "safari-resource:/x",
        "safari-reader://x",
        "Safari-Web-Extension://x",
        "user-script:1",
        "chrome-error://chromewebdata/",
        "devtools://x",
        "blob-extension",
    ] {
        assert!(
            parse(BATCH, &json!([chromium(noise)])).unwrap()[0].is_noise(),
            "{noise}"
        );
        let mut single = hyphenated(noise);
        single["csp-report"]["source-file"] = noise.into();
        assert!(parse(SINGLE, &single).unwrap()[0].is_noise(), "{noise}");
    }
    for real in [
        "inline",
        "eval",
        "data",
        "blob",
        "self",
        "https://evil.example/x.js",
        "https://about.example",
        "https://chrome-extension.example/x.js",
        "wss://safari.example",
        "http://localhost/chrome-extension",
        "chromium",
        "extension",
        "",
    ] {
        assert!(
            !parse(BATCH, &json!([chromium(real)])).unwrap()[0].is_noise(),
            "{real}"
        );
    }
    // What a data: address holds may be anything.
    let data = parse(BATCH, &json!([chromium("DATA:text/html,<secret>")])).unwrap();
    assert_eq!(csp(&data[0]).blocked, "data");
}
