//! The bounded window: sixteen sub-windows, of which the partly expired one counts whole.
//!
//! **Error bound:** none upwards. In any interval as long as the window at most `L` units are
//! admitted, whatever the traffic, in constant memory. Why: let the last unit of an interval be
//! admitted in sub-window `k`. All others of the interval are at most one window older, so they lie in the
//! sub-windows `k − 16` to `k`; and these were summed up, each of them whole, before it was admitted.
//!
//! The price is paid in time: a unit counts for up to `W / 16` longer than the window, so of steady
//! saturating traffic `16 / 17` is admitted. How much is refused that an exact log would admit is in
//! the table at [`Quota`](crate::Quota).

use crate::{Answer, Standing, WindowHold};

/// A bounded window of `limit` units. Times are nanoseconds on a scale that never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundedWindow {
    limit: u64,
    /// The length of a sub-window: a sixteenth of the window, rounded up.
    step: u64,
}

/// What is kept per key. The default is a key that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoundedState {
    /// When the newest sub-window began.
    pub start: u64,
    /// What was taken in each sub-window, the newest first.
    pub counts: [u64; BoundedState::COUNTS],
}

impl BoundedState {
    /// How many sub-windows are kept: the sixteen of a window, and the one that is partly expired.
    pub const COUNTS: usize = 17;
}

/// The sub-windows of one window.
const PARTS: u64 = 16;

impl BoundedWindow {
    /// At most `limit` units in any `window` nanoseconds.
    #[must_use]
    pub const fn new(limit: u64, window: u64) -> Self {
        Self {
            limit,
            step: window.div_ceil(PARTS),
        }
    }

    /// Whether `cost` fits now. Changes nothing.
    #[must_use]
    pub fn answer(&self, state: &BoundedState, now: u64, cost: u64) -> Answer {
        if cost > self.limit {
            return Answer::Never;
        }
        let used = self.used(state, now);
        match used.saturating_add(cost).checked_sub(self.limit) {
            None | Some(0) => Answer::Admit,
            Some(over) => Answer::Wait(self.expiry_of(state, now, over)),
        }
    }

    /// Takes `cost` without asking.
    #[must_use = "a refund needs the hold"]
    pub fn take(&self, state: &mut BoundedState, now: u64, cost: u64) -> WindowHold {
        self.advance(state, now);
        if let Some(newest) = state.counts.first_mut() {
            *newest = newest.saturating_add(cost);
        }
        WindowHold {
            start: state.start,
            taken: cost,
        }
    }

    /// Takes `cost` without asking, but no more than is left: for a tier which must not pile up a debt
    /// while it is exhausted.
    #[must_use = "a refund needs the hold"]
    pub fn take_saturating(&self, state: &mut BoundedState, now: u64, cost: u64) -> WindowHold {
        let left = self.limit.saturating_sub(self.used(state, now));
        self.take(state, now, cost.min(left))
    }

    /// Gives `units` of a take back to the sub-window that it was taken from. When that one counts no
    /// longer this does nothing; nor does any sub-window fall below zero.
    pub fn give_back(&self, state: &mut BoundedState, now: u64, hold: WindowHold, units: u64) {
        let Some(age) = state.start.checked_sub(hold.start) else {
            return; // not the state which the hold was taken from
        };
        let expired = self.steps(state, now);
        let (Some(0), Some(index)) = (age.checked_rem(self.step), age.checked_div(self.step))
        else {
            return;
        };
        if index.saturating_add(expired) > PARTS {
            return;
        }
        if let Some(count) = usize::try_from(index)
            .ok()
            .and_then(|index| state.counts.get_mut(index))
        {
            *count = count.saturating_sub(units.min(hold.taken));
        }
    }

    /// How the window stands.
    #[must_use]
    pub fn standing(&self, state: &BoundedState, now: u64) -> Standing {
        let used = self.used(state, now);
        // With more used than the limit (a limit lowered meanwhile, a cost settled above it), one
        // unit is free when all that is too much has expired.
        let over = used.saturating_add(1).saturating_sub(self.limit);
        Standing {
            limit: self.limit,
            remaining: self.limit.saturating_sub(used),
            reset: self.expiry_of(state, now, used),
            next: self.expiry_of(state, now, over.max(1)),
        }
    }

    /// Whether the state says no more than an empty one.
    #[must_use]
    pub fn is_spent(&self, state: &BoundedState, now: u64) -> bool {
        self.used(state, now) == 0
    }

    /// How many sub-windows have begun since the newest one of the state.
    fn steps(&self, state: &BoundedState, now: u64) -> u64 {
        // An instant before the start counts as the start: a step back of the clock mints nothing.
        now.saturating_sub(state.start)
            .checked_div(self.step)
            .unwrap_or(0)
    }

    /// The counts that are not wholly expired, the newest first.
    fn live<'a>(&self, state: &'a BoundedState, now: u64) -> &'a [u64] {
        let kept = BoundedState::COUNTS.saturating_sub(index(self.steps(state, now)));
        state.counts.get(..kept).unwrap_or_default()
    }

    fn used(&self, state: &BoundedState, now: u64) -> u64 {
        self.live(state, now)
            .iter()
            .fold(0, |sum, &count| sum.saturating_add(count))
    }

    fn advance(&self, state: &mut BoundedState, now: u64) {
        if self.is_spent(state, now) {
            *state = BoundedState {
                start: now,
                ..BoundedState::default()
            };
            return;
        }
        // Something is left, so these are fewer than there are counts.
        let steps = self.steps(state, now);
        let by = index(steps);
        state.counts.rotate_right(by.min(BoundedState::COUNTS));
        if let Some(fresh) = state.counts.get_mut(..by) {
            fresh.fill(0);
        }
        state.start = state.start.saturating_add(steps.saturating_mul(self.step));
    }

    /// How long until so many of the oldest units have expired; 0 if there are none.
    fn expiry_of(&self, state: &BoundedState, now: u64, units: u64) -> u64 {
        let mut gone = 0_u64;
        let mut left = BoundedState::COUNTS.saturating_sub(self.live(state, now).len());
        for count in self.live(state, now).iter().rev() {
            left = left.saturating_add(1);
            gone = gone.saturating_add(*count);
            if *count > 0 && gone >= units {
                // `left` sub-windows after the newest one began, this one is expired wholly; never
                // above that, even when the clock stepped back.
                let age = self
                    .step
                    .saturating_mul(u64::try_from(left).unwrap_or(u64::MAX));
                return state.start.saturating_add(age).saturating_sub(now).min(age);
            }
        }
        0
    }
}

fn index(steps: u64) -> usize {
    usize::try_from(steps).unwrap_or(usize::MAX)
}
