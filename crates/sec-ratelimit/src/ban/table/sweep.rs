//! Noticing that blocks are over whose keys do not come back, a few slots at a time, on the way of other requests.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};

use super::{Slot, Table, Who};

/// Where the round over the table stands.
#[derive(Debug, Default)]
pub(super) struct Round {
    running: bool,
    shard: usize,
    slot: usize,
    /// When the first of the blocks that it has seen ends.
    earliest: u64,
}

/// Those that ended, a few at most.
pub(in crate::ban) type Ended = [Option<Who>; MOST];

/// As many slots are looked at in one step: four buckets.
const STEP: usize = 64;
const MOST: usize = 8;
/// A round begins a second after the last at the earliest, in nanoseconds.
const PAUSE: u64 = 1_000_000_000;

impl Table {
    /// Closes some of the blocks that are over. Where none can be, that is one atomic load.
    pub(in crate::ban) fn sweep_some(&self, now: u64) -> Ended {
        let mut ended = Ended::default();
        if now < self.due.load(Ordering::Relaxed) {
            return ended;
        }
        // Somebody else is at it: they are not waited for.
        let mut round = match self.round.try_lock() {
            Ok(round) => round,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return ended,
        };
        if !round.running {
            self.begun_in_round.store(u64::MAX, Ordering::SeqCst);
            *round = Round {
                running: true,
                earliest: u64::MAX,
                ..Round::default()
            };
        }
        self.step(&mut round, now, &mut ended);
        if round.shard >= self.shards.len() {
            round.running = false;
            let next = round.earliest.max(now.saturating_add(PAUSE));
            self.due.store(next, Ordering::SeqCst);
            // A block that began in a part which the round had left behind.
            let begun = self.begun_in_round.load(Ordering::SeqCst);
            self.due.fetch_min(begun, Ordering::SeqCst);
        }
        ended
    }

    /// A block begins that ends then. Told under the lock of its shard.
    pub(super) fn ends_at(&self, until: u64) {
        self.begun_in_round.fetch_min(until, Ordering::SeqCst);
        self.due.fetch_min(until, Ordering::SeqCst);
    }

    fn step(&self, round: &mut Round, now: u64, ended: &mut Ended) {
        let Some(shard) = self.shards.get(round.shard) else {
            return;
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = ended.iter_mut();
        let mut closed = [0_usize; 2];
        for slot in shard.slots.iter_mut().skip(round.slot).take(STEP) {
            if slot.until > now {
                round.earliest = round.earliest.min(slot.until);
            } else if slot.until != 0 {
                // What finds no room here is found again from this slot on.
                let Some(place) = room.next() else { break };
                *place = Some(slot.who());
                let wide = usize::from(slot.close());
                if let Some(count) = closed.get_mut(wide) {
                    *count = count.saturating_add(1);
                }
            }
            round.slot = round.slot.saturating_add(1);
        }
        for (wide, count) in [(false, 0), (true, 1)] {
            for _ in 0..closed.get(count).copied().unwrap_or(0) {
                shard.closed(self, wide);
            }
        }
        if round.slot >= shard.slots.len() {
            (round.shard, round.slot) = (round.shard.saturating_add(1), 0);
        }
    }
}

impl Slot {
    fn who(&self) -> Who {
        Who {
            digest: self.digest,
            shown: self.shown,
            wide: self.wide,
        }
    }
}
