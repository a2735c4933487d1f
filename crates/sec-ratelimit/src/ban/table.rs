//! Who was refused how often, and who is blocked until when: memory fixed at construction, sharded, with no
//! clean-up task.
//!
//! A key lives in one bucket of sixteen slots that its digest chooses. A new key takes a free slot, or one whose
//! record says nothing any more, or the slot of the key with the fewest blocks and refusals; never one that is
//! blocked. Each shard counts its blocks, so the share that they may hold is checked under its lock alone.

#[cfg(feature = "shared")]
mod exchange;
mod sweep;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sec_core::AddrPrefix;

use super::escalate::Rules;
use crate::digest::Digest;

#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    /// Blocks whose end nobody has noticed yet: while there are none, nobody needs to look.
    open: AtomicUsize,
    /// Those among them that were widened, or set by hand for a network.
    wide: AtomicUsize,
    round: Mutex<sweep::Round>,
    /// When the next round over the table is worth while.
    due: AtomicU64,
    begun_in_round: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    slots: Box<[Slot]>,
    blocked: usize,
    /// No block ends before this.
    earliest_end: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) digest: Digest,
    pub(super) shown: Option<AddrPrefix>,
    /// When the block ends, in nanoseconds; 0 when there is none.
    pub(super) until: u64,
    /// When the first of the refusals was.
    since: u64,
    /// The last refusal, or the end of the last block.
    last: u64,
    strikes: u32,
    /// How many blocks this key had.
    pub(super) blocks: u32,
    used: bool,
    wide: bool,
    pub(super) manual: bool,
    /// The block began in this process.
    own: bool,
    /// It began or changed here, and other processes were not told yet.
    pending: bool,
}

/// What is blocked, and how coarse it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) digest: Digest,
    pub(super) shown: Option<AddrPrefix>,
    /// Whether only a look for coarse blocks finds it.
    pub(super) wide: bool,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Free,
    /// For so many nanoseconds, and how many blocks the key has had.
    Blocked(u64, u32),
    /// Its block ended, and this is the first to notice.
    Ended,
}

/// What a refusal led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Struck {
    Counted,
    Started(u64, u32),
    /// It would be a block, but their share is used up.
    Full,
}

const WAYS: usize = 16;
const SHARDS: usize = 64;

