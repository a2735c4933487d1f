//! The generic cell rate algorithm (ITU-T I.371): a token bucket kept as one instant.
//!
//! The state is the *theoretical arrival time* (`tat`): the instant at which the bucket will be full
//! again. A unit pushes it forward by the emission interval `T = per / limit`; a cost fits while
//! `tat` stays at most `burst × T` ahead of now. `T` is rounded **up** to a whole nanosecond, so the
//! rate is never above the one asked for, and below it by less than `limit / per` relative to one
//! nanosecond (a millionth at one unit per millisecond).
//!
//! **Error bound:** at most `B + d / T` units in any interval `d`, `B` the burst. With `B = L` up to
//! `2 L − 1` fit into one window; choose `burst(b)` so that `b + window / T ≤ L` when the limit of
//! any window must hold.

use crate::{Answer, Standing};

/// A bucket of `burst` units which refills at `limit` units per `per`. Times are nanoseconds on a
/// scale that never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    interval: u64,
    burst: u64,
    /// The time in which an empty bucket fills.
    depth: u64,
}

/// What is kept per key. The default is a key that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcraState {
    /// When the bucket is full again.
    pub tat: u64,
    /// All that was ever given back, in nanoseconds: see [`Gcra::give_back`].
    pub returned: u64,
}

/// What a take must remember for its refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcraHold {
    /// `tat` right after the take.
    pub tat: u64,
    /// By how much the take moved it.
    pub weight: u64,
    /// [`GcraState::returned`] at that time.
    pub returned: u64,
}

impl Gcra {
    /// `limit` units per `per` nanoseconds, at most `burst` of them at once. A limit of 0 admits
    /// nothing.
    #[inline]
    #[must_use]
    pub fn new(limit: u64, per: u64, burst: u64) -> Self {
        let interval = per.checked_div(limit).map_or(u64::MAX, |floor| {
            let exact = floor.saturating_mul(limit) == per;
            floor.saturating_add(u64::from(!exact)).max(1)
        });
        let burst = if limit == 0 { 0 } else { burst };
        Self {
            interval,
            burst,
            depth: burst.saturating_mul(interval),
        }
    }

    /// The emission interval, in nanoseconds.
    #[inline]
    #[must_use]
    pub const fn interval(&self) -> u64 {
        self.interval
    }

    /// Whether `cost` fits now. Changes nothing.
    #[inline]
    #[must_use]
    pub fn answer(&self, state: GcraState, now: u64, cost: u64) -> Answer {
        if cost > self.burst {
            return Answer::Never;
        }
        let ahead = self.ahead(state, now);
        let over = ahead
            .saturating_add(self.weight(cost))
            .saturating_sub(self.depth());
        if over == 0 {
            Answer::Admit
        } else {
            Answer::Wait(over)
        }
    }

    /// Takes `cost` without asking.
    #[inline]
    #[must_use = "a refund needs the hold"]
    pub fn take(&self, state: &mut GcraState, now: u64, cost: u64) -> GcraHold {
        self.take_up_to(state, now, cost, u64::MAX)
    }

    /// Takes `cost` without asking, but leaves the bucket at most empty: for a tier which must not
    /// pile up a debt while it is exhausted.
    #[inline]
    #[must_use = "a refund needs the hold"]
    pub fn take_saturating(&self, state: &mut GcraState, now: u64, cost: u64) -> GcraHold {
        let ceiling = now.max(state.tat).max(now.saturating_add(self.depth()));
        self.take_up_to(state, now, cost, ceiling)
    }

    #[inline]
    fn take_up_to(&self, state: &mut GcraState, now: u64, cost: u64, ceiling: u64) -> GcraHold {
        let before = state.tat.max(now);
        state.tat = before.saturating_add(self.weight(cost)).min(ceiling);
        GcraHold {
            tat: state.tat,
            weight: state.tat.saturating_sub(before),
            returned: state.returned,
        }
    }

    /// Gives back `units` of a take, as far as the bucket has not refilled them already.
    ///
    /// The state never falls below what it would be had the unit never been taken. Why: write
    /// `o` for `tat` after the take and `R` for what was returned since. We return at most
    /// `o − R − now`, so after it `tat ≥ now + (all taken after this take)`: at least what a bucket
    /// that was full just now would show. And we return at most the take's own weight, so every
    /// other take keeps its own. A refund hence never enters a later fill of the bucket.
    pub fn give_back(&self, state: &mut GcraState, now: u64, hold: GcraHold, units: u64) {
        let Some(since) = state.returned.checked_sub(hold.returned) else {
            return; // not the state which the hold was taken from
        };
        let unfilled = hold.tat.saturating_sub(since).saturating_sub(now);
        let back = self.weight(units).min(hold.weight).min(unfilled);
        state.tat = state.tat.saturating_sub(back);
        state.returned = state.returned.saturating_add(back);
    }

    /// How the bucket stands.
    #[inline]
    #[must_use]
    pub fn standing(&self, state: GcraState, now: u64) -> Standing {
        let ahead = self.ahead(state, now);
        let free = self.depth().saturating_sub(ahead);
        let remaining = free.checked_div(self.interval).unwrap_or(0).min(self.burst);
        let next = self
            .weight(remaining.saturating_add(1))
            .saturating_add(ahead)
            .saturating_sub(self.depth());
        Standing {
            limit: self.burst,
            remaining,
            reset: ahead,
            next: if ahead == 0 { 0 } else { next },
        }
    }

    /// Whether the state says no more than an untouched one.
    #[inline]
    #[must_use]
    pub fn is_spent(&self, state: GcraState, now: u64) -> bool {
        state.tat <= now
    }

    #[inline]
    fn ahead(&self, state: GcraState, now: u64) -> u64 {
        state.tat.saturating_sub(now)
    }

    #[inline]
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    #[inline]
    fn weight(&self, units: u64) -> u64 {
        units.saturating_mul(self.interval)
    }
}
