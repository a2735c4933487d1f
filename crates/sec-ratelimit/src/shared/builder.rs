//! Putting a shared limiter together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, EventSink, Secret, SystemClock, TracingSink};

use super::breaker::{Breaker, Breakers};
use super::denials::Denials;
use super::limiter::{Inner, LocalShare, OnError};
use super::store::SharedStore;
use crate::decision::Policies;
use crate::digest::Seed;
use crate::quota::nanos;
use crate::{
    ConfigError, ConfigErrorKind, Key, Limiter, LimiterBuilder, Quota, SharedLimiter, Statistics,
    Tier,
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
    name: String,
    store: Arc<dyn SharedStore>,
    secret: Secret<Vec<u8>>,
    tiers: Vec<Tier>,
    fallback: Fallback,
    deadline: Duration,
    failures: u32,
    pause: Duration,
    denials: usize,
    longest_denial: Duration,
    statistics: bool,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
}

impl SharedLimiterBuilder {
    pub(super) fn new(name: String, store: Arc<dyn SharedStore>, secret: Secret<Vec<u8>>) -> Self {
        Self {
            name,
            store,
            secret,
            tiers: Vec::new(),
            fallback: Fallback::Local { nodes: 1 },
            deadline: Duration::from_millis(50),
            failures: 5,
            pause: Duration::from_secs(1),
            denials: 1024,
            longest_denial: Duration::from_secs(1),
            statistics: false,
            clock: SystemClock::shared(),
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
        self.fallback = fallback;
        self
    }

    /// How long a decision may take, connecting included; beyond it the fallback decides. Default:
    /// 50 ms, from 1 ms to 10 s. A request waits for no longer than this.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// After how many failures in a row the store is left alone, and for how long. Default: 5 and one
    /// second. After the pause one request asks it, while the fallback decides for all others; its
    /// answer ends the pause, its failure begins another. Each change is an event,
    /// `rate_limit_store`, whose detail `state` is `open`, `half-open` or `closed`. A store of several
    /// [parts](SharedStore::parts) is counted and paused part by part; the detail `part` says which.
    pub fn breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.failures = failures;
        self.pause = pause;
        self
    }

    /// How many refusals are remembered, and for how long at most. Default: 1024, and one second; 0
    /// remembers none. About 700 bytes each, and as much again once it was asked for.
    ///
    /// A request with the same subjects, limits and cost is refused from memory until the wait of
    /// its refusal is over, or this time, whichever is shorter; any other cost asks the store. What
    /// **another** process gives back or resets in the meantime is seen only afterwards.
    pub fn remember_refusals(mut self, count: usize, longest: Duration) -> Self {
        self.denials = count;
        self.longest_denial = longest;
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
        self.clock = clock;
        self
    }

    /// Where changes of the breaker are reported. Default: `tracing`.
    pub fn sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sink = sink;
        self
    }

    /// Builds the limiter. Asks the store nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as for a [`Limiter`](crate::LimiterBuilder::build), and for the name, the
    /// secret and the numbers of this builder.
    pub fn build(self) -> Result<SharedLimiter, ConfigError> {
        let fault = |field: &str, kind| Err(ConfigError::new(field, kind));
        let range = |least, most| ConfigErrorKind::OutOfRange { least, most };
        if !is_store_name(&self.name) {
            return fault("name", ConfigErrorKind::StoreName);
        }
        if self.secret.expose().len() < 32 {
            return fault("secret", ConfigErrorKind::ShortKey);
        }
        if !(1..=10_000).contains(&self.deadline.as_millis()) {
            return fault("deadline (milliseconds)", range(1, 10_000));
        }
        if self.failures == 0 {
            return fault("breaker.failures", range(1, u32::MAX.into()));
        }
        if self.pause.is_zero() || self.pause > Quota::MAX_PER {
            return fault("breaker.pause", ConfigErrorKind::Window);
        }
        if self.denials > 1 << 20 {
            return fault("remember_refusals.count", range(0, 1 << 20));
        }
        let nodes = match self.fallback {
            Fallback::Local { nodes: 0 } => {
                return fault("on_store_error.nodes", range(1, u32::MAX.into()));
            }
            Fallback::Local { nodes } => u64::from(nodes),
            Fallback::Open | Fallback::Closed => 1,
        };

        // The rules of a limiter in memory hold for the tiers as they were written.
        let written = self.tiers.iter().cloned();
        written
            .fold(Limiter::builder(), LimiterBuilder::with_tier)
            .memory()?;
        let divided = self.tiers.iter().cloned().map(|mut tier| {
            tier.quota = tier.quota.divided(nodes);
            tier
        });
        let local = divided
            .fold(Limiter::builder(), LimiterBuilder::with_tier)
            .clock(self.clock.clone());
        let on_error = match self.fallback {
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
        let name: Arc<str> = self.name.into();
        let breakers = Breakers::new(&self.store, |part| {
            let (clock, sink) = (self.clock.clone(), self.sink.clone());
            Breaker::new(part, name.clone(), self.failures, self.pause, clock, sink)
        });
        let one_subject = match &*self.tiers {
            [only] => !only.key.is_global(),
            [first, rest @ ..] => {
                !first.key.is_global()
                    && rest.iter().all(|tier| tier.key.is_same_subject(&first.key))
            }
            [] => false,
        };
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
            deadline: self.deadline,
            breakers,
            name,
            denials: Denials::new(self.denials, nanos(self.longest_denial)),
            on_error,
            clock: self.clock,
        }))
    }
}

impl fmt::Debug for SharedLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimiterBuilder")
            .field("name", &self.name)
            .field("store", &self.store)
            .field("tiers", &self.tiers)
            .field("fallback", &self.fallback)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Whether a store's keys can carry the name as it is.
pub(crate) fn is_store_name(name: &str) -> bool {
    let usable =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(usable)
}
