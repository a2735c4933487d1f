//! The table of one tier: memory fixed at construction, sharded, with no clean-up task.
//!
//! A key lives in one of two buckets of eight slots that its digest chooses. A new key takes, in this
//! order: a slot that was never used or whose state says nothing any more, in the bucket with more of
//! them (two choices keep the buckets evenly filled: Azar, Broder, Karlin and Upfal, 1994), or the slot
//! with the least used quota. A key that is **at its limit is never forgotten**: when all sixteen
//! are, the new key shares the shard's overflow slot with all others that find no room.

use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::slot::{Hold, Slot};
use crate::digest::Digest;
use crate::quota::Algorithm;
use crate::{Answer, Standing};

/// The states of one tier's keys.
#[derive(Debug)]
pub(crate) struct Table {
    shards: Box<[Mutex<Shard>]>,
}

/// A part of the table behind one lock.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The keys' slots, and the overflow slot last.
    slots: Box<[Slot]>,
    /// As many entries per slot as an exact log needs, or counts as a sliding or bounded window does;
    /// empty for the other algorithms.
    logs: Box<[u64]>,
    layout: Layout,
    /// What decides whether a slot is spent.
    base: Algorithm,
}

/// Where a key is, or would be put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    index: usize,
    /// The slot still holds another key's state, or none.
    fresh: bool,
    /// The key shares the overflow slot.
    pub(crate) overflow: bool,
}

const SHARDS: usize = 64;
/// A shard so large that chance fills none much more than the others.
const SHARD_KEYS: usize = 512;
pub(super) const BUCKET: usize = 8;

/// The bytes of a table of this many keys.
pub(crate) fn bytes_for(keys: usize, algorithm: &Algorithm) -> usize {
    let layout = Layout::of(keys);
    let entry =
        size_of::<Slot>().saturating_add(algorithm.log_entries().saturating_mul(size_of::<u64>()));
    let slots = layout.slots().saturating_add(1);
    layout.shards.saturating_mul(slots).saturating_mul(entry)
}

/// How a table is cut: half as many slots again as keys, with which all find room in one of
/// their buckets; with a quarter, a few in ten thousand do not.
#[derive(Clone, Copy, Debug)]
struct Layout {
    shards: usize,
    buckets: usize,
    width: usize,
}

impl Layout {
    fn of(keys: usize) -> Self {
        let keys = keys.max(1);
        let shards = keys.div_ceil(SHARD_KEYS).min(SHARDS);
        let slots = keys.saturating_add(keys / 2).div_ceil(shards);
        let width = slots.min(BUCKET);
        Self {
            shards,
            buckets: slots.div_ceil(width),
            width,
        }
    }

    fn slots(&self) -> usize {
        self.buckets.saturating_mul(self.width)
    }

    /// The first slots of the key's two buckets, which differ if there is more than one.
    fn buckets_of(&self, [one, other]: Digest) -> [usize; 2] {
        let first = scale(other, self.buckets);
        let step = scale(one.rotate_left(32), self.buckets.saturating_sub(1));
        let second = first.saturating_add(step).saturating_add(1);
        let second = second.checked_rem(self.buckets).unwrap_or(0);
        [first, second].map(|bucket| bucket.saturating_mul(self.width))
    }
}

