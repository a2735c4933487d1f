//! The sliding-window counter: two windows, of which the older one weighs less and less.
//!
//! What was taken in the window before counts with the share of it that still lies within one
//! window of now, as if it had been spread evenly. The estimate is rounded **up** to whole units.
//! A key's windows begin with its first request, not at a full minute of the wall clock.
//!
//! **Error bound:** at most `L (1 + d / W)` units in any interval `d ≤ W`; so up to `2 L − 1`, and
//! not `L`, in one as long as the window. Why: let the border of two windows lie `y` before the end
//! of the interval, and `p` be what the first of them holds. The last unit was admitted while
//! `p (1 − y / W)` and the second window's own together were at most `L`; so the interval holds at most
//! `p + L − p (1 − y / W) = L + p y / W`, with `p ≤ L` and `y ≤ d`. Traffic that is *not* even
//! reaches it, and is refused wrongly elsewhere: see the table at [`Quota`](crate::Quota).

use crate::{Answer, Standing};

/// A sliding-window counter of `limit` units. Times are nanoseconds on a scale that never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    limit: u64,
    window: u64,
}

/// What is kept per key. The default is a key that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlidingState {
    /// When the newer window began.
    pub start: u64,
    /// What was taken in it.
    pub count: u64,
    /// What was taken in the window before it.
    pub previous: u64,
}

/// What a take from counted windows must remember for its refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowHold {
    /// When the (sub-)window began that it was taken from.
    pub start: u64,
    /// What was taken.
    pub taken: u64,
}

impl SlidingWindow {
    /// About `limit` units in `window` nanoseconds.
    #[must_use]
    pub const fn new(limit: u64, window: u64) -> Self {
        Self { limit, window }
    }

    /// Whether `cost` fits now. Changes nothing.
    #[must_use]
    pub fn answer(&self, state: SlidingState, now: u64, cost: u64) -> Answer {
        if cost > self.limit {
            return Answer::Never;
        }
        let state = self.rolled(state, now);
        if self.used(state, now).saturating_add(cost) <= self.limit {
            Answer::Admit
        } else {
            Answer::Wait(self.wait(state, now, cost))
        }
    }

    /// Takes `cost` without asking.
    #[must_use = "a refund needs the hold"]
    pub fn take(&self, state: &mut SlidingState, now: u64, cost: u64) -> WindowHold {
        *state = self.rolled(*state, now);
        state.count = state.count.saturating_add(cost);
        WindowHold {
            start: state.start,
            taken: cost,
        }
    }

    /// Takes `cost` without asking, but no more than is left: for a tier which must not pile up a debt
    /// while it is exhausted.
    #[must_use = "a refund needs the hold"]
    pub fn take_saturating(&self, state: &mut SlidingState, now: u64, cost: u64) -> WindowHold {
        let used = self.used(self.rolled(*state, now), now);
        self.take(state, now, cost.min(self.limit.saturating_sub(used)))
    }

    /// Gives `units` of a take back to the window that it was taken from, as long as that one still
    /// counts: in the window after it a unit is worth only what it still weighs. Neither window falls
    /// below zero.
    pub fn give_back(&self, state: &mut SlidingState, now: u64, hold: WindowHold, units: u64) {
        if !self.is_live(*state, now) {
            return;
        }
        let units = units.min(hold.taken);
        if hold.start == state.start {
            state.count = state.count.saturating_sub(units);
        } else if hold.start.saturating_add(self.window) == state.start {
            state.previous = state.previous.saturating_sub(units);
        }
    }

    /// How the counter stands.
    #[must_use]
    pub fn standing(&self, state: SlidingState, now: u64) -> Standing {
        let state = self.rolled(state, now);
        let used = self.used(state, now);
        let remaining = self.limit.saturating_sub(used);
        let next = remaining.saturating_add(1);
        Standing {
            limit: self.limit,
            remaining,
            reset: match (state.count, state.previous) {
                (0, 0) => 0,
                (0, _) => self.until(state, now, self.window),
                _ => self.until(state, now, self.window.saturating_mul(2)),
            },
            next: if next > self.limit {
                0
            } else {
                self.wait(state, now, next)
            },
        }
    }

    /// Whether the state says no more than an empty one.
    #[must_use]
    pub fn is_spent(&self, state: SlidingState, now: u64) -> bool {
        !self.is_live(state, now)
    }

    /// The state as it is now: moved on by one window, or begun anew, where it is time.
    fn rolled(&self, state: SlidingState, now: u64) -> SlidingState {
        if !self.is_live(state, now) {
            return SlidingState {
                start: now,
                ..SlidingState::default()
            };
        }
        if now.saturating_sub(state.start) < self.window {
            return state;
        }
        SlidingState {
            start: state.start.saturating_add(self.window),
            count: 0,
            previous: state.count,
        }
    }

    fn is_live(&self, state: SlidingState, now: u64) -> bool {
        // An instant before the start counts as the start: a step back of the clock mints nothing.
        let age = now.saturating_sub(state.start);
        (state.count > 0 && age < self.window.saturating_mul(2))
            || (state.previous > 0 && age < self.window)
    }

    /// What a rolled state counts as used.
    fn used(&self, state: SlidingState, now: u64) -> u64 {
        let left = self
            .window
            .saturating_sub(now.saturating_sub(state.start))
            .min(self.window);
        let weighed = u128::from(state.previous)
            .saturating_mul(u128::from(left))
            .div_ceil(u128::from(self.window.max(1)));
        state
            .count
            .saturating_add(u64::try_from(weighed).unwrap_or(u64::MAX))
    }

    /// How long until `cost`, which the limit can hold, fits beside a rolled state.
    fn wait(&self, state: SlidingState, now: u64, cost: u64) -> u64 {
        let room = self.limit.saturating_sub(cost);
        let age = match room.checked_sub(state.count) {
            Some(rest) => self.faded(state.previous, rest),
            // The newer window alone is too much: it must become the older one and fade.
            None => self.window.saturating_add(self.faded(state.count, room)),
        };
        self.until(state, now, age)
    }

    /// The age of the window after the one that holds `units`, at which they weigh at most `room`.
    fn faded(&self, units: u64, room: u64) -> u64 {
        let left = u128::from(room)
            .saturating_mul(u128::from(self.window))
            .checked_div(u128::from(units))
            .unwrap_or(u128::MAX);
        self.window
            .saturating_sub(u64::try_from(left).unwrap_or(u64::MAX))
    }

    /// How long until the newer window has this age; never above that, even when the clock stepped
    /// back.
    fn until(&self, state: SlidingState, now: u64, age: u64) -> u64 {
        state.start.saturating_add(age).saturating_sub(now).min(age)
    }
}
