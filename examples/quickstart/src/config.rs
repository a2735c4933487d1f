//! `sec.toml` and the environment, checked before anything starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sec_audit::AuditConfig;
use sec_core::config::{Faults, Loader};
use sec_core::{ContextConfig, FieldFaults, SecretString, Section};
use sec_headers::{CorsConfig, GuardConfig, HeadersConfig, HostConfig};
use sec_ratelimit::{
    AddressListConfig, ConcurrencyConfig, ConfigError, LoginLimitConfig, RateLimitConfig,
    ShedConfig, SpikeDetector,
};
use sec_sanitize::SanitizeConfig;
use sec_tokens::{PasswordConfig, TokensConfig};
use serde::Deserialize;

/// One field per section of the file; each crate brings its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub admin: Admin,
    pub context: ContextConfig,
    pub headers: HeadersConfig,
    pub host: HostConfig,
    pub cors: CorsConfig,
    pub guard: GuardConfig,
    pub limits: Limits,
    pub tokens: TokensConfig,
    pub passwords: PasswordConfig,
    pub input: SanitizeConfig,
    pub audit: AuditConfig,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    pub addr: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    pub username: String,
    /// Without one, a random password is made and printed once.
    pub password: Option<SecretString>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Who is served at all.
    pub lists: AddressListConfig,
    /// Everything under way, together.
    pub shed: ShedConfig,
    /// Everything, by address.
    pub address: RateLimitConfig,
    /// Everything under way, by address.
    pub at_once: ConcurrencyConfig,
    /// Everything, by account.
    pub caller: RateLimitConfig,
    /// What is a spike of a route.
    pub spikes: Spikes,
    /// Signing up, by address.
    pub signup: RateLimitConfig,
    /// Writing comments, by account.
    pub write: RateLimitConfig,
    /// Exports under way, by account.
    pub export: ConcurrencyConfig,
    /// Logging in.
    pub login: LoginLimitConfig,
}

/// When a route is asked for far more often than usual.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spikes {
    #[serde(with = "sec_core::duration")]
    pub window: Duration,
    /// How many times the usual number of a window it takes,
    pub factor: u64,
    /// and how many requests at least.
    pub least: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 3000)),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            username: "admin".to_owned(),
            password: None,
        }
    }
}

impl Default for Spikes {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            factor: 4,
            least: 200,
        }
    }
}

impl Spikes {
    pub fn detector(&self) -> Result<SpikeDetector, ConfigError> {
        SpikeDetector::new(self.factor, self.window, self.least)
    }
}

impl Settings {
    /// Reads the file and the environment; every fault is reported at once.
    pub fn load() -> Result<Self, Faults> {
        Self::environment(Loader::new().file(file())?).load()
    }

    /// The file that comes with the example, and nothing else.
    pub fn embedded() -> Result<Self, Faults> {
        Loader::new()
            .text("sec.toml", include_str!("../sec.toml"))?
            .load()
    }

    fn environment(loader: Loader) -> Loader {
        loader
            .env_prefix("SEC")
            .ignore_env("SEC_CONFIG")
            .env_alias("SEC_ADDR", "server.addr")
            .env_alias("SEC_FORWARDING", "context.forwarding")
            .env_alias("SEC_TRUSTED_PROXIES", "context.trusted_proxies")
            .env_alias("SEC_HOSTS", "host.hosts")
            .env_alias("SEC_ALLOWED_ORIGINS", "cors.origins")
            .env_alias("SEC_ADMIN_USERNAME", "admin.username")
            .env_alias("SEC_ADMIN_PASSWORD", "admin.password")
    }
}

/// `SEC_CONFIG`, else `sec.toml` here, else the one beside this example's manifest.
pub fn file() -> PathBuf {
    let named = std::env::var_os("SEC_CONFIG").map(PathBuf::from);
    let here = || Some(PathBuf::from("sec.toml")).filter(|path| path.is_file());
    named
        .or_else(here)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sec.toml"))
}

