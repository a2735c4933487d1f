//! A bucket or a fixed window in one word, so that one compare-and-swap changes it.
//!
//! | bits | bucket | fixed window |
//! |---|---|---|
//! | 58–63 | tenure | tenure |
//! | 0–57 | `tat` | start of the window; the lowest `b` bits hold the count, and the one above them whether the key is at its limit |
//!
//! The tenure grows when another key takes the slot over: see [`fast`](super::fast). Instants are
//! nanoseconds since the limiter was built, plus [`ORIGIN`], so that no state is all zeros: an empty
//! payload says that a slot has no state yet.
//!
//! The bucket is exact. The window's start is rounded **up** to `2^(b + 1)` nanoseconds, `b` as small as
//! sixteen times the limit needs: 512 ns at 10 units, 4 µs at 100. So a window is never shorter than
//! asked for, and longer by less than a thousandth of itself, or the quota is not packed at all. A
//! count that reaches the largest number of `b` bits stays there until the window ends, refunds
//! notwithstanding: what lies above it is not known.
//!
//! A key may have a smaller limit of its own, which nobody knows when another key looks for room. Hence
//! the bit: it says whether the count was at the limit that applied when it last changed.

use crate::fixed::FixedState;
use crate::gcra::GcraState;
use crate::quota::Algorithm;
use crate::store::Hold;
use crate::store::slot::Mark;
use crate::{Answer, FixedWindow, Gcra, Standing};

/// What instants are counted from.
pub(crate) const ORIGIN: u64 = 1 << 40;
/// Beyond this instant (four and a half years) nothing is packed.
pub(crate) const HORIZON: u64 = 1 << 57;

const PAYLOAD: u32 = 58;
const MASK: u64 = (1 << PAYLOAD) - 1;
const SPARE_BITS: u32 = 4;

/// A state with its tenure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    #[inline]
    pub(crate) fn tenure(self) -> u64 {
        self.0 >> PAYLOAD
    }

    /// No key's state: a slot that was never used, or one that is being handed over.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.payload() == 0
    }

    #[inline]
    fn payload(self) -> u64 {
        self.0 & MASK
    }

    #[inline]
    fn with(self, payload: u64) -> Self {
        Self((self.0 & !MASK) | payload.min(MASK))
    }

    /// The same slot for its next key, without a state.
    pub(crate) fn next_tenure(self) -> Self {
        Self(self.tenure().wrapping_add(1).wrapping_shl(PAYLOAD))
    }
}

/// A quota whose states fit into one word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packed {
    Fixed {
        rule: FixedWindow,
        window: u64,
        bits: u32,
    },
    Gcra(Gcra),
}

/// When a cost is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Never,
    IfItFits,
    /// Also above the limit.
    Always,
    /// Also above the limit, leaving a bucket at most empty.
    Saturating,
}

impl Packed {
    pub(crate) fn new(algorithm: &Algorithm) -> Option<Self> {
        match *algorithm {
            Algorithm::Fixed(rule) => {
                let (limit, window) = (rule.limit(), rule.window());
                let least = u64::BITS.saturating_sub(limit.leading_zeros());
                let fits = |bits: &u32| *bits < PAYLOAD && (window >> 11) >> bits > 0;
                let spare = least.saturating_add(SPARE_BITS);
                let bits = Some(spare).filter(fits);
                let bits = bits.or(Some(least.saturating_add(1)).filter(fits))?;
                (window <= HORIZON).then_some(Self::Fixed { rule, window, bits })
            }
            Algorithm::Gcra(rule) => (rule.depth() <= HORIZON).then_some(Self::Gcra(rule)),
            _ => None,
        }
    }

