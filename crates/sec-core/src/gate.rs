//! The future that every layer of the family returns: decide, then call, then finish the head.
//!
//! A layer that decides at once implements [`Decide`], and [`GateService`] is its service. Elsewhere a crate wraps [`Gate`] (its decision is ready at once) or [`AsyncGate`] (its decision waits for a
//! store) in an opaque type of its own, so that the kind of future is not part of its public face.
//! Neither allocates.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::Body;

/// What a layer does to the head of an answer once the inner service has given it.
pub trait OnResponse {
    /// Changes status, headers or extensions. Called once, only when the inner service answered.
    fn on_response(self, parts: &mut Parts);
}

/// Leaves the head as it is.
impl OnResponse for () {
    fn on_response(self, _: &mut Parts) {}
}

impl<M: OnResponse> OnResponse for Option<M> {
    fn on_response(self, parts: &mut Parts) {
        if let Some(finish) = self {
            finish.on_response(parts);
        }
    }
}

pin_project! {
    /// Either the inner service's future or a refusal.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Gate<F, M> {
        #[pin]
        state: State<F, M>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F, M> {
        Call { #[pin] inner: F, finish: Option<M> },
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<F, M> Gate<F, M> {
    /// Lets the request through; `finish` sees the head of the answer.
    pub const fn pass(inner: F, finish: M) -> Self {
        Self {
            state: State::Call {
                inner,
                finish: Some(finish),
            },
        }
    }

    /// Answers in place of the inner service, which is never called.
    pub const fn refuse(response: Response<Bytes>) -> Self {
        Self {
            state: State::Refused {
                response: Some(response),
            },
        }
    }
}

impl<F, M, B, E> Future for Gate<F, M>
where
    F: Future<Output = Result<Response<B>, E>>,
    M: OnResponse,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Call { inner, finish } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(finished(response, finish.take())))
            }
            StateProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(Body::owned))),
                // Polled after it was ready: a fault of the caller, to whom a future owes nothing more.
                None => Poll::Pending,
            },
        }
    }
}

/// A layer's decision, made at once.
pub trait Decide {
    /// What happens to the head of the answer to a request that passes.
    type Finish: OnResponse;

    /// Lets the request pass, changed or not, or answers it.
    ///
    /// # Errors
    /// The answer; the inner service is then never called.
    fn decide<B>(&self, request: &mut Request<B>) -> Result<Self::Finish, Box<Response<Bytes>>>;
}

/// The service of a layer that [decides](Decide) at once. It calls the service that was polled ready, and allocates nothing.
#[derive(Debug, Clone)]
pub struct GateService<S, L> {
    inner: S,
    layer: L,
}

impl<S, L> GateService<S, L> {
    /// `inner` behind this layer's decision.
    pub const fn new(inner: S, layer: L) -> Self {
        Self { inner, layer }
    }
}

impl<S, L, ReqB, ResB> Service<Request<ReqB>> for GateService<S, L>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    L: Decide,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = Gate<S::Future, L::Finish>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        match self.layer.decide(&mut request) {
            Ok(finish) => Gate::pass(inner.call(request), finish),
            Err(response) => Gate::refuse(*response),
        }
    }
}

pin_project! {
    /// First a check that may wait, then the inner service or the check's refusal.
    ///
    /// `service` is the *ready* one: a layer's `call` swaps it out with a clone
    /// (`mem::replace(&mut self.inner, clone)`), because readiness belongs to the instance polled.
    #[must_use = "futures do nothing unless polled"]
    pub struct AsyncGate<C, S, ReqB, M>
    where
        S: Service<Request<ReqB>>,
    {
        #[pin]
        state: AsyncState<C, S, S::Future, M>,
        body: std::marker::PhantomData<fn(ReqB)>,
    }
}

pin_project! {
    #[project = AsyncStateProjection]
    enum AsyncState<C, S, F, M> {
        Check { #[pin] check: C, service: S },
        Call { #[pin] inner: F, finish: Option<M> },
    }
}

impl<C, S, ReqB, M> AsyncGate<C, S, ReqB, M>
where
    S: Service<Request<ReqB>>,
{
    /// Runs `check`; calls `service` with the request that it gives back, or answers its refusal.
    pub const fn new(check: C, service: S) -> Self {
        Self {
            state: AsyncState::Check { check, service },
            body: std::marker::PhantomData,
        }
    }
}

impl<C, S, ReqB, M, B> Future for AsyncGate<C, S, ReqB, M>
where
    C: Future<Output = Result<(Request<ReqB>, M), Response<Bytes>>>,
    S: Service<Request<ReqB>, Response = Response<B>>,
    M: OnResponse,
{
    type Output = Result<Response<Body<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                AsyncStateProjection::Check { check, service } => match ready!(check.poll(cx)) {
                    Ok((request, finish)) => AsyncState::Call {
                        inner: service.call(request),
                        finish: Some(finish),
                    },
                    Err(refusal) => return Poll::Ready(Ok(refusal.map(Body::owned))),
                },
                AsyncStateProjection::Call { inner, finish } => {
                    let response = ready!(inner.poll(cx))?;
                    return Poll::Ready(Ok(finished(response, finish.take())));
                }
            };
            this.state.set(next);
        }
    }
}

impl<C, S, ReqB, M> std::fmt::Debug for AsyncGate<C, S, ReqB, M>
where
    S: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncGate").finish_non_exhaustive()
    }
}

fn finished<B, M: OnResponse>(response: Response<B>, finish: Option<M>) -> Response<Body<B>> {
    let (mut parts, body) = response.into_parts();
    finish.on_response(&mut parts);
    Response::from_parts(parts, Body::inner(body))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;

    use http::StatusCode;
    use http_body_util::{BodyExt, Full};
    use tower::service_fn;

    use super::*;

    struct Teapot;

    impl OnResponse for Teapot {
        fn on_response(self, parts: &mut Parts) {
            parts.status = StatusCode::IM_A_TEAPOT;
        }
    }

    type Answer = Result<Response<Full<Bytes>>, Infallible>;

    fn hello() -> Answer {
        Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
    }

    fn refusal() -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(b"no"));
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }

    async fn read(response: Response<Body<Full<Bytes>>>) -> (StatusCode, Bytes) {
        let (parts, body) = response.into_parts();
        (parts.status, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_passed_request_gets_its_head_finished() {
        let response = Gate::pass(ready(hello()), Teapot).await.unwrap();
        assert_eq!(
            read(response).await,
            (StatusCode::IM_A_TEAPOT, "hello".into())
        );
    }

    #[tokio::test]
    async fn a_refused_request_never_reaches_the_service() {
        let gate: Gate<std::future::Ready<Answer>, Teapot> = Gate::refuse(refusal());
        assert_eq!(
            read(gate.await.unwrap()).await,
            (StatusCode::FORBIDDEN, "no".into())
        );
    }

    #[tokio::test]
    async fn an_asynchronous_check_decides_first() {
        let service = service_fn(|_: Request<()>| ready(hello()));
        let pass = AsyncGate::new(
            async {
                tokio::task::yield_now().await;
                Ok((Request::new(()), Teapot))
            },
            service,
        );
        assert_eq!(read(pass.await.unwrap()).await.0, StatusCode::IM_A_TEAPOT);

        let never =
            service_fn(|_: Request<()>| async { panic!("called after a refusal") as Answer });
        let refuse = AsyncGate::<_, _, (), ()>::new(ready(Err(refusal())), never);
        assert_eq!(read(refuse.await.unwrap()).await.0, StatusCode::FORBIDDEN);
    }
}
