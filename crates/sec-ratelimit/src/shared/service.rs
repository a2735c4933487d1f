//! The service of a layer around a shared limiter: it waits for the store before and, for a refund,
//! after the inner service.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use sec_core::{Body, RequestView};
use tower_service::Service;

use crate::{RateLimitService, SharedLimiter};

/// The future of [`RateLimitService`] around a [`SharedLimiter`]. Dropped, what it took stays counted.
#[must_use = "futures do nothing unless polled"]
pub struct SharedRateLimitFuture<B, E>(Boxed<Result<Response<Body<B>>, E>>);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, ReqB, ResB> Service<Request<ReqB>> for RateLimitService<S, SharedLimiter>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Future: Send,
    ReqB: Send + 'static,
    ResB: Send,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = SharedRateLimitFuture<ResB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        // Everything is taken from the request at once: its body need not be shared with a store.
        let view = RequestView::from(&request);
        let asked = settings.cost(view).map(|cost| {
            cost.map(|(cost, _)| (cost, settings.limiter.reserve_uncounted(view, cost)))
        });
        SharedRateLimitFuture(Box::pin(async move {
            let taken = match asked {
                Err(response) => return Ok(response.map(Body::owned)),
                Ok(None) => None,
                Ok(Some((cost, reserve))) => match reserve.await {
                    Ok(taken) => {
                        settings.record(taken.decision(), RequestView::from(&request));
                        request.extensions_mut().insert(taken.decision().clone());
                        Some(taken)
                    }
                    Err(error) => match settings.turn_away(error, cost, &mut request) {
                        Ok(()) => None,
                        Err(response) => return Ok(response.map(Body::owned)),
                    },
                },
            };
            let (mut parts, body) = ready.call(request).await?.into_parts();
            if let Some(taken) = taken {
                let mut decision = taken.decision().clone();
                if settings.counts(&parts) {
                    taken.commit();
                } else if let Ok(refunded) = taken.refund().await {
                    // Otherwise it stays counted, and the breaker has told why.
                    decision = refunded;
                }
                settings.tell().of(decision, &mut parts);
            }
            Ok(Response::from_parts(parts, Body::inner(body)))
        }))
    }
}

impl<B, E> Future for SharedRateLimitFuture<B, E> {
    type Output = Result<Response<Body<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B, E> fmt::Debug for SharedRateLimitFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRateLimitFuture")
            .finish_non_exhaustive()
    }
}
