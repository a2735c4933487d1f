//! The layer: takes the keys from the request, asks the limiter, tells the client.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{Extensions, Request, Response};
use sec_core::gate::OnResponse;
use sec_core::{
    EventKind, OnRefusal, PathRules, Problem, ProblemRefusal, RequestContext, RequestView, refuse,
};
use tower_layer::Layer;

use crate::key::route;
use crate::refused::report;
use crate::{
    ConfigError, ConfigErrorKind, Decision, Fields, LimitError, Limiter, RateLimitService, Refused,
    Reservation,
};

/// Limits how often the wrapped service is called.
///
/// Needs the request context outside of it, and an authentication layer if a key or a limit asks for
/// the caller; without them it answers 500 and says in the log which layer is missing.
///
/// The [`Decision`] goes into the extensions of the request and of the response. A response's
/// extensions get the decision after a refund.
///
/// What an admitted request costs in allocations: none for the decision, four for its copies in the
/// extensions of request and response (two of them for the response's empty map), six for the two IETF
/// fields with their map, and six more for the three older ones. A test counts them.
///
/// A request that is dropped before its response (the client went away, a time limit struck), and one
/// whose service fails with an error, stays counted.
#[derive(Clone)]
pub struct RateLimitLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    limiter: Limiter,
    enabled: bool,
    shadow: bool,
    fields: Fields,
    paths: PathRules,
    cost: Option<CostOf>,
    count_if: Option<CountIf>,
    on_refusal: Arc<dyn OnRefusal<Refused>>,
}

type CostOf = Arc<dyn Fn(RequestView<'_>) -> u64 + Send + Sync>;
type CountIf = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl RateLimitLayer {
    /// A layer around a limiter, whose state it shares with all clones of both.
    ///
    /// # Errors
    ///
    /// When a tier's key is [given](crate::Key::given) by the caller: no layer can make it.
    pub fn new(limiter: Limiter) -> Result<Self, ConfigError> {
        let mut tiers = limiter.0.tiers.iter();
        if let Some(index) = tiers.position(|tier| tier.tier.key.is_given()) {
            return Err(ConfigError::new(
                format!("tiers[{index}].key"),
                ConfigErrorKind::GivenKey,
            ));
        }
        Ok(Self {
            settings: Arc::new(Settings {
                limiter,
                enabled: true,
                shadow: false,
                fields: Fields::default(),
                paths: PathRules::all(),
                cost: None,
                count_if: None,
                on_refusal: Arc::new(ProblemRefusal),
            }),
        })
    }

    /// Whether the layer does anything. Default: true. Off, it passes everything on untouched.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Whether refusals are only reported, to try a limit out. Default: false. In shadow mode a
    /// request that would be refused passes (and takes nothing), its event says `shadow`, and no
    /// header field is written.
    #[must_use]
    pub fn shadow(self, shadow: bool) -> Self {
        self.with(|settings| settings.shadow = shadow)
    }

    /// Which header fields answers carry. Default: [`Fields::IETF`].
    #[must_use]
    pub fn headers(self, fields: Fields) -> Self {
        self.with(|settings| settings.fields = fields)
    }

    /// Which paths are limited. Default: all. What is excluded has no limit at all.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// What a request costs. Default: 1. A cost of 0 takes nothing, and is refused only where more
    /// than the limit was already taken.
    #[must_use]
    pub fn cost<F>(self, cost: F) -> Self
    where
        F: Fn(RequestView<'_>) -> u64 + Send + Sync + 'static,
    {
        self.with(|settings| settings.cost = Some(Arc::new(cost)))
    }

    /// Which responses count, decided from their head. Default: all. Every request is counted before
    /// the service is called, and given back when its response turns out not to count; so parallel
    /// requests cannot slip through before the first has been answered.
    ///
    /// ```
    /// # use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer};
    /// # let limiter = Limiter::builder().tier("auth", Quota::auth(), Key::ip()).build()?;
    /// let failures_only = RateLimitLayer::new(limiter)?.count_if(|response| response.status == 401);
    /// # let _ = failures_only;
    /// # Ok::<(), sec_ratelimit::ConfigError>(())
    /// ```
    #[must_use]
    pub fn count_if<F>(self, counts: F) -> Self
    where
        F: Fn(&Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|settings| settings.count_if = Some(Arc::new(counts)))
    }

    /// What is answered instead. Default: the [problem](Refused) that the draft defines. Header fields
    /// are added to whatever the hook answers.
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<Refused>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService::new(inner, self.settings.clone())
    }
}

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

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
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
