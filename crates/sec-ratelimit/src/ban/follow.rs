//! The task that tells other processes of blocks, and hears of theirs.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Outcome, Severity};
use tokio::time::{Instant, timeout_at};

use super::bans::Inner;
use super::outbox::{Next, Outbox};
use super::table::{Share, Standing};
use crate::digest::Digest;
use crate::shared::{BlockChange, BlockStore, StoreError, StoreFuture};

/// Carries [shared blocks](crate::Bans::shared) between this process and the store: spawn
/// [`run`](Self::run).
///
/// Dropped before it has run, it emits an event: blocks are then this process's own.
#[must_use = "blocks are shared only while `run` runs"]
pub struct BanFollower {
    pub(super) bans: Arc<Inner>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) store: Arc<dyn BlockStore>,
    pub(super) poll: Duration,
    pub(super) deadline: Duration,
    /// Up to what change was read, and in which epoch of the store.
    pub(super) cursor: u64,
    pub(super) epoch: u64,
    pub(super) begun: bool,
}

const PER_PAGE: u32 = 500;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// What blocks of others may hold of the table, in eighths: as much as this process's own.
const SINGLE: Share = Share(2);
const WIDE: Share = Share(4);
const BY_HAND: Share = Share(6);

impl BanFollower {
    /// Writes what begins and is lifted here, and reads what other processes wrote, until the last clone
    /// of the [`Bans`](crate::Bans) is gone. What waits then is written once more.
    ///
    /// A store that fails is tried again after a pause that doubles, to ten seconds at most (or
    /// the poll, if that is longer). Needs tokio with its time enabled. Dropping the future stops the exchange, and the next
    /// block that begins says so in an event.
    pub async fn run(mut self) {
        self.begun = true;
        self.outbox.runs(true);
        let mut failures = 0_u32;
        let mut poll_at = Instant::now();
        loop {
            let last = self.outbox.is_gone();
            let wrote = self.write().await;
            let now = Instant::now();
            let read = if now >= poll_at && !last {
                poll_at = later(now, self.poll);
                self.read().await
            } else {
                Ok(())
            };
            if last {
                return;
            }
            let result = wrote.and(read);
            self.tell_change(failures, result.as_ref().err());
            failures = match result {
                Ok(()) => 0,
                Err(_) => failures.saturating_add(1),
            };
            if failures == 0 {
                // Woken or not, there is something to do.
                let _ = timeout_at(poll_at, self.outbox.woken()).await;
            } else {
                poll_at = later(Instant::now(), self.pause(failures));
                while !self.outbox.is_gone()
                    && timeout_at(poll_at, self.outbox.woken()).await.is_ok()
                {}
            }
        }
    }

    /// Doubles with each failure; a half of it is chance, so that processes do not come back together.
    fn pause(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
        let longest = LONGEST_PAUSE.max(self.poll);
        let pause = self.poll.saturating_mul(factor).min(longest);
        pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }

    async fn write(&self) -> Result<(), StoreError> {
        while let Some(next) = self.outbox.next() {
            if let Err(error) = self.write_one(next).await {
                self.outbox.again(next);
                return Err(error);
            }
            self.outbox.done(next);
        }
        Ok(())
    }

    async fn write_one(&self, next: Next) -> Result<(), StoreError> {
        match next {
            Next::Lift(digest) => {
                let lift = |deadline| self.store.lift(&self.outbox.list, digest, deadline);
                self.guarded(lift).await?;
                self.outbox.count_written();
                Ok(())
            }
            Next::Put(digest) => self.put(digest).await,
            Next::All => {
                for part in self.bans.table.own(self.bans.now()) {
                    for digest in part {
                        self.put(digest).await?;
                    }
                }
                Ok(())
            }
        }
    }

