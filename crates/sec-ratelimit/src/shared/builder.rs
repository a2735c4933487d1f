//! Putting a shared limiter together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, CoarseClock, EventSink, Secret, SystemClock, TracingSink};

use super::breaker::{Breaker, Breakers};
use super::denials::Denials;
use super::lease::{Leases, Terms};
use super::limiter::{Inner, LocalShare, OnError};
use super::store::SharedStore;
use crate::digest::Seed;
use crate::policies::Policies;
use crate::quota::nanos;
use crate::{
    ConfigError, ConfigErrorKind, Key, Lease, Limiter, LimiterBuilder, Quota, SharedLimiter,
    Statistics, Tier,
};

/// Who decides while the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// Everything is admitted. An outage of the store then is an outage of the limits: for limits
    /// which save work, not for those which stop guessing.
    Open,
    /// Everything is refused with [`LimitError::Store`](crate::LimitError::Store), 503.
    Closed,
    /// A limiter in this process's memory decides, with one part in `nodes` of each limit, at least
    /// one unit. All `nodes` together then admit the limit, save what each had admitted before; a
    /// caller whose requests all reach one node has that part of the limit only.
    Local {
        /// How many processes share the limits, at least 1.
        nodes: u32,
    },
}

/// Builds a [`SharedLimiter`].
#[must_use = "a limiter exists once `build` is called"]
pub struct SharedLimiterBuilder {
    pub(super) numbers: Numbers,
    store: Arc<dyn SharedStore>,
    secret: Secret<Vec<u8>>,
    tiers: Vec<Tier>,
    leases: Vec<(String, Lease)>,
    statistics: bool,
    clock: Option<Arc<dyn Clock>>,
    sink: Arc<dyn EventSink>,
}

impl SharedLimiterBuilder {
    pub(super) fn new(name: String, store: Arc<dyn SharedStore>, secret: Secret<Vec<u8>>) -> Self {
        Self {
            numbers: Numbers::new(name),
            store,
            secret,
            tiers: Vec::new(),
            leases: Vec::new(),
            statistics: false,
            clock: None,
            sink: Arc::new(TracingSink),
        }
    }

    /// Adds a tier: a name, a quota, and whom it counts.
    pub fn tier(self, name: impl Into<String>, quota: Quota, key: impl Into<Key>) -> Self {
        self.with_tier(Tier::new(name, quota, key))
    }

    /// Adds a tier with settings of its own. Its capacity is that of the local fallback.
    ///
    /// Times are whole microseconds here, rounded up: a bucket of 30 000 per second refills one unit
    /// every 34 µs instead of 33.3.
    pub fn with_tier(mut self, tier: Tier) -> Self {
        self.tiers.push(tier);
        self
    }

