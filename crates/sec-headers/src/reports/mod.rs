//! Violation reports from browsers: read, cleaned, counted, and turned into events.

mod body;
mod config;
mod cut;
mod details;
mod fields;
mod noise;
mod parse;
mod read;
mod service;
mod tally;

#[cfg(test)]
mod tests;

use std::time::Duration;

use sec_core::{EventKind, RequestContext, SecurityEvent, Severity};

pub use self::body::{
    Crash, CspHash, CspViolation, Deprecation, Disposition, DocumentViolation, EmbedderViolation,
    IntegrityViolation, Intervention, NetworkError, OpenerViolation, PermissionsViolation,
    SourceLocation,
};
pub use self::config::ReportsConfig;
use self::details::Fields;
pub use self::details::ReportDetail;
use self::noise::Origin;
pub use self::parse::{ReportError, ReportLimits, parse_reports};
pub use self::read::ReportFuture;
pub use self::service::ReportReceiver;

/// One report of a browser, in one form whichever way it came.
///
/// Texts are bounded and free of control characters. Addresses, also those inside of texts, are without
/// query, fragment and user information, which may hold secrets, and of a `data:` or `javascript:` address
/// there is the scheme alone. A policy's sample of a script and the browser's own name are left as they
/// were sent. Nothing in it is proven: anyone can send anything.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The page; for a network error, what was asked for.
    pub document: String,
    /// What it is about, with the fields of its type.
    pub kind: ReportKind,
    /// How long ago it happened when it was sent; zero for `application/csp-report`, which does not
    /// say.
    pub age: Duration,
    /// The browser in which it happened, by its own words. Empty where the report does not say.
    pub user_agent: String,
}

/// What a report is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReportKind {
    /// A Content-Security-Policy was broken.
    CspViolation(CspViolation),
    /// The digest of a script that was loaded.
    CspHash(CspHash),
    /// A request failed on its way (Network Error Logging).
    NetworkError(NetworkError),
    /// The page uses what browsers are going to take away.
    Deprecation(Deprecation),
    /// The browser did not do what the page asked.
    Intervention(Intervention),
    /// The page ended.
    Crash(Crash),
    /// A Cross-Origin-Embedder-Policy was broken.
    Embedder(EmbedderViolation),
    /// A Cross-Origin-Opener-Policy cut a link between windows.
    Opener(OpenerViolation),
    /// A Permissions-Policy denied a feature.
    Permissions(PermissionsViolation),
    /// A Document-Policy was broken.
    Document(DocumentViolation),
    /// Something was loaded without a digest.
    Integrity(IntegrityViolation),
    /// Another type, by its name. Of its fields only the page is read.
    Other(String),
}

impl ReportKind {
    /// The type's name in the Reporting API.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::CspViolation(_) => "csp-violation",
            Self::CspHash(_) => "csp-hash",
            Self::NetworkError(_) => "network-error",
            Self::Deprecation(_) => "deprecation",
            Self::Intervention(_) => "intervention",
            Self::Crash(_) => "crash",
            Self::Embedder(_) => "coep",
            Self::Opener(_) => "coop",
            Self::Permissions(body) if body.potential => "potential-permissions-policy-violation",
            Self::Permissions(_) => "permissions-policy-violation",
            Self::Document(_) => "document-policy-violation",
            Self::Integrity(_) => "integrity-violation",
            Self::Other(name) => name,
        }
    }
}

impl Report {
    /// Its page and the fields of its type by name, as they stand in the event; those that say
    /// nothing are left out.
    pub fn details(&self) -> impl Iterator<Item = (&'static str, ReportDetail<'_>)> {
        let fields = Fields::of(self).into_iter();
        fields.map(|field| (field.name, field.value))
    }

    /// Whether it is about a browser extension or about the browser itself, of which the page's
    /// owner can change nothing. [`ReportReceiver`] drops these.
    ///
    /// What counts is the address that the report is about (what was blocked, the frame, the other
    /// window) and the page's own: `chrome-extension`, `moz-extension` and every other `…-extension`,
    /// `safari-…`, `resource`, and their like, bare or with an address. `about` counts as what was
    /// blocked, except by directives such as `frame-src`, by which injected markup can name it; as the
    /// page it does not, because a script in an injected `<iframe srcdoc>` is reported from there (CSP 3,
    /// section 5.4, leaves no more than the scheme of such an address).
    ///
    /// The script's name alone does not count, because any script can give itself one
    /// (`//# sourceURL=chrome-extension://x`): see [`names_extension`](Self::names_extension).
    /// Deprecations and interventions, which tell of no attack, are noise by it all the same.
    #[must_use]
    pub fn is_noise(&self) -> bool {
        Origin::of(self) == Origin::Foreign
    }

    /// Whether only the script's name says that an extension caused it, which may be true, or what an
    /// injected script says of itself. [`ReportReceiver`] keeps these apart from the others: the event
    /// has the detail `extension` and [`Severity::Low`], and where it happened does not tell two of them
    /// apart, so that one extension on many pages does not use up the receiver's windows.
    #[must_use]
    pub fn names_extension(&self) -> bool {
        Origin::of(self) == Origin::Claimed
    }

    /// The event for the trail.
    fn event(&self, context: &RequestContext) -> SecurityEvent {
        let mut event = match &self.kind {
            ReportKind::CspViolation(_) => context.event(EventKind::CSP_VIOLATION),
            other => context
                .event(EventKind::BROWSER_REPORT)
                .with_detail("type", other.name()),
        };
        for (name, value) in self.details() {
            event = match value {
                ReportDetail::Text(text) | ReportDetail::Address(text) => {
                    event.with_detail(name, text)
                }
                ReportDetail::Number(number) => event.with_detail(name, number),
                ReportDetail::Fraction(share) => event.with_detail(name, share),
                ReportDetail::Flag(flag) => event.with_detail(name, flag),
                ReportDetail::Ip(address) => event.with_detail(name, address.to_string()),
            };
        }
        if self.names_extension() {
            event = event
                .with_detail("extension", true)
                .with_severity(Severity::Low);
        }
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        if age > 0 {
            event = event.with_detail("age_ms", age);
        }
        // The event has the request's own; a report may be older than the browser that sends it.
        if !self.user_agent.is_empty() && context.user_agent() != Some(&self.user_agent) {
            event = event.with_detail("reported_user_agent", self.user_agent.as_str());
        }
        event
    }
}
