//! A request body that comes back when nobody wants it any more.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body that services inside of a [`DrainLayer`](super::DrainLayer) see. It is the client's, unaltered.
pub struct DrainBody<B: Body> {
    /// `None` only while dropping.
    body: Option<B>,
    /// Where the rest goes; none for a body that was empty from the start.
    rest: Option<Arc<Rest<B>>>,
}

/// Holds what a handler left unread.
pub(super) struct Rest<B>(Mutex<Option<B>>);

impl<B: Body> DrainBody<B> {
    /// Wraps a body; what is given back can be taken from the second part.
    pub(super) fn new(body: B, watch: bool) -> (Self, Option<Arc<Rest<B>>>) {
        let watched = watch && !body.is_end_stream();
        let rest = watched.then(|| Arc::new(Rest(Mutex::new(None))));
        let body = Self {
            body: Some(body),
            rest: rest.clone(),
        };
        (body, rest)
    }
}

impl<B> Rest<B> {
    pub(super) fn take(&self) -> Option<B> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<B: Body> Drop for DrainBody<B> {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(rest)) = (unread, &self.rest) {
            *rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl<B> Body for DrainBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
                    // There is nothing left to read on.
                    self.rest = None;
                }
                frame
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B: Body> fmt::Debug for DrainBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBody").finish_non_exhaustive()
    }
}