    /// Who decides while the store does not answer. Default: `Fallback::Local { nodes: 1 }`, each
    /// process by itself with the whole limits; say how many processes there are.
    pub fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.numbers.fallback = fallback;
        self
    }

    /// How long a decision may take, connecting included; beyond it the fallback decides. Default:
    /// 50 ms, from 1 ms to 10 s. A request waits for no longer than this.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.numbers.deadline = deadline;
        self
    }

    /// After how many failures in a row the store is left alone, and for how long. Default: 5 and one
    /// second. After the pause one request asks it, while the fallback decides for all others; its
    /// answer ends the pause, its failure begins another. A store that is [busy](crate::StoreError::Busy) has not failed.
    ///
    /// The first pause and the end of the last are events, `rate_limit_store`, whose detail `state` is `open` or
    /// `closed`; the latter says how many `seconds` it was, how many `probes` it took and how many requests were
    /// decided `unasked`. A store of several [parts](SharedStore::parts) is counted and paused part by part;
    /// the detail `part` says which. In between, [`SharedLimiter::store_state`] tells.
    pub fn breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.numbers.failures = failures;
        self.numbers.pause = pause;
        self
    }

    /// How many refusals are remembered, and for how long at most. Default: 1024, and one second; 0
    /// remembers none. About 700 bytes each.
    ///
    /// A request with the same subjects, limits and cost is refused from memory until the wait of
    /// its refusal is over, or this time, whichever is shorter; any other cost asks the store, and is
    /// remembered instead if it is refused. What this process gives back to a tier ends the refusals by that tier
    /// and a reset ends all; what **another** process gives back or resets in the meantime is seen only afterwards.
    pub fn remember_refusals(mut self, count: usize, longest: Duration) -> Self {
        self.numbers.denials = count;
        self.numbers.longest_denial = longest;
        self
    }

    /// Whether the limiter counts what is admitted and refused in this process, for
    /// [`SharedLimiter::statistics`]. Default: false. As for a
    /// [limiter in memory](LimiterBuilder::statistics); what nobody decided, because the store did not answer and the
    /// limiter is closed then, is not counted.
    pub fn statistics(mut self, count: bool) -> Self {
        self.statistics = count;
        self
    }

    /// Where the breaker, the remembered refusals and the local fallback take their time from.
    /// Default: the system's monotonic clock. Counting uses the store's clock, the deadline tokio's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where changes of the breaker are reported. Default: `tracing`.
    pub fn sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sink = sink;
        self
    }

    /// Leases the tier of this name: its units are taken from the store in batches, and handed out from
    /// memory. Default: none is leased. See [`Lease`] for the bound on what that may admit too much.
    pub fn lease(mut self, tier: impl Into<String>, lease: Lease) -> Self {
        self.leases.push((tier.into(), lease));
        self
    }

    /// Builds the limiter. Asks the store nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as for a [`Limiter`](crate::LimiterBuilder::build), and for the name, the
    /// secret, the numbers of this builder and its leases.
    pub fn build(self) -> Result<SharedLimiter, ConfigError> {
        let numbers = self.numbers.faults().into_iter();
        let secret = check_secret(&self.secret);
        if let Some(fault) = numbers.chain(secret.err()).next() {
            return Err(fault);
        }
        // The rules of a limiter in memory hold for the tiers as they were written.
        let written = self.tiers.iter().cloned();
        written
            .fold(Limiter::builder(), LimiterBuilder::with_tier)
            .memory()?;
        let terms = self.terms()?;
        let rough = self.clock.is_none().then(CoarseClock::new);
        let clock = self.clock.unwrap_or_else(SystemClock::shared);

        let nodes = match self.numbers.fallback {
            Fallback::Local { nodes } => u64::from(nodes),
            Fallback::Open | Fallback::Closed => 1,
        };
        let divided = self.tiers.iter().cloned().map(|mut tier| {
            tier.quota = tier.quota.divided(nodes);
            tier
        });
        let local = divided
            .fold(Limiter::builder(), LimiterBuilder::with_tier)
            .clock(clock.clone());
        let on_error = match self.numbers.fallback {
            Fallback::Open => OnError::Open,
            Fallback::Closed => OnError::Closed,
            Fallback::Local { .. } => OnError::Local(LocalShare {
                limiter: local.build()?,
                nodes,
            }),
        };
        let policies = Policies::new(self.tiers.iter().map(Tier::policy), None);
        let statistics = self
            .statistics
            .then(|| Statistics::over(self.tiers.iter(), &policies));
        let name: Arc<str> = self.numbers.name.into();
        let (failures, pause) = (self.numbers.failures, self.numbers.pause);
        let breakers = Breakers::new(&self.store, |part| {
            let (clock, sink) = (clock.clone(), self.sink.clone());
            Breaker::new(part, name.clone(), failures, pause, clock, sink)
        });
        let tiers = self.tiers.iter().zip(&terms);
        let mut rest = tiers.filter(|(_, terms)| terms.is_none());
        let one_subject = rest.next().is_some_and(|(first, _)| {
            !first.key.is_global() && rest.all(|(tier, _)| tier.key.is_same_subject(&first.key))
        });
        let memory = nanos(self.numbers.longest_denial);
        let leases = terms.iter().any(Option::is_some).then(|| {
            let none = self.numbers.denials == 0;
            Leases::new(terms, if none { 0 } else { memory })
        });
        Ok(SharedLimiter::from(Inner {
            policies,
            statistics,
            names: self
                .tiers
                .iter()
                .map(|tier| tier.name.as_str().into())
                .collect(),
            tiers: self.tiers,
            one_subject,
            seed: Seed::of_secret(self.secret.expose()),
            store: self.store,
            deadline: self.numbers.deadline,
            breakers,
            name,
            denials: Denials::new(self.numbers.denials, memory, clock.clone(), rough),
            leases,
            on_error,
            clock,
        }))
    }

    /// The leases of the tiers.
    fn terms(&self) -> Result<Vec<Option<Terms>>, ConfigError> {
        let known = |name: &str| self.tiers.iter().any(|tier| tier.name == name);
        if self.leases.iter().any(|(name, _)| !known(name)) {
            let names: Vec<_> = self.tiers.iter().map(|tier| &*tier.name).collect();
            let expected = names.join(", ");
            return Err(ConfigError::new(
                "lease",
                ConfigErrorKind::Unknown { expected },
            ));
        }
        let tiers = self.tiers.iter().enumerate();
        let terms = tiers.map(|(index, tier)| {
            // The last word counts.
            let mut leases = self.leases.iter().rev();
            let lease = leases.find(|(name, _)| *name == tier.name);
            shared_terms(tier, lease.map(|(_, lease)| lease))
                .map_err(|(field, kind)| ConfigError::new(format!("tiers[{index}].{field}"), kind))
        });
        terms.collect()
    }
}

