//! The exact log: the instant of every unit that was taken, for small limits.
//!
//! **Error bound:** none. In any half-open interval as long as the window at most `L` units are
//! admitted. The price is eight bytes per unit and key, which is why [`Quota::EXACT_MAX`] caps it.
//!
//! The log of one key is a slice as long as the limit, of which the first `len` entries are in use,
//! oldest first.
//!
//! [`Quota::EXACT_MAX`]: crate::Quota::EXACT_MAX

use crate::{Answer, Standing};

/// An exact log of `limit` units per `window`. Times are nanoseconds on a scale that never steps
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactLog {
    limit: u64,
    window: u64,
}

impl ExactLog {
    /// At most `limit` units in any `window` nanoseconds.
    #[must_use]
    pub const fn new(limit: u64, window: u64) -> Self {
        Self { limit, window }
    }

    /// Whether `cost` fits beside the `entries`. Changes nothing.
    #[must_use]
    pub fn answer(&self, entries: &[u64], now: u64, cost: u64) -> Answer {
        if cost > self.limit {
            return Answer::Never;
        }
        let live = self.live(entries, now);
        let over = count(live).saturating_add(cost).saturating_sub(self.limit);
        match nth(live, over) {
            _ if over == 0 => Answer::Admit,
            Some(time) => Answer::Wait(self.expiry(time, now)),
            // More is asked to expire than was ever taken: only a limit lowered meanwhile.
            None => Answer::Wait(self.window),
        }
    }

    /// Takes `cost` without asking, and returns the instant under which it was written. What does
    /// not fit into `times` pushes the oldest entries out.
    #[must_use = "a refund needs the instant"]
    pub fn take(&self, times: &mut [u64], len: &mut usize, now: u64, cost: u64) -> u64 {
        self.trim(times, len, now);
        let newest = times
            .get(..*len)
            .and_then(<[u64]>::last)
            .copied()
            .unwrap_or(0);
        let at = now.max(newest);
        let wanted = usize::try_from(cost).unwrap_or(usize::MAX).min(times.len());
        let room = times.len().saturating_sub(*len);
        drop_front(times, len, wanted.saturating_sub(room));
        let end = len.saturating_add(wanted);
        if let Some(fresh) = times.get_mut(*len..end) {
            fresh.fill(at);
            *len = end;
        }
        at
    }

    /// Takes up to `units` entries of the instant `at` out again. Entries of other instants are
    /// never touched, so that a refund cannot give back what someone else took.
    pub fn give_back(&self, times: &mut [u64], len: &mut usize, at: u64, units: u64) {
        let Some(used) = times.get_mut(..*len) else {
            return;
        };
        let first = used.partition_point(|&time| time < at);
        let after = used.partition_point(|&time| time <= at);
        let units = usize::try_from(units).unwrap_or(usize::MAX);
        let removed = units.min(after.saturating_sub(first));
        let from = first.saturating_add(removed);
        if from <= used.len() {
            used.copy_within(from.., first);
            *len = len.saturating_sub(removed);
        }
    }

    /// How the log stands.
    #[must_use]
    pub fn standing(&self, entries: &[u64], now: u64) -> Standing {
        let live = self.live(entries, now);
        let expiry = |time: Option<&u64>| time.map_or(0, |&time| self.expiry(time, now));
        // With more in the log than the limit (a limit lowered meanwhile), one unit is free when
        // all that is too much has expired.
        let over = count(live).saturating_add(1).saturating_sub(self.limit);
        Standing {
            limit: self.limit,
            remaining: self.limit.saturating_sub(count(live)),
            reset: expiry(live.last()),
            next: nth(live, over.max(1)).map_or(0, |time| self.expiry(time, now)),
        }
    }

    /// Whether the log says no more than an empty one.
    #[must_use]
    pub fn is_spent(&self, entries: &[u64], now: u64) -> bool {
        self.live(entries, now).is_empty()
    }

    fn live<'a>(&self, entries: &'a [u64], now: u64) -> &'a [u64] {
        let first = entries.partition_point(|&time| time.saturating_add(self.window) <= now);
        entries.get(first..).unwrap_or_default()
    }

    fn trim(&self, times: &mut [u64], len: &mut usize, now: u64) {
        let used = times.get(..*len).unwrap_or_default();
        let dead = used.len().saturating_sub(self.live(used, now).len());
        drop_front(times, len, dead);
    }

    fn expiry(&self, time: u64, now: u64) -> u64 {
        time.saturating_add(self.window)
            .saturating_sub(now)
            .min(self.window)
    }
}

fn drop_front(times: &mut [u64], len: &mut usize, n: usize) {
    let n = n.min(*len);
    if n > 0 && *len <= times.len() {
        times.copy_within(n..*len, 0);
        *len = len.saturating_sub(n);
    }
}

/// The `n`th oldest entry, counted from one.
fn nth(live: &[u64], n: u64) -> Option<u64> {
    let index = usize::try_from(n).ok()?.checked_sub(1)?;
    live.get(index).copied()
}

fn count(live: &[u64]) -> u64 {
    u64::try_from(live.len()).unwrap_or(u64::MAX)
}
