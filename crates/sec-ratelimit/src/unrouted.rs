//! Notices a layer that counts by route where no request has a route yet.

use std::sync::atomic::{AtomicU32, Ordering};

use sec_core::RequestView;

use crate::key::matched_route;

/// Counts requests without a matched route until one has one. Some have none wherever the layer stands (a 404);
/// that none of the first hundred has one is rather a layer around the router than chance.
#[derive(Debug, Default)]
pub(crate) struct Unrouted(AtomicU32);

const ENOUGH: u32 = 100;

impl Unrouted {
    /// One relaxed load per request once the question is settled.
    pub(crate) fn watch(&self, request: RequestView<'_>) {
        if self.0.load(Ordering::Relaxed) < ENOUGH && self.settles(request) {
            tracing::warn!(
                target: "sec",
                "a limit by route met {ENOUGH} requests and not one matched route, so all share one count: put its \
                 layer on with `Router::layer` or `route_layer`, since axum's `MatchedPath` exists only inside the \
                 router (and with the feature `axum` of sec-ratelimit), or set `MatchedRoute` further out"
            );
        }
    }

    /// Whether this request is the last of those that make it certain.
    fn settles(&self, request: RequestView<'_>) -> bool {
        if matched_route(request).is_some() {
            self.0.store(ENOUGH, Ordering::Relaxed);
            return false;
        }
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        before.saturating_add(1) == ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::{Request, Response, StatusCode};
    use sec_core::RequestContext;
    use tower::{ServiceExt, service_fn};
    use tower_layer::Layer;

    use crate::{Key, Limiter, MatchedRoute, Quota, RateLimitLayer, SpikeDetector, Spikes};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn limited(key: Key) -> RateLimitLayer {
        let limiter = Limiter::builder().tier("route", Quota::per_minute(5), key);
        RateLimitLayer::new(limiter.build().unwrap()).unwrap()
    }

    /// What is said of so many requests, of which one may have a route.
    async fn said(layer: RateLimitLayer, requests: usize, routed: Option<usize>) -> usize {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let told = tracing::subscriber::set_default(subscriber);
        let hello = service_fn(async |_: Request<()>| Ok::<_, io::Error>(Response::new(())));
        let service = layer.layer(hello);
        let mut answers = Vec::new();
        for index in 0..requests {
            let mut request = Request::new(());
            request
                .extensions_mut()
                .insert(RequestContext::builder().build());
            if routed == Some(index) {
                MatchedRoute::set(&mut request, "/");
            }
            answers.push(service.clone().oneshot(request).await.unwrap().status());
        }
        drop(told);
        assert_eq!(answers.first(), Some(&StatusCode::OK));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.matches("not one matched route").count()
    }

    /// axum knows the route inside of its router only: around it all requests shared one quota, silently.
    #[tokio::test]
    async fn a_limit_by_route_without_routes_is_said_once() {
        let by_route = || limited(Key::ip().and(Key::route()));
        assert_eq!(said(by_route(), 99, None).await, 0);
        assert_eq!(said(by_route(), 300, None).await, 1);
        // Clones of a layer ask together.
        assert_eq!(said(by_route().shadow(true), 300, None).await, 1);
        // Invented paths match nothing where the layer stands well, too.
        assert_eq!(said(by_route(), 300, Some(99)).await, 0);
        // Who does not count by route is told nothing.
        assert_eq!(said(limited(Key::ip()), 300, None).await, 0);
        let detector = SpikeDetector::new(4, Duration::from_secs(10), 100).unwrap();
        let spikes = limited(Key::ip()).spikes(Spikes::new(detector));
        assert_eq!(said(spikes, 300, None).await, 1);
    }
}
