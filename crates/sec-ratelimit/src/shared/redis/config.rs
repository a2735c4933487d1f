//! The form of a Redis store in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, SecretString, Section};
use serde::Deserialize;

use super::{RedisStore, RedisStoreBuilder, RedisStoreError};

/// A [`RedisStore`] as a configuration file gives it.
///
/// ```
/// # use sec_ratelimit::{RedisStore, RedisStoreConfig};
/// let config: RedisStoreConfig = serde_json::from_str(r#"{
///     "url": "redis://127.0.0.1:6379/2",
///     "prefix": "shop",
///     "connect_within": "500ms"
/// }"#)?;
/// let store = RedisStore::try_from(&config)?; // connects when first asked
/// # let _ = store;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RedisStoreConfig {
    /// The server's address, which may hold a password: see [`RedisStore::builder`]. No default: it
    /// must be set.
    pub url: Option<SecretString>,
    /// What all keys begin with. Default: `sec`.
    pub prefix: String,
    /// How many connections carry the requests, 1 to 64. Default: 2.
    pub lanes: usize,
    /// How long a connection may take to be made. Default: 1 s, at most a minute.
    #[serde(with = "sec_core::duration")]
    pub connect_within: Duration,
}

impl RedisStoreConfig {
    /// The store's builder, for settings that a file cannot have.
    pub fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.url())
            .prefix(&self.prefix)
            .lanes(self.lanes)
            .connect_within(self.connect_within)
    }

    fn url(&self) -> String {
        let url = self.url.as_ref().map(SecretString::expose);
        url.cloned().unwrap_or_default()
    }
}

impl Default for RedisStoreConfig {
    fn default() -> Self {
        let builder = RedisStore::builder("");
        Self {
            url: None,
            prefix: builder.prefix,
            lanes: builder.lanes,
            connect_within: builder.connect_within,
        }
    }
}

impl Section for RedisStoreConfig {
    /// Each setting beside sound ones, so that all faults come at once.
    fn check(&self, faults: &mut FieldFaults) {
        let sound = || RedisStore::builder("redis://localhost");
        for builder in [
            RedisStore::builder(self.url()),
            sound().prefix(&self.prefix),
            sound().lanes(self.lanes),
            sound().connect_within(self.connect_within),
        ] {
            if let Err(error) = builder.build() {
                // The error's words begin with its field.
                let words = error.to_string();
                let (field, reason) = words.split_once(": ").unwrap_or(("", &words));
                faults.add(field, reason);
            }
        }
    }
}

impl TryFrom<&RedisStoreConfig> for RedisStore {
    type Error = RedisStoreError;

    fn try_from(config: &RedisStoreConfig) -> Result<Self, RedisStoreError> {
        config.builder().build()
    }
}
