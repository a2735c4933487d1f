//! What a saturated service says.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sec_core::Problem;

/// The service is saturated: 503 of the type `busy` with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_flight} requests are under way, and {limit} may be")]
pub struct Overloaded {
    pub(super) in_flight: u32,
    pub(super) limit: u32,
    pub(super) retry_after: Duration,
}

impl Overloaded {
    /// How many requests were under way.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many might be.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// What the client is asked to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl From<&Overloaded> for Problem {
    /// Says nothing about the numbers, which are the operator's.
    fn from(refusal: &Overloaded) -> Self {
        let wait = refusal.retry_after;
        let up = u64::from(wait.subsec_nanos() > 0);
        let seconds = wait.as_secs().saturating_add(up).max(1);
        Self::typed("busy", StatusCode::SERVICE_UNAVAILABLE, "Busy")
            .with_detail("Wait before trying again.")
            .with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl From<Overloaded> for Problem {
    fn from(refusal: Overloaded) -> Self {
        Self::from(&refusal)
    }
}
