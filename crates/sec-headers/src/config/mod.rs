//! What a configuration file can say; see [`HeadersConfig`] and [`GuardConfig`](crate::GuardConfig).

mod overrides;
mod read;
mod reporting;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

pub use self::overrides::OverrideConfig;
pub(crate) use self::read::{path_rules, report};
use crate::policy::HeaderPolicy;

/// The section `[headers]`: a preset and what differs from it.
///
/// ```toml
/// [headers]
/// preset = "web_app"              # or "strict", "api", "none"
/// mode = "production"             # "development" also takes csp_development in
/// report_endpoint = "/csp-report" # where violations go
/// leave_out = ["X-DNS-Prefetch-Control"]
///
/// [headers.hsts]
/// max_age = "365d"
/// include_subdomains = true
///
/// [headers.csp]                   # replaces these directives of the preset
/// img-src = ["'self'", "https://images.example"]
///
/// [headers.csp_development]       # is added to these directives
/// connect-src = ["ws://localhost:5173"]
///
/// [headers.permissions]
/// geolocation = ["self", "https://maps.example"]
///
/// [headers.routes."/embed/*"]     # differs below this path
/// frame_ancestors = ["https://partner.example"]
///
/// [headers.named.print]           # differs where a handler chooses it
/// frame_options = "sameorigin"
///
/// [headers.cache]                 # Cache-Control by path
/// "/static/*" = "immutable"       # public, max-age=31536000, immutable
/// "/images/*" = "public, max-age=86400"
/// "/api/*" = "no-store"
/// [headers.endpoints]             # further places for reports, by name
/// main = "/reports"
/// ```
///
/// The keys from `opener_policy` on take a header's value as it stands on the wire, such as
/// `opener_policy_report_only = 'same-origin; report-to="main"'`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HeadersConfig {
    /// Whether the layer does anything. Default: `true`.
    pub enabled: bool,
    /// From which preset to begin. Default: `web_app`.
    pub preset: Preset,
    /// Whether `csp_development` counts. Default: `production`, where it does not.
    pub mode: Mode,
    /// Whose value counts when a handler sets the same header. Default: `handler`.
    pub precedence: PrecedenceConfig,
    /// Paths to which the headers are limited. Default: all.
    pub include: Vec<String>,
    /// Paths without the headers. Default: none.
    pub exclude: Vec<String>,
    /// `Strict-Transport-Security` in place of the preset's.
    pub hsts: Option<HstsConfig>,
    /// Directives of `Content-Security-Policy` that replace the preset's, each a list of sources;
    /// an empty list is `'none'`.
    pub csp: BTreeMap<String, Vec<String>>,
    /// Sources that are added to directives in development.
    pub csp_development: BTreeMap<String, Vec<String>>,
    /// A whole policy on trial, for `Content-Security-Policy-Report-Only`.
    pub csp_report_only: BTreeMap<String, Vec<String>>,
    /// Where violations are reported: a path, or an https address.
    pub report_endpoint: Option<String>,
    /// Further endpoints of `Reporting-Endpoints`, each a path or an https address, by the names that
    /// other keys refer to. The one named `csp` is `report_endpoint`'s where that is set.
    pub endpoints: BTreeMap<String, String>,
    /// Whether `Report-To` is written as well. Default: `false`.
    pub legacy_report_to: bool,
    /// Features of `Permissions-Policy` that replace the preset's: lists of `self`, `*` and origins;
    /// an empty list denies.
    pub permissions: BTreeMap<String, Vec<String>>,
    /// Where violations of `permissions` are reported: features and the names of endpoints; `*` is
    /// for all others.
    pub permissions_endpoints: BTreeMap<String, String>,
    /// A whole policy on trial, for `Permissions-Policy-Report-Only`, said as `permissions`.
    pub permissions_report_only: BTreeMap<String, Vec<String>>,
    /// Where violations of `permissions_report_only` are reported, said as `permissions_endpoints`.
    pub permissions_report_only_endpoints: BTreeMap<String, String>,
    /// `X-Frame-Options`.
    pub frame_options: Option<String>,
    /// `Referrer-Policy`.
    pub referrer_policy: Option<String>,
    /// `Cross-Origin-Resource-Policy`.
    pub resource_policy: Option<String>,
    /// `Cross-Origin-Opener-Policy`, such as `"same-origin"`.
    pub opener_policy: Option<String>,
    /// `Cross-Origin-Opener-Policy-Report-Only`, such as `'same-origin; report-to="main"'`.
    pub opener_policy_report_only: Option<String>,
    /// `Cross-Origin-Embedder-Policy`.
    pub embedder_policy: Option<String>,
    /// `Cross-Origin-Embedder-Policy-Report-Only`.
    pub embedder_policy_report_only: Option<String>,
    /// `Integrity-Policy`, such as `"blocked-destinations=(script style), endpoints=(main)"`.
    pub integrity_policy: Option<String>,
    /// `Integrity-Policy-Report-Only`.
    pub integrity_policy_report_only: Option<String>,
    /// `Document-Policy`, such as `"document-write=?0, *;report-to=main"`.
    pub document_policy: Option<String>,
    /// `Document-Policy-Report-Only`.
    pub document_policy_report_only: Option<String>,
    /// `Require-Document-Policy`.
    pub require_document_policy: Option<String>,
    /// Headers of the preset that are left out.
    pub leave_out: Vec<String>,
    /// Headers that are taken off answers, besides the preset's.
    pub remove: Vec<String>,
    /// What differs by path; see [`SecHeaders::route`](crate::SecHeaders::route). Default: nothing.
    pub routes: BTreeMap<String, OverrideConfig>,
    /// What differs where a handler chooses it; see [`SecHeaders::named`](crate::SecHeaders::named).
    /// Default: nothing.
    pub named: BTreeMap<String, OverrideConfig>,
    /// `Cache-Control` by path; see [`SecHeaders::cache`](crate::SecHeaders::cache). Default: none.
    pub cache: BTreeMap<String, String>,
    /// Whether to take off everything that discloses products and versions, see
    /// [`SecHeaders::remove_disclosing`](crate::SecHeaders::remove_disclosing). Default: `false`.
    pub remove_disclosing: bool,
    /// Headers that are not taken off after all.
    pub keep: Vec<String>,
}

