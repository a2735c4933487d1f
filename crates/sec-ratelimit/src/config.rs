//! The form of a limiter in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, PathRules, Section};
use serde::Deserialize;

use crate::quota::PRESETS;
use crate::{
    BanConfig, Bans, ConfigError, ConfigErrorKind, Fields, Key, Limiter, LimiterBuilder, OnExceed,
    Quota, RateLimitLayer, Tier,
};

/// One limiter as a configuration file gives it. What only code can say (closures, a clock, a hook)
/// is added to [`builder`](Self::builder) or [`layer`](Self::layer).
///
/// ```
/// # use sec_ratelimit::RateLimitConfig;
/// let config: RateLimitConfig = serde_json::from_str(r#"{
///     "headers": ["ietf", "legacy"],
///     "tiers": [
///         {"name": "api", "preset": "api", "key": "principal-or-ip"},
///         {"name": "burst", "algorithm": "gcra", "limit": 50, "per": "10s", "burst": 10, "key": "ip+route"}
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
    /// The tiers, one to eight. Default: none, which is refused: a limiter without tiers limits nothing.
    pub tiers: Vec<TierConfig>,
}

/// One tier: a name, a key, and either a preset or an algorithm with its numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TierConfig {
    /// The policy's name in header fields and events.
    pub name: String,
    /// Whom it counts: `ip`, `principal`, `principal-or-ip`, `role`, `tenant`, `route`, `global`,
    /// `header:<name>`, `given`, or several of them joined by `+`. Default: `ip`. A section that is
    /// checked is for a layer, which cannot make a `given` one: that is for
    /// [`limiter`](RateLimitConfig::limiter) alone.
    pub key: Option<String>,
    /// A [preset](Quota::preset), instead of the four below.
    pub preset: Option<String>,
    /// `fixed` (the default), `sliding`, `exact`, `bounded` or `gcra`.
    pub algorithm: Option<String>,
    /// Units per window.
    pub limit: Option<u64>,
    /// The window: `"15m"`, or seconds.
    #[serde(with = "sec_core::duration::option")]
    pub per: Option<Duration>,
    /// The size of a `gcra` bucket. Default: the limit.
    pub burst: Option<u64>,
    /// `refuse` (the default) or `demand`.
    pub on_exceed: Option<String>,
    /// How a limiter that processes share leases the tier. Default: not at all.
    pub lease: Option<LeaseConfig>,
}

/// The lease of a tier, for limiters that processes share (feature `shared`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LeaseConfig {
    /// The units of a batch. No default: it must be set.
    pub units: u64,
    /// How long units may be held. Default: 500 ms, at most the tier's window.
    #[serde(with = "sec_core::duration::option")]
    pub for_at_most: Option<Duration>,
    /// Below how many units the next batch is fetched ahead. Default: half of the batch.
    pub renew_below: Option<u64>,
    /// How many keys are leased at once, at least. Default: 1024.
    pub keys: Option<usize>,
}

const HEADERS: &str = "ietf, legacy";
const ALGORITHMS: &str = "fixed, sliding, exact, bounded, gcra";
const EXCEED: &str = "refuse, demand";
const KEYS: &str = "ip, principal, principal-or-ip, role, tenant, route, global, header:<name>, \
                    given, or several joined by +";

impl RateLimitConfig {
    /// The limiter's builder, for settings that a file cannot have.
    ///
    /// # Errors
    ///
    /// The first fault, with the path of its field.
    pub fn builder(&self) -> Result<LimiterBuilder, ConfigError> {
        let mut builder = Limiter::builder().capacity(self.capacity);
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
    /// The first fault, with the path of its field.
    pub fn layer_of(&self, limiter: Limiter) -> Result<RateLimitLayer, ConfigError> {
        let layer = RateLimitLayer::new(limiter)?
            .enabled(self.enabled)
            .shadow(self.shadow)
            .headers(self.fields()?)
            .paths(self.paths()?)
            .retry_jitter(self.retry_jitter)?;
        match &self.ban {
            Some(ban) => layer.ban(ban.escalate()),
            None => Ok(layer),
        }
    }

    fn fields(&self) -> Result<Fields, ConfigError> {
        header_fields(&self.headers)
    }

    fn paths(&self) -> Result<PathRules, ConfigError> {
        path_rules(&self.include, &self.exclude)
    }
}

/// The header fields of a list of names.
pub(crate) fn header_fields(names: &[String]) -> Result<Fields, ConfigError> {
    let mut fields = Fields::NONE;
    for (index, name) in names.iter().enumerate() {
        fields = fields.and(match name.as_str() {
            "ietf" => Fields::IETF,
            "legacy" => Fields::LEGACY,
            _ => {
                return Err(ConfigError::new(
                    format!("headers[{index}]"),
                    unknown(HEADERS),
                ));
            }
        });
    }
    Ok(fields)
}

/// The rules of two lists of prefixes.
pub(crate) fn path_rules(include: &[String], exclude: &[String]) -> Result<PathRules, ConfigError> {
    let mut rules = PathRules::all();
    let fault = |list: &str, index: usize, error: sec_core::PathRuleError| {
        let kind = ConfigErrorKind::Path(error.to_string());
        ConfigError::new(format!("{list}[{index}]"), kind)
    };
    for (index, prefix) in include.iter().enumerate() {
        rules = rules
            .include(prefix)
            .map_err(|error| fault("include", index, error))?;
    }
    for (index, prefix) in exclude.iter().enumerate() {
        rules = rules
            .exclude(prefix)
            .map_err(|error| fault("exclude", index, error))?;
    }
    Ok(rules)
}

pub(crate) fn check_share(share: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&share) {
        Ok(())
    } else {
        Err(ConfigError::new("retry_jitter", ConfigErrorKind::Share))
    }
}

