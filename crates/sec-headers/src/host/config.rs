use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use super::HostGuard;
use crate::config::{path_rules, report};
use crate::error::PolicyError;

/// The section `[host]`.
///
/// ```toml
/// [host]
/// hosts = ["example.com", "*.example.com", "localhost:3000"]
/// redirect_to_https = true
/// exclude = ["/health"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HostConfig {
    /// Whether the layer does anything. Default: `true`.
    pub enabled: bool,
    /// See [`HostGuard`]. No default: while the section is enabled it must be set.
    pub hosts: Vec<String>,
    /// See [`HostGuard::redirect_to_https`]. Default: `false`.
    pub redirect_to_https: bool,
    /// The port at which clients reach https, for the redirect. Default: 443.
    pub https_port: u16,
    /// See [`HostGuard::refuse_unsafe_over_http`]. Default: `false`.
    pub refuse_unsafe_over_http: bool,
    /// See [`HostGuard::log_only`]. Default: `false`.
    pub log_only: bool,
    /// Paths to which the guard is limited. Default: all.
    pub include: Vec<String>,
    /// Paths without the guard; see [`HostGuard::paths`] for what that costs. Default: none.
    pub exclude: Vec<String>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            hosts: Vec::new(),
            redirect_to_https: false,
            https_port: 443,
            refuse_unsafe_over_http: false,
            log_only: false,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl HostGuard {
    /// The guard that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &HostConfig) -> Result<Self, PolicyError> {
        let mut faults = Vec::new();
        let mut guard = Self::new(&config.hosts).unwrap_or_else(|error| {
            faults.extend(error.into_faults());
            Self::of(Vec::new())
        });
        guard = guard
            .refuse_unsafe_over_http(config.refuse_unsafe_over_http)
            .log_only(config.log_only);
        if config.redirect_to_https {
            match guard.clone().redirect_to_https(config.https_port) {
                Ok(changed) => guard = changed,
                Err(error) => faults.extend(error.into_faults()),
            }
        }
        match path_rules(&config.include, &config.exclude) {
            Ok(paths) => guard = guard.paths(paths),
            Err(error) => faults.extend(error.into_faults()),
        }
        PolicyError::unless_empty(faults, guard)
    }
}

impl HostConfig {
    /// What the layer needs. Switched off, the list may be missing; nobody is served then by whoever
    /// switches it on again.
    pub(super) fn guard(&self) -> Result<HostGuard, PolicyError> {
        if !self.enabled && self.hosts.is_empty() {
            return Ok(HostGuard::of(Vec::new()));
        }
        HostGuard::from_config(self)
    }
}

impl Section for HostConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(self.guard().err(), faults);
    }
}
