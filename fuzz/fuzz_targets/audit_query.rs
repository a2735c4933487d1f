//! Any query string is a query or an error that can be printed, and no query leaves its tenant.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use sec_audit::{AuditEntry, AuditQuery, MAX_LIMIT, Masker, QueryErrorKind};
use sec_core::{EventKind, text::is_unsafe};

static FOREIGN: LazyLock<AuditEntry> = LazyLock::new(|| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let entry = AuditEntry::builder(EventKind::LOGIN_FAILURE).actor("ann");
    let entry = entry.tenant("other").client([203, 0, 113, 9].into());
    let entry = entry.metadata("note", "Ümlaut").at(now);
    entry.seal(&Masker::new(), now, 64 * 1024)
});

fuzz_target!(|text: &str| {
    let query = match AuditQuery::parse(text) {
        Ok(query) => query,
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.chars().any(is_unsafe), "{shown:?}");
            assert!(shown.chars().count() < 1024, "{shown:?}");
            return;
        }
    };
    assert!((1..=MAX_LIMIT).contains(&query.limit()));
    assert_eq!(AuditQuery::parse(text), Ok(query.clone()));
    let asked = query.filter().tenant().map(str::to_owned);
    let _ = query.filter().matches(&FOREIGN);
    match query.within_tenant("acme") {
        Ok(confined) => {
            assert!(asked.is_none_or(|tenant| tenant == "acme"));
            assert_eq!(confined.filter().tenant(), Some("acme"));
            assert!(!confined.filter().matches(&FOREIGN));
        }
        Err(error) => {
            assert_eq!(error.kind(), QueryErrorKind::ForeignTenant);
            assert!(asked.is_some_and(|tenant| tenant != "acme"));
        }
    }
});
