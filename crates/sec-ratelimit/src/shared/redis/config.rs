//! The form of a Redis store in a configuration file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sec_core::{FieldFaults, SecretString, Section};
use serde::Deserialize;

use super::{RedisStore, RedisStoreBuilder, RedisStoreError};
use crate::{ConfigError, ConfigErrorKind};

/// A [`RedisStore`] as a configuration file gives it. Its servers are said in exactly one way: by `url`, by `sentinels`
/// and `master`, or by `cluster`.
///
/// ```
/// # use sec_ratelimit::{RedisStore, RedisStoreConfig};
/// let config: RedisStoreConfig = serde_json::from_str(r#"{
///     "sentinels": ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"],
///     "master": "mymaster",
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
    /// The server's address, which may hold a password: see [`RedisStore::builder`].
    pub url: Option<SecretString>,
    /// The sentinels' addresses, which may hold passwords: see [`RedisStore::sentinel`].
    pub sentinels: Vec<SecretString>,
    /// What the sentinels call the master, or an address with that name for its host.
    pub master: Option<SecretString>,
    /// The addresses of some servers of a cluster, which may hold passwords (feature `redis-cluster`): see
    /// `RedisStore::cluster`.
    pub cluster: Vec<SecretString>,
    /// The file with the certificates that vouch for servers of `rediss://` addresses, in PEM form (feature
    /// `redis-tls`). Default: none, whom the system trusts.
    pub root_certificates: Option<PathBuf>,
    /// The file with the certificate that we show, and those between it and the root, in PEM form (feature
    /// `redis-tls`). Default: none is shown.
    pub client_certificate: Option<PathBuf>,
    /// The file with that certificate's private key, in PEM form. Needed with it, and only then.
    pub client_key: Option<PathBuf>,
    /// What all keys begin with. Default: `sec`.
    pub prefix: String,
    /// How many connections to a server carry the requests, 1 to 64. Default: 2.
    pub lanes: usize,
    /// How long a connection may take to be made. Default: 1 s, at most a minute.
    #[serde(with = "sec_core::duration")]
    pub connect_within: Duration,
}

impl RedisStoreConfig {
    /// The store's builder, for settings that a file cannot have. Reads the files that are named.
    ///
    /// # Errors
    ///
    /// The first fault, with its key.
    pub fn builder(&self) -> Result<RedisStoreBuilder, ConfigError> {
        if let Some(fault) = self.ways().into_iter().next() {
            return Err(fault);
        }
        let builder = self.certified(self.servers())?;
        Ok(builder
            .prefix(&self.prefix)
            .lanes(self.lanes)
            .connect_within(self.connect_within))
    }

    /// The store. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The first fault, with its key.
    pub fn store(&self) -> Result<RedisStore, ConfigError> {
        match self.faults().into_iter().next() {
            Some(fault) => Err(fault),
            None => self.builder()?.build().map_err(|error| self.fault(&error)),
        }
    }

    /// Each setting beside sound ones, so that all faults come at once.
    fn faults(&self) -> Vec<ConfigError> {
        let mut faults = self.ways();
        if faults.is_empty() {
            faults.extend(self.places());
            for (key, file) in self.files() {
                faults.extend(file.and_then(|file| read(key, file).err()));
            }
            // Certificates are of no use alone, so they are tried with all addresses.
            if faults.is_empty() {
                let whole = self.certified(self.servers());
                let built = whole.and_then(|builder| {
                    let built = builder.build();
                    built.map_err(|error| self.fault(&error))
                });
                faults.extend(built.err());
            }
        }
        let sound = || RedisStore::builder("redis://localhost");
        for builder in [
            sound().prefix(&self.prefix),
            sound().lanes(self.lanes),
            sound().connect_within(self.connect_within),
        ] {
            let error = builder.build().err();
            faults.extend(error.map(|error| self.fault(&error)));
        }
        faults
    }

