//! The state of one key, and the three algorithms as they act on it.

use crate::digest::Digest;
use crate::fixed::FixedState;
use crate::gcra::{GcraHold, GcraState};
use crate::quota::Algorithm;
use crate::{Answer, Standing};

/// One key's state. An exact log's entries lie beside the slots.
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
    generation: u32,
    mark: Mark,
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    /// The window's start, or the log entry's instant.
    At(u64),
    Bucket(GcraHold),
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

    fn len(&self) -> usize {
        usize::try_from(self.state[0]).unwrap_or(usize::MAX)
    }

    fn used<'a>(&self, log: &'a [u64]) -> &'a [u64] {
        log.get(..self.len()).unwrap_or_default()
    }

    fn set_fixed(&mut self, state: FixedState) {
        self.state = [state.start, state.count];
    }

    fn set_bucket(&mut self, state: GcraState) {
        self.state = [state.tat, state.returned];
    }

    fn set_len(&mut self, len: usize) {
        self.state = [u64::try_from(len).unwrap_or(u64::MAX), 0];
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
        }
    }

    pub(crate) fn standing(&self, slot: &Slot, log: &[u64], now: u64) -> Standing {
        match self {
            Self::Fixed(window) => window.standing(slot.fixed(), now),
            Self::Gcra(bucket) => bucket.standing(slot.bucket(), now),
            Self::Log(exact) => exact.standing(slot.used(log), now),
        }
    }

    pub(crate) fn is_spent(&self, slot: &Slot, log: &[u64], now: u64) -> bool {
        match self {
            Self::Fixed(window) => window.is_spent(slot.fixed(), now),
            Self::Gcra(bucket) => bucket.is_spent(slot.bucket(), now),
            Self::Log(exact) => exact.is_spent(slot.used(log), now),
        }
    }

    /// Takes without asking; `saturating` leaves a bucket at most empty.
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
                let mut len = slot.len();
                let at = exact.take(log, &mut len, now, cost);
                slot.set_len(len);
                Mark::At(at)
            }
        };
        slot.set_fill(self.standing(slot, log, now));
        Hold {
            index: 0,
            generation: slot.generation,
            mark,
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
            (Self::Log(exact), Mark::At(at)) => {
                let mut len = slot.len();
                exact.give_back(log, &mut len, at, units);
                slot.set_len(len);
            }
            _ => {}
        }
        slot.set_fill(self.standing(slot, log, now));
    }

    /// How many log entries a key needs.
    pub(crate) fn log_entries(&self) -> usize {
        match self {
            Self::Log(exact) => usize::try_from(exact.standing(&[], 0).limit).unwrap_or(0),
            Self::Fixed(_) | Self::Gcra(_) => 0,
        }
    }
}
