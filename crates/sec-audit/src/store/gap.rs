//! The one entry that says what is no longer there.

use std::sync::Arc;
use std::time::SystemTime;

use sec_core::Severity;
use uuid::Uuid;

use super::BySeverity;
use super::class::class_of;
use crate::action::Action;
use crate::entry::AuditEntry;
use crate::mask::Masker;

/// Entries lost so far. Numbered like an entry when it opens and kept up to date from then on, so that a
/// full trail does not fill with entries about its being full.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) seq: u64,
    id: Uuid,
    opened: SystemTime,
    evicted: BySeverity,
    from: SystemTime,
    to: SystemTime,
}

impl Gap {
    /// Opens with the number `seq` at the first entry that is lost.
    pub(super) fn open(seq: u64, now: SystemTime, lost: &AuditEntry) -> Self {
        let evicted = BySeverity::default();
        Self {
            seq,
            id: Uuid::now_v7(),
            opened: now,
            evicted,
            from: lost.at,
            to: lost.at,
        }
    }

    pub(super) fn add(&mut self, lost: &AuditEntry) {
        let count = self.evicted.of_mut(class_of(lost));
        *count = count.saturating_add(1);
        self.from = self.from.min(lost.at);
        self.to = self.to.max(lost.at);
    }

    /// The entry as it stands now. Losing what matters is itself of high severity.
    pub(super) fn entry(&self) -> Arc<AuditEntry> {
        let BySeverity {
            requests,
            low,
            medium,
            high,
            critical,
        } = self.evicted;
        let severity = if high.saturating_add(critical) > 0 {
            Severity::High
        } else {
            Severity::Medium
        };
        let count = self.evicted.total();
        let entry = AuditEntry::builder(Action::AuditGap)
            .id(self.id)
            .severity(severity)
            .reason("the trail was full: older entries were given up for newer ones")
            .count(count)
            .metadata("count", count)
            .metadata("from", crate::time::rfc3339(self.from))
            .metadata("to", crate::time::rfc3339(self.to))
            .metadata("requests", requests)
            .metadata("low", low)
            .metadata("medium", medium)
            .metadata("high", high)
            .metadata("critical", critical)
            .seal(&Masker::new(), self.opened, 16 * 1024);
        Arc::new(entry.numbered(self.seq))
    }

    pub(super) fn evicted(&self) -> BySeverity {
        self.evicted
    }
}
