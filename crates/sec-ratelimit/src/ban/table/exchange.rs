//! What the table tells other processes, and what it learns of them.

use std::ops::Range;
use std::sync::PoisonError;

use super::{Shard, Share, Slot, Table, Who};
use crate::ban::escalate::Rules;
use crate::digest::Digest;
use crate::shared::SharedBlock;

/// How many slots are looked at under one lock.
const STEP: usize = 1024;

impl Table {
    /// The record of a key for others, which counts as told from now on. `None` when it says nothing.
    pub(in crate::ban) fn tell(
        &self,
        digest: Digest,
        now: u64,
        rules: &Rules,
    ) -> Option<SharedBlock> {
        let mut shard = self.shard(digest)?;
        let slot = shard.find(digest)?;
        slot.pending = false;
        slot.told(now, rules)
    }

    /// Others could not be told: until they are, what they say of the key is older.
    pub(in crate::ban) fn keep_pending(&self, digest: Digest) {
        if let Some(mut shard) = self.shard(digest)
            && let Some(slot) = shard.find(digest)
        {
            slot.pending = true;
        }
    }

    /// Takes another process's block over; whether there was room.
    pub(in crate::ban) fn learn(
        &self,
        block: &SharedBlock,
        share: Share,
        now: u64,
        rules: &Rules,
    ) -> bool {
        let who = Who {
            digest: block.digest,
            shown: block.shown,
            wide: block.wide,
        };
        let Some(mut shard) = self.shard(who.digest) else {
            return false;
        };
        if shard.find(who.digest).is_some_and(|slot| slot.pending) {
            return true;
        }
        let full = shard.is_full(share, now, self);
        let Some(slot) = shard.claim(who, now, rules, self) else {
            return false;
        };
        let live = slot.until > now;
        let unknown = slot.blocks == 0 && slot.strikes == 0;
        slot.blocks = slot.blocks.max(block.count);
        if block.rest == 0 {
            let kept = now.saturating_add(nanos(block.memory));
            let ended = kept.saturating_sub(rules.forgive_after);
            slot.last = if unknown { ended } else { slot.last.max(ended) };
            return true;
        }
        let until = now.saturating_add(nanos(block.rest));
        if live && !block.manual && slot.until >= until {
            return true;
        }
        if full && !live {
            return false;
        }
        (slot.until, slot.last, slot.strikes) = (until, until, 0);
        slot.manual = block.manual;
        // One's own comes back from the store, by the time of the trip later.
        slot.own &= live;
        if !live {
            slot.wide = block.wide;
            shard.opened(self, block.wide);
        }
        shard.earliest_end = shard.earliest_end.min(until);
        self.ends_at(until);
        true
    }

    /// Another process lifted a key.
    pub(in crate::ban) fn unlearn(&self, digest: Digest, now: u64) {
        let pending = |mut shard: std::sync::MutexGuard<'_, Shard>| {
            shard.find(digest).is_some_and(|slot| slot.pending)
        };
        if !self.shard(digest).is_some_and(pending) {
            self.unblock(digest, now);
        }
    }

    /// The keys of the blocks that began here, in parts, so that no lock is held for long.
    pub(in crate::ban) fn own(&self, now: u64) -> impl Iterator<Item = Vec<Digest>> {
        let parts = self.shards.iter().flat_map(|shard| {
            let slots = lock(shard).slots.len();
            (0..slots)
                .step_by(STEP)
                .map(move |from| (shard, from..from.saturating_add(STEP)))
        });
        parts.map(move |(shard, range)| lock(shard).own(range, now))
    }
}

fn lock(shard: &std::sync::Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn own(&self, range: Range<usize>, now: u64) -> Vec<Digest> {
        let end = range.end.min(self.slots.len());
        let slots = self.slots.get(range.start..end).unwrap_or_default();
        let own = slots.iter().filter(|slot| slot.own && slot.until > now);
        own.map(|slot| slot.digest).collect()
    }
}

impl Slot {
    fn told(&self, now: u64, rules: &Rules) -> Option<SharedBlock> {
        let forgotten = self.last.saturating_add(rules.forgive_after);
        if self.blocks == 0 || forgotten <= now {
            return None;
        }
        Some(SharedBlock {
            digest: self.digest,
            shown: self.shown,
            rest: micros(self.until.saturating_sub(now)),
            memory: micros(forgotten.saturating_sub(now)),
            count: self.blocks,
            manual: self.manual,
            wide: self.wide,
        })
    }
}

/// Rounded up: a block that lasts lasts there too.
const fn micros(nanos: u64) -> u64 {
    nanos.div_ceil(1000)
}

const fn nanos(micros: u64) -> u64 {
    micros.saturating_mul(1000)
}
