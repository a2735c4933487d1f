//! The sections of a configuration file.

use std::time::Duration;

use sec_core::{FieldFaults, Secret, SecretString, Section};
use serde::Deserialize;

use crate::{
    key::{KeyRing, SigningKey},
    password::{Argon2Params, PasswordPolicy, Passwords},
    refresh::{MemoryRefreshStore, RefreshCookie, RefreshStore, RefreshTokens},
    service::TokenService,
    token::Issuer,
};

/// The section of tokens and sessions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TokensConfig {
    /// Who issues: the service's own URL, `iss`. No default: it must be set.
    pub issuer: String,
    /// For whom: the API's URL, `aud`. No default: it must be set.
    pub audience: String,
    /// How long an access token lives: `"15m"` by default, at most a day.
    #[serde(with = "sec_core::duration")]
    pub access_lifetime: Duration,
    /// How long a session lives from its log-in: `"7d"` by default, at most 90 days.
    #[serde(with = "sec_core::duration")]
    pub refresh_lifetime: Duration,
    /// How long a rotated refresh token may come again: `"10s"` by default, at most a minute.
    #[serde(with = "sec_core::duration")]
    pub refresh_grace: Duration,
    /// How many sessions one user may have: 10 by default; the next log-in ends the oldest.
    pub sessions_per_user: usize,
    /// The Ed25519 key as PEM (`openssl genpkey -algorithm ED25519`). Without it a new one is made at
    /// each start: tokens then end with the process, and several processes do not believe each other.
    pub signing_key: Option<SecretString>,
    /// Over plain HTTP on the loopback, a cookie that browsers keep there: see
    /// [`RefreshCookie::insecure_for_loopback_development`]. Off by default.
    pub insecure_cookie_for_loopback_development: bool,
}

/// The section of passwords.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PasswordConfig {
    /// Memory of one hash in KiB: 65536 by default.
    pub memory_kib: u32,
    /// Passes over the memory: 3 by default.
    pub passes: u32,
    /// Lanes: 4 by default.
    pub lanes: u32,
    /// How many hashes run at a time. Default: one for each core.
    pub concurrency: Option<usize>,
    /// How many may wait. Default: 16 for each that runs.
    pub waiting: Option<usize>,
    /// The pepper, at least 16 bytes. Default: none. Losing it loses every password.
    pub pepper: Option<SecretString>,
    /// Fewest code points of a new password: 8 by default.
    pub min_length: usize,
    /// Most code points of a new password: 100 by default, at most 256.
    pub max_length: usize,
    /// Whether the most common passwords are refused: yes by default.
    pub refuse_common: bool,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(7 * 24 * 60 * 60),
            refresh_grace: Duration::from_secs(10),
            sessions_per_user: 10,
            signing_key: None,
            insecure_cookie_for_loopback_development: false,
        }
    }
}

impl Default for PasswordConfig {
    fn default() -> Self {
        let params = Argon2Params::default();
        Self {
            memory_kib: params.memory_kib(),
            passes: params.passes(),
            lanes: params.lanes(),
            concurrency: None,
            waiting: None,
            pepper: None,
            min_length: 8,
            max_length: 100,
            refuse_common: true,
        }
    }
}

impl Section for TokensConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let _ = self.build(faults, MemoryRefreshStore::with_capacity(1));
    }
}

impl Section for PasswordConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let _ = self.passwords(faults);
        let _ = self.policy(faults);
    }
}

impl TokenService<MemoryRefreshStore> {
    /// A service that keeps its sessions in memory.
    ///
    /// # Errors
    ///
    /// Every fault of the section, each with its field.
    pub fn from_config(config: &TokensConfig) -> Result<Self, FieldFaults> {
        Self::from_config_with(config, MemoryRefreshStore::new())
    }
}

impl<S: RefreshStore> TokenService<S> {
    /// A service that keeps its sessions in this store.
    ///
    /// # Errors
    ///
    /// Every fault of the section, each with its field.
    pub fn from_config_with(config: &TokensConfig, store: S) -> Result<Self, FieldFaults> {
        built(|faults| config.build(faults, store))
    }
}

