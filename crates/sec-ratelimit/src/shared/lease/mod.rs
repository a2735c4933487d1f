//! Leases: units that a process takes from the store in batches and hands out from its own memory.
//!
//! `table.rs` and `slot.rs` hold what was taken, `fetch.rs` renews it, `ask.rs` decides with it, and
//! `settle.rs` gives back.

mod ask;
mod fetch;
mod settle;
mod slot;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use self::settle::Leased;
pub(super) use self::table::{Leases, Terms};
use super::SharedRule;
use super::rule::micros;
use crate::config::LeaseConfig;
use crate::quota::nanos;
use crate::{ConfigErrorKind, OnExceed, Tier};

/// How a tier of a [`SharedLimiter`](crate::SharedLimiter) is leased: this process takes a batch of its
/// units from the store at once, and hands them out from memory until they are used up or the lease's
/// life ends. For a tier that many requests share, such as a [global](crate::Key::global) one.
///
/// **Only requests whose tiers are all leased go without a round trip**; otherwise a lease takes a hot key off
/// the server, and lets the other keys spread over a cluster.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sec_ratelimit::{Key, Lease, MemoryStore, Quota, SharedLimiter};
///
/// let store = Arc::new(MemoryStore::new()); // a `RedisStore` or `PostgresStore`
/// let limiter = SharedLimiter::builder("api", store, vec![7; 32]) // a secret of the deployment
///     .tier("service", Quota::gcra(5_000, Duration::from_secs(1)), Key::global())
///     .lease("service", Lease::of(100).for_at_most(Duration::from_millis(500)))
///     .tier("caller", Quota::per_minute(100), Key::ip()) // one round trip each, for this tier alone
///     .build()?;
/// # drop(limiter);
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
///
/// While a lease has units, its tier costs no round trip. The next batch is fetched in the background
/// once the lease is half empty; a request that finds it empty waits for the batch, and all that come
/// meanwhile wait for the same one. Near the end of the quota a batch is as small as what is left, so
/// nobody is refused while the store has units. Tiers that are not leased are asked for in one round
/// trip as ever, and what was taken here goes back when one of them refuses.
///
/// What a request gives back goes to the lease, and to the store when another batch was fetched since or the
/// lease's life is over: to the window that it was taken from, never into a later one.
///
/// # The bound
///
/// With `n` processes, each holds at most `units` of a key that it has not handed out, so **in any
/// interval at most `n × units` more are admitted than the algorithm alone would admit in it**:
/// whatever is handed out in the interval was taken from the store within it, or was held when it
/// began. The units that were held were counted too, only earlier, by at most the lease's life; so
/// it is also never more than the algorithm admits in an interval longer by that life. The smaller of
/// both holds:
///
/// | quota | in an interval of `d` up to its window |
/// |---|---|
/// | fixed window of `L` | `L + n × units` in each of the key's own windows, `2 L + n × units` in any |
/// | exact log or bounded window of `L` | `L + n × units`, and at most `2 L` |
/// | sliding-window counter of `L` | `L (1 + d / window) + n × units` |
/// | bucket of `B` refilling `r` per second | `B + r d +` the lesser of `n × units` and `r × life` |
///
/// This counts the life from when the store is asked; a process that is stopped meanwhile (a virtual
/// machine that is moved) notices only when it goes on.
///
/// At most `n × units` lie idle at processes that do not need them, which another process is refused
/// for, until the lease's life ends: what is left then goes back to the window that it was taken from.
/// What a process held when it ended is lost to that window. A key that is asked for with different
/// [limits of its own](crate::Subject::limited_to) counts here as one for each limit.
///
/// Demand beyond what refills makes batches small: each is then asked for whole first, and then as what is
/// left, two round trips for the units of one.
///
/// # What else follows
///
/// - While the store does not answer, a live lease goes on admitting, and only then the
///   [fallback](crate::Fallback) decides. A request that needs the store for another tier of it is
///   decided by the fallback at once.
/// - The tier's remaining units, in header fields too, are what the store told with the last batch and what
///   is left of it here: of other processes' use it knows with that delay.
/// - A request that is refused by a leased tier asks the store nothing for the other tiers, which then
///   stand as if untouched. Such a refusal is [remembered](crate::SharedLimiterBuilder::remember_refusals)
///   for the tier's key, whoever asks.
/// - While a request waits for the store's answer about its other tiers, what it took from a lease counts as taken.
/// - Keys of tiers that are leased stand by themselves: where the other tiers have one subject, they are placed
///   by it, and only the batches go to the slot of a global tier. Processes of one limiter that disagree
///   on what is leased may then not share all counters.
/// - A [reset](crate::SharedLimiter::reset) ends this process's lease; those of others live on until their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to `SharedLimiterBuilder::lease`"]
pub struct Lease {
    units: u64,
    life: Duration,
    renew_below: Option<u64>,
    keys: usize,
}

