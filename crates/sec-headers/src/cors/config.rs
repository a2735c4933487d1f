use std::time::Duration;

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use super::{Cors, CorsBuilder};
use crate::config::{Mode, path_rules, report};

/// The section `[cors]`.
///
/// ```toml
/// [cors]
/// origins = ["https://app.example", "https://*.tenants.example"]
/// development_origins = ["http://localhost:5173"]
/// mode = "production"
/// credentials = true
/// methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
/// headers = ["content-type", "authorization"]
/// include = ["/api"]
/// ```
///
/// A list in a variable has commas between its entries. So `ALLOWED_ORIGINS` sets the origins with
/// `Loader::env_alias("ALLOWED_ORIGINS", "cors.origins")`; an empty one allows none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CorsConfig {
    /// Whether the layer does anything. Default: `true`.
    pub enabled: bool,
    /// Whether `development_origins` count. Default: `production`, where they do not.
    pub mode: Mode,
    /// See [`CorsBuilder::origin`]. Default: none.
    pub origins: Vec<String>,
    /// See [`CorsBuilder::development_origin`]. Default: none.
    pub development_origins: Vec<String>,
    /// See [`CorsBuilder::any_origin`]. Default: `false`.
    pub any_origin: bool,
    /// See [`CorsBuilder::insecure_allow_null_origin`]. Default: `false`.
    pub insecure_allow_null_origin: bool,
    /// See [`CorsBuilder::credentials`]. Default: `false`.
    pub credentials: bool,
    /// See [`CorsBuilder::methods`]. Default: `GET`, `HEAD`, `POST`.
    pub methods: Option<Vec<String>>,
    /// See [`CorsBuilder::mirror_methods`]; an error beside `methods`. Default: `false`.
    pub mirror_methods: bool,
    /// See [`CorsBuilder::headers`]. Default: none.
    pub headers: Option<Vec<String>>,
    /// See [`CorsBuilder::mirror_headers`]; an error beside `headers`. Default: `false`.
    pub mirror_headers: bool,
    /// See [`CorsBuilder::expose`]. Default: none.
    pub expose: Vec<String>,
    /// See [`CorsBuilder::max_age`]. Default: a day.
    #[serde(with = "sec_core::duration")]
    pub max_age: Duration,
    /// See [`CorsBuilder::private_network`]. Default: `false`.
    pub private_network: bool,
    /// See [`CorsBuilder::enforce`]. Default: `true`.
    pub enforce: bool,
    /// See [`CorsLayer::lookup_deadline`](crate::CorsLayer::lookup_deadline). Default: 2 seconds.
    #[serde(with = "sec_core::duration")]
    pub lookup_deadline: Duration,
    /// Paths to which the policy is limited. Default: all.
    pub include: Vec<String>,
    /// Paths without the policy. Default: none.
    pub exclude: Vec<String>,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: Mode::Production,
            origins: Vec::new(),
            development_origins: Vec::new(),
            any_origin: false,
            insecure_allow_null_origin: false,
            credentials: false,
            methods: None,
            mirror_methods: false,
            headers: None,
            mirror_headers: false,
            expose: Vec::new(),
            max_age: Duration::from_secs(86_400),
            private_network: false,
            enforce: true,
            lookup_deadline: Duration::from_secs(2),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl CorsBuilder {
    /// What a configuration section describes, to be changed further in code. What is wrong with the
    /// section is told by [`build`](Self::build).
    pub fn from_config(config: &CorsConfig) -> Self {
        let mut cors = Self::new()
            .origins(&config.origins)
            .mode(config.mode)
            .any_origin(config.any_origin)
            .insecure_allow_null_origin(config.insecure_allow_null_origin)
            .credentials(config.credentials)
            .expose(&config.expose)
            .max_age(config.max_age)
            .private_network(config.private_network)
            .enforce(config.enforce);
        for origin in &config.development_origins {
            cors = cors.development_origin(origin);
        }
        cors = match (&config.methods, config.mirror_methods) {
            (Some(methods), true) => cors.methods(methods).contradicted("mirror_methods"),
            (None, true) => cors.mirror_methods(),
            (Some(methods), false) => cors.methods(methods),
            (None, false) => cors,
        };
        cors = match (&config.headers, config.mirror_headers) {
            (Some(headers), true) => cors.headers(headers).contradicted("mirror_headers"),
            (None, true) => cors.mirror_headers(),
            (Some(headers), false) => cors.headers(headers),
            (None, false) => cors,
        };
        match path_rules(&config.include, &config.exclude) {
            Ok(paths) => cors.paths(paths),
            Err(error) => {
                cors.take_faults(error);
                cors
            }
        }
    }

    fn contradicted(mut self, field: &str) -> Self {
        let why = "mirrors what is asked for, and a list stands beside it";
        self.take_faults(crate::PolicyError::one(
            field,
            crate::FaultKind::Setting,
            why,
        ));
        self
    }
}

impl Section for CorsConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(Cors::from_config(self).err(), faults);
    }
}