impl Table {
    pub(crate) fn new(keys: usize, base: Algorithm) -> Self {
        let layout = Layout::of(keys);
        let slots = layout.slots().saturating_add(1);
        let shard = || {
            Mutex::new(Shard {
                slots: vec![Slot::EMPTY; slots].into_boxed_slice(),
                logs: vec![0; slots.saturating_mul(base.log_entries())].into_boxed_slice(),
                layout,
                base,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(layout.shards).collect(),
        }
    }

    /// What the slots and logs really take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let shards = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            std::mem::size_of_val(&*shard.slots) + std::mem::size_of_val(&*shard.logs)
        });
        shards.sum()
    }

    /// Locks the shard of a key. A panic elsewhere leaves a shard whole, since nothing that changes
    /// one can panic half-way; its poison is therefore ignored.
    pub(crate) fn lock(&self, digest: Digest) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(scale(digest[0], self.shards.len()))?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// Finds the key's slot or the one it would get. Changes nothing.
    pub(crate) fn find(&self, digest: Digest, now: u64) -> Place {
        let at = |index| Place {
            index,
            fresh: true,
            overflow: false,
        };
        // The free slots of the better bucket, and one of them.
        let mut free = (0_usize, None);
        let mut least: Option<(u8, usize)> = None;
        for start in self.layout.buckets_of(digest) {
            let mut here = (0_usize, None);
            for index in start..start.saturating_add(self.layout.width) {
                let Some(slot) = self.slots.get(index) else {
                    break;
                };
                if slot.occupied && slot.key == digest {
                    return Place {
                        fresh: false,
                        ..at(index)
                    };
                }
                if !slot.occupied || self.base.is_spent(slot, self.log(index), now) {
                    here = (here.0.saturating_add(1), here.1.or(Some(index)));
                } else if slot.fill < Slot::FULL && least.is_none_or(|(fill, _)| slot.fill < fill) {
                    least = Some((slot.fill, index));
                }
            }
            if here.0 > free.0 {
                free = here;
            }
        }
        match free.1.or(least.map(|(_, index)| index)) {
            Some(index) => at(index),
            None => Place {
                index: self.layout.slots(),
                fresh: false,
                overflow: true,
            },
        }
    }

    pub(crate) fn answer(
        &self,
        place: Place,
        algorithm: &Algorithm,
        now: u64,
        cost: u64,
    ) -> Answer {
        let (slot, log) = self.view(place);
        algorithm.answer(slot, log, now, cost)
    }

    pub(crate) fn standing(&self, place: Place, algorithm: &Algorithm, now: u64) -> Standing {
        let (slot, log) = self.view(place);
        algorithm.standing(slot, log, now)
    }

    pub(crate) fn take(
        &mut self,
        digest: Digest,
        place: Place,
        algorithm: &Algorithm,
        now: u64,
        cost: u64,
        saturating: bool,
    ) -> Hold {
        let entries = self.base.log_entries();
        let (Some(slot), log) = (
            self.slots.get_mut(place.index),
            log_of(&mut self.logs, place.index, entries),
        ) else {
            return Hold::default();
        };
        if place.fresh {
            slot.hand_over(digest);
            if self.base.keeps_counts() {
                log.fill(0);
            }
        }
        algorithm
            .take(slot, log, now, cost, saturating)
            .at(place.index)
    }

    /// Makes a key's state that of one which took so many units just now. False where the key has none
    /// of its own. Holds of before meet nothing any more.
    pub(crate) fn overwrite(
        &mut self,
        digest: Digest,
        algorithm: &Algorithm,
        now: u64,
        units: u64,
    ) -> bool {
        let found = self.find(digest, now);
        if found.overflow {
            return false;
        }
        if units > 0 || !found.fresh {
            let place = Place {
                fresh: true,
                ..found
            };
            let _ = self.take(digest, place, algorithm, now, units, false);
        }
        true
    }

    /// Gives back to the state that the hold was taken from. If
    /// another key has the slot now, the state is gone, and with it what was to be given back.
    pub(crate) fn give_back(&mut self, algorithm: &Algorithm, now: u64, hold: Hold, units: u64) {
        let entries = self.base.log_entries();
        if let (Some(slot), log) = (
            self.slots.get_mut(hold.index),
            log_of(&mut self.logs, hold.index, entries),
        ) {
            algorithm.give_back(slot, log, now, hold, units);
        }
    }

    /// Where a take has just put its key.
    pub(crate) fn place_of(hold: Hold) -> Place {
        Place {
            index: hold.index,
            fresh: false,
            overflow: false,
        }
    }

    fn view(&self, place: Place) -> (&Slot, &[u64]) {
        match self.slots.get(place.index) {
            Some(slot) if !place.fresh => (slot, self.log(place.index)),
            _ => (&Slot::EMPTY, &[]),
        }
    }

    fn log(&self, index: usize) -> &[u64] {
        let entries = self.base.log_entries();
        let from = index.saturating_mul(entries);
        self.logs
            .get(from..from.saturating_add(entries))
            .unwrap_or_default()
    }
}

fn log_of(logs: &mut [u64], index: usize, entries: usize) -> &mut [u64] {
    let from = index.saturating_mul(entries);
    logs.get_mut(from..from.saturating_add(entries))
        .unwrap_or_default()
}

/// Maps a hash evenly onto `0..n` without a division.
#[inline]
pub(super) fn scale(hash: u64, n: usize) -> usize {
    let n = u128::try_from(n).unwrap_or(0);
    let scaled = u128::from(hash).wrapping_mul(n) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}