pub(crate) type Fault = (&'static str, ConfigErrorKind);

pub(crate) fn tier_fault(index: usize, (field, kind): Fault) -> ConfigError {
    ConfigError::new(format!("tiers[{index}].{field}"), kind)
}

impl TierConfig {
    /// Only a store has units to lease.
    fn unleased(&self) -> Result<(), Fault> {
        let why = "only limiters that processes share lease their units";
        match self.lease {
            Some(_) => Err(("lease", ConfigErrorKind::Misused(why))),
            None => Ok(()),
        }
    }

    pub(crate) fn tier(&self) -> Result<Tier, Fault> {
        let on_exceed = match self.on_exceed.as_deref() {
            None | Some("refuse") => OnExceed::Refuse,
            Some("demand") => OnExceed::Demand,
            Some(_) => return Err(("on_exceed", unknown(EXCEED))),
        };
        Ok(Tier::new(&self.name, self.quota()?, self.key()?).on_exceed(on_exceed))
    }

    fn quota(&self) -> Result<Quota, Fault> {
        if let Some(name) = &self.preset {
            for (field, given) in [
                ("algorithm", self.algorithm.is_some()),
                ("limit", self.limit.is_some()),
                ("per", self.per.is_some()),
                ("burst", self.burst.is_some()),
            ] {
                if given {
                    return Err((field, ConfigErrorKind::PresetSays));
                }
            }
            let names = PRESETS.map(|(name, _)| name).join(", ");
            return Quota::preset(name).ok_or_else(|| ("preset", unknown(&names)));
        }
        let limit = self.limit.ok_or(("limit", ConfigErrorKind::Missing))?;
        let per = self.per.ok_or(("per", ConfigErrorKind::Missing))?;
        let quota = match self.algorithm.as_deref() {
            None | Some("fixed") => Quota::per(limit, per),
            Some("exact") => Quota::per(limit, per).exact(),
            Some("gcra") => Quota::gcra(limit, per),
            Some("sliding") => Quota::sliding(limit, per),
            Some("bounded") => Quota::bounded(limit, per),
            Some(_) => return Err(("algorithm", unknown(ALGORITHMS))),
        };
        Ok(self.burst.map_or(quota, |burst| quota.burst(burst)))
    }

    fn key(&self) -> Result<Key, Fault> {
        parse_key(self.key.as_deref().unwrap_or("ip"), &self.name)
    }
}

/// A key by its name; `label` is what events call one that is given.
pub(crate) fn parse_key(text: &str, label: &str) -> Result<Key, Fault> {
    let mut key = Key::global();
    for part in text.split('+') {
        key = key.and(match part {
            "ip" => Key::ip(),
            "principal" => Key::principal().into(),
            "principal-or-ip" => Key::principal().or_ip(),
            "role" => Key::role(),
            "tenant" => Key::tenant(),
            "route" => Key::route(),
            "global" => Key::global(),
            "given" => Key::given(label),
            _ => {
                let Some(name) = part.strip_prefix("header:") else {
                    return Err(("key", unknown(KEYS)));
                };
                let name = name.parse();
                Key::header(name.map_err(|_| ("key", ConfigErrorKind::HeaderName))?)
            }
        });
    }
    Ok(key)
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
            tiers: Vec::new(),
        }
    }
}

impl Section for RateLimitConfig {
    /// Reports the faults of every tier and list; the rules are those of the constructors.
    fn check(&self, faults: &mut FieldFaults) {
        let mut add = |result: Result<(), ConfigError>| {
            if let Err(error) = result {
                faults.add(error.field(), error.kind());
            }
        };
        add(self.fields().map(drop));
        add(self.paths().map(drop));
        add(check_share(self.retry_jitter));
        if let Some(ban) = &self.ban {
            add(Bans::check_settings(&ban.escalate()));
        }
        // Each tier alone, so that all faults come at once; then together, without taking memory.
        let mut sound = true;
        for (index, tier) in self.tiers.iter().enumerate() {
            let checked = tier.unleased().and_then(|()| {
                let made = tier.tier()?;
                made.quota.algorithm()?;
                made.for_a_layer()
            });
            sound &= checked.is_ok();
            add(checked.map_err(|fault| tier_fault(index, fault)));
        }
        if sound {
            add(self
                .builder()
                .and_then(|builder| builder.memory())
                .map(drop));
        }
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

impl Tier {
    /// Whether a layer can make its key.
    pub(crate) fn for_a_layer(&self) -> Result<(), Fault> {
        if self.key.is_given() {
            return Err(("key", ConfigErrorKind::GivenKey));
        }
        Ok(())
    }
}

fn unknown(expected: &str) -> ConfigErrorKind {
    ConfigErrorKind::Unknown {
        expected: expected.into(),
    }
}
