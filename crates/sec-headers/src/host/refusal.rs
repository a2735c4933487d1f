use std::fmt;

use http::StatusCode;
use sec_core::{Authority, EventKind, Outcome, Problem, RequestContext, Scheme, SecurityEvent};

/// Why a request was refused for its host or scheme.
///
/// It is in the extensions of the answer. The caller is not told which hosts there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRefusal {
    reason: HostReason,
    scheme: Scheme,
    authority: Authority,
}

/// The rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostReason {
    /// The host, or its port, is not in the list: 421.
    NotListed,
    /// It would change something, and came in the clear: 403.
    PlainHttp,
}

impl HostReason {
    /// A word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotListed => "the host is not listed",
            Self::PlainHttp => "an unsafe method over plain http",
        }
    }
}

impl HostRefusal {
    pub(super) fn new(reason: HostReason, context: &RequestContext) -> Self {
        Self {
            reason,
            scheme: context.scheme(),
            authority: context.authority().clone(),
        }
    }

    /// Which rule refused.
    #[must_use]
    pub const fn reason(&self) -> HostReason {
        self.reason
    }

    /// The scheme that the client used.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host and port that the client named.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The event for the trail. `log_only`: it passed all the same.
    pub(super) fn event(&self, context: &RequestContext, log_only: bool) -> SecurityEvent {
        let kind = match self.reason {
            HostReason::NotListed => EventKind::HOST_REFUSED,
            HostReason::PlainHttp => EventKind::INPUT_REJECTED,
        };
        // Characters and length of an authority are bounded by its parser.
        let mut event = context
            .event(kind)
            .with_reason(self.reason.as_str())
            .with_detail("host", self.authority.to_string())
            .with_detail("scheme", self.scheme.as_str());
        if log_only {
            event = event
                .with_detail("log_only", true)
                .with_outcome(Outcome::Success);
        }
        event
    }
}

impl fmt::Display for HostRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())
    }
}

impl std::error::Error for HostRefusal {}

impl From<&HostRefusal> for Problem {
    fn from(refusal: &HostRefusal) -> Self {
        match refusal.reason {
            HostReason::NotListed => Self::typed(
                "misdirected-request",
                StatusCode::MISDIRECTED_REQUEST,
                "This host is not served here",
            ),
            HostReason::PlainHttp => Self::typed(
                "https-required",
                StatusCode::FORBIDDEN,
                "Send this request over https",
            ),
        }
    }
}
