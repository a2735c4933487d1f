//! The settings at work: takes the keys from the request, asks the limiter, tells the client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::response::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response};
use sec_core::gate::OnResponse;
use sec_core::{EventKind, OnRefusal, PathRules, Problem, RequestContext, RequestView, refuse};

use crate::about::About;
use crate::ban::Hook;
use crate::decision::TierState;
use crate::headers::{lengthen_retry_after, seconds};
use crate::key::route;
use crate::refused::report;
use crate::unrouted::Unrouted;
use crate::{
    Banned, Decision, Fields, LimitError, Limiter, Refused, Reservation, Spikes, Statistics,
};

/// The settings of [`RateLimitLayer`](crate::RateLimitLayer).
#[derive(Clone)]
pub(crate) struct Settings<L = Limiter> {
    pub(crate) limiter: L,
    pub(crate) about: About,
    pub(crate) enabled: bool,
    pub(crate) shadow: bool,
    pub(crate) fields: Fields,
    pub(crate) paths: PathRules,
    pub(crate) cost: Option<CostOf>,
    pub(crate) count_if: Option<CountIf>,
    pub(crate) on_refusal: Arc<dyn OnRefusal<Refused>>,
    /// From 0 to 1.
    pub(crate) retry_jitter: f64,
    pub(crate) bans: Option<Hook>,
    pub(crate) on_ban: Arc<dyn OnRefusal<Banned>>,
    /// Beside those of the limiter itself.
    pub(crate) statistics: Option<Statistics>,
    pub(crate) spikes: Option<Spikes>,
    pub(crate) unrouted: Arc<Unrouted>,
}

type CostOf = Arc<dyn Fn(RequestView<'_>) -> u64 + Send + Sync>;
type CountIf = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// What the sync and the asynchronous limiter have in common.
impl<L> Settings<L> {
    /// What the request costs, or that it is not limited here.
    #[allow(clippy::result_large_err, reason = "it moves into the future at once")]
    pub(crate) fn cost<'a>(
        &self,
        view: RequestView<'a>,
    ) -> Result<Option<(u64, &'a RequestContext)>, Response<Bytes>> {
        if !self.enabled {
            return Ok(None);
        }
        let ctx = match RequestContext::of(view.extensions) {
            Ok(ctx) => ctx,
            Err(missing) => return Err(Problem::from(&missing).respond(view.headers)),
        };
        if !self.paths.applies(ctx.path()) {
            return Ok(None);
        }
        if self.about.by_route || self.spikes.is_some() {
            self.unrouted.watch(view);
        }
        if let Some(spikes) = &self.spikes {
            spikes.count(view, ctx, &*self.about.clock);
        }
        if let Some(bans) = &self.bans
            && let Some(answer) = bans.refuse(view, ctx, self.shadow, &*self.on_ban)
        {
            return Err(answer);
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(view));
        Ok(Some((cost, ctx)))
    }

    /// Answers what took nothing. `Ok` in shadow mode: the request passes.
    #[allow(clippy::result_large_err, reason = "it moves into the future at once")]
    pub(crate) fn turn_away<B>(
        &self,
        error: LimitError,
        cost: u64,
        request: &mut Request<B>,
    ) -> Result<(), Response<Bytes>> {
        let view = RequestView::from(&*request);
        let refused = match error {
            LimitError::Refused(refused) => refused,
            fault => return Err(Problem::from(&fault).respond(view.headers)),
        };
        self.record(refused.decision(), view);
        if let Ok(ctx) = RequestContext::of(view.extensions) {
            report(
                refused.decision(),
                cost,
                ctx,
                EventKind::RATE_LIMITED,
                route(view),
                self.shadow,
            );
            if let Some(bans) = &self.bans {
                bans.strike(refused.decision(), view, ctx, self.shadow);
            }
        }
        if self.shadow {
            request.extensions_mut().insert(refused.decision().clone());
            return Ok(());
        }
        Err(self.refuse(refused, view))
    }

    pub(crate) fn record(&self, decision: &Decision, view: RequestView<'_>) {
        for statistics in [&self.about.statistics, &self.statistics] {
            if let Some(statistics) = statistics
                && let Some(ctx) = RequestContext::get(view.extensions)
            {
                statistics.record(decision, self.shadow, Some(ctx.client_group()));
            }
        }
    }

    fn refuse(&self, refused: Refused, view: RequestView<'_>) -> Response<Bytes> {
        let mut response = refuse(&*self.on_refusal, refused.clone(), view);
        let decision = refused.decision();
        self.fields.write(decision, response.headers_mut());
        self.spread(decision, response.headers_mut());
        put(response.extensions_mut(), || decision.clone());
        response
    }

    /// Lengthens our own `Retry-After` by a random share; one that a hook chose stays.
    fn spread(&self, decision: &Decision, headers: &mut HeaderMap) {
        let Some(wait) = decision.retry_after().filter(|_| self.retry_jitter > 0.0) else {
            return;
        };
        let ours = HeaderValue::from(seconds(wait).max(1));
        if headers.get(RETRY_AFTER) == Some(&ours) {
            let more = wait.as_secs_f64() * self.retry_jitter * rand::random::<f64>();
            let more = Duration::try_from_secs_f64(more).unwrap_or_default();
            let later = seconds(wait.saturating_add(more)).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(later));
        }
    }

    /// Whether a response counts.
    pub(crate) fn counts(&self, parts: &Parts) -> bool {
        self.count_if.as_ref().is_none_or(|counts| counts(parts))
    }

    /// What is told to clients.
    pub(crate) fn tell(&self) -> Tell {
        Tell {
            fields: self.fields,
            shadow: self.shadow,
        }
    }
}

