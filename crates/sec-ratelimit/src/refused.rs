//! Why a request was refused, and how that is told to the caller and to the trail.

use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sec_core::{EventKind, MissingLayer, Outcome, Problem, RequestContext};

use crate::headers::seconds;
use crate::{Decision, SubjectError};

/// A limiter refused; nothing was taken in any tier.
///
/// As a [`Problem`]: 429 of the type `quota-exceeded` with the names of the tiers in
/// `violated-policies` (draft-ietf-httpapi-ratelimit-headers-10, section 5), and `Retry-After` unless
/// waiting cannot help.
///
/// Making one costs one allocation, cloning it a reference count.
#[derive(Clone, Debug, thiserror::Error)]
#[error("refused by the tier {:?}", self.decision().tier())]
pub struct Refused(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    decision: Decision,
    cost: u64,
}

/// Why a plain function of a limiter took nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A tier refused: 429.
    #[error(transparent)]
    Refused(Refused),
    /// The calling code gave the wrong subjects: 500.
    #[error(transparent)]
    Subjects(#[from] SubjectError),
    /// The request lacks what a layer further out should have put there: 500.
    #[error(transparent)]
    Missing(MissingLayer),
    /// The shared store did not answer, and the limiter is [closed](crate::Fallback::Closed) then:
    /// 503.
    #[cfg(feature = "shared")]
    #[error("the limit cannot be decided")]
    Store(#[source] crate::StoreError),
}

/// The problem type of the draft.
pub(crate) const TYPE: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

impl Refused {
    #[inline]
    pub(crate) fn unless_allowed(decision: Decision, cost: u64) -> Result<Decision, Self> {
        if decision.is_allowed() {
            Ok(decision)
        } else {
            Err(Self::new(decision, cost))
        }
    }

    pub(crate) fn new(decision: Decision, cost: u64) -> Self {
        Self(Arc::new(Inner { decision, cost }))
    }

    /// What was decided.
    #[must_use]
    #[inline]
    pub fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// What was asked for.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Tells the trail, as [`EventKind::RATE_LIMITED`]: see [`report_as`](Self::report_as).
    pub fn report(&self, ctx: &RequestContext, route: &str) {
        self.report_as(ctx, EventKind::RATE_LIMITED, route);
    }

    /// Tells the trail under a kind of one's own, such as [`EventKind::LOGIN_LOCKED`], with the
    /// policy, the kind of its key, and the route. Repeated refusals of one key are coalesced: the
    /// first at once, the others of a window as one event with a count.
    pub fn report_as(&self, ctx: &RequestContext, kind: EventKind, route: &str) {
        report(self.decision(), self.cost(), ctx, kind, route, false);
    }
}

/// Emits one coalesced event per refusal.
pub(crate) fn report(
    decision: &Decision,
    cost: u64,
    ctx: &RequestContext,
    kind: EventKind,
    route: &str,
    shadow: bool,
) {
    let Some((policy, tier)) = decision.strictest() else {
        return;
    };
    let key = (kind.as_str(), &policy.name, tier.partition, shadow);
    ctx.refused(key, |ctx| {
        let mut event = ctx
            .event(kind.clone())
            .with_reason(if decision.is_impossible() {
                "the cost is above the quota"
            } else {
                "the quota is exhausted"
            })
            .with_detail("policy", &*policy.name)
            .with_detail("key", &*policy.key)
            .with_detail("route", route)
            .with_detail("quota", tier.quota)
            .with_detail("cost", cost);
        if shadow {
            // It was let through: nothing failed yet.
            event = event
                .with_detail("shadow", true)
                .with_outcome(Outcome::Pending);
        }
        event
    });
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        let decision = refused.decision();
        let Some(wait) = decision.retry_after() else {
            return exceeded(decision.violated()).with_detail(
                "The request asks for more than the quota can ever hold; repeating it cannot succeed.",
            );
        };
        let problem = match decision.only_violated() {
            Some(index) => decision.policies.refusal(index).cloned(),
            None => None,
        };
        problem
            .unwrap_or_else(|| exhausted(decision.violated()))
            .with_header(RETRY_AFTER, HeaderValue::from(seconds(wait).max(1)))
    }
}

/// A refusal by these policies, to which only the time to wait is to be added.
pub(crate) fn exhausted<'a>(violated: impl IntoIterator<Item = &'a str>) -> Problem {
    exceeded(violated).with_detail("Wait before trying again.")
}

fn exceeded<'a>(violated: impl IntoIterator<Item = &'a str>) -> Problem {
    let names: Vec<_> = violated.into_iter().map(serde_json::Value::from).collect();
    Problem::new(StatusCode::TOO_MANY_REQUESTS)
        .with_type(TYPE, "The assigned quota is exceeded")
        .with("violated-policies", names)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::from(&refused)
    }
}

impl From<&LimitError> for Problem {
    fn from(error: &LimitError) -> Self {
        match error {
            LimitError::Refused(refused) => Self::from(refused),
            LimitError::Missing(missing) => Self::from(missing),
            #[cfg(feature = "shared")]
            LimitError::Store(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
            LimitError::Subjects(fault) => {
                tracing::error!(target: "sec", %fault, "a limiter was called wrongly; answering 500");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<LimitError> for Problem {
    fn from(error: LimitError) -> Self {
        Self::from(&error)
    }
}

impl LimitError {
    /// The refusal, if it is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for LimitError {
    fn into_response(self) -> axum::response::Response {
        Problem::from(&self).into_response()
    }
}
