//! The layer and its service.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use sec_core::PathRules;
use tower_layer::Layer;
use tower_service::Service;

use super::body::DrainBody;
use super::bounds::Bounds;
use super::future::DrainFuture;

/// Reads on after an early answer, so that it reaches a client that is still sending.
///
/// It stands outermost: whatever inside refuses without reading the body is covered. The answer waits until the client has
/// sent the rest, at most [`bytes`](Self::bytes) and at most [`time`](Self::time); beyond either it goes out at once, and
/// the client may see a reset. What is read is thrown away as it comes. Bodies that were read to their end, and
/// requests without one, are not touched.
///
/// Cost: one allocation for a request with a body, none for others. Waiting needs Tokio's timer.
///
/// ```
/// use sec_sanitize::DrainLayer;
///
/// let layer = DrainLayer::new().bytes(64 * 1024 * 1024);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct DrainLayer {
    pub(super) bounds: Bounds,
    enabled: bool,
    /// `None`: every path.
    paths: Option<Arc<PathRules>>,
}

/// The service of [`DrainLayer`].
#[derive(Debug, Clone)]
pub struct DrainService<S> {
    inner: S,
    layer: DrainLayer,
}

impl DrainLayer {
    /// With the defaults of the setters.
    pub const fn new() -> Self {
        Self {
            bounds: Bounds {
                bytes: 16 * 1024 * 1024,
                time: Duration::from_secs(10),
            },
            enabled: true,
            paths: None,
        }
    }

    /// How many bytes are thrown away at most. Default: 16 MiB. More costs traffic that is already on its way; it takes
    /// no memory.
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// How long an answer is held back at most. Default: 10 s. A client that sends slowly keeps its connection for so
    /// long after it was refused.
    pub const fn time(mut self, time: Duration) -> Self {
        self.bounds.time = time;
        self
    }

    /// Reads on for these paths only. Default: all. Paths that could be read in two ways are never excluded.
    ///
    /// The path is the request's own, as there is no context yet: outermost, where the layer stands, it is the
    /// original one. Inside of a nested router it would be cut.
    pub fn paths(mut self, paths: PathRules) -> Self {
        self.paths = Some(Arc::new(paths));
        self
    }

    /// Whether the layer does anything. Default: true.
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }
}

impl Default for DrainLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> DrainService<S> {
        DrainService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, B> Service<Request<B>> for DrainService<S>
where
    S: Service<Request<DrainBody<B>>> + Clone,
    B: Body<Data = Bytes> + Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = DrainFuture<S::Future, B, S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let (parts, body) = request.into_parts();
        let applies = |paths: &Arc<PathRules>| paths.applies(parts.uri.path());
        let watch = self.layer.enabled && self.layer.paths.as_ref().is_none_or(applies);
        let (body, rest) = DrainBody::new(body, watch);
        let answer = inner.call(Request::from_parts(parts, body));
        DrainFuture::new(answer, rest, self.layer.bounds)
    }
}
