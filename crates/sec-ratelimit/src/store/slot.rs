//! The state of one key, and the algorithms as they act on it.

use crate::bounded::BoundedState;
use crate::digest::Digest;
use crate::fixed::FixedState;
use crate::gcra::{GcraHold, GcraState};
use crate::quota::Algorithm;
use crate::sliding::{SlidingState, WindowHold};
use crate::{Answer, LogState, Standing};

/// One key's state. An exact log's entries, and the counts of the windows that have more than one,
/// lie beside the slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) key: Digest,
    state: [u64; 2],
    /// Grows whenever another key takes the slot over, so that a refund meets its own state only.
    generation: u32,
    /// How much of the quota was used after the last change, in 255ths; 255 is all of it.
    pub(crate) fill: u8,
    pub(crate) occupied: bool,
}

/// What a take remembers for its refund.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hold {
    pub(crate) index: usize,
    pub(crate) generation: u32,
    pub(crate) mark: Mark,
    /// Taken from the table without locks.
    pub(crate) fast: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// The window's start.
    At(u64),
    Bucket(GcraHold),
    Window(WindowHold),
}

impl Hold {
    pub(crate) fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::At(0)
    }
}

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        key: [0; 2],
        state: [0; 2],
        generation: 0,
        fill: 0,
        occupied: false,
    };
    pub(crate) const FULL: u8 = u8::MAX;

    /// Hands the slot to another key.
    pub(crate) fn hand_over(&mut self, key: Digest) {
        *self = Self {
            key,
            generation: self.generation.wrapping_add(1),
            occupied: true,
            ..Self::EMPTY
        };
    }

    fn fixed(&self) -> FixedState {
        let [start, count] = self.state;
        FixedState { start, count }
    }

    fn bucket(&self) -> GcraState {
        let [tat, returned] = self.state;
        GcraState { tat, returned }
    }

    /// The older window lies beside the slot; for a fresh key nothing does.
    fn sliding(&self, beside: &[u64]) -> SlidingState {
        let [start, count] = self.state;
        SlidingState {
            start,
            count,
            previous: beside.first().copied().unwrap_or(0),
        }
    }

    fn bounded(&self, beside: &[u64]) -> BoundedState {
        let mut state = BoundedState {
            start: self.state[0],
            ..BoundedState::default()
        };
        for (count, kept) in state.counts.iter_mut().zip(beside) {
            *count = *kept;
        }
        state
    }

    /// The generation says already whether a hold is of this state: any instant is one of it.
    fn log(&self) -> LogState {
        let [len, lost] = self.state;
        LogState {
            len: usize::try_from(len).unwrap_or(usize::MAX),
            lost,
            since: 0,
        }
    }

    fn used<'a>(&self, log: &'a [u64]) -> &'a [u64] {
        log.get(..self.log().len).unwrap_or_default()
    }

    fn set_fixed(&mut self, state: FixedState) {
        self.state = [state.start, state.count];
    }

    fn set_bucket(&mut self, state: GcraState) {
        self.state = [state.tat, state.returned];
    }

    fn set_sliding(&mut self, beside: &mut [u64], state: SlidingState) {
        self.state = [state.start, state.count];
        if let Some(previous) = beside.first_mut() {
            *previous = state.previous;
        }
    }

    fn set_bounded(&mut self, beside: &mut [u64], state: &BoundedState) {
        self.state = [state.start, 0];
        for (kept, count) in beside.iter_mut().zip(&state.counts) {
            *kept = *count;
        }
    }

    fn set_log(&mut self, state: LogState) {
        self.state = [u64::try_from(state.len).unwrap_or(u64::MAX), state.lost];
    }

    fn set_fill(&mut self, standing: Standing) {
        let used = standing.limit.saturating_sub(standing.remaining);
        self.fill = if standing.remaining == 0 {
            Self::FULL
        } else {
            let share = u128::from(used)
                .saturating_mul(u128::from(Self::FULL))
                .checked_div(u128::from(standing.limit))
                .unwrap_or(0);
            u8::try_from(share)
                .unwrap_or(Self::FULL)
                .min(Self::FULL - 1)
        };
    }
}

impl Algorithm {
    pub(crate) fn answer(&self, slot: &Slot, log: &[u64], now: u64, cost: u64) -> Answer {
        match self {
            Self::Fixed(window) => window.answer(slot.fixed(), now, cost),
            Self::Gcra(bucket) => bucket.answer(slot.bucket(), now, cost),
            Self::Log(exact) => exact.answer(slot.used(log), now, cost),
            Self::Sliding(window) => window.answer(slot.sliding(log), now, cost),
            Self::Bounded(window) => window.answer(&slot.bounded(log), now, cost),
        }
    }

