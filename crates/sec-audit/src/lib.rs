#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod action;
mod config;
mod entry;
mod error;
mod export;
mod json;
mod mask;
mod query;
mod request_log;
mod store;
mod time;
mod trail;

pub use self::action::Action;
pub use self::config::{AuditConfig, RequestLogConfig};
pub use self::entry::{AuditEntry, Change, EntryBuilder, diff};
pub use self::error::{AuditError, ConfigError, QueryError, QueryErrorKind, StoreError};
pub use self::export::{Export, ExportBody, ExportQuery, Format, write_entries};
pub use self::mask::{MASK, Masker};
pub use self::query::{AuditFilter, AuditQuery, DEFAULT_LIMIT, MAX_LIMIT, Page};
pub use self::request_log::{
    RequestLog, RequestLogFuture, RequestLogLayer, outcome_of, severity_of,
};
pub use self::store::{AuditStore, BySeverity, MemoryStore, StoreFuture, StoreStats};
pub use self::trail::{AuditTrail, Health};
