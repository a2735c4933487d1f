//! The form of a Postgres store in a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, SecretString, Section};
use serde::Deserialize;

use super::builder::defaults;
use super::{PostgresStore, PostgresStoreBuilder};
use crate::{ConfigError, ConfigErrorKind};

/// A [`PostgresStore`] as a configuration file gives it.
///
/// ```
/// # use sec_ratelimit::{PostgresStore, PostgresStoreConfig};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: PostgresStoreConfig = serde_json::from_str(r#"{
///     "url": "postgres://limits:password@127.0.0.1/shop",
///     "schema": "shop_limits",
///     "connections": 16,
///     "statement_timeout": "500ms"
/// }"#)?;
/// let store = PostgresStore::try_from(&config)?; // connects when first asked
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PostgresStoreConfig {
    /// The server's address, which may hold a password: see [`PostgresStore::builder`]. No default: it must be set.
    pub url: Option<SecretString>,
    /// The schema that holds tables and functions. Default: `sec_ratelimit`.
    pub schema: String,
    /// What all keys begin with. Default: `sec`.
    pub prefix: String,
    /// How many connections there are at most, 1 to 256. Default: 8.
    pub connections: usize,
    /// After how long the server cuts a statement off. Default: 1 s, from 10 ms to a minute.
    #[serde(with = "sec_core::duration")]
    pub statement_timeout: Duration,
    /// How long a connection may take to be made. Default: 1 s, at most a minute.
    #[serde(with = "sec_core::duration")]
    pub connect_within: Duration,
    /// After how many decisions of this process one is followed by a little clean-up. Default: 256; 0 for never.
    pub sweep_every: u32,
}

impl PostgresStoreConfig {
    /// The store's builder, for settings that a file cannot have.
    pub fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(self.url())
            .schema(&self.schema)
            .prefix(&self.prefix)
            .connections(self.connections)
            .statement_timeout(self.statement_timeout)
            .connect_within(self.connect_within)
            .sweep_every(self.sweep_every)
    }

    /// The store. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The first fault, with its key.
    pub fn store(&self) -> Result<PostgresStore, ConfigError> {
        match self.faults().into_iter().next() {
            Some(fault) => Err(fault),
            None => built(self.builder()),
        }
    }

    /// Each setting beside sound ones, so that all faults come at once.
    fn faults(&self) -> Vec<ConfigError> {
        let sound = || PostgresStore::builder("postgres://localhost");
        let missing = self.url.is_none().then(|| {
            let what = "the server's address, such as postgres://user:password@host/database";
            ConfigError::new("url", ConfigErrorKind::NotSet(what))
        });
        let alone = [
            self.url
                .as_ref()
                .map_or_else(sound, |url| PostgresStore::builder(url.expose())),
            sound().schema(&self.schema),
            sound().prefix(&self.prefix),
            sound().connections(self.connections),
            sound().statement_timeout(self.statement_timeout),
            sound().connect_within(self.connect_within),
        ];
        let stores = alone.into_iter().map(built);
        missing
            .into_iter()
            .chain(stores.filter_map(Result::err))
            .collect()
    }

    fn url(&self) -> String {
        let url = self.url.as_ref().map(SecretString::expose);
        url.cloned().unwrap_or_default()
    }
}

/// What the builder makes; its errors' words begin with the key.
fn built(builder: PostgresStoreBuilder) -> Result<PostgresStore, ConfigError> {
    builder.build().map_err(|error| {
        let words = error.to_string();
        let (key, why) = words.split_once(": ").unwrap_or(("", &words));
        ConfigError::new(key, ConfigErrorKind::Store(why.into()))
    })
}

impl Default for PostgresStoreConfig {
    fn default() -> Self {
        Self {
            url: None,
            schema: defaults::SCHEMA.into(),
            prefix: defaults::PREFIX.into(),
            connections: defaults::CONNECTIONS,
            statement_timeout: defaults::STATEMENT_TIMEOUT,
            connect_within: defaults::CONNECT_WITHIN,
            sweep_every: defaults::SWEEP_EVERY,
        }
    }
}

impl Section for PostgresStoreConfig {
    /// Reports all faults; the rules are those of the builder.
    fn check(&self, faults: &mut FieldFaults) {
        for fault in self.faults() {
            faults.add(fault.field(), fault.kind());
        }
    }
}

impl TryFrom<&PostgresStoreConfig> for PostgresStore {
    type Error = ConfigError;

    fn try_from(config: &PostgresStoreConfig) -> Result<Self, ConfigError> {
        config.store()
    }
}
