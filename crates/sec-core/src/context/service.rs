//! The thin shell around [`facts`](super::resolve::facts).

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::refusal::ContextRefusal;
use super::request::RequestContext;
use super::resolve;
use super::services::Services;
use super::settings::Settings;
use crate::gate::{Gate, OnResponse};
use crate::problem::{RequestView, refuse};
use crate::{Body, EventKind, SecurityEvent};

/// The service of [`ContextLayer`](crate::ContextLayer).
#[derive(Clone)]
pub struct ContextService<S> {
    inner: S,
    settings: Arc<Settings>,
    services: Arc<Services>,
}

impl<S> ContextService<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>, services: Arc<Services>) -> Self {
        Self {
            inner,
            settings,
            services,
        }
    }

    /// A refused request has no context to speak of; the trail learns what is known all the same.
    fn refuse(&self, refusal: ContextRefusal, request: RequestView<'_>) -> Response<Bytes> {
        if refusal == ContextRefusal::NoPeer {
            tracing::error!(target: "sec", "answering 500: {refusal}");
            // The host's own mistake: the trail speaks of clients.
            return refuse(&*self.settings.on_refusal, refusal, request);
        }
        let services = &self.services;
        let client = resolve::peer(request).or(self.settings.missing_peer);
        let client = client.map(|peer| self.settings.address.client(peer, request.headers));
        let group = client.map(|client| self.settings.grouping.group(client));
        services
            .coalescer
            .emit(services.clock.monotonic(), ("context", group), || {
                let event = SecurityEvent::new(EventKind::INPUT_REJECTED, &*services.clock);
                let event = event.with_reason(refusal.to_string());
                match client {
                    Some(client) => event.with_client(client),
                    None => event,
                }
            });
        refuse(&*self.settings.on_refusal, refusal, request)
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ContextService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = ContextFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        // Applied twice, the outer one has decided.
        if !self.settings.enabled || RequestContext::get(request.extensions()).is_some() {
            return ContextFuture::new(Gate::pass(inner.call(request), None));
        }
        self.services
            .coalescer
            .sweep(self.services.clock.monotonic());
        match resolve::facts(&self.settings, RequestView::from(&request)) {
            Ok(facts) => {
                let echo = EchoId(self.settings.request_id.clone(), facts.request_id.clone());
                let context = RequestContext::new(facts, self.services.clone());
                request.extensions_mut().insert(context);
                ContextFuture::new(Gate::pass(inner.call(request), Some(echo)))
            }
            Err(refusal) => ContextFuture::new(Gate::refuse(
                self.refuse(refusal, RequestView::from(&request)),
            )),
        }
    }
}

pin_project! {
    /// The answer of [`ContextService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ContextFuture<F> {
        #[pin]
        gate: Gate<F, Option<EchoId>>,
    }
}

impl<F> ContextFuture<F> {
    const fn new(gate: Gate<F, Option<EchoId>>) -> Self {
        Self { gate }
    }
}

impl<F, B, E> Future for ContextFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().gate.poll(cx)
    }
}

struct EchoId(HeaderName, HeaderValue);

impl OnResponse for EchoId {
    fn on_response(self, parts: &mut response::Parts) {
        parts.headers.insert(self.0, self.1);
    }
}

impl<S: fmt::Debug> fmt::Debug for ContextService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ContextFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextFuture").finish_non_exhaustive()
    }
}
