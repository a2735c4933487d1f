//! A report's body, read in both forms: bounded in number and length, and nothing in it that could
//! spoil a log line or give a query away.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_core::text::is_unsafe;
use sec_headers::{Report, ReportDetail, ReportKind, ReportLimits, parse_reports};

fuzz_target!(|body: &[u8]| {
    let mut limits = ReportLimits::default();
    (limits.reports, limits.text) = (3, 24);
    for form in [
        "application/reports+json",
        "application/csp-report; charset=utf-8",
    ] {
        if let Ok(reports) = parse_reports(form, body, &limits) {
            assert!(reports.len() <= limits.reports);
            reports.iter().for_each(|report| check(report, limits.text));
        }
    }
    limits.body = body.len().saturating_sub(1);
    assert!(body.is_empty() || parse_reports("application/csp-report", body, &limits).is_err());
});

fn check(report: &Report, most: usize) {
    let (mut texts, mut addresses) = (vec![report.user_agent.as_str()], Vec::new());
    for (_, value) in report.details() {
        match value {
            ReportDetail::Text(text) => texts.push(text),
            ReportDetail::Address(address) => addresses.push(address),
            _ => {}
        }
    }
    texts.extend(&addresses);
    if let ReportKind::Other(name) = &report.kind {
        texts.push(name);
    }
    for text in texts {
        // The last one is the mark that something was cut off.
        assert!(text.chars().count() <= most + 1, "{text:?}");
        assert!(!text.chars().any(is_unsafe), "{text:?}");
    }
    for address in addresses {
        assert!(!address.contains(['?', '#']), "{address:?}");
        let authority = address.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        assert!(!authority.contains('@'), "{address:?}");
    }
}
