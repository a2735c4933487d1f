use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ORIGIN};
use http::{HeaderValue, Request, Response, StatusCode, response};
use pin_project_lite::pin_project;
use sec_core::gate::{AsyncGate, Gate, OnResponse};
use sec_core::{Body, OnRefusal, Problem, ProblemRefusal, RequestContext, RequestView, refuse};
use tower_layer::Layer;
use tower_service::Service;

use super::lookup::{Asking, Consult};
use super::{Cors, CorsConfig, CorsReason, CorsRefusal, CorsVerdict, OriginLookup};
use crate::browser::Single;
use crate::error::PolicyError;
use crate::origin::Origin;

/// Answers preflights (204), puts the headers of a [`Cors`] on every other answer, and refuses what it
/// refuses: 403 `origin-not-allowed` and an event of kind `malicious_cors`, coalesced by client. What would
/// have changed something is on record as `malicious_csrf`, as the cross-origin guard would call it.
///
/// It stands inside of [`ContextLayer`](sec_core::ContextLayer) (without it: 500, and a log entry
/// that says so), and outside of authentication: a preflight never carries credentials.
///
/// A request that passes costs no allocation but that of the answer's header map, should it grow. Where a
/// [`lookup`](Self::lookup) is asked, it costs one more and the lookup's own.
#[derive(Clone)]
#[must_use]
pub struct CorsLayer(Arc<Inner>);

#[derive(Clone)]
pub(super) struct Inner {
    cors: Cors,
    lookup: Option<Arc<dyn Consult>>,
    deadline: Duration,
    on_refusal: Arc<dyn OnRefusal<CorsRefusal>>,
    enabled: bool,
}

impl CorsLayer {
    /// Applies this policy.
    pub fn new(cors: Cors) -> Self {
        Self(Arc::new(Inner {
            cors,
            lookup: None,
            deadline: Duration::from_secs(2),
            on_refusal: Arc::new(ProblemRefusal),
            enabled: true,
        }))
    }

    /// The layer that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &CorsConfig) -> Result<Self, PolicyError> {
        let layer = Self::new(Cors::from_config(config)?);
        Ok(layer
            .lookup_deadline(config.lookup_deadline)
            .enabled(config.enabled))
    }

    /// Also asks this one, about the origins of cross-origin requests that the policy does not list
    /// and that are `http` or `https` ones. Every answer then varies by `Origin`. What fails or takes
    /// too long is refused. Default: none.
    ///
    /// ```
    /// use sec_core::RequestContext;
    /// use sec_headers::{Cors, CorsLayer, Origin};
    ///
    /// let layer = CorsLayer::new(Cors::builder().build()?).lookup(
    ///     |origin: Origin, context: RequestContext| async move {
    ///         let own = context.tenant().map(|tenant| format!("https://{tenant}.example"));
    ///         Ok::<_, std::io::Error>(own == Some(origin.to_string()))
    ///     },
    /// );
    /// # Ok::<(), sec_headers::PolicyError>(())
    /// ```
    pub fn lookup(self, lookup: impl OriginLookup) -> Self {
        self.change(|inner| {
            inner.cors = inner.cors.clone().with_dynamic_origins();
            inner.lookup = Some(Arc::new(lookup));
        })
    }

    /// How long a lookup may take, by the timer of Tokio's runtime, in which the service must run
    /// then. Default: 2 seconds.
    pub fn lookup_deadline(self, deadline: Duration) -> Self {
        self.change(|inner| inner.deadline = deadline)
    }

    /// Answers refusals in another way. `Vary` and `Cache-Control: no-store` are added in any case, and
    /// `Access-Control-*` is taken off. Default: the problem.
    pub fn on_refusal(self, hook: impl OnRefusal<CorsRefusal>) -> Self {
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

/// What is known before anybody is asked.
enum First {
    Pass(Option<Finish>),
    Answer(Box<Response<Bytes>>),
    Ask(Arc<dyn Consult>, Origin, RequestContext),
}

impl Inner {
    fn begin(&self, request: RequestView<'_>) -> First {
        if !self.enabled {
            return First::Pass(None);
        }
        let context = match RequestContext::of(request.extensions) {
            Ok(context) => context,
            Err(missing) => {
                let response = Problem::from(&missing).respond(request.headers);
                return First::Answer(Box::new(response));
            }
        };
        let verdict = self.cors.decide(request, context);
        if let (Some(lookup), CorsVerdict::Refused(refusal)) = (&self.lookup, &verdict)
            && refusal.reason() == CorsReason::NotListed
            && let Some(origin) = candidate(request)
        {
            return First::Ask(lookup.clone(), origin, context.clone());
        }
        match self.conclude(request, context, verdict) {
            Ok(finish) => First::Pass(finish),
            Err(response) => First::Answer(response),
        }
    }

    /// What the last word means: how to finish the handler's answer, or the answer itself.
    pub(super) fn conclude(
        &self,
        request: RequestView<'_>,
        context: &RequestContext,
        verdict: CorsVerdict,
    ) -> Result<Option<Finish>, Box<Response<Bytes>>> {
        let preflight = Cors::is_preflight(request);
        let origin = match verdict {
            CorsVerdict::Outside => return Ok(None),
            CorsVerdict::Own => None,
            CorsVerdict::Allowed(_) if preflight => {
                return Err(self.answer_preflight(request, &verdict));
            }
            CorsVerdict::Allowed(origin) => Some(origin),
            CorsVerdict::Refused(refusal) => {
                self.report(&refusal, context);
                if self.cors.is_enforced() {
                    return Err(self.refuse(refusal, request, preflight));
                }
                if preflight {
                    let verdict = CorsVerdict::Refused(refusal);
                    return Err(self.answer_preflight(request, &verdict));
                }
                None
            }
        };
        let cors = self.cors.clone();
        Ok(Some(Finish { cors, origin }))
    }

    fn report(&self, refusal: &CorsRefusal, context: &RequestContext) {
        let enforced = self.cors.is_enforced();
        let kind = refusal.kind(enforced);
        let key = (
            "cors",
            context.client_group(),
            refusal.reason(),
            kind,
            enforced,
        );
        context.refused(key, |context| refusal.event(context, enforced));
    }

    fn refuse(
        &self,
        refusal: CorsRefusal,
        request: RequestView<'_>,
        preflight: bool,
    ) -> Box<Response<Bytes>> {
        let mut response = refuse(&*self.on_refusal, refusal, request);
        let headers = response.headers_mut();
        self.cors.finish_refusal(headers, preflight);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Box::new(response)
    }

    fn answer_preflight(
        &self,
        request: RequestView<'_>,
        verdict: &CorsVerdict,
    ) -> Box<Response<Bytes>> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        self.cors
            .apply_preflight(response.headers_mut(), request.headers, verdict);
        Box::new(response)
    }
}