impl Default for HeadersConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            preset: Preset::WebApp,
            mode: Mode::Production,
            precedence: PrecedenceConfig::Handler,
            include: Vec::new(),
            exclude: Vec::new(),
            hsts: None,
            csp: BTreeMap::new(),
            csp_development: BTreeMap::new(),
            csp_report_only: BTreeMap::new(),
            report_endpoint: None,
            endpoints: BTreeMap::new(),
            legacy_report_to: false,
            permissions: BTreeMap::new(),
            permissions_endpoints: BTreeMap::new(),
            permissions_report_only: BTreeMap::new(),
            permissions_report_only_endpoints: BTreeMap::new(),
            frame_options: None,
            referrer_policy: None,
            resource_policy: None,
            opener_policy: None,
            opener_policy_report_only: None,
            embedder_policy: None,
            embedder_policy_report_only: None,
            integrity_policy: None,
            integrity_policy_report_only: None,
            document_policy: None,
            document_policy_report_only: None,
            require_document_policy: None,
            leave_out: Vec::new(),
            remove: Vec::new(),
            routes: BTreeMap::new(),
            named: BTreeMap::new(),
            cache: BTreeMap::new(),
            remove_disclosing: false,
            keep: Vec::new(),
        }
    }
}

/// The presets of [`SecHeaders`](crate::SecHeaders).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// [`SecHeaders::none`](crate::SecHeaders::none).
    None,
    /// [`SecHeaders::web_app`](crate::SecHeaders::web_app).
    WebApp,
    /// [`SecHeaders::api`](crate::SecHeaders::api).
    Api,
    /// [`SecHeaders::strict`](crate::SecHeaders::strict).
    Strict,
}

/// Where the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "a switch")]
pub enum Mode {
    /// For users.
    Production,
    /// On a developer's machine.
    Development,
}

/// [`Precedence`](crate::Precedence) as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum PrecedenceConfig {
    /// [`Precedence::Handler`](crate::Precedence::Handler).
    Handler,
    /// [`Precedence::Policy`](crate::Precedence::Policy).
    Policy,
}

/// [`Hsts`](crate::Hsts) as a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HstsConfig {
    /// How long, such as `"365d"`. Default: 365 days.
    #[serde(with = "sec_core::duration")]
    pub max_age: Duration,
    /// Whether sub-domains are included. Default: `true`.
    pub include_subdomains: bool,
    /// Whether to ask for the preload list; see [`Hsts::preload`](crate::Hsts::preload). Default: `false`.
    pub preload: bool,
}

impl Default for HstsConfig {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(31_536_000),
            include_subdomains: true,
            preload: false,
        }
    }
}

impl Section for HeadersConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(HeaderPolicy::from_config(self).err(), faults);
        report(self.path_rules().err(), faults);
    }
}
