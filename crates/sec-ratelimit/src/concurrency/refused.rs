//! Why no permit was given, and how that is told.

use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use sec_core::{EventKind, MissingLayer, Outcome, Problem, RequestContext};

use crate::SubjectError;
use crate::digest::{Digest, id};
use crate::refused::TYPE;

/// As many of a key are under way as are allowed.
///
/// As a [`Problem`]: 429 of the type `quota-exceeded` with the policy's name in `violated-policies`
/// (draft-ietf-httpapi-ratelimit-headers-10, section 5). There is no `Retry-After`: when a permit comes back
/// nobody knows.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{limit} requests of one key are under way, as many as {name:?} allows")]
pub struct ConcurrencyRefused {
    name: Arc<str>,
    limit: u64,
    partition: u64,
    degraded: bool,
}

/// Why no permit was given.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConcurrencyError {
    /// As many are under way as are allowed: 429.
    #[error(transparent)]
    Refused(ConcurrencyRefused),
    /// The calling code gave a wrong subject: 500.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The request lacks what a layer further out should have put there: 500.
    #[error(transparent)]
    Missing(MissingLayer),
}

impl ConcurrencyRefused {
    pub(super) fn new(name: Arc<str>, limit: u64, digest: Digest, degraded: bool) -> Self {
        Self {
            name,
            limit,
            partition: id(digest),
            degraded,
        }
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many may be under way at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the key had no place of its own, and the limit is one that it shares with others.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.degraded
    }

    /// Tells the trail, as [`EventKind::RATE_LIMITED`], with the policy, the kind of its key and the
    /// route. Repeated refusals of one key are coalesced.
    pub(super) fn report(&self, ctx: &RequestContext, key: &str, route: &str, shadow: bool) {
        let of = ("concurrent-requests", &self.name, self.partition, shadow);
        ctx.refused(of, |ctx| {
            let event = ctx
                .event(EventKind::RATE_LIMITED)
                .with_reason("too many requests are under way")
                .with_detail("policy", &*self.name)
                .with_detail("key", key)
                .with_detail("route", route)
                .with_detail("quota", self.limit)
                .with_detail("unit", "concurrent-requests");
            if shadow {
                event
                    .with_detail("shadow", true)
                    .with_outcome(Outcome::Pending)
            } else {
                event
            }
        });
    }
}

/// The values of `RateLimit-Policy` and `RateLimit`. A limit of what is under way has neither a window nor a
/// time to come back, and its unit is the draft's `concurrent-requests`.
pub(super) fn fields(name: &str, limit: u64, remaining: u64) -> [String; 2] {
    let (mut policy, mut state) = (String::with_capacity(64), String::with_capacity(32));
    // Writing to a string cannot fail.
    let _ = write!(policy, "\"{name}\";q={limit};qu=\"concurrent-requests\"");
    let _ = write!(state, "\"{name}\";r={remaining}");
    [policy, state]
}

impl From<&ConcurrencyRefused> for Problem {
    fn from(refused: &ConcurrencyRefused) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS)
            .with_type(TYPE, "The assigned quota is exceeded")
            .with("violated-policies", vec![refused.name()])
            .with_detail("Too many requests are under way. Wait for one to end before the next.")
    }
}

impl From<ConcurrencyRefused> for Problem {
    fn from(refused: ConcurrencyRefused) -> Self {
        Self::from(&refused)
    }
}

impl From<&ConcurrencyError> for Problem {
    fn from(error: &ConcurrencyError) -> Self {
        match error {
            ConcurrencyError::Refused(refused) => Self::from(refused),
            ConcurrencyError::Missing(missing) => Self::from(missing),
            ConcurrencyError::Subject(fault) => {
                tracing::error!(target: "sec", %fault, "a concurrency limit was called wrongly; answering 500");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<ConcurrencyError> for Problem {
    fn from(error: ConcurrencyError) -> Self {
        Self::from(&error)
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for ConcurrencyError {
    fn into_response(self) -> axum::response::Response {
        Problem::from(&self).into_response()
    }
}
