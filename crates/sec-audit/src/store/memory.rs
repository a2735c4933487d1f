//! The newest entries, in memory, bounded by number and by bytes.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use sec_core::{Delivery, Receipt};

use super::class::{CLASSES, class_of};
use super::gap::Gap;
use super::{AuditStore, BySeverity, StoreFuture, StoreStats};
use crate::entry::AuditEntry;
use crate::error::ConfigError;
use crate::query::AuditFilter;

/// Entries looked at under one hold of the lock while somebody reads.
const CHUNK: usize = 512;

/// Keeps the newest entries in memory; all are gone when the process ends.
///
/// **Full** means `capacity` entries or `max_bytes`. There are five classes: the request log, whatever the severity of its
/// entries, and the four severities of everything else. Each has a guaranteed fifth of both; what one does not use the
/// others may borrow. When the store is full, the oldest entry goes of the *lowest* class that is above its
/// fifth. So a flood of requests pushes out only requests, though refused ones are of medium or high severity; a flood
/// of low entries only low ones; a flood of high entries cannot wipe out the rest either; and the newest entry is always kept. Every
/// entry that goes is counted: in [`StoreStats::evicted`], and in one entry with the action
/// [`Action::AuditGap`](crate::Action::AuditGap) whose metadata says how many went, of which severity, and from when to when.
///
/// **Writing** takes one short lock and never waits for a reader longer than it takes to copy 512 pointers;
/// reading filters outside of the lock and yields to other tasks in between. The receipt says
/// [`Delivery::Enqueued`], which is what memory can promise: a host that requires `Written` or `Synced` is
/// refused, as it should be.
pub struct MemoryStore {
    capacity: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    classes: [Class; CLASSES],
    newest: u64,
    gap: Option<Gap>,
}

#[derive(Default)]
struct Class {
    entries: VecDeque<Arc<AuditEntry>>,
    bytes: usize,
}

impl MemoryStore {
    /// A store for at most `capacity` entries and `max_bytes` of memory (estimated per entry).
    ///
    /// # Errors
    /// When `capacity` is below 16 or above 10 million, or `max_bytes` below 64 KiB.
    pub fn new(capacity: usize, max_bytes: usize) -> Result<Self, ConfigError> {
        if !(16..=10_000_000).contains(&capacity) {
            return Err(ConfigError::new(
                "capacity",
                "must be 16 to 10000000 entries",
            ));
        }
        if max_bytes < 64 * 1024 {
            return Err(ConfigError::new(
                "max_bytes",
                "must be at least 65536 (64 KiB)",
            ));
        }
        Ok(Self {
            capacity,
            max_bytes,
            state: Mutex::default(),
        })
    }

    /// A panic elsewhere cannot leave the state half changed, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditStore for MemoryStore {
    fn append(&self, entry: AuditEntry) -> Receipt {
        let mut state = self.lock();
        let (evicted, first) = state.append(entry, self.capacity, self.max_bytes);
        drop(state);
        // Freed, and told, outside of the lock.
        drop(evicted);
        if first {
            tracing::warn!(
                capacity = self.capacity,
                max_bytes = self.max_bytes,
                "the audit trail in memory is full: older entries are given up from now on"
            );
        }
        Receipt::ready(Delivery::Enqueued)
    }

    fn scan(
        self: Arc<Self>,
        filter: Arc<AuditFilter>,
        below: Option<u64>,
        limit: usize,
    ) -> StoreFuture<Vec<Arc<AuditEntry>>> {
        Box::pin(async move {
            let mut below = below.unwrap_or(u64::MAX);
            let mut found = Vec::new();
            while found.len() < limit {
                let chunk = self.lock().chunk(below);
                let Some(last) = chunk.last() else { break };
                below = last.seq();
                let missing = limit.saturating_sub(found.len());
                found.extend(
                    chunk
                        .into_iter()
                        .filter(|entry| filter.matches(entry))
                        .take(missing),
                );
                yield_now().await;
            }
            Ok(found)
        })
    }

    fn newest(&self) -> u64 {
        self.lock().newest
    }

