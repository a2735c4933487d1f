//! The form of a shared limiter in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, Secret, SecretString, Section};
use serde::Deserialize;

use super::builder::{Numbers, check_secret, shared_terms};
use crate::config::{LayerKeys, tier_fault, tiers_faults};
use crate::{
    BanConfig, BanFollower, ConfigError, ConfigErrorKind, Fallback, Limiter, RateLimitLayer,
    SharedLimiter, SharedLimiterBuilder, SharedStores, SpikesConfig, TierConfig,
};

/// One limiter that processes share, as a configuration file gives it: the section of
/// [`RateLimitConfig`](crate::RateLimitConfig) with a store. What only code can say is added to
/// [`builder`](Self::builder) or [`layer`](Self::layer).
///
/// `store` is a name that the service registers in [`SharedStores`]. The secret is best given by the
/// environment (`SEC_LIMITS__SECRET` for a section `limits`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SharedLimitConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// Whether refusals are only reported. Default: false.
    pub shadow: bool,
    /// The header fields of answers: `ietf`, `legacy`. Default: `["ietf"]`.
    pub headers: Vec<String>,
    /// How much longer than needed clients are told to wait, at most, as a share of the wait: see
    /// [`RateLimitLayer::retry_jitter`]. Default: 0.
    pub retry_jitter: f64,
    /// Path prefixes that are limited. Default: empty, which is all.
    pub include: Vec<String>,
    /// Path prefixes that are not limited. Default: none.
    pub exclude: Vec<String>,
    /// The limiter's name, part of every key: see [`SharedLimiter::builder`]. No default: it must be set.
    pub name: String,
    /// The name of the store. No default: it must be set.
    pub store: String,
    /// What subjects are hashed under, at least 32 bytes of text, the same for all processes. No
    /// default: it must be set.
    pub secret: Option<SecretString>,
    /// How long a decision may take. Default: 50 ms, from 1 ms to 10 s.
    #[serde(with = "sec_core::duration")]
    pub deadline: Duration,
    /// When a store that fails is left alone.
    pub breaker: BreakerConfig,
    /// Who decides while the store does not answer: `"open"`, `"closed"` or `{ local = 3 }`, a limiter
    /// in memory with one part in three of each limit. Default: `{ local = 1 }`.
    pub on_store_error: FallbackConfig,
    /// Refusals that are remembered here.
    pub remember_refusals: RememberConfig,
    /// Blocks after repeated refusals; its table `shared` makes them those of all processes. Default: none.
    pub ban: Option<BanConfig>,
    /// Which requests of a route are a spike. Default: none are looked for.
    pub spikes: Option<SpikesConfig>,
    /// Whether the limiter counts what this process admits and refuses. Default: false.
    pub statistics: bool,
    /// The tiers, one to eight; each may have a `lease`. Default: none, which is refused.
    pub tiers: Vec<TierConfig>,
}

/// The circuit breaker of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// After how many failures in a row. Default: 5.
    pub failures: u32,
    /// For how long. Default: 1 s.
    #[serde(with = "sec_core::duration")]
    pub pause: Duration,
}

/// The memory for refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RememberConfig {
    /// How many. Default: 1024; 0 remembers none.
    pub count: usize,
    /// For how long at most. Default: 1 s.
    #[serde(with = "sec_core::duration")]
    pub longest: Duration,
}

/// [`Fallback`] as a file gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FallbackConfig {
    /// Everything is admitted.
    Open,
    /// Everything is refused.
    Closed,
    /// A limiter in memory decides, in each of so many processes.
    Local(u32),
}

