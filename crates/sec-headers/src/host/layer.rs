use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Request, Response};
use sec_core::gate::{Decide, GateService};
use sec_core::{OnRefusal, Problem, ProblemRefusal, RequestContext, RequestView, refuse};
use tower_layer::Layer;

use super::{HostConfig, HostDecision, HostGuard, HostReason, HostRefusal};
use crate::error::PolicyError;

/// Does what a [`HostGuard`] says: 421 `misdirected-request` and an event of kind `malicious_host` for
/// a host that is not listed, coalesced by client so that a scan does not drown the trail; 308 to
/// https without an event.
///
/// It stands inside of [`ContextLayer`](sec_core::ContextLayer) (without it: 500, and a log entry
/// that says so), inside of the layer that writes headers, and outside of everything that reads the
/// host or acts for a user.
///
/// A request that passes costs no allocation.
#[derive(Clone)]
#[must_use]
pub struct HostGuardLayer(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    guard: HostGuard,
    on_refusal: Arc<dyn OnRefusal<HostRefusal>>,
    enabled: bool,
}

impl HostGuardLayer {
    /// Does what this guard says.
    pub fn new(guard: HostGuard) -> Self {
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
    pub fn from_config(config: &HostConfig) -> Result<Self, PolicyError> {
        Ok(Self::new(config.guard()?).enabled(config.enabled))
    }

    /// Answers refusals in another way; redirects stay as they are. `Cache-Control: no-store` is set in
    /// any case. Default: the problem.
    pub fn on_refusal(self, hook: impl OnRefusal<HostRefusal>) -> Self {
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
        let refusal = match self.guard.decide(request, context) {
            HostDecision::Pass => return Ok(()),
            HostDecision::Redirect(redirect) => return Err(Box::new(redirect.respond())),
            HostDecision::Refuse(refusal) => refusal,
        };
        let reason = refusal.reason();
        let log_only = self.guard.is_log_only() && reason == HostReason::NotListed;
        let key = ("host-guard", context.client_group(), reason, log_only);
        context.refused(key, |context| refusal.event(context, log_only));
        if log_only {
            return Ok(());
        }
        let mut response = refuse(&*self.on_refusal, refusal, request);
        // An answer about a forged host must not reach those who name the right one.
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        Err(Box::new(response))
    }
}

impl fmt::Debug for HostGuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostGuardLayer")
            .field("guard", &self.0.guard)
            .field("enabled", &self.0.enabled)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HostGuardLayer {
    type Service = HostGuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.clone())
    }
}

/// The service of [`HostGuardLayer`].
pub type HostGuardService<S> = GateService<S, HostGuardLayer>;

impl Decide for HostGuardLayer {
    type Finish = ();

    fn decide<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        self.0.decide(RequestView::from(&*request))
    }
}
