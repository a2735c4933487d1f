use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, response};
use pin_project_lite::pin_project;
use sec_core::gate::{Gate, OnResponse};
use sec_core::{Body, Identity, MissingLayer, PathRules, Problem, RequestContext, Scheme};
use tower_layer::Layer;
use tower_service::Service;

use crate::config::HeadersConfig;
use crate::error::PolicyError;
use crate::nonce::CspNonce;
use crate::policy::{Answer, HeaderPolicy};

/// Applies a [`HeaderPolicy`] to every answer from within, refusals and errors of inner layers
/// included, and makes the request's [`CspNonce`].
///
/// It stands outside of everything whose answers shall carry the headers and inside of
/// [`ContextLayer`](sec_core::ContextLayer), whose scheme decides about HSTS; without that layer it
/// answers 500 and logs what is missing.
///
/// A handler chooses another header set by putting a [`HeaderPolicy`] into the extensions of its
/// answer, usually one of [`HeaderPolicy::named`].
///
/// A request costs the allocations of [`HeaderPolicy::apply`] and, when it has a nonce, one for the
/// request's extension.
#[derive(Debug, Clone)]
#[must_use]
pub struct HeadersLayer(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    policy: HeaderPolicy,
    paths: PathRules,
    enabled: bool,
}

impl HeadersLayer {
    /// Applies this policy on every path.
    pub fn new(policy: HeaderPolicy) -> Self {
        Self(Arc::new(Inner {
            policy,
            paths: PathRules::all(),
            enabled: true,
        }))
    }

    /// The layer that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &HeadersConfig) -> Result<Self, PolicyError> {
        let policy = HeaderPolicy::from_config(config)?;
        let layer = Self::new(policy).paths(config.path_rules()?);
        Ok(layer.enabled(config.enabled))
    }

    /// The policy, so that handlers can be given its [`named`](HeaderPolicy::named) sets.
    #[must_use]
    pub fn policy(&self) -> &HeaderPolicy {
        &self.0.policy
    }

    /// Applies it on these paths only, by the request's original path. Default: all. On other paths
    /// there is no nonce either, so that an extractor for it answers 500.
    pub fn paths(self, paths: PathRules) -> Self {
        self.change(|inner| inner.paths = paths)
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

impl<S> Layer<S> for HeadersLayer {
    type Service = HeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HeadersService {
            inner,
            layer: self.0.clone(),
        }
    }
}

/// The service of [`HeadersLayer`].
#[derive(Debug, Clone)]
pub struct HeadersService<S> {
    inner: S,
    layer: Arc<Inner>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for HeadersService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = HeadersFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let gate = match self.layer.begin(&mut request) {
            Ok(finish) => Gate::pass(inner.call(request), finish),
            Err(response) => Gate::refuse(*response),
        };
        HeadersFuture { gate }
    }
}

impl Inner {
    /// What the answer will need to know about the request.
    fn begin<B>(&self, request: &mut Request<B>) -> Result<Option<Finish>, Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(None);
        }
        let context = match RequestContext::of(request.extensions()) {
            Ok(context) if self.paths.applies(context.path()) => context.clone(),
            Ok(_) => return Ok(None),
            Err(missing) => return Err(Box::new(self.refuse(&missing, request))),
        };
        let nonce = self.policy.needs_nonce(context.path());
        let nonce = nonce.then(|| nonce_of(request.extensions_mut()));
        Ok(Some(Finish {
            policy: self.policy.clone(),
            context,
            // Cache rules alone ask for it.
            authorized: self.policy.differs_somewhere()
                && request.headers().contains_key(AUTHORIZATION),
            nonce,
        }))
    }

    fn refuse<B>(&self, missing: &MissingLayer, request: &Request<B>) -> Response<Bytes> {
        let mut response = Problem::from(missing).respond(request.headers());
        let status = response.status();
        // Nobody knows the scheme here, so nothing is said that only https may say.
        self.policy
            .apply(response.headers_mut(), status, Scheme::Http, None);
        response
    }
}

/// One nonce per request: a second layer (for a nested router, say) takes the first one's.
fn nonce_of(extensions: &mut http::Extensions) -> CspNonce {
    if let Some(nonce) = extensions.get::<CspNonce>() {
        return *nonce;
    }
    let nonce = CspNonce::generate();
    extensions.insert(nonce);
    nonce
}

pin_project! {
    /// The answer of [`HeadersService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct HeadersFuture<F> {
        #[pin]
        gate: Gate<F, Option<Finish>>,
    }
}

impl<F, B, E> Future for HeadersFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().gate.poll(cx)
    }
}

impl<F> std::fmt::Debug for HeadersFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadersFuture").finish_non_exhaustive()
    }
}

struct Finish {
    policy: HeaderPolicy,
    context: RequestContext,
    authorized: bool,
    nonce: Option<CspNonce>,
}

impl OnResponse for Finish {
    fn on_response(self, parts: &mut response::Parts) {
        // A choice is this layer's: one further out never saw the handler choose it.
        let chosen = parts.extensions.remove::<HeaderPolicy>();
        let answer = Answer::of(&self.context, parts.status)
            .nonce(self.nonce.as_ref())
            .authorized(self.authorized || self.is_about_somebody())
            .chosen(chosen.as_ref());
        self.policy.apply_for(&mut parts.headers, &answer);
    }
}

impl Finish {
    /// Whether somebody was recognised, by a cookie for one. Cache rules alone ask for it.
    fn is_about_somebody(&self) -> bool {
        self.policy.differs_somewhere() && matches!(self.context.identity(), Identity::Known(_))
    }
}
