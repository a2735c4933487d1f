//! The layer that looks limits up before a limiter further in asks for them.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use pin_project_lite::pin_project;
use sec_core::{EventKind, Outcome, RequestContext, RequestView, Severity};
use tower_layer::Layer;
use tower_service::Service;

use super::cache::Known;
use super::{Found, LimitLookup, Limits, LookupError, arrived};

/// Looks up the limits of who asks, and leaves them as [`Limits`] in the request's extensions, for the
/// tiers with [`limit_looked_up`](crate::Tier::limit_looked_up) of a
/// [`RateLimitLayer`](crate::RateLimitLayer) further in.
///
/// Stands inside of the authentication, if that is who says who asks. A request for whom nothing is
/// looked up, and one whose limits are known, does not wait; only one that waits has its future boxed.
/// **When the look-up fails or takes too long, the tiers' own limits apply**, and an event
/// `rate_limit_lookup` says why, at most one each ten seconds.
///
/// ```
/// use sec_core::RequestContext;
/// use sec_ratelimit::{Key, LimitLookup, LimitLookupLayer, Limiter, Limits, Quota, RateLimitLayer, Tier};
///
/// # async fn plan_of(_: String) -> Result<Option<u64>, std::io::Error> { Ok(Some(600)) }
/// let plans = LimitLookup::new(|user: String| async move { plan_of(user).await.map(Limits::from) });
/// let outer = LimitLookupLayer::new(plans, |view| {
///     let identity = RequestContext::get(view.extensions)?.identity();
///     identity.principal().map(|caller| caller.subject().to_owned())
/// });
/// let tier = Tier::new("api", Quota::per_minute(60), Key::principal().or_ip()).limit_looked_up();
/// let inner = RateLimitLayer::new(Limiter::builder().with_tier(tier).build()?)?;
/// # let _ = (outer, inner);
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
pub struct LimitLookupLayer<K> {
    lookup: LimitLookup<K>,
    key: Arc<KeyOf<K>>,
    enabled: bool,
}

type KeyOf<K> = dyn Fn(RequestView<'_>) -> Option<K> + Send + Sync;

impl<K: Clone + Eq + Hash + Send + Sync + 'static> LimitLookupLayer<K> {
    /// A layer that asks `lookup` for whom `key` says. `None` asks nothing: the tiers' own limits apply.
    #[must_use]
    pub fn new<F>(lookup: LimitLookup<K>, key: F) -> Self
    where
        F: Fn(RequestView<'_>) -> Option<K> + Send + Sync + 'static,
    {
        Self {
            lookup,
            key: Arc::new(key),
            enabled: true,
        }
    }

    /// Whether anything is looked up. Default: true. Without, the tiers' own limits apply.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    fn known(&self, view: RequestView<'_>) -> Known {
        let key = self.enabled.then(|| (self.key)(view)).flatten();
        key.map_or(Known::Found(Ok(Limits::own())), |key| {
            self.lookup.known_or_coming(&key)
        })
    }
}

impl<K> Clone for LimitLookupLayer<K> {
    fn clone(&self) -> Self {
        Self {
            lookup: self.lookup.clone(),
            key: self.key.clone(),
            enabled: self.enabled,
        }
    }
}

impl<S, K> Layer<S> for LimitLookupLayer<K> {
    type Service = LimitLookupService<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitLookupService {
            inner,
            layer: self.clone(),
        }
    }
}

/// Made by [`LimitLookupLayer`].
pub struct LimitLookupService<S, K> {
    inner: S,
    layer: LimitLookupLayer<K>,
}

impl<S: Clone, K> Clone for LimitLookupService<S, K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, K, B> Service<Request<B>> for LimitLookupService<S, K>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    K: Clone + Eq + Hash + Send + Sync + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LimitLookupFuture<S::Future, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        match self.layer.known(RequestView::from(&request)) {
            Known::Found(found) => {
                put(&mut request, found);
                let inner = ready.call(request);
                let state = State::AtOnce { inner };
                LimitLookupFuture { state }
            }
            Known::Coming(coming) => {
                let waits = Box::pin(async move {
                    put(&mut request, arrived(coming).await);
                    ready.call(request).await
                });
                let state = State::Waits { waits };
                LimitLookupFuture { state }
            }
        }
    }
}

fn put<B>(request: &mut Request<B>, found: Found) {
    let limits = found.unwrap_or_else(|error| {
        tell(RequestView::from(&*request), &error);
        Limits::own()
    });
    request.extensions_mut().insert(limits);
}

fn tell(view: RequestView<'_>, error: &LookupError) {
    let Some(ctx) = RequestContext::get(view.extensions) else {
        tracing::warn!(target: "sec", %error, "limits are not known; the tiers' own apply");
        return;
    };
    ctx.refused("limit look-up", |ctx| {
        let kind = EventKind::custom("rate_limit_lookup", Severity::Medium, Outcome::Failure);
        let event = ctx.event(kind.unwrap_or(EventKind::ERROR));
        event.with_reason(error.to_string())
    });
}

pin_project! {
    /// The future of [`LimitLookupService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitLookupFuture<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R, E> {
        AtOnce { #[pin] inner: F },
        Waits { waits: Waiting<R, E> },
    }
}

type Waiting<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<F, R, E> Future for LimitLookupFuture<F, R, E>
where
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::AtOnce { inner } => inner.poll(cx),
            StateProjection::Waits { waits } => waits.as_mut().poll(cx),
        }
    }
}

impl<K> fmt::Debug for LimitLookupLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLookupLayer")
            .field("lookup", &self.lookup)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl<S, K> fmt::Debug for LimitLookupService<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLookupService")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<F, R, E> fmt::Debug for LimitLookupFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLookupFuture").finish_non_exhaustive()
    }
}
