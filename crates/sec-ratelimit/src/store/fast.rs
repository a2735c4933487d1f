//! The table of a limiter whose one quota fits into a word: no lock for a key that is known.
//!
//! A slot is sixteen bytes: 64 bits of the key's digest (its *fingerprint*), and the state as
//! [`packed`](super::packed) has it. A decision on a known key reads one line of four slots (for
//! every fourth key more) and changes the state with one compare-and-swap; a refusal writes nothing. Keys that are new
//! take the lock of their shard, so a key never gets two slots.
//!
//! # Why an eviction cannot race a change of state
//!
//! Only the holder of the shard's lock changes a fingerprint, in three steps:
//!
//! 1. compare-and-swap of the state from what was judged dispensable to *empty, next tenure*;
//! 2. store of the new fingerprint;
//! 3. store of the new key's first state, of that tenure.
//!
//! A decision reads the state, **then** the fingerprint, and swaps the state only from what it
//! read. Say that the swap succeeds. Then no step 1 lies between the read and the swap, since it would
//! have changed the tenure. The fingerprint that was read is no older than the state, because step 3
//! releases what step 2 stored; and it is no newer, because step 2 releases step 1, after which
//! the swap would have failed. So state and fingerprint belong together, and the key's own state
//! was changed. A state that is empty is left to whoever holds the lock. Likewise step 1 fails when the
//! old key has taken something since it was judged: a key that reached its limit in the meantime is not
//! forgotten. A refusal has no swap; it reads the tenure again instead.
//!
//! The tenure has six bits. To be deceived, a decision must be held up between two instructions
//! while its slot changes hands a multiple of 64 times and ends in the very same state; one cost
//! would then count for another key.
//!
//! Two keys with one fingerprint would share a quota. Addresses of IPv4 cannot: their fingerprint is a
//! permutation of the address (see [`digest`](crate::digest)). Other keys must also meet in a bucket, which
//! other bits of the digest choose: among a million keys the chance that any two do is below
//! 10⁶ × 16 / 2⁶⁴, one in 10¹².

use std::mem::size_of;
use std::sync::PoisonError;

use super::BUCKET;
use super::ask::{Ask, Left, Seen};
use super::layout::Layout;
use super::packed::{Packed, Take, Word};
use super::seats::{Found, Home, Sought, fingerprint};
use super::slot::{Hold, Mark};
use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::Answer;
use crate::digest::Digest;

/// The states of one tier's keys.
#[derive(Debug)]
pub(crate) struct FastTable {
    pub(super) buckets: Box<[Bucket]>,
    shards: Box<[Shard]>,
    /// What the refunds of each slot gave back, for buckets only: see
    /// [`Gcra::give_back`](crate::Gcra::give_back).
    returned: Box<[AtomicU64]>,
    pub(super) layout: Layout,
    /// What decides whether a slot is spent.
    pub(crate) base: Packed,
}

/// Two cache lines. A key has a slot in the line that its digest chooses, as long as that has room.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Bucket(pub(super) [Line; LINES]);

#[derive(Debug, Default)]
pub(super) struct Line(pub(super) [Slot; LINE]);

pub(super) const LINE: usize = 4;
pub(super) const LINES: usize = BUCKET / LINE;

#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// 0 for a slot that was never used.
    pub(super) key: AtomicU64,
    pub(super) word: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// Held while a key gets a slot, and for refunds.
    lock: Mutex<()>,
    /// The state that the keys without room share.
    overflow: AtomicU64,
}

/// The bytes of a table of this many keys.
pub(crate) fn bytes_for(keys: usize, rule: &Packed) -> usize {
    let layout = Layout::of(keys);
    let refunds = entries(&layout, rule).saturating_mul(size_of::<AtomicU64>());
    layout
        .buckets()
        .saturating_mul(size_of::<Bucket>())
        .saturating_add(layout.shards.saturating_mul(size_of::<Shard>()))
        .saturating_add(refunds)
}

fn entries(layout: &Layout, rule: &Packed) -> usize {
    match rule {
        Packed::Fixed { .. } => 0,
        // The overflow slots come last.
        Packed::Gcra(_) => layout
            .buckets()
            .saturating_mul(BUCKET)
            .saturating_add(layout.shards),
    }
}

fn many<T: Default>(n: usize) -> Box<[T]> {
    std::iter::repeat_with(T::default).take(n).collect()
}

impl FastTable {
    pub(crate) fn new(keys: usize, base: Packed) -> Self {
        let layout = Layout::of(keys);
        Self {
            buckets: many(layout.buckets()),
            shards: many(layout.shards),
            returned: many(entries(&layout, &base)),
            layout,
            base,
        }
    }

