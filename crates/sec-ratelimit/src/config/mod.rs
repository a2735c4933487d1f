//! The form of a limiter in a configuration file.

mod layer;
mod tier;

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

pub(crate) use self::layer::{LayerKeys, check_share, path_faults, path_rules};
pub use self::tier::{LeaseConfig, TierConfig};
pub(crate) use self::tier::{parse_key, tier_fault, tiers_faults};
use crate::{
    BanConfig, ConfigError, ConfigErrorKind, Limiter, LimiterBuilder, RateLimitLayer, SpikesConfig,
};
#[cfg(feature = "shared")]
use crate::{BanFollower, SharedStores};

/// One limiter as a configuration file gives it. What only code can say (closures, a clock, a hook)
/// is added to [`builder`](Self::builder) or [`layer`](Self::layer).
///
/// ```
/// # use sec_ratelimit::RateLimitConfig;
/// let config: RateLimitConfig = serde_json::from_str(r#"{
///     "headers": ["ietf", "legacy"],
///     "tiers": [
///         {"name": "api", "preset": "api", "key": "principal-or-ip"},
///         {"name": "pages", "algorithm": "gcra", "limit": 50, "per": "10s", "burst": 10, "key": "ip+route"}
///     ]
/// }"#)?;
/// let layer = config.layer()?;
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RateLimitConfig {
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
    /// How many keys each tier remembers. Default: 65 536.
    pub capacity: usize,
    /// Blocks after repeated refusals. Default: none.
    pub ban: Option<BanConfig>,
    /// Which requests of a route are a spike. Default: none are looked for.
    pub spikes: Option<SpikesConfig>,
    /// Whether the limiter counts what it admits and refuses. Default: false.
    pub statistics: bool,
    /// The tiers, one to eight. Default: none, which is refused: a limiter without tiers limits nothing.
    pub tiers: Vec<TierConfig>,
}

impl RateLimitConfig {
    /// The limiter's builder, for settings that a file cannot have.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn builder(&self) -> Result<LimiterBuilder, ConfigError> {
        let mut builder = Limiter::builder()
            .capacity(self.capacity)
            .statistics(self.statistics);
        for (index, tier) in self.tiers.iter().enumerate() {
            let made = tier.unleased().and_then(|()| tier.tier());
            builder = builder.with_tier(made.map_err(|fault| tier_fault(index, fault))?);
        }
        Ok(builder)
    }

    /// The limiter, for the plain functions.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn limiter(&self) -> Result<Limiter, ConfigError> {
        self.builder()?.build()
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn layer(&self) -> Result<RateLimitLayer, ConfigError> {
        self.layer_of(self.limiter()?)
    }

    /// A layer with this section's settings around a limiter, which may have been built from
    /// [`builder`](Self::builder) with more.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field; blocks that are shared are one.
    pub fn layer_of(&self, limiter: Limiter) -> Result<RateLimitLayer, ConfigError> {
        self.keys().layer(RateLimitLayer::new(limiter)?)
    }

    /// The layer, and what carries its blocks to and from other processes if they are shared: the host spawns
    /// its [`run`](BanFollower::run). The limits themselves are of this process alone.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    #[cfg(feature = "shared")]
    pub fn layer_sharing(
        &self,
        stores: &SharedStores,
    ) -> Result<(RateLimitLayer, Option<BanFollower>), ConfigError> {
        let layer = RateLimitLayer::new(self.limiter()?)?;
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
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            shadow: false,
            headers: vec!["ietf".into()],
            retry_jitter: 0.0,
            include: Vec::new(),
            exclude: Vec::new(),
            capacity: 65_536,
            ban: None,
            spikes: None,
            statistics: false,
            tiers: Vec::new(),
        }
    }
}

impl Section for RateLimitConfig {
    /// Reports the faults of every tier and list; the rules are those of the constructors.
    fn check(&self, faults: &mut FieldFaults) {
        let mut found = self.keys().faults();
        found.extend(tiers_faults(&self.tiers, self.capacity));
        for (index, tier) in self.tiers.iter().enumerate() {
            let leased = tier.unleased().err();
            found.extend(leased.map(|fault| tier_fault(index, fault)));
        }
        if found.is_empty() {
            // The rules of the constructors, all together and without taking memory.
            let built = self.builder().and_then(|builder| builder.memory());
            found.extend(built.err());
        }
        found.iter().for_each(|fault| fault.tell(faults));
    }
}

impl TryFrom<&RateLimitConfig> for RateLimitLayer {
    type Error = ConfigError;

    fn try_from(config: &RateLimitConfig) -> Result<Self, ConfigError> {
        config.layer()
    }
}

impl TryFrom<&RateLimitConfig> for Limiter {
    type Error = ConfigError;

    fn try_from(config: &RateLimitConfig) -> Result<Self, ConfigError> {
        config.limiter()
    }
}

fn unknown(expected: &str) -> ConfigErrorKind {
    ConfigErrorKind::Unknown {
        expected: expected.into(),
    }
}
