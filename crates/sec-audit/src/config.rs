//! The `audit` section of a configuration.

use sec_core::path::PathRules;
use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use crate::error::ConfigError;
use crate::mask::Masker;
use crate::store::MemoryStore;

/// How much is kept, what is masked besides the built-in names, and which requests are logged.
///
/// ```
/// use sec_audit::AuditConfig;
///
/// let config: AuditConfig = serde_json::from_str(
///     r#"{"capacity": 50000, "mask_keys": ["patient id"], "request_log": {"sample_one_in": 10}}"#,
/// )?;
/// assert_eq!((config.capacity, config.max_bytes), (50_000, 64 * 1024 * 1024));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AuditConfig {
    /// How many entries the trail keeps in memory; 10,000 by default, 16 to 10 million.
    pub capacity: usize,
    /// How much memory they may take, in bytes; 64 MiB by default, at least 64 KiB and sixteen times
    /// `max_entry_bytes`.
    pub max_bytes: usize,
    /// How much the JSON parts of one entry may take, in bytes; 64 KiB by default, at least 1 KiB. What is larger
    /// is left out of the entry; see [`EntryBuilder::seal`](crate::EntryBuilder::seal).
    pub max_entry_bytes: usize,
    /// Names of fields to mask besides the built-in ones; none by default. See [`Masker::with_key`].
    pub mask_keys: Vec<String>,
    /// Names that the built-in list masks and this service must see; none by default. Each one is a hole: see
    /// [`Masker::without_key`].
    pub unmask_keys: Vec<String>,
    /// What [`RequestLogLayer`](crate::RequestLogLayer) records.
    pub request_log: RequestLogConfig,
}

/// The `audit.request_log` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RequestLogConfig {
    /// Whether requests are recorded at all; true by default.
    pub enabled: bool,
    /// Of so many successful requests, one is recorded; 1 (all) by default, 0 for none. What failed is always
    /// recorded.
    pub sample_one_in: u32,
    /// Path prefixes to record; all by default.
    pub include: Vec<String>,
    /// Path prefixes not to record; none by default.
    pub exclude: Vec<String>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            max_bytes: 64 * 1024 * 1024,
            max_entry_bytes: 64 * 1024,
            mask_keys: Vec::new(),
            unmask_keys: Vec::new(),
            request_log: RequestLogConfig::default(),
        }
    }
}

impl Default for RequestLogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            sample_one_in: 1,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl AuditConfig {
    pub(crate) fn store(&self) -> Result<MemoryStore, ConfigError> {
        if self.max_entry_bytes < 1024 {
            return Err(ConfigError::new(
                "max_entry_bytes",
                "must be at least 1024 (1 KiB)",
            ));
        }
        if self.max_bytes.checked_div(16).unwrap_or_default() < self.max_entry_bytes {
            return Err(ConfigError::new(
                "max_bytes",
                "must be at least 16 times max_entry_bytes",
            ));
        }
        MemoryStore::new(self.capacity, self.max_bytes)
    }

    pub(crate) fn masker(&self) -> Result<Masker, ConfigError> {
        let mut masker = Masker::new();
        for key in &self.mask_keys {
            masker = masker.with_key(key)?;
        }
        for key in &self.unmask_keys {
            masker = masker
                .without_key(key)
                .map_err(|error| error.within("unmask_keys"))?;
        }
        Ok(masker)
    }
}

impl RequestLogConfig {
    pub(crate) fn paths(&self) -> Result<PathRules, ConfigError> {
        let wrong = |field| {
            move |error: sec_core::PathRuleError| ConfigError::new(field, error.to_string())
        };
        PathRules::from_lists(&self.include, &[]).map_err(wrong("request_log.include"))?;
        PathRules::from_lists(&self.include, &self.exclude).map_err(wrong("request_log.exclude"))
    }
}

/// Reports what the constructors would refuse, by calling them.
impl Section for AuditConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let found = [
            self.store().err(),
            self.masker().err(),
            self.request_log.paths().err(),
        ];
        for error in found.into_iter().flatten() {
            faults.add(error.field(), error.reason());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> String {
        FieldFaults::of(&serde_json::from_str::<AuditConfig>(json).unwrap()).to_string()
    }

    #[test]
    fn every_fault_names_its_field() {
        assert_eq!(faults("{}"), "");
        for (json, field) in [
            (r#"{"capacity": 3}"#, "capacity: "),
            (r#"{"max_bytes": 1000}"#, "max_bytes: "),
            (
                r#"{"max_bytes": 1000000}"#,
                "max_bytes: must be at least 16 times",
            ),
            (r#"{"max_entry_bytes": 3}"#, "max_entry_bytes: "),
            (r#"{"mask_keys": ["-"]}"#, "mask_keys: "),
            (r#"{"unmask_keys": [""]}"#, "unmask_keys: "),
            (
                r#"{"request_log": {"include": ["api"]}}"#,
                "request_log.include: ",
            ),
            (
                r#"{"request_log": {"exclude": ["/a//b"]}}"#,
                "request_log.exclude: ",
            ),
        ] {
            assert!(faults(json).starts_with(field), "{json}: {}", faults(json));
        }
        assert_eq!(
            faults(r#"{"capacity": 3, "mask_keys": ["-"]}"#)
                .lines()
                .count(),
            2
        );
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let error = serde_json::from_str::<AuditConfig>(r#"{"capacty": 3}"#).unwrap_err();
        assert!(error.to_string().contains("capacty"), "{error}");
    }
}
