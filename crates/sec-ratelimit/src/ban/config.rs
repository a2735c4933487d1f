//! Blocks in a configuration file.

use std::time::Duration;

use sec_core::SecretString;
use serde::{Deserialize, Deserializer};

use super::Escalate;
#[cfg(feature = "shared")]
use super::sharing::{BanSharing, SharingTerms};
use crate::{ConfigError, ConfigErrorKind};

/// Blocks after repeated refusals, as the table `ban` of a limiter's section gives them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BanConfig {
    /// After how many refusals of one key a block begins. Default: 10.
    pub after: u32,
    /// The lengths of its blocks, such as `["5m", "1h"]`; the last repeats. Default: 5 min, 1 h, one day.
    #[serde(deserialize_with = "durations")]
    pub lengths: Vec<Duration>,
    /// In what time that many refusals must come. Default: 10 min.
    #[serde(with = "sec_core::duration")]
    pub within: Duration,
    /// After what quiet time the next block is a first one again. Default: one day.
    #[serde(with = "sec_core::duration")]
    pub forgive_after: Duration,
    /// How many keys are watched. Default: 65 536.
    pub capacity: usize,
    /// Whether blocks become coarser where their share of the table is used up. Default: true.
    pub widen: bool,
    /// With whom the blocks are shared. Default: nobody, they are this process's alone.
    pub shared: Option<BanSharingConfig>,
}

/// How processes share their blocks, as the table `shared` of `ban` gives it (feature `postgres` or `redis`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BanSharingConfig {
    /// The name of the store, registered with `SharedStores::with_blocks`. No default: it must be set.
    pub store: String,
    /// The list in that store, the same for all processes. No default: it must be set.
    pub list: String,
    /// What keys are hashed under, at least 32 bytes of text, the same for all processes. No default: it must be
    /// set, best by the environment.
    pub secret: Option<SecretString>,
    /// How often the store is asked for changes. Default: 1 s, from 10 ms to a minute.
    #[serde(with = "sec_core::duration")]
    pub poll: Duration,
    /// How long one call of the store may take. Default: 500 ms, from 1 ms to 10 s.
    #[serde(with = "sec_core::duration")]
    pub deadline: Duration,
}

impl BanConfig {
    /// The settings, for what only code can add.
    pub fn escalate(&self) -> Escalate {
        Escalate::after(self.after, self.lengths.iter().copied())
            .within(self.within)
            .forgive_after(self.forgive_after)
            .capacity(self.capacity)
            .widen(self.widen)
    }

    /// That the blocks need no store.
    pub(crate) fn unshared(&self) -> Result<(), ConfigError> {
        let why = if cfg!(feature = "shared") {
            "blocks that processes share are for `layer_sharing`, which is given the stores"
        } else {
            "blocks are shared with the feature `postgres` or `redis` of sec-ratelimit"
        };
        match self.shared {
            Some(_) => {
                let kind = ConfigErrorKind::Misused(why);
                Err(ConfigError::new("ban.shared", kind))
            }
            None => Ok(()),
        }
    }

    /// All faults at once, taking no memory.
    pub(crate) fn faults(&self) -> Vec<ConfigError> {
        let mut faults = self.escalate().faults();
        #[cfg(feature = "shared")]
        if let Some(shared) = &self.shared {
            let wrong = shared.faults();
            faults.extend(wrong.into_iter().map(|fault| fault.below("ban.shared")));
        }
        #[cfg(not(feature = "shared"))]
        faults.extend(self.unshared().err());
        faults
    }
}

#[cfg(feature = "shared")]
impl BanSharingConfig {
    /// The settings, for what only code can add.
    ///
    /// # Errors
    ///
    /// The first fault, under its name.
    pub fn sharing(&self, stores: &crate::SharedStores) -> Result<BanSharing, ConfigError> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault);
        }
        Ok(BanSharing::on(self.terms(), stores.blocks(&self.store)?))
    }

    fn terms(&self) -> SharingTerms {
        let secret = self.secret.as_ref();
        let secret = secret.map(|secret| secret.expose().as_bytes().to_vec());
        let secret = secret.unwrap_or_default().into();
        SharingTerms {
            poll: self.poll,
            deadline: self.deadline,
            ..SharingTerms::new(self.list.clone(), secret)
        }
    }

    fn faults(&self) -> Vec<ConfigError> {
        let mut faults = self.terms().faults();
        if self.store.is_empty() {
            let kind =
                ConfigErrorKind::NotSet("the name of a store that the service has registered");
            faults.push(ConfigError::new("store", kind));
        }
        faults
    }
}

impl Default for BanSharingConfig {
    fn default() -> Self {
        Self {
            store: String::new(),
            list: String::new(),
            secret: None,
            poll: Duration::from_secs(1),
            deadline: Duration::from_millis(500),
        }
    }
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            after: 10,
            lengths: [300, 3600, 86_400].map(Duration::from_secs).into(),
            within: Duration::from_secs(600),
            forgive_after: Duration::from_secs(86_400),
            capacity: 65_536,
            widen: true,
            shared: None,
        }
    }
}

/// Each as text or as whole seconds.
fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Length(#[serde(with = "sec_core::duration")] Duration);
    let lengths = Vec::<Length>::deserialize(deserializer)?;
    Ok(lengths.into_iter().map(|Length(length)| length).collect())
}
