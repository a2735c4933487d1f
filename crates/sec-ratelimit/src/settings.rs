//! The settings at work: takes the keys from the request, asks the limiter, tells the client.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{Extensions, Request, Response};
use sec_core::gate::OnResponse;
use sec_core::{EventKind, OnRefusal, PathRules, Problem, RequestContext, RequestView, refuse};

use crate::key::route;
use crate::refused::report;
use crate::{Decision, Fields, LimitError, Limiter, Refused, Reservation};

/// The settings of [`RateLimitLayer`](crate::RateLimitLayer).
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) limiter: Limiter,
    pub(crate) enabled: bool,
    pub(crate) shadow: bool,
    pub(crate) fields: Fields,
    pub(crate) paths: PathRules,
    pub(crate) cost: Option<CostOf>,
    pub(crate) count_if: Option<CountIf>,
    pub(crate) on_refusal: Arc<dyn OnRefusal<Refused>>,
}

type CostOf = Arc<dyn Fn(RequestView<'_>) -> u64 + Send + Sync>;
type CountIf = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl Settings {
    /// Decides on a request: what is left to do with its response, or the refusal.
    #[allow(clippy::result_large_err, reason = "it moves into the future at once")]
    pub(crate) fn admit<B>(
        self: &Arc<Self>,
        request: &mut Request<B>,
    ) -> Result<Option<Settle>, Response<Bytes>> {
        if !self.enabled {
            return Ok(None);
        }
        let view = RequestView::from(&*request);
        let ctx = match RequestContext::of(view.extensions) {
            Ok(ctx) => ctx,
            Err(missing) => return Err(Problem::from(&missing).respond(view.headers)),
        };
        if !self.paths.applies(ctx.path()) {
            return Ok(None);
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(view));
        let refused = match self.limiter.reserve_request(view, cost) {
            Ok(reservation) => {
                let extensions = request.extensions_mut();
                extensions.insert(reservation.decision().clone());
                return Ok(Some(Settle {
                    settings: self.clone(),
                    reservation,
                }));
            }
            Err(LimitError::Refused(refused)) => refused,
            Err(fault) => return Err(Problem::from(&fault).respond(view.headers)),
        };
        report(
            refused.decision(),
            cost,
            ctx,
            EventKind::RATE_LIMITED,
            route(view),
            self.shadow,
        );
        if self.shadow {
            request.extensions_mut().insert(refused.decision().clone());
            return Ok(None);
        }
        Err(self.refuse(refused, view))
    }

    fn refuse(&self, refused: Refused, view: RequestView<'_>) -> Response<Bytes> {
        let decision = refused.decision().clone();
        let mut response = refuse(&*self.on_refusal, refused, view);
        self.fields.write(&decision, response.headers_mut());
        response.extensions_mut().insert(decision);
        response
    }

    /// Leaves the decision with the response, unless a limiter further in was stricter.
    fn leave(decision: Decision, extensions: &mut Extensions) {
        let stricter =
            |inner: &Decision| !inner.is_allowed() || inner.remaining() < decision.remaining();
        if !extensions.get::<Decision>().is_some_and(stricter) {
            extensions.insert(decision);
        }
    }
}

/// What is left to do once the head of the response is there.
pub(crate) struct Settle {
    settings: Arc<Settings>,
    reservation: Reservation,
}

impl OnResponse for Settle {
    fn on_response(self, parts: &mut Parts) {
        let counts = match &self.settings.count_if {
            Some(counts) => counts(parts),
            None => true,
        };
        let decision = if counts {
            let decision = self.reservation.decision().clone();
            self.reservation.commit();
            decision
        } else {
            self.reservation.refund()
        };
        if !self.settings.shadow {
            self.settings.fields.write(&decision, &mut parts.headers);
        }
        Settings::leave(decision, &mut parts.extensions);
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("enabled", &self.enabled)
            .field("shadow", &self.shadow)
            .field("headers", &self.fields)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}
