use std::fmt;

use http::StatusCode;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use sec_core::{EventKind, Problem, RequestContext, RequestView, SecurityEvent};

use crate::browser::{cut, excerpt, may_change};

/// Why a request was refused for its origin.
///
/// It is in the extensions of the answer. The caller learns only that the origin is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRefusal {
    reason: CorsReason,
    may_change: bool,
    origin: Option<Box<str>>,
    requested_method: Option<Box<str>>,
    fault: Option<Box<str>>,
}

/// The rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CorsReason {
    /// `Origin` is neither the request's own nor listed, and no lookup allowed it.
    NotListed,
    /// `Origin` is `null`: a sandboxed frame, a `data:` page, or a redirect across origins.
    Null,
    /// `Origin` is not what a browser writes: user information, not text.
    Malformed,
    /// `Origin` came twice.
    Repeated,
    /// The lookup failed.
    LookupFailed,
    /// The lookup did not answer in time.
    LookupTimedOut,
}

impl CorsReason {
    /// A word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotListed => "Origin is not listed",
            Self::Null => "Origin is null",
            Self::Malformed => "Origin is malformed",
            Self::Repeated => "Origin came twice",
            Self::LookupFailed => "the lookup of the origin failed",
            Self::LookupTimedOut => "the lookup of the origin took too long",
        }
    }
}

impl CorsRefusal {
    pub(super) fn new(reason: CorsReason, request: RequestView<'_>) -> Self {
        let headers = request.headers;
        Self {
            reason,
            may_change: may_change(request.method),
            origin: excerpt(headers, &ORIGIN),
            requested_method: excerpt(headers, &ACCESS_CONTROL_REQUEST_METHOD),
            fault: None,
        }
    }

    pub(super) fn with_fault(mut self, text: &str) -> Self {
        self.fault = Some(cut(text));
        self
    }

    /// Which rule refused.
    #[must_use]
    pub const fn reason(&self) -> CorsReason {
        self.reason
    }

    /// The `Origin` header, safe to log and bounded.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// What it is on record as: an enforced policy stands in front of the cross-origin guard, which
    /// would have called a forged change by its name.
    pub(super) const fn kind(&self, enforced: bool) -> EventKind {
        if enforced && self.may_change {
            EventKind::CSRF_REFUSED
        } else {
            EventKind::CORS_REFUSED
        }
    }

    /// The event for the trail. Not `enforced`: the request passed, and the browser keeps the answer
    /// from the page.
    pub(super) fn event(&self, context: &RequestContext, enforced: bool) -> SecurityEvent {
        let own = format!("{}://{}", context.scheme(), context.authority());
        let mut event = context
            .event(self.kind(enforced))
            .with_reason(self.reason.as_str())
            .with_detail("own_origin", own)
            .with_detail("enforced", enforced);
        for (name, text) in [
            ("origin", &self.origin),
            ("requested_method", &self.requested_method),
            ("lookup_error", &self.fault),
        ] {
            if let Some(text) = text {
                event = event.with_detail(name, text.to_string());
            }
        }
        event
    }
}

impl fmt::Display for CorsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())
    }
}

impl std::error::Error for CorsRefusal {}

impl From<&CorsRefusal> for Problem {
    fn from(_: &CorsRefusal) -> Self {
        Self::typed(
            "origin-not-allowed",
            StatusCode::FORBIDDEN,
            "Origin not allowed",
        )
    }
}
