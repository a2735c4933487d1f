use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderValue, Request, Response};
use sec_core::gate::{Decide, GateService};
use sec_core::{OnRefusal, Problem, ProblemRefusal, RequestContext, RequestView, refuse};
use tower_layer::Layer;

use super::{CrossOriginGuard, CrossOriginRefusal, GuardConfig};
use crate::error::PolicyError;

/// Refuses what a [`CrossOriginGuard`] refuses: 403 `cross-origin-request` and an event of kind
/// `malicious_csrf`, coalesced by client so that a flood does not drown the trail.
///
/// It stands inside of [`ContextLayer`](sec_core::ContextLayer) (without it: 500, and a log entry
/// that says so) and outside of everything that acts for a user.
///
/// A request that passes costs no allocation.
#[derive(Clone)]
#[must_use]
pub struct CrossOriginGuardLayer(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    guard: CrossOriginGuard,
    on_refusal: Arc<dyn OnRefusal<CrossOriginRefusal>>,
    enabled: bool,
}

impl CrossOriginGuardLayer {
    /// Refuses what this guard refuses.
    pub fn new(guard: CrossOriginGuard) -> Self {
        Self(Arc::new(Inner {
            guard,
            on_refusal: Arc::new(ProblemRefusal),
            enabled: true,
        }))
    }

    /// The layer that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &GuardConfig) -> Result<Self, PolicyError> {
        let guard = CrossOriginGuard::from_config(config)?;
        Ok(Self::new(guard).enabled(config.enabled))
    }

    /// Answers refusals in another way. `Vary: Sec-Fetch-Site, Origin` and `Cache-Control: no-store`
    /// are added in any case. Default: the problem.
    pub fn on_refusal(self, hook: impl OnRefusal<CrossOriginRefusal>) -> Self {
        self.change(|inner| inner.on_refusal = Arc::new(hook))
    }

    /// Whether it does anything. Default: `true`.
    pub fn enabled(self, enabled: bool) -> Self {
        self.change(|inner| inner.enabled = enabled)
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Inner {
    fn decide(&self, request: RequestView<'_>) -> Result<(), Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(());
        }
        let context = match RequestContext::of(request.extensions) {
            Ok(context) => context,
            Err(missing) => {
                return Err(Box::new(Problem::from(&missing).respond(request.headers)));
            }
        };
        let Err(refusal) = self.guard.verify(request, context) else {
            return Ok(());
        };
        let log_only = self.guard.is_log_only();
        let key = (
            "cross-origin-guard",
            context.client_group(),
            refusal.reason(),
            log_only,
        );
        context.refused(key, |context| refusal.event(context, log_only));
        if log_only {
            return Ok(());
        }
        let mut response = refuse(&*self.on_refusal, refusal, request);
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Sec-Fetch-Site, Origin"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Err(Box::new(response))
    }
}

impl fmt::Debug for CrossOriginGuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossOriginGuardLayer")
            .field("guard", &self.0.guard)
            .field("enabled", &self.0.enabled)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CrossOriginGuardLayer {
    type Service = CrossOriginGuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.clone())
    }
}

/// The service of [`CrossOriginGuardLayer`].
pub type CrossOriginGuardService<S> = GateService<S, CrossOriginGuardLayer>;

impl Decide for CrossOriginGuardLayer {
    type Finish = ();

    fn decide<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        self.0.decide(RequestView::from(&*request))
    }
}