    pub(crate) fn standing(&self, slot: &Slot, log: &[u64], now: u64) -> Standing {
        match self {
            Self::Fixed(window) => window.standing(slot.fixed(), now),
            Self::Gcra(bucket) => bucket.standing(slot.bucket(), now),
            Self::Log(exact) => exact.standing(slot.used(log), now),
            Self::Sliding(window) => window.standing(slot.sliding(log), now),
            Self::Bounded(window) => window.standing(&slot.bounded(log), now),
        }
    }

    pub(crate) fn is_spent(&self, slot: &Slot, log: &[u64], now: u64) -> bool {
        match self {
            Self::Fixed(window) => window.is_spent(slot.fixed(), now),
            Self::Gcra(bucket) => bucket.is_spent(slot.bucket(), now),
            Self::Log(exact) => exact.is_spent(slot.used(log), now),
            Self::Sliding(window) => window.is_spent(slot.sliding(log), now),
            Self::Bounded(window) => window.is_spent(&slot.bounded(log), now),
        }
    }

    /// Takes without asking; `saturating` leaves a bucket at most empty, a log and a window of counts at
    /// most full.
    pub(crate) fn take(
        &self,
        slot: &mut Slot,
        log: &mut [u64],
        now: u64,
        cost: u64,
        saturating: bool,
    ) -> Hold {
        let mark = match self {
            Self::Fixed(window) => {
                let mut state = slot.fixed();
                let start = window.take(&mut state, now, cost);
                slot.set_fixed(state);
                Mark::At(start)
            }
            Self::Gcra(bucket) => {
                let mut state = slot.bucket();
                let hold = if saturating {
                    bucket.take_saturating(&mut state, now, cost)
                } else {
                    bucket.take(&mut state, now, cost)
                };
                slot.set_bucket(state);
                Mark::Bucket(hold)
            }
            Self::Log(exact) => {
                let mut state = slot.log();
                let hold = if saturating {
                    exact.take_saturating(log, &mut state, now, cost)
                } else {
                    exact.take(log, &mut state, now, cost)
                };
                slot.set_log(state);
                Mark::Window(hold)
            }
            Self::Sliding(window) => {
                let mut state = slot.sliding(log);
                let hold = if saturating {
                    window.take_saturating(&mut state, now, cost)
                } else {
                    window.take(&mut state, now, cost)
                };
                slot.set_sliding(log, state);
                Mark::Window(hold)
            }
            Self::Bounded(window) => {
                let mut state = slot.bounded(log);
                let hold = if saturating {
                    window.take_saturating(&mut state, now, cost)
                } else {
                    window.take(&mut state, now, cost)
                };
                slot.set_bounded(log, &state);
                Mark::Window(hold)
            }
        };
        slot.set_fill(self.standing(slot, log, now));
        Hold {
            index: 0,
            generation: slot.generation,
            mark,
            fast: false,
        }
    }

    pub(crate) fn give_back(
        &self,
        slot: &mut Slot,
        log: &mut [u64],
        now: u64,
        hold: Hold,
        units: u64,
    ) {
        if hold.generation != slot.generation {
            return;
        }
        match (self, hold.mark) {
            (Self::Fixed(window), Mark::At(start)) => {
                let mut state = slot.fixed();
                window.give_back(&mut state, now, start, units);
                slot.set_fixed(state);
            }
            (Self::Gcra(bucket), Mark::Bucket(hold)) => {
                let mut state = slot.bucket();
                bucket.give_back(&mut state, now, hold, units);
                slot.set_bucket(state);
            }
            (Self::Log(exact), Mark::Window(hold)) => {
                let mut state = slot.log();
                exact.give_back(log, &mut state, now, hold, units);
                slot.set_log(state);
            }
            (Self::Sliding(window), Mark::Window(hold)) => {
                let mut state = slot.sliding(log);
                window.give_back(&mut state, now, hold, units);
                slot.set_sliding(log, state);
            }
            (Self::Bounded(window), Mark::Window(hold)) => {
                let mut state = slot.bounded(log);
                window.give_back(&mut state, now, hold, units);
                slot.set_bounded(log, &state);
            }
            _ => {}
        }
        slot.set_fill(self.standing(slot, log, now));
    }

    /// How many words a key needs beside its slot: log entries or counts.
    pub(crate) fn log_entries(&self) -> usize {
        match self {
            Self::Log(exact) => usize::try_from(exact.standing(&[], 0).limit).unwrap_or(0),
            Self::Sliding(_) => 1,
            Self::Bounded(_) => BoundedState::COUNTS,
            Self::Fixed(_) | Self::Gcra(_) => 0,
        }
    }

    /// Whether the words beside a slot mean something as they lie there, so that the next key must
    /// not find those of the last. A log says how many it uses.
    pub(crate) fn keeps_counts(&self) -> bool {
        matches!(self, Self::Sliding(_) | Self::Bounded(_))
    }
}