/// The origin that a lookup can be asked about.
fn candidate(request: RequestView<'_>) -> Option<Origin> {
    let Single::One(text) = Single::of(request.headers, &ORIGIN) else {
        return None;
    };
    Origin::parse(std::str::from_utf8(text).ok()?).ok()
}

impl fmt::Debug for CorsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorsLayer")
            .field("cors", &self.0.cors)
            .field("lookup", &self.0.lookup.is_some())
            .field("lookup_deadline", &self.0.deadline)
            .field("enabled", &self.0.enabled)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = CorsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorsService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`CorsLayer`].
#[derive(Debug, Clone)]
pub struct CorsService<S> {
    inner: S,
    layer: CorsLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CorsService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = CorsFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = &self.layer.0;
        let state = match layer.begin(RequestView::from(&request)) {
            First::Pass(finish) => State::Known {
                gate: Gate::pass(inner.call(request), finish),
            },
            First::Answer(response) => State::Known {
                gate: Gate::refuse(*response),
            },
            First::Ask(lookup, origin, context) => {
                let answer = lookup.consult(origin, context, layer.deadline);
                let asking = Asking::new(answer, request, layer.clone());
                State::Asked {
                    gate: AsyncGate::new(asking, inner),
                }
            }
        };
        CorsFuture { state }
    }
}

pin_project! {
    /// The answer of [`CorsService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct CorsFuture<S, ReqB>
    where
        S: Service<Request<ReqB>>,
    {
        #[pin]
        state: State<S, ReqB>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, ReqB>
    where
        S: Service<Request<ReqB>>,
    {
        Known { #[pin] gate: Gate<S::Future, Option<Finish>> },
        Asked { #[pin] gate: AsyncGate<Asking<ReqB>, S, ReqB, Option<Finish>> },
    }
}

impl<S, ReqB, ResB> Future for CorsFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Output = Result<Response<Body<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Known { gate } => gate.poll(cx),
            StateProjection::Asked { gate } => gate.poll(cx),
        }
    }
}

impl<S, ReqB> fmt::Debug for CorsFuture<S, ReqB>
where
    S: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorsFuture").finish_non_exhaustive()
    }
}

/// Puts the headers on the handler's answer.
pub(super) struct Finish {
    cors: Cors,
    origin: Option<HeaderValue>,
}

impl OnResponse for Finish {
    fn on_response(self, parts: &mut response::Parts) {
        self.cors.finish(&mut parts.headers, self.origin);
    }
}
