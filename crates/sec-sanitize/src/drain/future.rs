//! First the answer, then the rest of the request, then the answer goes out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::body::Rest;
use super::bounds::Bounds;

pin_project! {
    /// The answer of [`DrainService`](super::DrainService).
    #[must_use = "futures do nothing unless polled"]
    pub struct DrainFuture<F, B, R> {
        #[pin]
        answer: F,
        rest: Option<Arc<Rest<B>>>,
        bounds: Bounds,
        draining: Option<(R, B)>,
        #[pin]
        deadline: Option<Sleep>,
    }
}

impl<F, B, R> DrainFuture<F, B, R> {
    pub(super) const fn new(answer: F, rest: Option<Arc<Rest<B>>>, bounds: Bounds) -> Self {
        Self {
            answer,
            rest,
            bounds,
            draining: None,
            deadline: None,
        }
    }
}

impl<F, B, R, E> Future for DrainFuture<F, B, R>
where
    F: Future<Output = Result<R, E>>,
    B: Body<Data = Bytes> + Unpin,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.draining.is_none() {
            let answer = ready!(this.answer.poll(cx))?;
            match this.rest.take().and_then(|rest| rest.take()) {
                // So much is announced that its end will not be reached: whatever is read is read in vain.
                Some(body) if body.size_hint().lower() <= this.bounds.bytes => {
                    *this.draining = Some((answer, body));
                }
                _ => return Poll::Ready(Ok(answer)),
            }
        }
        while let Some((_, body)) = this.draining.as_mut() {
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let length = u64::try_from(length).unwrap_or(u64::MAX);
                    match this.bounds.bytes.checked_sub(length) {
                        Some(left) => this.bounds.bytes = left,
                        None => break,
                    }
                }
                Poll::Ready(None | Some(Err(_))) => break,
                Poll::Pending => {
                    if this.deadline.is_none() {
                        this.deadline
                            .set(Some(tokio::time::sleep(this.bounds.time)));
                    }
                    match this.deadline.as_mut().as_pin_mut() {
                        Some(deadline) => ready!(deadline.poll(cx)),
                        None => return Poll::Pending,
                    }
                    break;
                }
            }
        }
        match this.draining.take() {
            Some((answer, _)) => Poll::Ready(Ok(answer)),
            // Polled after it was ready: a fault of the caller, to whom a future owes nothing more.
            None => Poll::Pending,
        }
    }
}

impl<F, B, R> fmt::Debug for DrainFuture<F, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture").finish_non_exhaustive()
    }
}
