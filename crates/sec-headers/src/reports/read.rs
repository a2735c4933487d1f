use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;

use super::{ReportError, ReportReceiver};

pin_project! {
    /// The answer of [`ReportReceiver`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ReportFuture<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<B> {
        Ready { response: Option<Response<Full<Bytes>>> },
        Read { receiver: ReportReceiver, parts: Box<Parts>, buffer: Vec<u8>, #[pin] body: B },
    }
}

impl<B> ReportFuture<B> {
    pub(super) const fn ready(response: Response<Full<Bytes>>) -> Self {
        let response = Some(response);
        Self {
            state: State::Ready { response },
        }
    }

    pub(super) fn read(receiver: ReportReceiver, parts: Parts, body: B) -> Self {
        Self {
            state: State::Read {
                receiver,
                parts: Box::new(parts),
                buffer: Vec::new(),
                body,
            },
        }
    }
}

impl<B> Future for ReportFuture<B>
where
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (receiver, parts, buffer, mut body) = match self.project().state.project() {
            StateProjection::Ready { response } => {
                return match response.take() {
                    Some(response) => Poll::Ready(Ok(response)),
                    None => Poll::Pending,
                };
            }
            StateProjection::Read {
                receiver,
                parts,
                buffer,
                body,
            } => (receiver, parts, buffer, body),
        };
        let limit = receiver.body_limit_bytes();
        let response = loop {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    // Refused before it is copied: a byte too many is not kept.
                    if data.len() > limit.saturating_sub(buffer.len()) {
                        break receiver.refuse(ReportError::TooLarge(limit), parts);
                    }
                    buffer.extend_from_slice(&data);
                }
                Some(Err(_)) => break receiver.refuse(ReportError::Malformed, parts),
                None => break receiver.answer(parts, buffer),
            }
        };
        Poll::Ready(Ok(response))
    }
}

impl<B> fmt::Debug for ReportFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportFuture").finish_non_exhaustive()
    }
}