/// What must be right of a shared limiter beside its tiers.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) name: String,
    pub(super) fallback: Fallback,
    pub(super) deadline: Duration,
    pub(super) failures: u32,
    pub(super) pause: Duration,
    pub(super) denials: usize,
    pub(super) longest_denial: Duration,
}

impl Numbers {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            fallback: Fallback::Local { nodes: 1 },
            deadline: Duration::from_millis(50),
            failures: 5,
            pause: Duration::from_secs(1),
            denials: 1024,
            longest_denial: Duration::from_secs(1),
        }
    }

    /// The one set of rules for them, all faults at once.
    pub(super) fn faults(&self) -> Vec<ConfigError> {
        let range = |least, most| ConfigErrorKind::OutOfRange { least, most };
        let in_time = self.deadline >= Duration::from_millis(1);
        let pauses = !self.pause.is_zero() && self.pause <= Quota::MAX_PER;
        let checks = [
            (
                is_store_name(&self.name),
                "name",
                ConfigErrorKind::StoreName,
            ),
            (
                in_time && self.deadline <= Duration::from_secs(10),
                "deadline",
                ConfigErrorKind::Misused(
                    "must be from 1 ms to 10 s (a number alone is seconds: write \"50ms\" for milliseconds)",
                ),
            ),
            (
                self.failures > 0,
                "breaker.failures",
                range(1, u32::MAX.into()),
            ),
            (pauses, "breaker.pause", ConfigErrorKind::Window),
            (
                self.denials <= 1 << 20,
                "remember_refusals.count",
                range(0, 1 << 20),
            ),
            (
                self.fallback != Fallback::Local { nodes: 0 },
                "on_store_error.local",
                range(1, u32::MAX.into()),
            ),
        ];
        let wrong = checks.into_iter().filter(|(right, ..)| !right);
        wrong
            .map(|(_, field, kind)| ConfigError::new(field, kind))
            .collect()
    }
}

pub(super) fn check_secret(secret: &Secret<Vec<u8>>) -> Result<(), ConfigError> {
    if secret.expose().len() < 32 {
        return Err(ConfigError::new("secret", ConfigErrorKind::ShortKey));
    }
    Ok(())
}

/// What a tier must be so that a store can decide it, and its lease.
pub(super) fn shared_terms(
    tier: &Tier,
    lease: Option<&Lease>,
) -> Result<Option<Terms>, (&'static str, ConfigErrorKind)> {
    let rule = tier.quota.shared_rule(None);
    lease.map(|lease| lease.terms(tier, rule)).transpose()
}

/// Whether a store's keys can carry the name as it is.
pub(crate) fn is_store_name(name: &str) -> bool {
    let usable =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(usable)
}

impl fmt::Debug for SharedLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimiterBuilder")
            .field("name", &self.numbers.name)
            .field("store", &self.store)
            .field("tiers", &self.tiers)
            .field("leases", &self.leases)
            .field("fallback", &self.numbers.fallback)
            .field("deadline", &self.numbers.deadline)
            .finish_non_exhaustive()
    }
}
