//! The form of a concurrency limit in a configuration file.

use sec_core::{FieldFaults, PathRules, Section};
use serde::Deserialize;

use super::{Concurrency, ConcurrencyLayer, check, check_key};
use crate::config::{parse_key, path_faults, path_rules};
use crate::{ConfigError, Key};

/// One concurrency limit as a configuration file gives it.
///
/// ```
/// # use sec_ratelimit::ConcurrencyConfig;
/// let config: ConcurrencyConfig = serde_json::from_str(
///     r#"{"name": "exports", "limit": 2, "key": "principal-or-ip", "include": ["/export"]}"#,
/// )?;
/// let layer = config.layer()?;
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ConcurrencyConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// Whether refusals are only reported. Default: false.
    pub shadow: bool,
    /// Whether answers carry the two IETF header fields. Default: true.
    pub headers: bool,
    /// The policy's name in header fields and events. Default: `concurrency`.
    pub name: String,
    /// Whom it counts, in the words of a tier's `key` ([`TierConfig`](crate::TierConfig)), save `given`. Default: `ip`.
    pub key: String,
    /// How many requests of one key may be under way at once. Default: 16.
    pub limit: u64,
    /// How many keys can be busy at the same time. Default: 16 384.
    pub capacity: usize,
    /// Path prefixes that are limited. Default: empty, which is all.
    pub include: Vec<String>,
    /// Path prefixes that are not limited. Default: none.
    pub exclude: Vec<String>,
}

impl ConcurrencyConfig {
    /// The limit, for the plain functions.
    ///
    /// # Errors
    ///
    /// The first fault, with its field.
    pub fn concurrency(&self) -> Result<Concurrency, ConfigError> {
        Concurrency::with_capacity(&self.name, self.limit, self.capacity)
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The first fault, with its field.
    pub fn layer(&self) -> Result<ConcurrencyLayer, ConfigError> {
        Ok(ConcurrencyLayer::new(self.concurrency()?, self.key()?)?
            .enabled(self.enabled)
            .shadow(self.shadow)
            .headers(self.headers)
            .paths(self.paths()?))
    }

    fn key(&self) -> Result<Key, ConfigError> {
        let key = parse_key(&self.key, &self.name)
            .map_err(|(field, kind)| ConfigError::new(field, kind))?;
        check_key(&key)?;
        Ok(key)
    }

    fn paths(&self) -> Result<PathRules, ConfigError> {
        path_rules(&self.include, &self.exclude)
    }
}

impl Default for ConcurrencyConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            shadow: false,
            headers: true,
            name: "concurrency".into(),
            key: "ip".into(),
            limit: 16,
            capacity: Concurrency::DEFAULT_CAPACITY,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Section for ConcurrencyConfig {
    /// Reports all faults; the rules are those of the constructors.
    fn check(&self, faults: &mut FieldFaults) {
        let checks = [
            check(&self.name, self.limit, self.capacity),
            self.key().map(drop),
        ];
        let paths = path_faults(&self.include, &self.exclude);
        for error in checks.into_iter().filter_map(Result::err).chain(paths) {
            error.tell(faults);
        }
    }
}

impl TryFrom<&ConcurrencyConfig> for ConcurrencyLayer {
    type Error = ConfigError;

    fn try_from(config: &ConcurrencyConfig) -> Result<Self, ConfigError> {
        config.layer()
    }
}
