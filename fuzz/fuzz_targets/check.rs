//! Any headers, one a line, and after an empty line any page.
//!
//! There is always a report, of bounded length, whose points are those of its outcomes and which
//! repeats no control characters.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sec_headers::check::Check;

fuzz_target!(|text: &str| {
    let (head, html) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut headers = HeaderMap::new();
    for line in head.lines().take(1000) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    let report = Check::new(&headers)
        .host("www.example.com")
        .html(html)
        .cors("https://foreign.example", &headers)
        .earlier(&headers)
        .run();
    assert_eq!(report.outcomes().len(), 10);
    let findings = report.findings().iter();
    let lost: i32 = findings.map(|finding| finding.points()).sum();
    let outcomes = report.outcomes().iter().map(|outcome| outcome.points());
    let expected: i32 = outcomes.filter(|points| *points < 0).sum();
    assert_eq!(lost, expected, "{report}");
    let text = report.to_string();
    assert!(text.len() < 200 * 1024);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
});
