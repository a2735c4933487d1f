//! The response body of every layer that can refuse, or that must see where the body ends.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Either the inner service's body or one that a layer of the family made.
    ///
    /// There is no `From`: a body is made on purpose. `Default` is an empty body, and exists because tower-http's
    /// time-out and body-limit layers ask it of whatever they stand around.
    pub struct Body<B> {
        #[pin]
        content: Content<B>,
        observer: Option<Observer>,
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Inner { #[pin] body: B },
        Owned { bytes: Option<Bytes> },
    }
}

/// Sees a body go by; how layers hold a permit, or a timer, until the last byte.
///
/// [`end`](BodyObserver::end) is called exactly once: at the end of the stream, at its first error, or
/// when the body is dropped before either.
pub trait BodyObserver: Send {
    /// A data frame of so many bytes was handed on.
    fn frame(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// The body ended.
    fn end(&mut self, how: BodyEnd) {
        let _ = how;
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyEnd {
    /// Every frame was read.
    Complete,
    /// The inner body failed.
    Failed,
    /// Nobody read on: the client went away, or the answer needed no body.
    Dropped,
}

impl<B> Body<B> {
    /// The inner service's body, unaltered.
    pub const fn inner(body: B) -> Self {
        Self {
            content: Content::Inner { body },
            observer: None,
        }
    }

    /// A body that a layer made.
    #[must_use]
    pub fn owned(bytes: Bytes) -> Self {
        Self {
            content: Content::Owned {
                bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            },
            observer: None,
        }
    }

    /// Adds an observer. One that is there already is told [`BodyEnd::Dropped`].
    #[must_use]
    pub fn observed(mut self, observer: Box<dyn BodyObserver>) -> Self {
        self.observer = Some(Observer(Some(observer)));
        self
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = match this.content.as_mut().project() {
            ContentProjection::Inner { body } => ready!(body.poll_frame(cx)),
            ContentProjection::Owned { bytes } => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
        };
        if let Some(observer) = this.observer.as_mut() {
            match &frame {
                Some(Ok(frame)) => observer.frame(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => observer.end(BodyEnd::Failed),
                None => observer.end(BodyEnd::Complete),
            }
            // A server does not poll again once the body says that it is over.
            if matches!(&frame, Some(Ok(_))) && this.content.is_end_stream() {
                observer.end(BodyEnd::Complete);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Owned { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl<B: http_body::Body<Data = Bytes>> Content<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner { body } => body.is_end_stream(),
            Self::Owned { bytes } => bytes.is_none(),
        }
    }
}

impl<B> Default for Body<B> {
    fn default() -> Self {
        Self::owned(Bytes::new())
    }
}

impl<B: fmt::Debug> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Inner { body } => f.debug_tuple("Body::Inner").field(body).finish(),
            Content::Owned { bytes } => f.debug_tuple("Body::Owned").field(bytes).finish(),
        }
    }
}

/// Tells the end once, whichever way it comes.
struct Observer(Option<Box<dyn BodyObserver>>);

impl Observer {
    fn frame(&mut self, bytes: usize) {
        if let Some(observer) = self.0.as_mut() {
            observer.frame(bytes);
        }
    }

    fn end(&mut self, how: BodyEnd) {
        if let Some(mut observer) = self.0.take() {
            observer.end(how);
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.end(BodyEnd::Dropped);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, Full};

    use super::*;

    #[derive(Default, Clone)]
    struct Log(Arc<Mutex<(usize, Vec<BodyEnd>)>>);

    impl BodyObserver for Log {
        fn frame(&mut self, bytes: usize) {
            let mut log = self.0.lock().unwrap();
            log.0 = log.0.saturating_add(bytes);
        }
        fn end(&mut self, how: BodyEnd) {
            self.0.lock().unwrap().1.push(how);
        }
    }

    fn full(text: &'static str) -> Full<Bytes> {
        Full::new(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn both_forms_give_their_bytes() {
        let owned = Body::<Full<Bytes>>::owned(Bytes::from_static(b"refused"));
        assert_eq!(http_body::Body::size_hint(&owned).exact(), Some(7));
        assert_eq!(owned.collect().await.unwrap().to_bytes(), "refused");
        let inner = Body::inner(full("hello"));
        assert_eq!(http_body::Body::size_hint(&inner).exact(), Some(5));
        assert_eq!(inner.collect().await.unwrap().to_bytes(), "hello");
        let empty = Body::<Full<Bytes>>::owned(Bytes::new());
        assert!(http_body::Body::is_end_stream(&empty));
    }

    #[tokio::test]
    async fn the_end_is_told_once_when_the_last_frame_leaves() {
        let log = Log::default();
        let mut body = Body::inner(full("hello")).observed(Box::new(log.clone()));
        body.frame().await.unwrap().unwrap();
        assert_eq!(*log.0.lock().unwrap(), (5, vec![BodyEnd::Complete]));
        assert!(body.frame().await.is_none());
        drop(body);
        assert_eq!(log.0.lock().unwrap().1.len(), 1);
    }

    #[tokio::test]
    async fn a_drop_and_a_failure_are_told_apart() {
        let log = Log::default();
        drop(Body::inner(full("unread")).observed(Box::new(log.clone())));
        assert_eq!(log.0.lock().unwrap().1, [BodyEnd::Dropped]);

        let log = Log::default();
        let failing = OneError(true);
        let mut body = Body::inner(failing).observed(Box::new(log.clone()));
        assert!(body.frame().await.unwrap().is_err());
        drop(body);
        assert_eq!(log.0.lock().unwrap().1, [BodyEnd::Failed]);
    }

    struct OneError(bool);

    impl http_body::Body for OneError {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(std::mem::take(&mut self.0).then(|| Err(std::io::Error::other("cut"))))
        }
    }
}
