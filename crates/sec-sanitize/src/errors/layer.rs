//! The layer: panics, errors and bare error answers become problems.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request, Response, StatusCode};
use sec_core::{PathRules, Problem, RequestContext};
use tower_layer::Layer;
use tower_service::Service;

use super::convert::Caller;
use super::future::{BoxError, ErrorFuture, Failure, Report};
use super::settings::Settings;

/// Turns whatever goes wrong further in into a problem for the caller and an event for the trail.
///
/// - A panic, while the request is taken or while the answer is awaited, becomes 500 and
///   [`EventKind::PANIC`](sec_core::EventKind::PANIC) with the panic's message. (A panic while the body is
///   streamed comes after the head and still breaks the connection.)
/// - An error of the service becomes 500, 503 if it was not ready, or what [`classify`](Self::classify) says, and
///   [`EventKind::ERROR`](sec_core::EventKind::ERROR) with the chain of causes. The service behind the layer never fails.
/// - A [`HandlerError`](super::HandlerError) gets its event, and its problem the form that the caller prefers.
/// - An answer of status 400 and above that has no content type, an empty body or `text/plain` (what frameworks say of 404,
///   405 and their own rejections) becomes a problem; headers about the answer stay. Handlers that mean a
///   text for the caller return a `Problem` with a detail. What a 5xx text said goes to the trail as far as it is at hand.
///   Any other content type passes as it is, and so do all other answers, unread.
///
/// Place it inside of the context layer and the request log, outside of all else. The panic hook is the host's: by
/// default it also writes the panic to standard error. With `panic = "abort"` nothing can be caught.
///
/// An answer that passes costs no allocation.
#[derive(Clone)]
pub struct ErrorLayer {
    settings: Settings,
    paths: Arc<PathRules>,
}

impl Default for ErrorLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ErrorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLayer")
            .field("enabled", &self.settings.enabled)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

impl ErrorLayer {
    /// All of the above.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings {
                enabled: true,
                classify: Arc::new(|_| None),
            },
            paths: Arc::default(),
        }
    }

    /// Off, panics and bare answers pass; errors of the service are still answered, as its type has none.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.settings.enabled = enabled;
        self
    }

    /// Does so for these paths only, by the request's original path (without a context layer outside: the request's
    /// own). Default: all. Paths that could be read in two ways are never excluded.
    ///
    /// Elsewhere it is as if it were off: a panic closes the connection and is in no trail. Exclude what speaks
    /// another protocol and makes its own answers, such as gRPC.
    #[must_use]
    pub fn paths(mut self, paths: PathRules) -> Self {
        self.paths = Arc::new(paths);
        self
    }

    /// Chooses problems for errors of services further in, such as tower's time-out or load shedding (503 with
    /// `Retry-After`). Default: none, which is 500.
    #[must_use]
    pub fn classify(
        mut self,
        classify: impl Fn(&(dyn Error + 'static)) -> Option<Problem> + Send + Sync + 'static,
    ) -> Self {
        self.settings.classify = Arc::new(classify);
        self
    }
}

impl<S> Layer<S> for ErrorLayer {
    type Service = ErrorService<S>;

    fn layer(&self, inner: S) -> ErrorService<S> {
        ErrorService {
            inner,
            layer: self.clone(),
            not_ready: None,
        }
    }
}

/// The service of [`ErrorLayer`].
pub struct ErrorService<S> {
    inner: S,
    layer: ErrorLayer,
    /// Why the inner service cannot take the next request.
    not_ready: Option<BoxError>,
}

impl<S: Clone> Clone for ErrorService<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
            not_ready: None,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ErrorService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ErrorService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    ResBody: http_body::Body<Data = Bytes>,
{
    type Response = Response<sec_core::Body<ResBody>>;
    type Error = Infallible;
    type Future = ErrorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx).map(|ready| {
            self.not_ready = ready.err().map(Into::into);
            Ok(())
        })
    }

    fn call(&mut self, request: Request<ReqBody>) -> ErrorFuture<S::Future> {
        let context = RequestContext::get(request.extensions());
        let path = context.map_or(request.uri().path(), RequestContext::path);
        let mut settings = self.layer.settings.clone();
        settings.enabled = settings.enabled && self.layer.paths.applies(path);
        let enabled = settings.enabled;
        let report = Report {
            context: context.cloned(),
            caller: Caller {
                accept: request.headers().get(ACCEPT).cloned(),
                head: request.method() == Method::HEAD,
            },
            settings,
        };
        if let Some(error) = self.not_ready.take() {
            let failure = Failure::Error {
                error,
                status: StatusCode::SERVICE_UNAVAILABLE,
            };
            return ErrorFuture::failed(failure, report);
        }
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        if !enabled {
            return ErrorFuture::new(ready.call(request), report);
        }
        // The ready service is used up by this call, so nothing broken is seen again.
        match catch_unwind(AssertUnwindSafe(move || ready.call(request))) {
            Ok(future) => ErrorFuture::new(future, report),
            Err(panic) => ErrorFuture::failed(Failure::panic(&*panic), report),
        }
    }
}
