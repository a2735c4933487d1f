//! Violation reports from browsers: read, cleaned, counted, and turned into events.

mod config;
mod noise;
mod parse;
mod read;
mod service;
mod tally;

#[cfg(test)]
mod tests;

use sec_core::{EventKind, RequestContext, SecurityEvent};

pub use self::config::ReportsConfig;
pub use self::parse::{ReportError, ReportLimits, parse_reports};
pub use self::read::ReportFuture;
pub use self::service::ReportReceiver;

/// One report of a browser, in one form whichever way it came.
///
/// Texts are bounded, free of control characters, and addresses are without query, fragment and user
/// information, which may hold secrets. Nothing in it is proven: anyone can send anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Report {
    /// What it is about.
    pub kind: ReportKind,
    /// The page.
    pub document: String,
    /// The directive that was broken, such as `script-src-elem`.
    pub directive: String,
    /// What was blocked: an address, or a word such as `inline` or `eval`.
    pub blocked: String,
    /// The script or page in which it happened.
    pub source: String,
    /// The line there; 0 where unknown.
    pub line: u32,
    /// The column there; 0 where unknown.
    pub column: u32,
    /// Whether it was blocked (`enforce`) or only reported (`report`).
    pub disposition: Disposition,
    /// The first characters of what was blocked, where the policy has `'report-sample'`.
    pub sample: String,
    /// The status of the page; 0 where unknown.
    pub status: u16,
}

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// A Content-Security-Policy was broken.
    CspViolation,
    /// Another type of the Reporting API, by its name. Of its fields only the page is read.
    Other(String),
}

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

impl Report {
    /// Whether it is about a browser extension or about the browser itself, of which the page's
    /// owner can change nothing.
    #[must_use]
    pub fn is_noise(&self) -> bool {
        [&self.blocked, &self.source, &self.document]
            .into_iter()
            .any(|text| noise::is_foreign(text))
    }

    /// The event for the trail.
    fn event(&self, context: &RequestContext) -> SecurityEvent {
        let mut event = match &self.kind {
            ReportKind::CspViolation => context
                .event(EventKind::CSP_VIOLATION)
                .with_detail("disposition", self.disposition.as_str()),
            ReportKind::Other(kind) => context
                .event(EventKind::BROWSER_REPORT)
                .with_detail("type", kind.as_str()),
        };
        for (key, text) in [
            ("document", &self.document),
            ("directive", &self.directive),
            ("blocked", &self.blocked),
            ("source", &self.source),
            ("sample", &self.sample),
        ] {
            if !text.is_empty() {
                event = event.with_detail(key, text.as_str());
            }
        }
        for (key, number) in [
            ("line", self.line),
            ("column", self.column),
            ("status", u32::from(self.status)),
        ] {
            if number > 0 {
                event = event.with_detail(key, number);
            }
        }
        event
    }
}
