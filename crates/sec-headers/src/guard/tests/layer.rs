use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use sec_core::{CollectingSink, EventKind, ManualClock, Outcome};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::guard::*;

struct Service {
    sink: Arc<CollectingSink>,
    clock: Arc<ManualClock>,
    base: RequestContext,
}

impl Service {
    fn new() -> Self {
        let (sink, clock) = (CollectingSink::new(), ManualClock::new());
        let base = RequestContext::builder()
            .scheme(sec_core::Scheme::Https)
            .authority("example.com")
            .unwrap()
            .path("/comments")
            .sink(sink.clone())
            .clock(clock.clone())
            .coalesce(Duration::from_secs(10))
            .build();
        Self { sink, clock, base }
    }

    async fn post(&self, layer: &CrossOriginGuardLayer, site: &str) -> Response<Bytes> {
        let mut request = http::Request::post("/comments")
            .header("sec-fetch-site", site)
            .header("origin", "https://attacker.example")
            .body(())
            .unwrap();
        request.extensions_mut().insert(self.base.clone());
        let inner = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        });
        let response = layer.layer(inner).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_and_an_event() {
    let service = Service::new();
    let layer = CrossOriginGuardLayer::new(CrossOriginGuard::new());
    let passed = service.post(&layer, "same-origin").await;
    assert_eq!(
        (passed.status(), &passed.body()[..]),
        (StatusCode::OK, &b"done"[..])
    );
    assert!(passed.headers().is_empty());
    assert!(service.sink.events().is_empty());

    let refused = service.post(&layer, "cross-site").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let vary: Vec<_> = refused.headers().get_all("vary").iter().collect();
    assert!(
        vary.iter().any(|value| *value == "Sec-Fetch-Site, Origin"),
        "{vary:?}"
    );
    let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .ends_with("#cross-origin-request")
    );
    assert!(!String::from_utf8_lossy(refused.body()).contains("attacker"));
    let refusal = refused.extensions().get::<CrossOriginRefusal>().unwrap();
    assert_eq!(refusal.reason(), CrossOriginReason::Site);
    assert_eq!(refusal.origin(), Some("https://attacker.example"));

    let events = service.sink.events();
    assert_eq!(service.sink.kinds(), [EventKind::CSRF_REFUSED]);
    assert_eq!(events[0].detail()["origin"], "https://attacker.example");
    assert_eq!(events[0].detail()["expected_origin"], "https://example.com");
    assert_eq!(events[0].detail()["sec_fetch_site"], "cross-site");
    assert_eq!(events[0].outcome(), Outcome::Failure);
}

#[tokio::test]
async fn a_flood_is_two_events() {
    let service = Service::new();
    let layer = CrossOriginGuardLayer::new(CrossOriginGuard::new());
    for _ in 0..50 {
        service.post(&layer, "cross-site").await;
    }
    assert_eq!(service.sink.events().len(), 1);
    service.clock.advance(Duration::from_secs(60));
    service.post(&layer, "cross-site").await;
    let counts: Vec<u64> = service
        .sink
        .events()
        .iter()
        .map(|event| event.count())
        .collect();
    assert_eq!(counts, [1, 49, 1]);
}

#[tokio::test]
async fn log_only_leaves_the_event_and_lets_pass() {
    let service = Service::new();
    let layer = CrossOriginGuardLayer::new(CrossOriginGuard::new().log_only(true));
    assert_eq!(
        service.post(&layer, "cross-site").await.status(),
        StatusCode::OK
    );
    let event = &service.sink.events()[0];
    assert_eq!(event.kind(), &EventKind::CSRF_REFUSED);
    assert_eq!(event.detail()["log_only"], true);
    assert_eq!(event.outcome(), Outcome::Success);
}

#[tokio::test]
async fn another_answer_keeps_what_caches_need() {
    // Go's TestCrossOriginProtectionSetDenyHandler.
    let service = Service::new();
    let layer = CrossOriginGuardLayer::new(CrossOriginGuard::new()).on_refusal(
        |_: &CrossOriginRefusal, _: RequestView<'_>| {
            let mut response = Response::new(Bytes::from_static(b"custom error"));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response
        },
    );
    let refused = service.post(&layer, "cross-site").await;
    assert_eq!(refused.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(refused.body(), "custom error");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    assert_eq!(refused.headers()["vary"], "Sec-Fetch-Site, Origin");
    assert_eq!(service.post(&layer, "none").await.status(), StatusCode::OK);
    let off = layer.enabled(false);
    assert_eq!(
        service.post(&off, "cross-site").await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn without_the_context_it_is_loud() {
    let layer = CrossOriginGuardLayer::new(CrossOriginGuard::new());
    let inner = service_fn(|_: http::Request<()>| async {
        panic!("must not be reached") as Result<Response<Full<Bytes>>, Infallible>
    });
    let request = http::Request::get("/").body(()).unwrap();
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
