//! The answer of [`RequestLog`](super::RequestLog).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;
use sec_core::Body;
use sec_core::gate::Gate;

use super::flight::{End, Flight};

pin_project! {
    /// The answer of [`RequestLog`](super::RequestLog).
    #[must_use = "futures do nothing unless polled"]
    pub struct RequestLogFuture<F> {
        #[pin]
        gate: Gate<F, ()>,
        flight: Option<Flight>,
    }
}

impl<F> RequestLogFuture<F> {
    pub(super) fn new(gate: Gate<F, ()>, flight: Option<Flight>) -> Self {
        Self { gate, flight }
    }
}

impl<F, B, E> Future for RequestLogFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = {
            let _watch = Watch::over(this.flight);
            ready!(this.gate.poll(cx))
        };
        let flight = this.flight.take();
        Poll::Ready(match (answer, flight) {
            (Ok(response), Some(mut flight)) => {
                flight.answered(&response);
                // A server never polls a body that is over before it begins.
                if http_body::Body::is_end_stream(response.body()) {
                    flight.end(End::Complete);
                    Ok(response)
                } else {
                    Ok(response.map(|body| body.observed(Box::new(flight))))
                }
            }
            (Err(error), Some(mut flight)) => {
                flight.end(End::ServiceError);
                Err(error)
            }
            (answer, None) => answer,
        })
    }
}

/// Records a panic while it passes by. Whoever catches it drops the future only afterwards, when it would look like
/// a client that went away.
struct Watch<'a> {
    flight: &'a mut Option<Flight>,
    panicking: bool,
}

impl<'a> Watch<'a> {
    fn over(flight: &'a mut Option<Flight>) -> Self {
        Self {
            flight,
            panicking: thread::panicking(),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking()
            && !self.panicking
            && let Some(flight) = self.flight
        {
            flight.end(End::Panic);
        }
    }
}

impl<F> fmt::Debug for RequestLogFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLogFuture").finish_non_exhaustive()
    }
}