/// The share of the table that blocks may hold, in eighths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share(pub(super) usize);

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        let buckets = capacity.div_ceil(WAYS);
        let shards = (buckets / 16).clamp(1, SHARDS);
        let slots = buckets.div_ceil(shards).saturating_mul(WAYS);
        Self {
            shards: (0..shards).map(|_| Mutex::new(Shard::new(slots))).collect(),
            open: AtomicUsize::new(0),
            wide: AtomicUsize::new(0),
            round: Mutex::default(),
            due: AtomicU64::new(u64::MAX),
            begun_in_round: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether any key may be blocked.
    pub(super) fn any_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Whether any coarse prefix may be.
    pub(super) fn any_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed) > 0
    }

    pub(super) fn standing(&self, digest: Digest, now: u64) -> Standing {
        let Some(mut shard) = self.shard(digest) else {
            return Standing::Free;
        };
        let Some(slot) = shard.find(digest) else {
            return Standing::Free;
        };
        if slot.until > now {
            return Standing::Blocked(slot.until.saturating_sub(now), slot.blocks);
        }
        if slot.until == 0 {
            return Standing::Free;
        }
        let wide = slot.close();
        shard.closed(self, wide);
        Standing::Ended
    }

    /// Counts a refusal.
    pub(super) fn strike(&self, who: Who, now: u64, rules: &Rules, share: Share) -> Struck {
        let Some(mut shard) = self.shard(who.digest) else {
            return Struck::Counted;
        };
        let Some(slot) = shard.claim(who, now, rules, self) else {
            return Struck::Counted;
        };
        if slot.until > now {
            // A request that was on its way when the block began.
            return Struck::Counted;
        }
        if now.saturating_sub(slot.since) >= rules.within {
            (slot.since, slot.strikes) = (now, 0);
        }
        slot.last = now;
        slot.strikes = slot.strikes.saturating_add(1);
        if slot.strikes < rules.after {
            return Struck::Counted;
        }
        let length = rules.length(slot.blocks);
        shard.begin(who, now, length, share, false, self)
    }

    /// Blocks a key at once, for `length` or as long as the rules say.
    pub(super) fn block(
        &self,
        who: Who,
        now: u64,
        length: Option<u64>,
        rules: &Rules,
        share: Share,
    ) -> Struck {
        let Some(mut shard) = self.shard(who.digest) else {
            return Struck::Full;
        };
        let Some(slot) = shard.claim(who, now, rules, self) else {
            return Struck::Full;
        };
        if slot.until > now && length.is_none() {
            return Struck::Counted;
        }
        let chosen = length.unwrap_or_else(|| rules.length(slot.blocks));
        shard.begin(who, now, chosen, share, length.is_some(), self)
    }

    /// Forgets a key; whether it was blocked.
    pub(super) fn unblock(&self, digest: Digest, now: u64) -> bool {
        let Some(mut shard) = self.shard(digest) else {
            return false;
        };
        let Some(slot) = shard.find(digest) else {
            return false;
        };
        let (was, open) = (slot.until > now, slot.until != 0);
        let wide = slot.close();
        *slot = Slot::EMPTY;
        if open {
            shard.closed(self, wide);
        }
        was
    }

    /// All blocks of this moment.
    pub(super) fn blocks(&self, now: u64) -> Vec<Slot> {
        let mut blocks = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            blocks.extend(shard.slots.iter().filter(|slot| slot.until > now).cloned());
        }
        blocks
    }

    /// How many slots there are.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        let lock = |shard: &Mutex<Shard>| shard.lock().unwrap().slots.len();
        self.shards.iter().map(lock).sum()
    }

    fn shard(&self, [low, _]: Digest) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(below(low, self.shards.len()))?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn new(slots: usize) -> Self {
        Self {
            slots: vec![Slot::EMPTY; slots].into(),
            blocked: 0,
            earliest_end: u64::MAX,
        }
    }

    fn bucket(&mut self, [_, high]: Digest) -> &mut [Slot] {
        let begin = below(high, self.slots.len() / WAYS).saturating_mul(WAYS);
        let end = begin.saturating_add(WAYS);
        self.slots.get_mut(begin..end).unwrap_or_default()
    }

    fn find(&mut self, digest: Digest) -> Option<&mut Slot> {
        self.bucket(digest)
            .iter_mut()
            .find(|slot| slot.used && slot.digest == digest)
    }

    /// The slot of a key, its old record forgiven if it is due; `None` when all slots are blocked.
    fn claim(&mut self, who: Who, now: u64, rules: &Rules, table: &Table) -> Option<&mut Slot> {
        let mine = |slot: &Slot| slot.used && slot.digest == who.digest;
        let bucket = self.bucket(who.digest);
        let index = bucket.iter().position(mine).or_else(|| {
            let mut open = bucket.iter().enumerate().filter(|(_, s)| s.until <= now);
            let first = open.next()?;
            let least = open.fold(first, |least, next| {
                if next.1.worth(now, rules) < least.1.worth(now, rules) {
                    next
                } else {
                    least
                }
            });
            Some(least.0)
        })?;
        let mut closed = None;
        if let Some(slot) = bucket.get_mut(index) {
            if slot.until != 0 && slot.until <= now {
                closed = Some(slot.close());
            }
            let keep = mine(slot) && (slot.until > now || !slot.forgiven(now, rules));
            if !keep {
                *slot = Slot {
                    digest: who.digest,
                    shown: who.shown,
                    since: now,
                    last: now,
                    used: true,
                    ..Slot::EMPTY
                };
            }
        }
        if let Some(wide) = closed {
            self.closed(table, wide);
        }
        self.bucket(who.digest).get_mut(index)
    }

    /// Begins or changes a block of a key that has a slot.
    fn begin(
        &mut self,
        who: Who,
        now: u64,
        length: u64,
        share: Share,
        manual: bool,
        table: &Table,
    ) -> Struck {
        let full = self.is_full(share, now, table);
        let until = now.saturating_add(length).max(1);
        let Some(slot) = self.find(who.digest) else {
            return Struck::Full;
        };
        let extended = slot.until != 0;
        if full && !extended {
            return Struck::Full;
        }
        slot.until = until;
        slot.last = until;
        slot.strikes = 0;
        slot.blocks = slot.blocks.saturating_add(1);
        slot.manual = manual;
        (slot.own, slot.pending) = (true, true);
        let blocks = slot.blocks;
        if !extended {
            slot.wide = who.wide;
            self.opened(table, who.wide);
        }
        self.earliest_end = self.earliest_end.min(until);
        table.ends_at(until);
        Struck::Started(length, blocks)
    }

    /// Whether blocks hold their share, those that have ended not counted.
    fn is_full(&mut self, share: Share, now: u64, table: &Table) -> bool {
        let most = self.slots.len().saturating_mul(share.0) / 8;
        if self.blocked >= most && now >= self.earliest_end {
            self.sweep(now, table);
        }
        self.blocked >= most
    }

    /// Closes the blocks that have ended. Each scan closes at least one, unless blocks were lifted by hand.
    fn sweep(&mut self, now: u64, table: &Table) {
        let mut earliest = u64::MAX;
        let (mut ended, mut wide) = (0_usize, 0_usize);
        for slot in self.slots.iter_mut().filter(|slot| slot.until != 0) {
            if slot.until > now {
                earliest = earliest.min(slot.until);
            } else {
                ended = ended.saturating_add(1);
                wide = wide.saturating_add(usize::from(slot.close()));
            }
        }
        self.earliest_end = earliest;
        self.blocked = self.blocked.saturating_sub(ended);
        table.open.fetch_sub(ended, Ordering::Relaxed);
        table.wide.fetch_sub(wide, Ordering::Relaxed);
    }

    /// Accounts for one block that was opened.
    fn opened(&mut self, table: &Table, wide: bool) {
        self.blocked = self.blocked.saturating_add(1);
        table.open.fetch_add(1, Ordering::Relaxed);
        if wide {
            table.wide.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Accounts for one block that was closed.
    fn closed(&mut self, table: &Table, wide: bool) {
        self.blocked = self.blocked.saturating_sub(1);
        table.open.fetch_sub(1, Ordering::Relaxed);
        if wide {
            table.wide.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Slot {
    const EMPTY: Self = Self {
        digest: [0; 2],
        shown: None,
        until: 0,
        since: 0,
        last: 0,
        strikes: 0,
        blocks: 0,
        used: false,
        wide: false,
        manual: false,
        own: false,
        pending: false,
    };

    /// Ends the block; whether it was a coarse one.
    fn close(&mut self) -> bool {
        self.until = 0;
        std::mem::take(&mut self.wide)
    }

    fn forgiven(&self, now: u64, rules: &Rules) -> bool {
        now.saturating_sub(self.last) >= rules.forgive_after
    }

    /// What would be lost with this record: the least goes first.
    fn worth(&self, now: u64, rules: &Rules) -> (bool, u32, u32, u64) {
        let says = self.used && !self.forgiven(now, rules);
        (says, self.blocks, self.strikes, self.last)
    }
}

/// A number below `n`, evenly.
fn below(random: u64, n: usize) -> usize {
    let n = u128::try_from(n).unwrap_or(0);
    usize::try_from(u128::from(random).wrapping_mul(n) >> 64).unwrap_or(0)
}
