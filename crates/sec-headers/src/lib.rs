#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod browser;
mod cache_control;
pub mod check;
mod clear_site_data;
mod config;
mod cors;
mod csp;
mod document;
mod error;
mod guard;
mod host;
mod integrity;
mod layer;
mod list;
pub mod names;
mod nonce;
mod origin;
mod permissions;
mod policy;
mod reported;
mod reporting;
mod reports;
mod structured;
mod values;

pub use sec_core::Scheme;

pub use self::cache_control::CacheControl;
pub use self::check::check;
pub use self::clear_site_data::{SiteData, clear_site_data, clear_site_data_on_logout};
pub use self::config::{HeadersConfig, HstsConfig, Mode, OverrideConfig, PrecedenceConfig, Preset};
pub use self::cors::{
    Cors, CorsBuilder, CorsConfig, CorsFuture, CorsLayer, CorsReason, CorsRefusal, CorsService,
    CorsVerdict, OriginLookup, OriginPattern,
};
pub use self::csp::{
    Csp, CspTemplate, Directive, HashAlgorithm, HostSource, SandboxFlag, SchemeSource, Source,
    SourceHash,
};
pub use self::document::{DocumentPolicy, DocumentValue};
pub use self::error::{Fault, FaultKind, PolicyError};
pub use self::guard::{
    CrossOriginGuard, CrossOriginGuardLayer, CrossOriginGuardService, CrossOriginReason,
    CrossOriginRefusal, GuardConfig,
};
pub use self::host::{
    HostConfig, HostDecision, HostGuard, HostGuardLayer, HostGuardService, HostReason, HostRefusal,
    HttpsRedirect,
};
pub use self::integrity::{IntegrityDestination, IntegrityPolicy};
pub use self::layer::{HeadersFuture, HeadersLayer, HeadersService};
pub use self::nonce::CspNonce;
pub use self::origin::Origin;
pub use self::permissions::{Feature, FeatureName, Grant, PermissionsPolicy};
pub use self::policy::{Answer, HeaderPolicy, Precedence, SecHeaders};
pub use self::reported::Reported;
pub use self::reporting::ReportingEndpoints;
pub use self::reports::{
    Crash, CspHash, CspViolation, Deprecation, Disposition, DocumentViolation, EmbedderViolation,
    IntegrityViolation, Intervention, NetworkError, OpenerViolation, PermissionsViolation, Report,
    ReportDetail, ReportError, ReportFuture, ReportKind, ReportLimits, ReportReceiver,
    ReportsConfig, SourceLocation, parse_reports,
};
pub use self::values::{
    CrossDomainPolicies, EmbedderPolicy, FrameOptions, Hsts, OpenerPolicy, ReferrerPolicy,
    ResourcePolicy,
};