    /// What is wrong with the ways to say where the servers are.
    fn ways(&self) -> Vec<ConfigError> {
        let ways = "`url`, `sentinels` with `master`, or `cluster`";
        let (url, cluster) = (self.url.is_some(), !self.cluster.is_empty());
        let (sentinels, master) = (!self.sentinels.is_empty(), self.master.is_some());
        let mut faults = Vec::new();
        let mut add = |key: &str, why: String| faults.push(told(key, why));
        let all = [("url", url), ("sentinels", sentinels), ("cluster", cluster)];
        let mut given = all.into_iter().filter(|(_, given)| *given);
        match given.next() {
            None if master => {}
            None => add(
                "url",
                format!(
                    "is missing: one of {ways} is needed; set it here or by its environment variable"
                ),
            ),
            Some((first, _)) => {
                for (key, _) in given {
                    add(key, format!("`{first}` is set too: only one of {ways}"));
                }
            }
        }
        if sentinels && !master {
            add("master", "is missing: what the sentinels call it".into());
        }
        if master && !sentinels {
            add("master", "belongs to `sentinels`, which are not set".into());
        }
        if cluster && cfg!(not(feature = "redis-cluster")) {
            add("cluster", feature("redis-cluster"));
        }
        for (key, file) in self.files() {
            if file.is_some() && cfg!(not(feature = "redis-tls")) {
                add(key, feature("redis-tls"));
            }
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(_), None) => add("client_key", "is missing: that of the certificate".into()),
            (None, Some(_)) => add("client_certificate", "is missing: that of the key".into()),
            _ => {}
        }
        faults
    }

    /// What is wrong with each address, tried without the others.
    fn places(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut try_one = |key: String, builder: RedisStoreBuilder| match builder.build() {
            // Certificates are tried with the whole.
            Ok(_) | Err(RedisStoreError::Tls(_)) => {}
            Err(error) => faults.push(told(&key, reason(&error))),
        };
        if let Some(url) = &self.url {
            try_one("url".into(), RedisStore::builder(url.expose()));
        }
        for (index, url) in self.sentinels.iter().enumerate() {
            let alone = RedisStore::sentinel([url.expose()], "master");
            try_one(format!("sentinels[{index}]"), alone);
        }
        if let Some(master) = &self.master {
            let alone = RedisStore::sentinel(["redis://localhost"], master.expose());
            try_one("master".into(), alone);
        }
        #[cfg(feature = "redis-cluster")]
        for (index, url) in self.cluster.iter().enumerate() {
            let alone = RedisStore::cluster([url.expose()]);
            try_one(format!("cluster[{index}]"), alone);
        }
        faults
    }

    fn servers(&self) -> RedisStoreBuilder {
        let shown = |secret: &SecretString| secret.expose().clone();
        if let Some(master) = &self.master {
            return RedisStore::sentinel(self.sentinels.iter().map(shown), shown(master));
        }
        #[cfg(feature = "redis-cluster")]
        if !self.cluster.is_empty() {
            return RedisStore::cluster(self.cluster.iter().map(shown));
        }
        RedisStore::builder(self.url.as_ref().map(shown).unwrap_or_default())
    }

    #[cfg(feature = "redis-tls")]
    fn certified(&self, builder: RedisStoreBuilder) -> Result<RedisStoreBuilder, ConfigError> {
        let mut builder = builder;
        if let Some(file) = &self.root_certificates {
            builder = builder.root_certificates(read("root_certificates", file)?);
        }
        if let (Some(chain), Some(key)) = (&self.client_certificate, &self.client_key) {
            let chain = read("client_certificate", chain)?;
            builder = builder.client_certificate(chain, read("client_key", key)?);
        }
        Ok(builder)
    }

    /// There are none: `ways` has refused them.
    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unnecessary_wraps, reason = "as with TLS")]
    fn certified(&self, builder: RedisStoreBuilder) -> Result<RedisStoreBuilder, ConfigError> {
        Ok(builder)
    }

    fn files(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("root_certificates", self.root_certificates.as_deref()),
            ("client_certificate", self.client_certificate.as_deref()),
            ("client_key", self.client_key.as_deref()),
        ]
    }

    /// An error of the builder at the key that it is about.
    fn fault(&self, error: &RedisStoreError) -> ConfigError {
        let key = match error {
            RedisStoreError::Url(_) | RedisStoreError::TlsFeature => {
                if self.cluster.is_empty() {
                    "url"
                } else {
                    "cluster"
                }
            }
            RedisStoreError::Sentinels(_) => "sentinels",
            RedisStoreError::Master(_) => "master",
            RedisStoreError::Tls(why) => {
                let files = self.files().into_iter();
                let mut named = files.filter(|(key, _)| why.starts_with(key));
                let mut given = self.files().into_iter().filter(|(_, file)| file.is_some());
                let key = named.next().or_else(|| given.next());
                key.map_or("root_certificates", |(key, _)| key)
            }
            RedisStoreError::Prefix => "prefix",
            RedisStoreError::Lanes => "lanes",
            RedisStoreError::ConnectWithin => "connect_within",
        };
        told(key, reason(error))
    }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file).map_err(|error| told(key, format!("{}: {error}", file.display())))
}

fn told(key: &str, why: String) -> ConfigError {
    ConfigError::new(key, ConfigErrorKind::Store(why))
}

fn feature(name: &str) -> String {
    format!("needs the feature `{name}` of sec-ratelimit")
}

/// The error without the key that it may begin with, which is another one here.
fn reason(error: &RedisStoreError) -> String {
    let words = error.to_string();
    match words.split_once(": ") {
        Some((_, why)) => why.into(),
        None => words,
    }
}

impl Default for RedisStoreConfig {
    fn default() -> Self {
        let builder = RedisStore::builder("");
        Self {
            url: None,
            sentinels: Vec::new(),
            master: None,
            cluster: Vec::new(),
            root_certificates: None,
            client_certificate: None,
            client_key: None,
            prefix: builder.prefix,
            lanes: builder.lanes,
            connect_within: builder.connect_within,
        }
    }
}

impl Section for RedisStoreConfig {
    /// Reports all faults; the rules are those of the builder. Files that are named are read.
    fn check(&self, faults: &mut FieldFaults) {
        for fault in self.faults() {
            faults.add(fault.field(), fault.kind());
        }
    }
}

impl TryFrom<&RedisStoreConfig> for RedisStore {
    type Error = ConfigError;

    fn try_from(config: &RedisStoreConfig) -> Result<Self, ConfigError> {
        config.store()
    }
}
