//! The future of the layer.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use sec_core::text::log_safe;
use sec_core::{Body, EventKind, Problem, RequestContext};

use super::cause::{ErrorCause, chain};
use super::convert::{Caller, is_foreign, replace_body};
use super::settings::Settings;

/// Characters of a panic's message, or of a text answer, in the trail.
const MESSAGE_CHARS: usize = 500;
/// Bytes of a foreign 5xx text that are read for the trail.
const PEEK_BYTES: usize = 2_048;

pin_project! {
    /// The answer of [`ErrorService`](super::ErrorService).
    #[must_use = "futures do nothing unless polled"]
    pub struct ErrorFuture<F> {
        #[pin]
        inner: Option<F>,
        failure: Option<Failure>,
        report: Report,
    }
}

impl<F> ErrorFuture<F> {
    pub(super) fn new(inner: F, report: Report) -> Self {
        Self {
            inner: Some(inner),
            failure: None,
            report,
        }
    }

    pub(super) fn failed(failure: Failure, report: Report) -> Self {
        Self {
            inner: None,
            failure: Some(failure),
            report,
        }
    }
}

impl<F> fmt::Debug for ErrorFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorFuture").finish_non_exhaustive()
    }
}

impl<F, B, E> Future for ErrorFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let report = &*this.report;
        if let Some(failure) = this.failure.take() {
            return Poll::Ready(Ok(report.failure(failure).map(Body::owned)));
        }
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = if report.settings.enabled {
            // After a panic the future is dropped below and not polled again.
            match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(result)) => result.map_err(|e| Failure::Error {
                    error: e.into(),
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                }),
                Err(panic) => Err(Failure::panic(&*panic)),
            }
        } else {
            match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => result.map_err(|e| Failure::Error {
                    error: e.into(),
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                }),
            }
        };
        if matches!(polled, Err(Failure::Panic(_))) {
            // What a broken future does when it is dropped must not undo the answer.
            let _ = catch_unwind(AssertUnwindSafe(|| this.inner.set(None)));
        } else {
            this.inner.set(None);
        }
        Poll::Ready(Ok(match polled {
            Ok(response) => report.answer(response, cx),
            Err(failure) => report.failure(failure).map(Body::owned),
        }))
    }
}

/// What went wrong before there was an answer.
pub(super) enum Failure {
    Panic(String),
    Error { error: BoxError, status: StatusCode },
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl Failure {
    pub(super) fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panic(log_safe(text.unwrap_or("no message"), MESSAGE_CHARS).into_owned())
    }
}

/// All that is needed to answer and to report.
pub(super) struct Report {
    pub(super) context: Option<RequestContext>,
    pub(super) caller: Caller,
    pub(super) settings: Settings,
}

impl Report {
    fn failure(&self, failure: Failure) -> Response<Bytes> {
        match failure {
            Failure::Panic(message) => {
                self.emit(EventKind::PANIC, message, StatusCode::INTERNAL_SERVER_ERROR);
                self.caller
                    .respond(&Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Failure::Error { error, status } => {
                let problem = self.settings.problem_for(&*error, status);
                self.emit(EventKind::ERROR, chain(&*error), problem.status());
                self.caller.respond(&problem)
            }
        }
    }

    fn answer<B>(&self, response: Response<B>, cx: &mut Context<'_>) -> Response<Body<B>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        if !self.settings.enabled || response.status() < StatusCode::BAD_REQUEST {
            return response.map(Body::inner);
        }
        let (parts, body) = response.into_parts();
        if let Some(cause) = parts.extensions.get::<ErrorCause>() {
            if cause.tell() {
                self.emit(EventKind::ERROR, cause.chain().to_owned(), parts.status);
            }
            let rendered = parts
                .extensions
                .get::<Problem>()
                .map(|p| self.caller.respond(p));
            if let Some(rendered) = rendered {
                return replace_body(parts, rendered).map(Body::owned);
            }
        }
        if !is_foreign(&parts, &body) {
            return Response::from_parts(parts, Body::inner(body));
        }
        if parts.status.is_server_error() {
            let text = peek(body, cx);
            self.emit(
                EventKind::ERROR,
                log_safe(&text, MESSAGE_CHARS).into_owned(),
                parts.status,
            );
        }
        let rendered = self.caller.respond(&Problem::new(parts.status));
        replace_body(parts, rendered).map(Body::owned)
    }

    fn emit(&self, kind: EventKind, reason: String, status: StatusCode) {
        match &self.context {
            Some(context) => {
                let event = context.event(kind).with_reason(reason);
                drop(context.emit(event.with_detail("status", status.as_u16())));
            }
            None => {
                tracing::error!(kind = %kind, status = status.as_u16(), %reason, "request failed")
            }
        }
    }
}

/// The beginning of a body, as far as it is there without waiting.
fn peek<B: http_body::Body<Data = Bytes>>(body: B, cx: &mut Context<'_>) -> String {
    let mut body = Box::pin(body);
    let mut bytes = Vec::new();
    while bytes.len() < PEEK_BYTES {
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let room = PEEK_BYTES.saturating_sub(bytes.len());
                    bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                }
            }
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
