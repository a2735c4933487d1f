//! The layer, its service and its future.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use sec_core::{
    Body, BodyEnd, BodyObserver, EventKind, OnRefusal, PathRules, Problem, ProblemRefusal,
    RequestContext, RequestView, refuse,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Overloaded, Priority, Shed, ShedPermit};

/// Refuses requests at once while the service is saturated.
///
/// A permit is held until the answer's body has ended or is dropped; an upgraded connection (a WebSocket) returns it
/// with its 101. The latency of an adaptive limit is that of the answer's head.
///
/// Needs the request context outside of it; without it, it answers 500 and says in the log what is missing. It costs
/// what [`Shed`] costs, and one allocation for what sees the end of the body.
///
/// ```
/// use sec_core::PathRules;
/// use sec_ratelimit::{Shed, ShedLayer};
///
/// let layer = ShedLayer::new(Shed::new(512)?)
///     .paths(PathRules::all().exclude("/healthz")?.exclude("/admin")?);
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ShedLayer(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    shed: Shed,
    enabled: bool,
    paths: PathRules,
    priority: Option<PriorityOf>,
    on_refusal: Arc<dyn OnRefusal<Overloaded>>,
}

type PriorityOf = Arc<dyn Fn(RequestView<'_>) -> Priority + Send + Sync>;

impl ShedLayer {
    /// A layer with this bound, which it shares with all clones of both.
    #[must_use]
    pub fn new(shed: Shed) -> Self {
        Self(Arc::new(Settings {
            shed,
            enabled: true,
            paths: PathRules::all(),
            priority: None,
            on_refusal: Arc::new(ProblemRefusal),
        }))
    }

    /// Whether the layer does anything. Default: true.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Which paths are bounded. Default: all. What is excluded is neither refused nor counted: exclude what must answer
    /// while the service is saturated, such as health checks and the operator's routes, and let something else bound it,
    /// since it is where a flood gets through.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// How much a request matters. Default: all are [`Normal`](Priority::Normal).
    #[must_use]
    pub fn priority<F>(self, priority: F) -> Self
    where
        F: Fn(RequestView<'_>) -> Priority + Send + Sync + 'static,
    {
        self.with(|settings| settings.priority = Some(Arc::new(priority)))
    }

    /// What is answered instead. Default: the problem of [`Overloaded`].
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<Overloaded>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    /// The bound, to see how much of it is taken.
    #[must_use]
    pub fn shed(&self) -> &Shed {
        &self.0.shed
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Settings {
    /// A permit, none where none is needed, or the answer.
    fn admit(&self, view: RequestView<'_>) -> Result<Option<ShedPermit>, Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(None);
        }
        let ctx = RequestContext::of(view.extensions)
            .map_err(|missing| Box::new(Problem::from(&missing).respond(view.headers)))?;
        if !self.paths.applies(ctx.path()) {
            return Ok(None);
        }
        let priority = self
            .priority
            .as_ref()
            .map_or(Priority::Normal, |priority| priority(view));
        self.shed
            .try_acquire_as(priority)
            .map(Some)
            .map_err(|refusal| {
                ctx.refused(("shed", priority == Priority::Low), |ctx| {
                    ctx.event(EventKind::RATE_LIMITED)
                        .with_reason("the service is saturated")
                        .with_detail("policy", "shed")
                        .with_detail("in_flight", refusal.in_flight())
                        .with_detail("limit", refusal.limit())
                });
                Box::new(refuse(&*self.on_refusal, refusal, view))
            })
    }
}

impl<S> Layer<S> for ShedLayer {
    type Service = ShedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ShedService {
            inner,
            settings: self.0.clone(),
        }
    }
}

/// Made by [`ShedLayer`].
#[derive(Clone)]
pub struct ShedService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ShedService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = ShedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let state = match self.settings.admit(RequestView::from(&request)) {
            Ok(permit) => State::Call {
                inner: ready.call(request),
                permit,
            },
            Err(response) => State::Refused {
                response: Some(*response),
            },
        };
        ShedFuture { state }
    }
}

pin_project! {
    /// The future of [`ShedService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ShedFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Call { #[pin] inner: F, permit: Option<ShedPermit> },
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<F, B, E> Future for ShedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Call { inner, permit } => {
                let answer = ready!(inner.poll(cx));
                // Also returned at once where the service failed and has no body.
                let permit = permit.take();
                let response = answer?.map(Body::inner);
                Poll::Ready(Ok(match permit {
                    Some(mut permit) => {
                        permit.answered();
                        response.map(|body| body.observed(Box::new(Hold(Some(permit)))))
                    }
                    None => response,
                }))
            }
            StateProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(Body::owned))),
                // Polled after it was ready: a fault of the caller, to whom a future owes nothing more.
                None => Poll::Pending,
            },
        }
    }
}

/// Holds the permit while the body goes by.
struct Hold(Option<ShedPermit>);

impl BodyObserver for Hold {
    fn end(&mut self, _: BodyEnd) {
        self.0 = None;
    }
}

impl fmt::Debug for ShedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedLayer")
            .field("shed", &self.shed)
            .field("enabled", &self.enabled)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for ShedService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedService")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

impl<F> fmt::Debug for ShedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedFuture").finish_non_exhaustive()
    }
}
