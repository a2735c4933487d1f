//! What the types of the Reporting API say, each in its own words.

use std::net::IpAddr;
use std::time::Duration;

/// Whether the policy was enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums, reason = "CSP 3, section 5.1, has these two")]
pub enum Disposition {
    /// Blocked.
    #[default]
    Enforce,
    /// Only reported.
    Report,
}

impl Disposition {
    /// The word of the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }
}

/// Where in a script or page something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SourceLocation {
    /// The script or page; empty where unknown.
    pub source: String,
    /// The line there; 0 where unknown.
    pub line: u32,
    /// The column there; 0 where unknown.
    pub column: u32,
}

/// `csp-violation` (CSP 3, section 5), and the older `csp-report`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CspViolation {
    /// The directive that was broken, such as `script-src-elem`.
    pub directive: String,
    /// What was blocked: an address, or a word such as `inline` or `eval`.
    pub blocked: String,
    /// Where it happened.
    pub location: SourceLocation,
    /// Whether it was blocked or only reported.
    pub disposition: Disposition,
    /// The first characters of what was blocked, where the policy has `'report-sample'`.
    pub sample: String,
    /// The status of the page; 0 where unknown.
    pub status: u16,
}

/// `csp-hash` (CSP 3): the digest of a script that was loaded, asked for by `'report-sha256'` and its
/// like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CspHash {
    /// The address of what was loaded.
    pub subresource: String,
    /// Its digest, such as `sha256-…`.
    pub hash: String,
    /// What it was loaded as, such as `script`.
    pub destination: String,
}

/// `network-error` (W3C Network Error Logging, section 6): a request that failed on its way, or one
/// of the sampled ones that did not.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NetworkError {
    /// What went wrong, such as `dns.name_not_resolved` or `http.error`; `ok` for a success.
    pub error: String,
    /// How far it came: `dns`, `connection` or `application`.
    pub phase: String,
    /// How long it took.
    pub elapsed: Duration,
    /// Which address answered for the service, if one did. It is the server's, not the user's, and the
    /// one field that shows an answer of DNS that was forged, so it is kept.
    pub server_ip: Option<IpAddr>,
    /// The protocol that was agreed on, such as `h2`; empty where none was.
    pub protocol: String,
    /// The request's method.
    pub method: String,
    /// The answer's status; 0 where there was none.
    pub status: u16,
    /// The share of such requests that are reported at all, between 0 and 1: one report stands for its
    /// reciprocal. 1 where the report does not say.
    pub sampling_fraction: f64,
    /// The page that asked, as far as the request told.
    pub referrer: String,
}

/// `deprecation` (WICG Deprecation Reporting): the page uses what browsers are going to take away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Deprecation {
    /// The browser's name for it.
    pub id: String,
    /// The day on which it is expected to go, as the browser writes it; empty where unknown.
    pub anticipated_removal: String,
    /// The browser's explanation.
    pub message: String,
    /// Where it is used.
    pub location: SourceLocation,
}

/// `intervention` (WICG Intervention Reporting): the browser did not do what the page asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Intervention {
    /// The browser's name for it.
    pub id: String,
    /// The browser's explanation.
    pub message: String,
    /// Where the page asked.
    pub location: SourceLocation,
}

/// `crash` (WICG Crash Reporting): the page ended. Its stack, and what scripts put beside it, are
/// not read: they are long and may hold anything of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Crash {
    /// `oom`, `unresponsive`, or empty where the browser does not say.
    pub reason: String,
    /// Whether it was the page itself and not a frame in it; `None` where unknown.
    pub top_level: Option<bool>,
    /// `visible` or `hidden`; empty where unknown.
    pub visibility: String,
}

/// `coep` (HTML, section 7.1.4.2): something was embedded that does not agree to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EmbedderViolation {
    /// `corp`, `navigation` or `worker initialization`.
    pub cause: String,
    /// What was blocked.
    pub blocked: String,
    /// What it was asked for as, such as `image`.
    pub destination: String,
    /// Whether it was blocked or only reported.
    pub disposition: Disposition,
}

/// `coop` (HTML, section 7.1.3.3): a window lost its link to another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OpenerViolation {
    /// How, such as `navigation-to-response` or `access-from-coop-page-to-opener`.
    pub cause: String,
    /// The policy in force, such as `same-origin-plus-coep`.
    pub effective_policy: String,
    /// The other document: the one before, the one after, or the one that was reached for. Empty
    /// where the browser must not tell.
    pub other: String,
    /// The property of the other window that was reached for, such as `postMessage`.
    pub property: String,
    /// Where it was reached for.
    pub location: SourceLocation,
    /// Whether the link was cut or this is only reported.
    pub disposition: Disposition,
}

/// `permissions-policy-violation` (W3C Permissions Policy, section 7.3): a feature was used that the
/// policy denies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PermissionsViolation {
    /// The feature.
    pub feature: String,
    /// Whether it is Chromium's `potential-permissions-policy-violation`: a frame's `allow` asks for
    /// what the policy will deny.
    pub potential: bool,
    /// The browser's explanation.
    pub message: String,
    /// The frame, for a potential one.
    pub frame: String,
    /// Where it was used.
    pub location: SourceLocation,
    /// Whether it was denied or only reported.
    pub disposition: Disposition,
}

/// `document-policy-violation` (WICG Document Policy).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DocumentViolation {
    /// The feature.
    pub feature: String,
    /// The browser's explanation.
    pub message: String,
    /// Where it happened.
    pub location: SourceLocation,
    /// Whether it was stopped or only reported.
    pub disposition: Disposition,
}

/// `integrity-violation` (W3C Subresource Integrity): something was loaded without a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IntegrityViolation {
    /// What was loaded.
    pub blocked: String,
    /// What it was loaded as, `script` or `style`.
    pub destination: String,
    /// Whether it was blocked or only reported.
    pub disposition: Disposition,
}
