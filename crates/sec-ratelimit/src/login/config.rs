//! The limit of log-ins in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, SecretString, Section};
use serde::Deserialize;

use super::LoginLimit;
use crate::Quota;

/// The three tiers of [`LoginLimit`] and the work that the third demands.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginLimitConfig {
    /// Failures from one address group. Default: 20 per 15 min.
    pub address: LoginTierConfig,
    /// Failures from one address group at one account, counted exactly. Default: 5 per 15 min.
    pub pair: LoginTierConfig,
    /// Failures at one account, after which work is demanded. Default: 50 per hour.
    pub account: LoginTierConfig,
    /// The work, in bits. Default: 18, about 260 000 hashes: some seconds in a browser.
    pub difficulty: u8,
    /// How long a client has to do it. Default: 2 min.
    #[serde(with = "sec_core::duration")]
    pub proof_lifetime: Duration,
    /// What challenges are signed with, at least 32 bytes of text: the same for all processes of a service, so that each
    /// accepts the proof for another's challenge. Default: random per process. For other bytes see
    /// [`LoginLimit::proof_key`].
    pub proof_key: Option<SecretString>,
    /// Whether attempts and refusals are counted for [`LoginLimit::statistics`]. Default: false.
    pub statistics: bool,
    /// How many keys each tier remembers. Default: 65 536.
    pub capacity: usize,
}

/// So many failures in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginTierConfig {
    /// How many.
    pub limit: u64,
    /// In how long.
    #[serde(with = "sec_core::duration")]
    pub per: Duration,
}

impl LoginTierConfig {
    /// So many failures in so long a time.
    #[must_use]
    pub const fn new(limit: u64, per: Duration) -> Self {
        Self { limit, per }
    }

    pub(super) fn quota(self) -> Quota {
        Quota::per(self.limit, self.per)
    }
}

impl Default for LoginLimitConfig {
    fn default() -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        Self {
            address: LoginTierConfig::new(20, QUARTER),
            pair: LoginTierConfig::new(5, QUARTER),
            account: LoginTierConfig::new(50, Duration::from_secs(60 * 60)),
            difficulty: 18,
            proof_lifetime: Duration::from_secs(120),
            proof_key: None,
            statistics: false,
            capacity: 65_536,
        }
    }
}

impl Section for LoginLimitConfig {
    fn check(&self, faults: &mut FieldFaults) {
        if let Err(error) = LoginLimit::from_config(self) {
            faults.add(error.field(), error.kind());
        }
    }
}