    async fn put(&self, digest: Digest) -> Result<(), StoreError> {
        let (table, rules) = (&self.bans.table, &self.bans.rules);
        let Some(block) = table.tell(digest, self.bans.now(), rules) else {
            return Ok(());
        };
        let put = self.guarded(|deadline| self.store.put(&self.outbox.list, &block, deadline));
        put.await.inspect_err(|_| table.keep_pending(digest))?;
        self.outbox.count_written();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        // What the store has, read from its beginning; `None` while only news are read.
        let mut has: Option<HashSet<Digest>> = None;
        loop {
            let (list, since) = (&self.outbox.list, self.cursor);
            let changes = self
                .guarded(|deadline| self.store.changes(list, since, PER_PAGE, deadline))
                .await?;
            let another = changes.epoch != self.epoch;
            self.epoch = changes.epoch;
            if another && since != 0 && !changes.lost {
                // Whoever wrote since may have hidden that some of it is gone.
                self.cursor = 0;
                continue;
            }
            // What was written before anything was read may be lost as well, and no cursor tells.
            if changes.lost || (since == 0 && self.bans.table.any_open()) {
                has.get_or_insert_default();
            }
            for change in &changes.entries {
                self.hear(change);
                if let Some(has) = &mut has
                    && self.is_as_here(change)
                {
                    has.insert(key_of(change));
                }
            }
            self.outbox.count_unreadable(changes.unreadable);
            self.cursor = changes.next;
            if !changes.more {
                self.outbox.was_read();
                // What was lost is written at once, and not only at the next poll.
                return match has {
                    Some(has) => self.write_what_is_missing(&has).await,
                    None => Ok(()),
                };
            }
            if changes.next <= since && !changes.lost {
                return Err(StoreError::Answer("the changes do not go on".into()));
            }
        }
    }

    /// Not what the store has: somebody may lift that at this moment, and it would return.
    async fn write_what_is_missing(&self, has: &HashSet<Digest>) -> Result<(), StoreError> {
        for part in self.bans.table.own(self.bans.now()) {
            for digest in part.into_iter().filter(|digest| !has.contains(digest)) {
                let put = self.put(digest).await;
                // The rest is written later, with whatever else waits then.
                put.inspect_err(|_| self.outbox.write_all())?;
            }
        }
        self.write().await
    }

    /// Whether the store's record of a key says what stands here, after it was heard.
    fn is_as_here(&self, change: &BlockChange) -> bool {
        const NEARLY: Duration = Duration::from_secs(1);
        let BlockChange::Put(block) = change else {
            return true;
        };
        match self.bans.table.standing(block.digest, self.bans.now()) {
            Standing::Blocked(rest, _) => {
                let there = Duration::from_micros(block.rest);
                Duration::from_nanos(rest) <= there.saturating_add(NEARLY)
            }
            Standing::Free | Standing::Ended => true,
        }
    }

    fn hear(&self, change: &BlockChange) {
        let (bans, now) = (&self.bans, self.bans.now());
        if self.outbox.is_being_lifted(key_of(change)) {
            return;
        }
        match change {
            BlockChange::Put(block) => {
                let share = match block {
                    block if block.manual => BY_HAND,
                    block if block.wide => WIDE,
                    _ => SINGLE,
                };
                if !bans.table.learn(block, share, now, &bans.rules) {
                    self.outbox.count_unheard();
                }
            }
            BlockChange::Lifted(digest) => bans.table.unlearn(*digest, now),
        }
    }

    /// Asks the store, for no longer than until the deadline.
    async fn guarded<'a, T>(
        &self,
        call: impl FnOnce(std::time::Instant) -> StoreFuture<'a, T>,
    ) -> Result<T, StoreError> {
        let deadline = later(Instant::now(), self.deadline);
        let result = match timeout_at(deadline, call(deadline.into_std())).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Deadline),
        };
        result.inspect_err(|_| self.outbox.count_failure())
    }

    /// The first failure and the first success after it are events.
    fn tell_change(&self, failures: u32, error: Option<&StoreError>) {
        match (failures, error) {
            (0, Some(error)) => {
                let why = error.to_string();
                self.outbox
                    .tell("failing", Severity::High, Outcome::Failure, &why);
            }
            (1.., None) => {
                let why = "blocks are shared again";
                self.outbox
                    .tell("recovered", Severity::Low, Outcome::Success, why);
            }
            _ => {}
        }
    }
}

fn key_of(change: &BlockChange) -> Digest {
    match change {
        BlockChange::Put(block) => block.digest,
        BlockChange::Lifted(digest) => *digest,
    }
}

impl Drop for BanFollower {
    fn drop(&mut self) {
        self.outbox.runs(false);
        if !self.begun && !self.outbox.is_gone() {
            let why = "the follower was dropped without having run: blocks are not shared";
            self.outbox
                .tell("not running", Severity::High, Outcome::Failure, why);
        }
    }
}

impl fmt::Debug for BanFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanFollower")
            .field("list", &self.outbox.list)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