impl Settings {
    /// Decides on a request: what is left to do with its response, or the refusal.
    #[allow(clippy::result_large_err, reason = "it moves into the future at once")]
    pub(crate) fn admit<B>(
        self: &Arc<Self>,
        request: &mut Request<B>,
    ) -> Result<Option<Settle>, Response<Bytes>> {
        let view = RequestView::from(&*request);
        let Some((cost, ctx)) = self.cost(view)? else {
            return Ok(None);
        };
        let taken = match self.take(ctx, view, cost) {
            Ok(taken) => taken,
            Err(error) => return self.turn_away(error, cost, request).map(|()| None),
        };
        let extensions = request.extensions_mut();
        Ok(Some(match taken {
            Taken::Alone(state) => {
                // Made twice: a copy costs more.
                let decision = || self.limiter.0.decision(state);
                put(extensions, decision);
                let mut told = Extensions::new();
                put(&mut told, decision);
                Settle::ForGood(self.tell(), told)
            }
            Taken::ForGood(decision) => {
                let told = told(decision.clone());
                extensions.insert(decision);
                Settle::ForGood(self.tell(), told)
            }
            Taken::Reserved(reservation) => {
                extensions.insert(reservation.decision().clone());
                Settle::Reserved(self.clone(), reservation)
            }
        }))
    }

    #[inline]
    fn take(
        &self,
        ctx: &RequestContext,
        view: RequestView<'_>,
        cost: u64,
    ) -> Result<Taken, LimitError> {
        if self.count_if.is_some() {
            let reservation = self.limiter.reserve_uncounted(ctx, view, cost)?;
            self.record(reservation.decision(), view);
            return Ok(Taken::Reserved(Box::new(reservation)));
        }
        // What nothing gives back needs no reservation.
        if !self.counts_somewhere()
            && let Some(state) = self.limiter.take_alone(ctx, view, cost)?
        {
            return if state.refuses() {
                let decision = self.limiter.0.decision(state);
                Err(LimitError::Refused(Refused::new(decision, cost)))
            } else {
                Ok(Taken::Alone(state))
            };
        }
        let decision = self.limiter.check_uncounted(ctx, view, cost)?;
        self.record(&decision, view);
        Ok(Taken::ForGood(decision))
    }

    fn counts_somewhere(&self) -> bool {
        self.about.statistics.is_some() || self.statistics.is_some()
    }
}

/// What was taken.
enum Taken {
    /// From the only tier, which stands so.
    Alone(TierState),
    ForGood(Decision),
    Reserved(Box<Reservation>),
}

/// What is left to do once the head of the response is there.
pub(crate) enum Settle {
    /// To tell of a decision.
    ForGood(Tell, Extensions),
    /// To give back what does not count.
    Reserved(Arc<Settings>, Box<Reservation>),
}

impl OnResponse for Settle {
    fn on_response(self, parts: &mut Parts) {
        match self {
            Self::ForGood(tell, told) => tell.with(told, parts),
            Self::Reserved(settings, reservation) => {
                let decision = if settings.counts(parts) {
                    let decision = reservation.decision().clone();
                    reservation.commit();
                    decision
                } else {
                    reservation.refund()
                };
                settings.tell().of(decision, parts);
            }
        }
    }
}

/// How a client is told where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Tell {
    fields: Fields,
    shadow: bool,
}

impl Tell {
    /// Tells the client how it stands, and leaves the decision with the response, unless a limiter
    /// further in was stricter.
    pub(crate) fn of(self, decision: Decision, parts: &mut Parts) {
        self.with(told(decision), parts);
    }

    /// [`of`](Self::of) with extensions that hold the decision.
    fn with(self, told: Extensions, parts: &mut Parts) {
        let Some(decision) = told.get::<Decision>() else {
            return;
        };
        let inner = parts.extensions.get::<Decision>();
        if !self.shadow {
            self.fields.write(decision, &mut parts.headers);
            if let Some(inner) = inner {
                lengthen_retry_after(inner, decision, &mut parts.headers);
            }
        }
        let stricter =
            |inner: &Decision| !inner.is_allowed() || inner.remaining() < decision.remaining();
        if parts.extensions.is_empty() {
            parts.extensions = told;
        } else if !inner.is_some_and(stricter) {
            parts.extensions.extend(told);
        }
    }
}

/// Leaves a decision in place of another limiter's, made where it stays: it is large, and `insert` moves what
/// it is given.
#[inline]
fn put(extensions: &mut Extensions, decision: impl FnOnce() -> Decision) {
    match extensions.get_mut::<Decision>() {
        Some(there) => *there = decision(),
        None => {
            extensions.get_or_insert_with(decision);
        }
    }
}

/// Extensions for the response: a decision is large, and moved seldom this way.
fn told(decision: Decision) -> Extensions {
    let mut told = Extensions::new();
    told.insert(decision);
    told
}

impl<L: fmt::Debug> fmt::Debug for Settings<L> {
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
