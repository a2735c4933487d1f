//! Load shedding in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, PathRules, Section};
use serde::Deserialize;

use super::{Adaptive, Shed, ShedLayer};
use crate::{ConfigError, ConfigErrorKind};

/// A [`ShedLayer`] as a configuration file gives it: with `max_in_flight`, or with an `adaptive` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ShedConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// How many requests may be under way. Default: 512. Ignored where `adaptive` is given.
    pub max_in_flight: u32,
    /// A limit that follows the latency instead. Default: none.
    pub adaptive: Option<AdaptiveConfig>,
    /// What a refusal asks the client to wait. Default: 1 s.
    #[serde(with = "sec_core::duration")]
    pub retry_after: Duration,
    /// Path prefixes that are bounded. Default: empty, which is all.
    pub include: Vec<String>,
    /// Path prefixes that are not, such as those of health checks. Default: none.
    pub exclude: Vec<String>,
}

/// The fields of [`Adaptive`], with its defaults and ranges.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the field of `Adaptive` with its name")]
pub struct AdaptiveConfig {
    pub initial: u32,
    pub min: u32,
    pub max: u32,
    #[serde(with = "sec_core::duration")]
    pub window: Duration,
    pub tolerance: u32,
    pub queue: u32,
    pub smoothing: u32,
    pub long_windows: u32,
    pub min_samples: u32,
}

impl Default for ShedConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_in_flight: 512,
            adaptive: None,
            retry_after: super::RETRY_AFTER,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        let Adaptive {
            initial,
            min,
            max,
            window,
            tolerance,
            queue,
            smoothing,
            long_windows,
            min_samples,
        } = Adaptive::default();
        Self {
            initial,
            min,
            max,
            window,
            tolerance,
            queue,
            smoothing,
            long_windows,
            min_samples,
        }
    }
}

impl ShedConfig {
    /// The bound, for the plain functions.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn shed(&self) -> Result<Shed, ConfigError> {
        let shed = match self.adaptive {
            None => Shed::new(self.max_in_flight)?,
            Some(adaptive) => Shed::adaptive(adaptive.settings()).map_err(|error| {
                ConfigError::new(format!("adaptive.{}", error.field()), error.kind().clone())
            })?,
        };
        Ok(shed.retry_after(self.retry_after))
    }

    /// The layer.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn layer(&self) -> Result<ShedLayer, ConfigError> {
        let layer = ShedLayer::new(self.shed()?).enabled(self.enabled);
        Ok(layer.paths(rules(&self.include, &self.exclude)?))
    }
}

impl AdaptiveConfig {
    fn settings(self) -> Adaptive {
        Adaptive {
            initial: self.initial,
            min: self.min,
            max: self.max,
            window: self.window,
            tolerance: self.tolerance,
            queue: self.queue,
            smoothing: self.smoothing,
            long_windows: self.long_windows,
            min_samples: self.min_samples,
        }
    }
}

/// The path rules of two lists, with the path of the one that is wrong.
pub(crate) fn rules(include: &[String], exclude: &[String]) -> Result<PathRules, ConfigError> {
    let mut rules = PathRules::all();
    let fault = |list: &str, index: usize, error: sec_core::PathRuleError| {
        let kind = ConfigErrorKind::Path(error.to_string());
        ConfigError::new(format!("{list}[{index}]"), kind)
    };
    for (index, prefix) in include.iter().enumerate() {
        let added = rules.include(prefix);
        rules = added.map_err(|error| fault("include", index, error))?;
    }
    for (index, prefix) in exclude.iter().enumerate() {
        let added = rules.exclude(prefix);
        rules = added.map_err(|error| fault("exclude", index, error))?;
    }
    Ok(rules)
}

impl Section for ShedConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let results = [
            self.shed().map(drop),
            rules(&self.include, &self.exclude).map(drop),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            faults.add(error.field(), error.kind());
        }
    }
}

impl TryFrom<&ShedConfig> for ShedLayer {
    type Error = ConfigError;

    fn try_from(config: &ShedConfig) -> Result<Self, ConfigError> {
        config.layer()
    }
}