    /// The same packing for a caller's own limit, if it fits.
    pub(crate) fn with(&self, own: &Algorithm) -> Option<Self> {
        match (*self, *own) {
            (Self::Fixed { window, bits, .. }, Algorithm::Fixed(rule)) => {
                let fits = rule.limit() < ceiling(bits) && rule.window() == window;
                fits.then_some(Self::Fixed { rule, window, bits })
            }
            (Self::Gcra(_), Algorithm::Gcra(_)) => Self::new(own),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn answer(&self, word: Word, now: u64, cost: u64) -> Answer {
        match self {
            Self::Fixed { rule, window, bits } => {
                let state = fixed(word, *bits);
                match rule.answer(state, now, cost) {
                    // Up to the end as it is kept, or who waits as told could come too early.
                    Answer::Wait(_) => Answer::Wait(
                        state
                            .start
                            .saturating_add(*window)
                            .saturating_sub(now)
                            .min(window.saturating_add(grain(*bits))),
                    ),
                    answer => answer,
                }
            }
            Self::Gcra(rule) => rule.answer(bucket(word), now, cost),
        }
    }

    #[inline]
    pub(crate) fn standing(&self, word: Word, now: u64) -> Standing {
        match self {
            Self::Fixed { rule, bits, .. } => rule.standing(fixed(word, *bits), now),
            Self::Gcra(rule) => rule.standing(bucket(word), now),
        }
    }

    pub(crate) fn is_spent(&self, word: Word, now: u64) -> bool {
        match self {
            Self::Fixed { rule, bits, .. } => rule.is_spent(fixed(word, *bits), now),
            Self::Gcra(rule) => rule.is_spent(bucket(word), now),
        }
    }

    /// Whether the key was at its limit, or a caller's own, when it last took or gave something back.
    pub(crate) fn was_full(&self, word: Word) -> bool {
        match self {
            Self::Fixed { bits, .. } => word.payload() & full(*bits) != 0,
            Self::Gcra(_) => false,
        }
    }

    /// The word after a take, and what its refund needs.
    #[inline]
    pub(crate) fn take(&self, word: Word, now: u64, cost: u64, saturating: bool) -> (Word, Mark) {
        match self {
            Self::Fixed { rule, bits, .. } => {
                let mut state = fixed(word, *bits);
                let _ = rule.take(&mut state, now, cost);
                let state = round_up(state, *bits);
                (pack(word, rule, state, *bits), Mark::At(state.start))
            }
            Self::Gcra(rule) => {
                let mut state = bucket(word);
                let hold = if saturating {
                    rule.take_saturating(&mut state, now, cost)
                } else {
                    rule.take(&mut state, now, cost)
                };
                (word.with(state.tat), Mark::Bucket(hold))
            }
        }
    }

    /// The word after a refund, and what came back in nanoseconds of a bucket. `returned` is all
    /// that the slot's refunds ever gave back.
    pub(crate) fn give_back(
        &self,
        word: Word,
        now: u64,
        hold: &Hold,
        units: u64,
        returned: u64,
    ) -> (Word, u64) {
        match (self, hold.mark) {
            (Self::Fixed { rule, bits, .. }, Mark::At(start)) => {
                let mut state = fixed(word, *bits);
                if state.count < ceiling(*bits) {
                    rule.give_back(&mut state, now, start, units);
                }
                (pack(word, rule, state, *bits), 0)
            }
            (Self::Gcra(rule), Mark::Bucket(hold)) => {
                let mut state = bucket(word);
                state.returned = returned;
                rule.give_back(&mut state, now, hold, units);
                let back = state.returned.saturating_sub(returned);
                (word.with(state.tat), back)
            }
            _ => (word, 0),
        }
    }
}

/// The largest count of this many bits.
#[inline]
fn ceiling(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits).wrapping_sub(1)
}

/// The bit above a count.
#[inline]
fn full(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits)
}

/// What the start is rounded up by at most: the count's bits and the one above them.
#[inline]
fn grain(bits: u32) -> u64 {
    ceiling(bits) | full(bits)
}

#[inline]
fn fixed(word: Word, bits: u32) -> FixedState {
    let payload = word.payload();
    FixedState {
        start: payload & !grain(bits),
        count: payload & ceiling(bits),
    }
}

#[inline]
fn round_up(state: FixedState, bits: u32) -> FixedState {
    let grain = grain(bits);
    FixedState {
        start: state.start.saturating_add(grain) & !grain,
        count: state.count.min(ceiling(bits)),
    }
}

#[inline]
fn pack(word: Word, rule: &FixedWindow, state: FixedState, bits: u32) -> Word {
    let at_limit = u64::from(state.count >= rule.limit()).wrapping_shl(bits);
    word.with(state.start | at_limit | state.count)
}

#[inline]
fn bucket(word: Word) -> GcraState {
    GcraState {
        tat: word.payload(),
        returned: 0,
    }
}
