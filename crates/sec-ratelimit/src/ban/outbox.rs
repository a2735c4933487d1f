//! What other processes are to be told, between the requests that make it and the task that writes it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sec_core::{Clock, EventKind, EventSink, Outcome, SecurityEvent, Severity};
use tokio::sync::Notify;

use crate::digest::Digest;
use crate::quota::nanos;

/// Bounded: where keys of blocks do not fit, all blocks of this process are written again. The queue holds keys only;
/// what is written of them is how they stand then.
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    /// Whether the task has begun and not ended.
    running: AtomicBool,
    /// It was told once that nobody writes.
    complained: AtomicBool,
    written: AtomicU64,
    failed: AtomicU64,
    unheard: AtomicU64,
    unreadable: AtomicU64,
    /// Nanoseconds of the clock; 0 before the first time.
    read: AtomicU64,
    pub(super) list: Box<str>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
}

struct Queue {
    lifted: VecDeque<Digest>,
    begun: VecDeque<Digest>,
    all: bool,
    /// Nobody asks these blocks any more.
    gone: bool,
}

/// What is to be written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Lift(Digest),
    Put(Digest),
    All,
}

/// How the exchange of [blocks](crate::Bans::shared) with other processes goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BanSharingState {
    /// Whether the [task](crate::BanFollower::run) runs.
    pub running: bool,
    /// How many blocks and lifts wait to be written.
    pub pending: usize,
    /// How many times one was written.
    pub written: u64,
    /// How many calls of the store failed; each is made again.
    pub failed: u64,
    /// How many blocks of other processes found no room here.
    pub unheard: u64,
    /// How many records of the list could not be read and were left out: somebody else writes into it.
    pub unreadable: u64,
    /// How long ago the last changes were read; `None` before the first time.
    pub read: Option<Duration>,
}

/// As many of each wait at most.
const MOST: usize = 1024;

impl Outbox {
    pub(super) fn new(list: Box<str>, clock: Arc<dyn Clock>, sink: Arc<dyn EventSink>) -> Self {
        Self {
            queue: Mutex::new(Queue {
                lifted: VecDeque::with_capacity(MOST),
                begun: VecDeque::with_capacity(MOST),
                all: false,
                gone: false,
            }),
            wake: Notify::new(),
            running: AtomicBool::new(false),
            complained: AtomicBool::new(false),
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unheard: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            read: AtomicU64::new(0),
            list,
            clock,
            sink,
        }
    }

    /// A block began here. Called by requests: one short lock, nothing is allocated.
    pub(super) fn begun(&self, digest: Digest) {
        let mut queue = self.lock();
        if queue.begun.len() < MOST {
            queue.begun.push_back(digest);
        } else {
            queue.all = true;
        }
        drop(queue);
        self.wake.notify_one();
        if !self.running.load(Ordering::Relaxed) && !self.complained.swap(true, Ordering::Relaxed) {
            let why = "a block began and nobody writes it: the follower is not running";
            self.tell("not running", Severity::High, Outcome::Failure, why);
        }
    }

    /// A key was lifted here. With too many waiting, the oldest is not told: other processes keep its block.
    pub(super) fn lifted(&self, digest: Digest) {
        let mut queue = self.lock();
        if queue.lifted.len() >= MOST {
            queue.lifted.pop_front();
        }
        queue.lifted.push_back(digest);
        drop(queue);
        self.wake.notify_one();
    }

    /// All blocks that began here are to be written again.
    pub(super) fn write_all(&self) {
        self.lock().all = true;
    }

    pub(super) fn nobody_asks(&self) {
        self.lock().gone = true;
        self.wake.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Lifts first: a key that was lifted and blocked again has to end up blocked.
    pub(super) fn next(&self) -> Option<Next> {
        let mut queue = self.lock();
        let lift = queue.lifted.front().copied().map(Next::Lift);
        lift.or_else(|| queue.begun.pop_front().map(Next::Put))
            .or_else(|| std::mem::take(&mut queue.all).then_some(Next::All))
    }

    /// It was written. A lift stays in the queue until then, so that no older block returns meanwhile.
    pub(super) fn done(&self, next: Next) {
        if let Next::Lift(digest) = next {
            let mut queue = self.lock();
            if queue.lifted.front() == Some(&digest) {
                queue.lifted.pop_front();
            }
        }
    }

    /// It could not be written.
    pub(super) fn again(&self, next: Next) {
        let mut queue = self.lock();
        match next {
            Next::Lift(_) => {}
            Next::Put(digest) if queue.begun.len() < MOST => queue.begun.push_front(digest),
            Next::Put(_) | Next::All => queue.all = true,
        }
    }

    pub(super) fn is_being_lifted(&self, digest: Digest) -> bool {
        self.lock().lifted.contains(&digest)
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn runs(&self, runs: bool) {
        self.running.store(runs, Ordering::Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn count_written(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unheard(&self) {
        self.unheard.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unreadable(&self, records: u64) {
        self.unreadable.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn was_read(&self) {
        let now = nanos(self.clock.monotonic()).saturating_add(1);
        self.read.store(now, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> BanSharingState {
        let queue = self.lock();
        let pending = queue.lifted.len().saturating_add(queue.begun.len());
        let read = match self.read.load(Ordering::Relaxed) {
            0 => None,
            then => {
                let now = nanos(self.clock.monotonic()).saturating_add(1);
                Some(Duration::from_nanos(now.saturating_sub(then)))
            }
        };
        BanSharingState {
            running: self.is_running(),
            pending: pending.saturating_add(usize::from(queue.all)),
            written: self.written.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            unheard: self.unheard.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
            read,
        }
    }

    /// A change of the exchange is an event of the kind that the breaker of a shared limiter has.
    pub(super) fn tell(
        &self,
        state: &'static str,
        severity: Severity,
        outcome: Outcome,
        why: &str,
    ) {
        let kind =
            EventKind::custom("rate_limit_store", severity, outcome).unwrap_or(EventKind::ERROR);
        let event = SecurityEvent::new(kind, &*self.clock)
            .with_detail("blocks", &*self.list)
            .with_detail("state", state)
            .with_reason(why.to_owned());
        let _ = self.sink.emit(event);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by every clone of the blocks: with the last of them the task ends.
pub(super) struct Presence(pub(super) Arc<Outbox>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.nobody_asks();
    }
}
