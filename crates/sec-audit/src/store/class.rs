//! What a full store gives up first.

use sec_core::{EventKind, Severity};

use crate::entry::AuditEntry;

/// The request log, then low, medium, high and critical severity: what goes first comes first.
pub(super) const CLASSES: usize = 5;

/// The class of an entry, as an index.
pub(super) fn class_of(entry: &AuditEntry) -> usize {
    if *entry.action() == EventKind::REQUEST {
        return 0;
    }
    match entry.severity() {
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        // A severity that a later version adds is above all that are known.
        _ => 4,
    }
}