impl SharedLimitConfig {
    /// The limiter's builder, for settings that a file cannot have.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn builder(&self, stores: &SharedStores) -> Result<SharedLimiterBuilder, ConfigError> {
        let store = stores.get(&self.store)?;
        let mut builder = SharedLimiter::builder(&self.name, store, self.secret()?);
        builder = builder.statistics(self.statistics);
        builder.numbers = self.numbers();
        for (index, tier) in self.tiers.iter().enumerate() {
            if let Some(lease) = &tier.lease {
                builder = builder.lease(&tier.name, lease.lease());
            }
            builder = builder.with_tier(tier.tier().map_err(|fault| tier_fault(index, fault))?);
        }
        Ok(builder)
    }

    /// The limiter, for the plain functions. Asks the store nothing.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn limiter(&self, stores: &SharedStores) -> Result<SharedLimiter, ConfigError> {
        self.builder(stores)?.build()
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn layer(
        &self,
        stores: &SharedStores,
    ) -> Result<RateLimitLayer<SharedLimiter>, ConfigError> {
        self.layer_of(self.limiter(stores)?)
    }

    /// A layer with this section's settings around a limiter, which may have been built from
    /// [`builder`](Self::builder) with more.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field; blocks that are shared are one.
    pub fn layer_of(
        &self,
        limiter: SharedLimiter,
    ) -> Result<RateLimitLayer<SharedLimiter>, ConfigError> {
        self.keys().layer(RateLimitLayer::shared(limiter)?)
    }

    /// The layer, and what carries its blocks to and from other processes if they are shared: the host spawns
    /// its [`run`](BanFollower::run).
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn layer_sharing(
        &self,
        stores: &SharedStores,
    ) -> Result<(RateLimitLayer<SharedLimiter>, Option<BanFollower>), ConfigError> {
        let layer = RateLimitLayer::shared(self.limiter(stores)?)?;
        self.keys().layer_sharing(layer, stores)
    }

    fn keys(&self) -> LayerKeys<'_> {
        LayerKeys {
            enabled: self.enabled,
            shadow: self.shadow,
            headers: &self.headers,
            retry_jitter: self.retry_jitter,
            include: &self.include,
            exclude: &self.exclude,
            ban: self.ban.as_ref(),
            spikes: self.spikes.as_ref(),
        }
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            name: self.name.clone(),
            fallback: match self.on_store_error {
                FallbackConfig::Open => Fallback::Open,
                FallbackConfig::Closed => Fallback::Closed,
                FallbackConfig::Local(nodes) => Fallback::Local { nodes },
            },
            deadline: self.deadline,
            failures: self.breaker.failures,
            pause: self.breaker.pause,
            denials: self.remember_refusals.count,
            longest_denial: self.remember_refusals.longest,
        }
    }

    fn secret(&self) -> Result<Secret<Vec<u8>>, ConfigError> {
        let Some(text) = &self.secret else {
            let what = "at least 32 bytes of text, the same for all processes";
            return Err(ConfigError::new("secret", ConfigErrorKind::NotSet(what)));
        };
        let secret = Secret::new(text.expose().as_bytes().to_vec());
        check_secret(&secret)?;
        Ok(secret)
    }

    /// The tiers together, without taking memory.
    fn together(&self) -> Result<(), ConfigError> {
        let mut builder = Limiter::builder();
        for (index, tier) in self.tiers.iter().enumerate() {
            builder = builder.with_tier(tier.tier().map_err(|fault| tier_fault(index, fault))?);
        }
        builder.memory().map(drop)
    }
}

impl Default for SharedLimitConfig {
    fn default() -> Self {
        let numbers = Numbers::new(String::new());
        Self {
            enabled: true,
            shadow: false,
            headers: vec!["ietf".into()],
            retry_jitter: 0.0,
            include: Vec::new(),
            exclude: Vec::new(),
            name: numbers.name,
            store: String::new(),
            secret: None,
            deadline: numbers.deadline,
            breaker: BreakerConfig::default(),
            on_store_error: FallbackConfig::Local(1),
            remember_refusals: RememberConfig::default(),
            ban: None,
            spikes: None,
            statistics: false,
            tiers: Vec::new(),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let numbers = Numbers::new(String::new());
        Self {
            failures: numbers.failures,
            pause: numbers.pause,
        }
    }
}

impl Default for RememberConfig {
    fn default() -> Self {
        let numbers = Numbers::new(String::new());
        Self {
            count: numbers.denials,
            longest: numbers.longest_denial,
        }
    }
}

impl Section for SharedLimitConfig {
    /// Reports the faults of every tier and list; the rules are those of the constructors. Whether the store's
    /// name is known is said by [`builder`](Self::builder), which is given the stores.
    fn check(&self, faults: &mut FieldFaults) {
        let mut found = self.keys().faults();
        let what = "the limiter's name, part of every key in the store";
        let numbers = self.numbers().faults().into_iter();
        found.extend(numbers.map(|fault| fault.or_not_set("name", &self.name, what)));
        if self.store.is_empty() {
            let what = "the name of a store that the service has registered";
            found.push(ConfigError::new("store", ConfigErrorKind::NotSet(what)));
        }
        found.extend(self.secret().err());
        // Each process has room for its fallback, which is not for the section to say.
        found.extend(tiers_faults(&self.tiers, 1));
        for (index, tier) in self.tiers.iter().enumerate() {
            if let (Ok(made), Some(lease)) = (tier.tier(), &tier.lease)
                && made.quota.algorithm().is_ok()
            {
                let lease = shared_terms(&made, Some(&lease.lease())).err();
                found.extend(lease.map(|fault| tier_fault(index, fault)));
            }
        }
        if found.is_empty() {
            found.extend(self.together().err());
        }
        found.iter().for_each(|fault| fault.tell(faults));
    }
}
