//! The service that the layer makes, and its future.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use sec_core::gate::Gate;
use sec_core::{Body, BodyEnd, BodyObserver};
use tower_service::Service;

use super::Permit;
use super::layer::{Finish, Settings};

/// Made by [`ConcurrencyLayer`](crate::ConcurrencyLayer).
#[derive(Clone)]
pub struct ConcurrencyService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> ConcurrencyService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ConcurrencyService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = ConcurrencyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, clone);
        match self.settings.admit(&request) {
            Ok(Some((permit, finish))) => ConcurrencyFuture {
                gate: Gate::pass(service.call(request), Some(finish)),
                permit: Some(permit),
            },
            Ok(None) => ConcurrencyFuture {
                gate: Gate::pass(service.call(request), None),
                permit: None,
            },
            Err(response) => ConcurrencyFuture {
                gate: Gate::refuse(response),
                permit: None,
            },
        }
    }
}

pin_project! {
    /// The future of [`ConcurrencyService`]. Dropped, it gives its permit back.
    #[must_use = "futures do nothing unless polled"]
    pub struct ConcurrencyFuture<F> {
        #[pin]
        gate: Gate<F, Option<Finish>>,
        permit: Option<Permit>,
    }
}

impl<F, B, E> Future for ConcurrencyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.gate.poll(cx));
        // An error gives the permit back here: there is no body to wait for.
        let permit = this.permit.take();
        Poll::Ready(response.map(|response| match permit {
            Some(permit) => response.map(|body| body.observed(Box::new(Held(Some(permit))))),
            None => response,
        }))
    }
}

/// Holds the permit until the body ends.
struct Held(Option<Permit>);

impl BodyObserver for Held {
    fn end(&mut self, _: BodyEnd) {
        self.0 = None;
    }
}

impl<S: fmt::Debug> fmt::Debug for ConcurrencyService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyService")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

impl<F> fmt::Debug for ConcurrencyFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyFuture").finish_non_exhaustive()
    }
}
