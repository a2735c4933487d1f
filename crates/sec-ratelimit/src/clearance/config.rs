//! Challenges in a configuration file.

use std::time::Duration;

use http::StatusCode;
use sec_core::{FieldFaults, RequestView, Section};
use serde::Deserialize;

use super::{ChallengeLayer, Clearance, Demand};
use crate::shed::rules;
use crate::{ConfigError, ConfigErrorKind};

/// A [`ChallengeLayer`] as a configuration file gives it. Its policy and keys are said in code.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ChallengeConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// The work, in bits. Default: 18.
    pub difficulty: u8,
    /// How long a clearance is good. Default: 1 h.
    #[serde(with = "sec_core::duration")]
    pub lifetime: Duration,
    /// The status of challenges, 429 or 503. Default: 429.
    pub status: u16,
    /// Where solutions are sent. Default: `/_clearance`.
    pub path: String,
    /// Path prefixes that ask for a clearance. Default: empty, which is all.
    pub include: Vec<String>,
    /// Path prefixes that do not. Default: none.
    pub exclude: Vec<String>,
}

impl Default for ChallengeConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            difficulty: 18,
            lifetime: super::LIFETIME,
            status: 429,
            path: super::layer::PATH.into(),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl ChallengeConfig {
    /// The clearances of this section, with a key that is random per process.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn clearance(&self) -> Result<Clearance, ConfigError> {
        Clearance::new(self.difficulty)?.lifetime(self.lifetime)
    }

    /// A layer with this section's settings around clearances, which may have keys of the host's.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn layer_of<F>(&self, clearance: Clearance, when: F) -> Result<ChallengeLayer, ConfigError>
    where
        F: Fn(RequestView<'_>) -> Demand + Send + Sync + 'static,
    {
        ChallengeLayer::new(clearance, when)
            .enabled(self.enabled)
            .paths(rules(&self.include, &self.exclude)?)
            .path(&self.path)?
            .status(self.status()?)
    }

    fn status(&self) -> Result<StatusCode, ConfigError> {
        let kind = ConfigErrorKind::Misused("must be 429 or 503");
        StatusCode::from_u16(self.status).map_err(|_| ConfigError::new("status", kind))
    }
}

impl Section for ChallengeConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let layer =
            || ChallengeLayer::new(Clearance::new(1)?, |_| Demand::Nothing).path(&self.path);
        let results = [
            Clearance::new(self.difficulty).map(drop),
            Clearance::new(1)
                .and_then(|clearance| clearance.lifetime(self.lifetime))
                .map(drop),
            layer().map(drop),
            self.status().and_then(|status| {
                let layer = ChallengeLayer::new(Clearance::new(1)?, |_| Demand::Nothing);
                layer.status(status).map(drop)
            }),
            rules(&self.include, &self.exclude).map(drop),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            faults.add(error.field(), error.kind());
        }
    }
}
