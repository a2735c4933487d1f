//! Where entries are kept.

mod class;
mod gap;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use sec_core::Receipt;
use serde::{Serialize, Serializer};

pub use self::memory::MemoryStore;
use crate::entry::AuditEntry;
use crate::error::StoreError;
use crate::query::AuditFilter;

/// The answer of a store, when it has it.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Keeps entries in order and finds them again.
///
/// A store is the one place that numbers entries. Writing is a hand-over that returns at once, because
/// events are emitted in the middle of requests; a store that needs time for it keeps a bounded queue of its
/// own and answers with a [`Receipt`] that can be awaited. Reading may take its time.
pub trait AuditStore: fmt::Debug + Send + Sync + 'static {
    /// Takes an entry over and gives it the next number. Returns at once and never panics. An entry that
    /// cannot be kept is counted and shows in [`AuditStore::stats`] and in the trail itself.
    fn append(&self, entry: AuditEntry) -> Receipt;

    /// The newest entries below the number `below` (from the newest of all if `None`) that match the filter,
    /// newest first, at most `limit`.
    fn scan(
        self: Arc<Self>,
        filter: Arc<AuditFilter>,
        below: Option<u64>,
        limit: usize,
    ) -> StoreFuture<Vec<Arc<AuditEntry>>>;

    /// The number of the newest entry; 0 in an empty store.
    fn newest(&self) -> u64;

    /// What the store holds and what it has lost.
    fn stats(&self) -> StoreStats;
}

/// A number for each severity, and one for the request log, whose entries are kept and given up apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BySeverity {
    /// Of the request log, whatever the severity.
    pub requests: u64,
    /// Of low severity.
    pub low: u64,
    /// Of medium severity.
    pub medium: u64,
    /// Of high severity.
    pub high: u64,
    /// Of critical severity.
    pub critical: u64,
}

impl BySeverity {
    /// The sum of all five.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests
            .saturating_add(self.low)
            .saturating_add(self.medium)
            .saturating_add(self.high)
            .saturating_add(self.critical)
    }

    /// By the index of a class, lowest first.
    pub(crate) fn of_mut(&mut self, class: usize) -> &mut u64 {
        match class {
            0 => &mut self.requests,
            1 => &mut self.low,
            2 => &mut self.medium,
            3 => &mut self.high,
            _ => &mut self.critical,
        }
    }
}

/// What a store holds and what it has lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStats {
    /// Entries that it holds now.
    pub entries: u64,
    /// The memory that they take, in bytes, estimated.
    pub bytes: u64,
    /// How many entries it may hold.
    pub capacity: u64,
    /// How many bytes it may hold.
    pub max_bytes: u64,
    /// The entries that it holds now: requests apart, the others by severity.
    pub held: BySeverity,
    /// Entries taken over since the start.
    pub recorded: u64,
    /// Entries lost since the start, counted likewise: given up for newer ones. They make up the one
    /// [`Action::AuditGap`](crate::Action::AuditGap) entry.
    pub evicted: BySeverity,
    /// When the oldest entry held happened.
    #[serde(serialize_with = "optional_time")]
    pub oldest: Option<SystemTime>,
    /// When the newest entry held happened.
    #[serde(serialize_with = "optional_time")]
    pub newest: Option<SystemTime>,
}

fn optional_time<S: Serializer>(at: &Option<SystemTime>, out: S) -> Result<S::Ok, S::Error> {
    at.map(crate::time::rfc3339).serialize(out)
}
