//! The thin shell around [`Flight`].

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use sec_core::gate::Gate;
use sec_core::{Body, ProblemRefusal, RequestContext, refuse};
use tower_service::Service;

use super::flight::Flight;
use super::future::RequestLogFuture;
use super::settings::Settings;

/// The service of [`RequestLogLayer`](super::RequestLogLayer).
#[derive(Clone, Debug)]
pub struct RequestLog<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RequestLog<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequestLog<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: http_body::Body<Data = Bytes>,
{
    type Response = Response<Body<ResBody>>;
    type Error = S::Error;
    type Future = RequestLogFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        if !self.settings.enabled {
            return RequestLogFuture::new(Gate::pass(ready.call(request), ()), None);
        }
        let context = match RequestContext::of(request.extensions()) {
            Ok(context) => context.clone(),
            Err(missing) => {
                let answer = refuse(&ProblemRefusal, missing, (&request).into());
                return RequestLogFuture::new(Gate::refuse(answer), None);
            }
        };
        let flight = self
            .settings
            .applies(context.path())
            .then(|| Flight::begin(Arc::clone(&self.settings), context));
        // A panic in `call` itself drops the flight while it unwinds, which records it.
        RequestLogFuture::new(Gate::pass(ready.call(request), ()), flight)
    }
}
