//! The exact log: the instant of every unit that was taken, for small limits.
//!
//! **Error bound:** none. In any half-open interval as long as the window at most `L` units are
//! admitted. The price is eight bytes per unit and key, which is why [`Quota::EXACT_MAX`] caps it.
//!
//! The log of one key is a slice as long as the limit, of which the first [`LogState::len`] entries are
//! in use, oldest first.
//!
//! A cost that is settled above what was reserved may find the log full. It then pushes the oldest
//! entries out, whosoever they are, and the log remembers how many units it knows nothing of any more
//! ([`LogState::lost`]). Refunds give those back first: else whoever refunds would make room that
//! others have used. So after such a settlement a refund can give back less than was taken, never more.
//!
//! [`Quota::EXACT_MAX`]: crate::Quota::EXACT_MAX

use crate::{Answer, Standing, WindowHold};

/// An exact log of `limit` units per `window`. Times are nanoseconds on a scale that never steps
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactLog {
    limit: u64,
    window: u64,
}

/// What is kept per key beside its entries. The default is a key that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogState {
    /// How many entries are in use.
    pub len: usize,
    /// How many units were taken beside those, since the log was full.
    pub lost: u64,
    /// From when on they were taken. What was taken before has no part in them.
    pub since: u64,
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

    /// Takes `cost` without asking. What does not fit into `times` pushes the oldest entries out.
    #[must_use = "a refund needs the hold"]
    pub fn take(&self, times: &mut [u64], state: &mut LogState, now: u64, cost: u64) -> WindowHold {
        self.trim(times, state, now);
        let used = times.get(..state.len).unwrap_or_default();
        let at = now.max(used.last().copied().unwrap_or(0));
        let oldest = used.first().copied().unwrap_or(at);
        let free = times.len().saturating_sub(state.len);
        let over = cost.saturating_sub(u64::try_from(free).unwrap_or(u64::MAX));
        if over > 0 && state.lost == 0 {
            state.since = oldest;
        }
        state.lost = state.lost.saturating_add(over);
        let wanted = whole(cost).min(times.len());
        drop_front(times, &mut state.len, wanted.saturating_sub(free));
        let end = state.len.saturating_add(wanted);
        if let Some(fresh) = times.get_mut(state.len..end) {
            fresh.fill(at);
            state.len = end;
        }
        WindowHold {
            start: at,
            taken: cost,
        }
    }

    /// Takes `cost` without asking, but no more than is left: for a tier which must not forget what others
    /// took while it is exhausted.
    #[must_use = "a refund needs the hold"]
    pub fn take_saturating(
        &self,
        times: &mut [u64],
        state: &mut LogState,
        now: u64,
        cost: u64,
    ) -> WindowHold {
        let used = times.get(..state.len).unwrap_or_default();
        let left = self.limit.saturating_sub(count(self.live(used, now)));
        self.take(times, state, now, cost.min(left))
    }

    /// Gives `units` of a take back, as long as it still counts. Entries of other instants are never
    /// touched, so that a refund cannot give back what someone else took.
    pub fn give_back(
        &self,
        times: &mut [u64],
        state: &mut LogState,
        now: u64,
        hold: WindowHold,
        units: u64,
    ) {
        self.trim(times, state, now);
        let mut units = units.min(hold.taken);
        if hold.start >= state.since && hold.start.saturating_add(self.window) > now {
            let lost = units.min(state.lost);
            state.lost = state.lost.saturating_sub(lost);
            units = units.saturating_sub(lost);
        }
        let Some(used) = times.get_mut(..state.len) else {
            return;
        };
        let first = used.partition_point(|&time| time < hold.start);
        let after = used.partition_point(|&time| time <= hold.start);
        let removed = whole(units).min(after.saturating_sub(first));
        let from = first.saturating_add(removed);
        if from <= used.len() {
            used.copy_within(from.., first);
            state.len = state.len.saturating_sub(removed);
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

    fn trim(&self, times: &mut [u64], state: &mut LogState, now: u64) {
        let used = times.get(..state.len).unwrap_or_default();
        let dead = used.len().saturating_sub(self.live(used, now).len());
        drop_front(times, &mut state.len, dead);
        // What was pushed out is older than any entry, and has expired before it.
        if dead > 0 || state.len == 0 {
            state.lost = 0;
        }
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

fn whole(units: u64) -> usize {
    usize::try_from(units).unwrap_or(usize::MAX)
}

fn count(live: &[u64]) -> u64 {
    u64::try_from(live.len()).unwrap_or(u64::MAX)
}
