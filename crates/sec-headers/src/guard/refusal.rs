use std::fmt;

use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};
use sec_core::{EventKind, Outcome, Problem, RequestContext, SecurityEvent};

use crate::browser::excerpt;
use crate::names::SEC_FETCH_SITE;

/// Why a request was refused as cross-origin.
///
/// It is in the extensions of the answer. The caller learns only that the request was cross-origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossOriginRefusal {
    reason: CrossOriginReason,
    origin: Option<Box<str>>,
    site: Option<Box<str>>,
}

/// The rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrossOriginReason {
    /// `Sec-Fetch-Site` says that it comes from elsewhere, or something that no browser says.
    Site,
    /// `Origin` is another one, and there is no `Sec-Fetch-Site`.
    Origin,
    /// `Origin` is `null`: a sandboxed frame, a `data:` page, or a referrer policy of `no-referrer`.
    Null,
    /// `Origin` is not what a browser writes: user information, not text.
    Malformed,
    /// A header that browsers send once came twice.
    Repeated,
}

impl CrossOriginReason {
    /// A word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Site => "Sec-Fetch-Site names another site",
            Self::Origin => "Origin is not the request's own",
            Self::Null => "Origin is null",
            Self::Malformed => "Origin is malformed",
            Self::Repeated => "a header came twice",
        }
    }
}

impl CrossOriginRefusal {
    pub(super) fn new(reason: CrossOriginReason, headers: &HeaderMap) -> Self {
        Self {
            reason,
            origin: excerpt(headers, &ORIGIN),
            site: excerpt(headers, &SEC_FETCH_SITE),
        }
    }

    /// Which rule refused.
    #[must_use]
    pub const fn reason(&self) -> CrossOriginReason {
        self.reason
    }

    /// The `Origin` header, safe to log and bounded.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The event for the trail. `log_only`: it passed all the same.
    pub(super) fn event(&self, context: &RequestContext, log_only: bool) -> SecurityEvent {
        let own = format!("{}://{}", context.scheme(), context.authority());
        let mut event = context
            .event(EventKind::CSRF_REFUSED)
            .with_reason(self.reason.as_str())
            .with_detail("expected_origin", own);
        if let Some(origin) = &self.origin {
            event = event.with_detail("origin", origin.to_string());
        }
        if let Some(site) = &self.site {
            event = event.with_detail("sec_fetch_site", site.to_string());
        }
        if log_only {
            event = event
                .with_detail("log_only", true)
                .with_outcome(Outcome::Success);
        }
        event
    }
}

impl fmt::Display for CrossOriginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())
    }
}

impl std::error::Error for CrossOriginRefusal {}

impl From<&CrossOriginRefusal> for Problem {
    fn from(_: &CrossOriginRefusal) -> Self {
        Self::typed(
            "cross-origin-request",
            StatusCode::FORBIDDEN,
            "Cross-origin request refused",
        )
    }
}