impl Lease {
    /// A batch of so many units, at least 1 and at most what the tier admits at once. A subject whose own
    /// limit is smaller is leased no more than that.
    ///
    /// A cost above the batch takes what is left here and asks the store for the rest.
    pub const fn of(units: u64) -> Self {
        Self {
            units,
            life: Duration::from_millis(500),
            renew_below: None,
            keys: 1024,
        }
    }

    /// How long units may be held here before they go back. Default: 500 ms, at most the tier's window.
    ///
    /// Longer saves round trips for a tier with little traffic, and keeps idle units from the others.
    pub const fn for_at_most(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Below how many units the next batch is fetched ahead. Default: half of the batch; 0 fetches none
    /// ahead.
    pub const fn renew_below(mut self, units: u64) -> Self {
        self.renew_below = Some(units);
        self
    }

    /// How many keys of the tier are leased at once, at least. Default: 1024; a global tier has one.
    /// About 200 bytes each, taken when the limiter is built. A key that finds no room asks the store
    /// for each decision.
    pub const fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// The one set of rules for leases. The error names the field that is wrong.
    pub(super) fn terms(
        &self,
        tier: &Tier,
        rule: SharedRule,
    ) -> Result<Terms, (&'static str, ConfigErrorKind)> {
        let range = |field, most| (field, ConfigErrorKind::OutOfRange { least: 1, most });
        if tier.on_exceed == OnExceed::Demand {
            let why = "a tier that demands admits without units, so it has none to lease";
            return Err(("lease", ConfigErrorKind::Misused(why)));
        }
        if self.units == 0 || self.units > rule.limit() {
            let most = rule.limit();
            return Err(("lease.units", ConfigErrorKind::Batch { most }));
        }
        if self.life.is_zero() || micros(self.life) > micros(tier.quota.window()) {
            let why = "must be longer than zero and at most the tier's window";
            return Err(("lease.for_at_most", ConfigErrorKind::Misused(why)));
        }
        let below = self.renew_below.unwrap_or(self.units.div_ceil(2));
        if below > self.units {
            let most = self.units;
            let kind = ConfigErrorKind::OutOfRange { least: 0, most };
            return Err(("lease.renew_below", kind));
        }
        if self.keys == 0 || self.keys > Self::MAX_KEYS {
            return Err(range("lease.keys", Self::MAX_KEYS as u64));
        }
        Ok(Terms {
            units: self.units,
            life: nanos(self.life),
            renew_below: below,
            keys: if tier.key.is_global() { 1 } else { self.keys },
        })
    }

    const MAX_KEYS: usize = 1 << 20;
}

impl LeaseConfig {
    pub(super) fn lease(&self) -> Lease {
        let lease = Lease::of(self.units);
        Lease {
            life: self.for_at_most.unwrap_or(lease.life),
            renew_below: self.renew_below,
            keys: self.keys.unwrap_or(lease.keys),
            ..lease
        }
    }
}
