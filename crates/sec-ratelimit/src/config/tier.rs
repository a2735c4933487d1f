//! The form of a tier.

use std::time::Duration;

use serde::Deserialize;

use super::unknown;
use crate::quota::PRESETS;
use crate::{ConfigError, ConfigErrorKind, Key, OnExceed, Quota, Tier};

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
    /// [`limiter`](crate::RateLimitConfig::limiter) alone.
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

const ALGORITHMS: &str = "fixed, sliding, exact, bounded, gcra";
const EXCEED: &str = "refuse, demand";
const KEYS: &str = "ip, principal, principal-or-ip, role, tenant, route, global, header:<name>, \
                    given, or several joined by +";

pub(crate) type Fault = (&'static str, ConfigErrorKind);

pub(crate) fn tier_fault(index: usize, (field, kind): Fault) -> ConfigError {
    ConfigError::new(format!("tiers[{index}].{field}"), kind)
}

impl TierConfig {
    /// Only a store has units to lease.
    pub(super) fn unleased(&self) -> Result<(), Fault> {
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

impl Tier {
    /// Whether a layer can make its key.
    pub(crate) fn for_a_layer(&self) -> Result<(), Fault> {
        if self.key.is_given() {
            return Err(("key", ConfigErrorKind::GivenKey));
        }
        Ok(())
    }
}
