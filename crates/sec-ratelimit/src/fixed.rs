//! The fixed window: a count and the instant at which it began.
//!
//! A key's window begins with its first request, not at a full minute of the wall clock, so that
//! the windows of many keys do not all end together. **Error bound:** in any interval as long as
//! the window at most `2 L` units are admitted (`L` at the end of one window and `L` at the start
//! of the next); never more than `L` between a window's own start and end.

use crate::{Answer, Standing};

/// A fixed window of `limit` units. Times are nanoseconds on a scale that never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindow {
    limit: u64,
    window: u64,
}

/// What is kept per key. The default is a key that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixedState {
    /// When the current window began.
    pub start: u64,
    /// What was taken in it.
    pub count: u64,
}

impl FixedWindow {
    /// A window of `window` nanoseconds in which `limit` units may be taken.
    #[inline]
    #[must_use]
    pub const fn new(limit: u64, window: u64) -> Self {
        Self { limit, window }
    }

    #[inline]
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    #[inline]
    pub(crate) const fn window(&self) -> u64 {
        self.window
    }

    /// Whether `cost` fits now. Changes nothing.
    #[inline]
    #[must_use]
    pub fn answer(&self, state: FixedState, now: u64, cost: u64) -> Answer {
        if cost > self.limit {
            Answer::Never
        } else if self.used(state, now).saturating_add(cost) <= self.limit {
            Answer::Admit
        } else {
            Answer::Wait(self.left(state, now))
        }
    }

    /// Takes `cost` without asking, and returns the start of the window it was taken from, which
    /// [`give_back`](Self::give_back) wants.
    #[inline]
    #[must_use = "a refund needs the window's start"]
    pub fn take(&self, state: &mut FixedState, now: u64, cost: u64) -> u64 {
        if !self.is_live(*state, now) {
            *state = FixedState {
                start: now,
                count: 0,
            };
        }
        state.count = state.count.saturating_add(cost);
        state.start
    }

    /// Gives `units` back to the window that began at `start`. When that window is over this does
    /// nothing: a refund never enters a later window, nor does it take a count below zero.
    pub fn give_back(&self, state: &mut FixedState, now: u64, start: u64, units: u64) {
        if state.start == start && self.is_live(*state, now) {
            state.count = state.count.saturating_sub(units);
        }
    }

    /// How the window stands.
    #[inline]
    #[must_use]
    pub fn standing(&self, state: FixedState, now: u64) -> Standing {
        let used = self.used(state, now);
        let left = if used == 0 { 0 } else { self.left(state, now) };
        Standing {
            limit: self.limit,
            remaining: self.limit.saturating_sub(used),
            reset: left,
            next: left,
        }
    }

    /// Whether the state says no more than an empty one.
    #[inline]
    #[must_use]
    pub fn is_spent(&self, state: FixedState, now: u64) -> bool {
        !self.is_live(state, now)
    }

    #[inline]
    fn is_live(&self, state: FixedState, now: u64) -> bool {
        // An instant before the start counts as inside: a step back of the clock mints nothing.
        state.count > 0 && now < state.start.saturating_add(self.window)
    }

    #[inline]
    fn used(&self, state: FixedState, now: u64) -> u64 {
        if self.is_live(state, now) {
            state.count
        } else {
            0
        }
    }

    #[inline]
    fn left(&self, state: FixedState, now: u64) -> u64 {
        // Never above one window, even when the clock stepped back.
        state
            .start
            .saturating_add(self.window)
            .saturating_sub(now)
            .min(self.window)
    }
}
