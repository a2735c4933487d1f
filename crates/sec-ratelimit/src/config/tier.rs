//! The form of a tier.

use std::time::Duration;

use serde::Deserialize;

use super::unknown;
use crate::quota::PRESETS;
use crate::{ConfigError, ConfigErrorKind, Key, LimiterBuilder, OnExceed, Quota, Tier};

/// One tier: a name, a key, and either a preset or an algorithm with its numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TierConfig {
    /// The policy's name in header fields and events.
    pub name: String,
    /// Whom it counts: `ip`, `principal`, `principal-or-ip`, `role`, `tenant`, `route`, `global`,
    /// `header:<name>`, `given`, or several of them joined by `+`. Default: `ip`. A section that is
    /// checked is for a layer; one by `route` goes on inside of axum's router (see [`Key::route`]), one by `principal` or
    /// `role` inside of an authentication layer. A layer cannot make a `given` one: that is for
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

/// All that is wrong with the tiers of a layer's section and its capacity, but for leases.
pub(crate) fn tiers_faults(tiers: &[TierConfig], capacity: usize) -> Vec<ConfigError> {
    let names: Vec<_> = tiers.iter().map(|tier| tier.name.as_str()).collect();
    let mut faults = LimiterBuilder::faults(capacity, &names);
    for (index, tier) in tiers.iter().enumerate() {
        let field = format!("tiers[{index}].name");
        let what = "the policy's name in header fields, problems and events";
        let named = faults.into_iter();
        faults = named
            .map(|fault| fault.or_not_set(&field, &tier.name, what))
            .collect();
        let wrong = tier.faults().into_iter();
        faults.extend(wrong.map(|fault| tier_fault(index, fault)));
    }
    faults
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
        let on_exceed = self.exceeding()?;
        Ok(Tier::new(&self.name, self.quota()?, self.key()?).on_exceed(on_exceed))
    }

    /// All that is wrong with a tier of a layer but its name and lease.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.shape_faults();
        if faults.is_empty() {
            let quota = self
                .quota()
                .map_or_else(|fault| vec![fault], |quota| quota.faults());
            faults.extend(quota);
        } else if self.preset.is_none() {
            // The numbers that are there, as those of the default algorithm.
            let limit = self.limit.unwrap_or(1);
            let per = self.per.unwrap_or(Duration::from_secs(1));
            let named = |field| faults.iter().any(|(other, _)| *other == field);
            let numbers = Quota::per(limit, per).faults();
            let numbers: Vec<_> = numbers
                .into_iter()
                .filter(|(field, _)| !named(*field))
                .collect();
            faults.extend(numbers);
        }
        let key = self.key().map(|key| key.is_given());
        faults.extend(match key {
            Ok(true) => Some(("key", ConfigErrorKind::GivenKey)),
            Ok(false) => None,
            Err(fault) => Some(fault),
        });
        faults.extend(self.exceeding().err());
        faults
    }

    /// What is wrong with the choice of keys, whatever their numbers.
    fn shape_faults(&self) -> Vec<Fault> {
        let given = [
            ("algorithm", self.algorithm.is_some()),
            ("limit", self.limit.is_some()),
            ("per", self.per.is_some()),
            ("burst", self.burst.is_some()),
        ];
        let mut faults = Vec::new();
        if let Some(name) = &self.preset {
            let said = given.iter().filter(|(_, given)| *given);
            faults.extend(said.map(|(field, _)| (*field, ConfigErrorKind::PresetSays)));
            if Quota::preset(name).is_none() {
                let names = PRESETS.map(|(name, _)| name).join(", ");
                faults.push(("preset", unknown(&names)));
            }
            return faults;
        }
        for (field, missing) in [("limit", self.limit.is_none()), ("per", self.per.is_none())] {
            if missing {
                faults.push((field, ConfigErrorKind::Missing));
            }
        }
        match self.algorithm.as_deref() {
            Some("gcra") => {}
            None | Some("fixed" | "exact" | "sliding" | "bounded") => {
                if self.burst.is_some() {
                    let why = "belongs to `algorithm = \"gcra\"`";
                    faults.push(("burst", ConfigErrorKind::Misused(why)));
                }
            }
            Some(_) => faults.push(("algorithm", unknown(ALGORITHMS))),
        }
        faults
    }

    fn quota(&self) -> Result<Quota, Fault> {
        if let Some(fault) = self.shape_faults().into_iter().next() {
            return Err(fault);
        }
        if let Some(name) = &self.preset {
            return Quota::preset(name).ok_or(("preset", ConfigErrorKind::Missing));
        }
        let limit = self.limit.ok_or(("limit", ConfigErrorKind::Missing))?;
        let per = self.per.ok_or(("per", ConfigErrorKind::Missing))?;
        let quota = match self.algorithm.as_deref() {
            Some("exact") => Quota::per(limit, per).exact(),
            Some("gcra") => Quota::gcra(limit, per),
            Some("sliding") => Quota::sliding(limit, per),
            Some("bounded") => Quota::bounded(limit, per),
            _ => Quota::per(limit, per),
        };
        Ok(self.burst.map_or(quota, |burst| quota.burst(burst)))
    }

    fn exceeding(&self) -> Result<OnExceed, Fault> {
        match self.on_exceed.as_deref() {
            None | Some("refuse") => Ok(OnExceed::Refuse),
            Some("demand") => Ok(OnExceed::Demand),
            Some(_) => Err(("on_exceed", unknown(EXCEED))),
        }
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