impl Section for Settings {
    fn check(&self, faults: &mut FieldFaults) {
        faults.nested("admin", |faults| self.admin.check(faults));
        faults.nested("context", |faults| self.context.check(faults));
        faults.nested("headers", |faults| self.headers.check(faults));
        faults.nested("host", |faults| self.host.check(faults));
        faults.nested("cors", |faults| self.cors.check(faults));
        faults.nested("guard", |faults| self.guard.check(faults));
        faults.nested("limits", |faults| self.limits.check(faults));
        faults.nested("tokens", |faults| self.tokens.check(faults));
        faults.nested("passwords", |faults| self.passwords.check(faults));
        faults.nested("input", |faults| self.input.check(faults));
        faults.nested("audit", |faults| self.audit.check(faults));
    }
}

impl Section for Limits {
    fn check(&self, faults: &mut FieldFaults) {
        faults.nested("lists", |faults| self.lists.check(faults));
        faults.nested("shed", |faults| self.shed.check(faults));
        faults.nested("address", |faults| self.address.check(faults));
        faults.nested("at_once", |faults| self.at_once.check(faults));
        faults.nested("caller", |faults| self.caller.check(faults));
        faults.nested("spikes", |faults| self.spikes.check(faults));
        faults.nested("signup", |faults| self.signup.check(faults));
        faults.nested("write", |faults| self.write.check(faults));
        faults.nested("export", |faults| self.export.check(faults));
        faults.nested("login", |faults| self.login.check(faults));
    }
}

impl Section for Spikes {
    fn check(&self, faults: &mut FieldFaults) {
        if let Err(error) = self.detector() {
            faults.add(error.field(), error.kind());
        }
    }
}

impl Section for Admin {
    fn check(&self, faults: &mut FieldFaults) {
        if let Err(reason) = sec_sanitize::rules::username(&self.username) {
            faults.add("username", reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, Faults> {
        let loader = Loader::new().text("sec.toml", include_str!("../sec.toml"))?;
        Settings::environment(loader)
            .env_from(variables.iter().copied())
            .load()
    }

    #[test]
    fn the_file_that_comes_with_it_is_right() {
        Settings::embedded().unwrap();
        assert_eq!(with(&[]).unwrap().server.addr, Server::default().addr);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let settings = with(&[
            ("SEC_ADDR", "127.0.0.1:8088"),
            ("SEC_FORWARDING", "forwarded"),
            ("SEC_TRUSTED_PROXIES", "10.0.0.0/8, ::1/128"),
            ("SEC_ADMIN_USERNAME", "root_of_all"),
            ("SEC_ADMIN_PASSWORD", "a long enough secret"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.server.addr.port(), 8088);
        assert_eq!(settings.context.trusted_proxies, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(settings.admin.username, "root_of_all");
        let empty = with(&[("SEC_FORWARDING", "none"), ("SEC_TRUSTED_PROXIES", "")]).unwrap();
        assert!(empty.context.trusted_proxies.is_empty());
    }

    #[test]
    fn every_wrong_key_is_named_with_its_place() {
        let faults = with(&[
            ("SEC_FORWARDING", "x-forwarded"),
            ("SEC_ADR", "127.0.0.1:1"),
        ])
        .unwrap_err()
        .to_string();
        assert!(faults.contains("SEC_FORWARDING: "), "{faults}");
        assert!(faults.contains("SEC_ADR: "), "{faults}");
        let file = "[server]\naddr = \"localhost\"\n[headers]\nhsts = 1\n[limits.login]\nadress = 3\n\
             [limits.spikes]\nfactor = 1\n[limits.lists]\nblock = [\"10.0.0.1/8\"]\n";
        let faults = Loader::new()
            .text("sec.toml", file)
            .unwrap()
            .load::<Settings>()
            .unwrap_err()
            .to_string();
        for place in [
            "sec.toml:2: server.addr: ",
            "sec.toml:4: headers.hsts",
            "sec.toml:6: limits.login.adress: ",
        ] {
            assert!(faults.contains(place), "{place} is not in:\n{faults}");
        }
    }
}