impl Passwords {
    /// Passwords as the section says.
    ///
    /// # Errors
    ///
    /// Every fault of the section, each with its field.
    pub fn from_config(config: &PasswordConfig) -> Result<Self, FieldFaults> {
        built(|faults| config.passwords(faults))
    }
}

impl PasswordPolicy {
    /// The policy as the section says.
    ///
    /// # Errors
    ///
    /// Every fault of the section, each with its field.
    pub fn from_config(config: &PasswordConfig) -> Result<Self, FieldFaults> {
        built(|faults| config.policy(faults))
    }
}

impl TokensConfig {
    /// Builds everything by the constructors that code uses: there is no second set of rules.
    fn build<S: RefreshStore>(
        &self,
        faults: &mut FieldFaults,
        store: S,
    ) -> Option<TokenService<S>> {
        for (field, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                faults.add(field, "must be set");
            }
        }
        let mut refresh = RefreshTokens::new(store);
        let lifetime = refresh.set_lifetime(self.refresh_lifetime);
        note(faults, "refresh_lifetime", lifetime);
        note(
            faults,
            "refresh_grace",
            refresh.set_grace(self.refresh_grace),
        );
        note(
            faults,
            "sessions_per_user",
            refresh.set_families(self.sessions_per_user),
        );

        let key = match &self.signing_key {
            Some(pem) => SigningKey::from_pkcs8_pem(pem.expose()),
            None => SigningKey::generate_ed25519(),
        };
        let keys = note(faults, "signing_key", key.and_then(KeyRing::new));
        // A name stands in for one that is missing, so that the lifetime is checked all the same.
        let name = |name: &str| Box::<str>::from(if name.is_empty() { "-" } else { name });
        let issuer = Issuer::new(keys?, name(&self.issuer), name(&self.audience)).ok()?;
        let issuer = note(
            faults,
            "access_lifetime",
            issuer.lifetime(self.access_lifetime),
        )?;
        let cookie = match self.insecure_cookie_for_loopback_development {
            true => RefreshCookie::new().insecure_for_loopback_development(),
            false => RefreshCookie::new(),
        };
        Some(TokenService::new(issuer, refresh, cookie))
    }
}

impl PasswordConfig {
    fn passwords(&self, faults: &mut FieldFaults) -> Option<Passwords> {
        let params = Argon2Params::new(self.memory_kib, self.passes, self.lanes);
        let mut passwords = Passwords::new(note(faults, "memory_kib", params)?);
        if self.concurrency.is_some() || self.waiting.is_some() {
            let at_a_time = self.concurrency.unwrap_or(passwords.at_a_time());
            let waiting = self.waiting.unwrap_or(at_a_time.saturating_mul(16));
            let bounded = passwords.concurrency(at_a_time, waiting);
            passwords = note(faults, "concurrency", bounded)?;
        }
        if let Some(pepper) = &self.pepper {
            let pepper = Secret::new(pepper.expose().as_bytes().to_vec());
            passwords = note(faults, "pepper", passwords.pepper(pepper))?;
        }
        Some(passwords)
    }

    fn policy(&self, faults: &mut FieldFaults) -> Option<PasswordPolicy> {
        let policy = PasswordPolicy::new(self.min_length, self.max_length);
        Some(note(faults, "min_length", policy)?.refuse_common(self.refuse_common))
    }
}

fn note<T, E: std::fmt::Display>(
    faults: &mut FieldFaults,
    field: &str,
    result: Result<T, E>,
) -> Option<T> {
    result.map_err(|error| faults.add(field, error)).ok()
}

fn built<T>(build: impl FnOnce(&mut FieldFaults) -> Option<T>) -> Result<T, FieldFaults> {
    let mut faults = FieldFaults::new();
    let built = build(&mut faults);
    match built {
        Some(built) if faults.is_empty() => Ok(built),
        _ => Err(faults),
    }
}

#[cfg(test)]
mod tests;