    /// What the table really takes.
    #[cfg(all(test, not(sec_loom)))]
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.buckets)
            + std::mem::size_of_val(&*self.shards)
            + std::mem::size_of_val(&*self.returned)
    }

    /// Answers, and takes if it fits; for who never gives anything back.
    #[inline]
    pub(crate) fn take(&self, sought: &Sought<'_>, now: u64, cost: u64) -> Left {
        let [key, place] = sought.digest;
        let ask = self.plainly(now, cost);
        if let Some((slot, _)) = sought.slot
            && let Some(done) = on(slot, fingerprint(key), &ask, |word| (ask.apply(word).0, ()))
        {
            let Done { answer, word, .. } = done;
            let shared = false;
            return Left {
                answer,
                word,
                shared,
            };
        }
        self.take_further(key, place, now, cost)
    }

    /// The question made anew, so that [`take`](Self::take) keeps its own in registers.
    fn take_further(&self, key: u64, place: u64, now: u64, cost: u64) -> Left {
        let ask = self.plainly(now, cost);
        let seen = self.decide_further([key, place], &ask);
        Left {
            answer: seen.answer,
            word: seen.word,
            shared: seen.shared,
        }
    }

    #[inline]
    fn plainly(&self, now: u64, cost: u64) -> Ask<'_> {
        Ask {
            rule: &self.base,
            now,
            cost,
            take: Take::IfItFits,
            refundable: false,
        }
    }

    /// Answers, and takes if told so and the answer allows it.
    #[inline]
    pub(crate) fn decide(&self, sought: &Sought<'_>, ask: &Ask<'_>) -> Seen {
        let Sought { digest, slot } = *sought;
        let [key, _] = digest;
        if let Some((slot, index)) = slot
            && let Some(done) = on(slot, fingerprint(key), ask, |word| {
                self.taken(word, index, ask)
            })
        {
            return done.seen(index);
        }
        self.decide_further(digest, ask)
    }

    /// Decides on a key that is not where it would rather be.
    fn decide_further(&self, digest: Digest, ask: &Ask<'_>) -> Seen {
        let home = &self.home(digest);
        if let Some((slot, index)) = self.seek_further(home)
            && let Some(done) = on(slot, home.key, ask, |word| self.taken(word, index, ask))
        {
            return done.seen(index);
        }
        self.decide_locked(home, ask)
    }

    /// The state after a take, and what its refund needs.
    #[inline]
    fn taken(&self, word: Word, index: usize, ask: &Ask<'_>) -> (Word, Kept) {
        // Before the swap: see `give_back`.
        let returned = self.returned.get(index).filter(|_| ask.refundable);
        let returned = returned.map_or(0, |sum| sum.load(Ordering::Acquire));
        let (next, mark) = ask.apply(word);
        (next, (mark, returned))
    }

    /// Gives back to the state that the hold was taken from, if it is still there.
    pub(crate) fn give_back(&self, rule: &Packed, now: u64, hold: &Hold, units: u64) {
        let slots = self.buckets.len().saturating_mul(BUCKET);
        let (shard, word) = match hold.index.checked_sub(slots) {
            Some(shard) => match self.shards.get(shard) {
                Some(one) => (shard, &one.overflow),
                None => return,
            },
            None => {
                let bucket = hold.index / BUCKET;
                match self.slot(hold.index) {
                    Some(slot) => (self.shard_of(bucket), &slot.word),
                    None => return,
                }
            }
        };
        // One refund at a time, so that each reckons with all before it.
        let _guard = self.lock(shard);
        let returned = self.returned.get(hold.index);
        let before = returned.map_or(0, |sum| sum.load(Ordering::Acquire));
        let mut seen = Word(word.load(Ordering::Acquire));
        loop {
            if seen.tenure() != u64::from(hold.generation) || seen.is_empty() {
                return;
            }
            let (next, back) = rule.give_back(seen, now, hold, units, before);
            match word.compare_exchange(seen.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    if let Some(sum) = returned {
                        // After the swap: a take that reads the sum before its own swap then counts
                        // this refund twice at worst, and can get back less, never more.
                        sum.store(before.saturating_add(back), Ordering::Release);
                    }
                    return;
                }
                Err(now_there) => seen = Word(now_there),
            }
        }
    }

    /// Sets a key's state to so many units taken now, and lets no earlier hold give back to it. `false`
    /// for a key that shares the overflow slot.
    pub(crate) fn overwrite(&self, digest: Digest, rule: &Packed, now: u64, used: u64) -> bool {
        let home = self.home(digest);
        let _guard = self.lock(self.shard_of(home.first));
        loop {
            let (slot, old) = match self.find(&home, now) {
                Found::Own(slot, _) => (slot, Word(slot.word.load(Ordering::Acquire))),
                Found::Room(slot, _, old) if used > 0 => (slot, old),
                Found::Room(..) => return true,
                Found::Nothing => return false,
            };
            // From here on a take without the lock sees a slot that is changing hands, and waits for it.
            let fresh = old.next_tenure();
            let swap =
                slot.word
                    .compare_exchange(old.0, fresh.0, Ordering::AcqRel, Ordering::Relaxed);
            if swap.is_err() {
                continue;
            }
            if used == 0 {
                slot.key.store(0, Ordering::Release);
            } else {
                let (first, _) = rule.take(fresh, now, used, false);
                slot.key.store(home.key, Ordering::Release);
                slot.word.store(first.0, Ordering::Release);
            }
            return true;
        }
    }

    /// Decides on a key that has no slot, or whose slot was changing hands.
    #[cold]
    fn decide_locked(&self, home: &Home, ask: &Ask<'_>) -> Seen {
        let shard = self.shard_of(home.first);
        let _guard = self.lock(shard);
        loop {
            match self.find(home, ask.now) {
                Found::Own(slot, index) => {
                    if let Some(done) = on(slot, home.key, ask, |word| self.taken(word, index, ask))
                    {
                        return done.seen(index);
                    }
                }
                Found::Room(slot, index, old) => {
                    let fresh = old.next_tenure();
                    let answer = ask.rule.answer(fresh, ask.now, ask.cost);
                    if !ask.takes(answer) {
                        let (word, took) = (fresh, None);
                        return Done { answer, word, took }.seen(index);
                    }
                    let handed_over = slot.word.compare_exchange(
                        old.0,
                        fresh.0,
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    );
                    if handed_over.is_err() {
                        continue; // its key took something: judge anew
                    }
                    let (word, kept) = self.taken(fresh, index, ask);
                    slot.key.store(home.key, Ordering::Release);
                    slot.word.store(word.0, Ordering::Release);
                    let took = Some(kept);
                    return Done { answer, word, took }.seen(index);
                }
                Found::Nothing => {
                    let index = self.buckets.len().saturating_mul(BUCKET);
                    let index = index.saturating_add(shard);
                    let Some(Shard { overflow, .. }) = self.shards.get(shard) else {
                        continue;
                    };
                    let word = Word(overflow.load(Ordering::Acquire));
                    if let Some(done) =
                        step(overflow, word, ask, |word| self.taken(word, index, ask))
                    {
                        return Seen {
                            shared: true,
                            ..done.seen(index)
                        };
                    }
                }
            }
        }
    }

    /// A panic elsewhere leaves a shard whole: nothing under the lock can panic half-way.
    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, ()>> {
        let shard = self.shards.get(shard)?;
        Some(shard.lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a decision did to a state.
struct Done<K> {
    answer: Answer,
    /// The state now.
    word: Word,
    /// What is kept of a take, if something was taken.
    took: Option<K>,
}

/// For a refund: the mark, and what the slot's refunds had given back.
type Kept = (Mark, u64);

/// Decides on a known slot. `None` if it is changing hands. `take` makes the next state.
#[inline]
fn on<K>(
    slot: &Slot,
    key: u64,
    ask: &Ask<'_>,
    take: impl Fn(Word) -> (Word, K),
) -> Option<Done<K>> {
    loop {
        let word = Word(slot.word.load(Ordering::Acquire));
        if word.is_empty() || slot.key.load(Ordering::Acquire) != key {
            return None;
        }
        let Some(done) = step(&slot.word, word, ask, &take) else {
            continue;
        };
        if done.took.is_none() {
            let after = Word(slot.word.load(Ordering::Acquire));
            return (after.tenure() == word.tenure()).then_some(done);
        }
        return Some(done);
    }
}

/// One try. `None` if the state changed meanwhile.
#[inline]
fn step<K>(
    at: &AtomicU64,
    word: Word,
    ask: &Ask<'_>,
    take: impl Fn(Word) -> (Word, K),
) -> Option<Done<K>> {
    let answer = ask.rule.answer(word, ask.now, ask.cost);
    if !ask.takes(answer) {
        return Some(Done {
            answer,
            word,
            took: None,
        });
    }
    let (next, kept) = take(word);
    swap(at, word, next).then_some(Done {
        answer,
        word: next,
        took: Some(kept),
    })
}

#[inline]
fn swap(at: &AtomicU64, word: Word, next: Word) -> bool {
    at.compare_exchange_weak(word.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

impl Done<Kept> {
    #[inline]
    fn seen(self, index: usize) -> Seen {
        let word = self.word;
        let hold = |(mark, returned): Kept| Hold {
            index,
            generation: u32::try_from(word.tenure()).unwrap_or(0),
            mark: match mark {
                Mark::Bucket(bucket) => Mark::Bucket(crate::GcraHold { returned, ..bucket }),
                other => other,
            },
            fast: true,
        };
        Seen {
            answer: self.answer,
            word,
            shared: false,
            hold: self.took.map_or_else(Hold::default, hold),
        }
    }
}