    fn stats(&self) -> StoreStats {
        let state = self.lock();
        let mut held = BySeverity::default();
        for (index, class) in state.classes.iter().enumerate() {
            *held.of_mut(index) = count(class.entries.len());
        }
        let gap = u64::from(state.gap.is_some());
        let ends = |end: fn(&VecDeque<Arc<AuditEntry>>) -> Option<&Arc<AuditEntry>>| {
            state
                .classes
                .iter()
                .filter_map(move |class| end(&class.entries))
        };
        StoreStats {
            entries: held.total(),
            bytes: count(state.bytes()),
            capacity: count(self.capacity),
            max_bytes: count(self.max_bytes),
            held,
            recorded: state.newest.saturating_sub(gap),
            evicted: state.gap.as_ref().map(Gap::evicted).unwrap_or_default(),
            oldest: ends(VecDeque::front)
                .min_by_key(|entry| entry.seq())
                .map(|entry| entry.at()),
            newest: ends(VecDeque::back)
                .max_by_key(|entry| entry.seq())
                .map(|entry| entry.at()),
        }
    }
}

impl State {
    /// Takes an entry and gives back those that had to go, and whether they are the first ever.
    fn append(
        &mut self,
        entry: AuditEntry,
        capacity: usize,
        max_bytes: usize,
    ) -> (Vec<Arc<AuditEntry>>, bool) {
        self.newest = self.newest.saturating_add(1);
        let now = entry.at();
        let (bytes, class) = (entry.bytes(), class_of(&entry));
        let entry = Arc::new(entry.numbered(self.newest));
        if let Some(class) = self.classes.get_mut(class) {
            class.bytes = class.bytes.saturating_add(bytes);
            class.entries.push_back(entry);
        }
        let mut evicted = Vec::new();
        let mut first = false;
        while let Some(lost) = self.evict(capacity, max_bytes) {
            if self.gap.is_none() {
                self.newest = self.newest.saturating_add(1);
                self.gap = Some(Gap::open(self.newest, now, &lost));
                first = true;
            }
            if let Some(gap) = &mut self.gap {
                gap.add(&lost);
            }
            evicted.push(lost);
        }
        (evicted, first)
    }

    /// The next one to go, if the store holds too much. One class is always above its fifth then.
    fn evict(&mut self, capacity: usize, max_bytes: usize) -> Option<Arc<AuditEntry>> {
        let too_many = self
            .classes
            .iter()
            .map(|class| class.entries.len())
            .sum::<usize>()
            > capacity;
        if !too_many && self.bytes() <= max_bytes {
            return None;
        }
        let class = self.classes.iter_mut().find(|class| {
            if too_many {
                class.entries.len() > capacity / CLASSES
            } else {
                class.bytes > max_bytes / CLASSES
            }
        })?;
        let lost = class.entries.pop_front()?;
        class.bytes = class.bytes.saturating_sub(lost.bytes());
        Some(lost)
    }

    fn bytes(&self) -> usize {
        self.classes
            .iter()
            .map(|class| class.bytes)
            .fold(0, usize::saturating_add)
    }

    /// The newest entries below a number, over all classes, newest first.
    fn chunk(&self, below: u64) -> Vec<Arc<AuditEntry>> {
        let mut gap = self.gap.as_ref().filter(|gap| gap.seq < below);
        let mut heads: [_; CLASSES] = std::array::from_fn(|index| {
            let entries = self.classes.get(index).map(|class| &class.entries);
            let end = entries.map_or(0, |list| list.partition_point(|entry| entry.seq() < below));
            entries
                .into_iter()
                .flat_map(move |list| list.range(..end).rev())
                .peekable()
        });
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let newest = heads
                .iter_mut()
                .filter_map(|head| Some((head.peek()?.seq(), head)))
                .max_by_key(|(seq, _)| *seq);
            match (newest, gap) {
                (Some((seq, _)), Some(open)) if open.seq > seq => {
                    chunk.push(open.entry());
                    gap = None;
                }
                (Some((_, head)), _) => chunk.extend(head.next().cloned()),
                (None, Some(open)) => {
                    chunk.push(open.entry());
                    gap = None;
                }
                (None, None) => break,
            }
        }
        chunk
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Lets other tasks run before a long search goes on.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
