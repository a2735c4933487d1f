//! The layer over HTTP types.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_core::{
    CollectingSink, EventKind, Identity, ManualClock, Outcome, PathRules, RequestContext,
    RequestView,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Decision, Fields, Key, Limiter, MatchedRoute, Quota, RateLimitLayer, Refused};

pub(super) type Inner = Response<Full<Bytes>>;

/// Requests of one client to one service, with a clock and a trail.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) sink: Arc<CollectingSink>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            clock: ManualClock::new(),
            sink: CollectingSink::new(),
        }
    }

    pub(super) fn limiter(&self, quota: Quota) -> Limiter {
        let builder = Limiter::builder().capacity(64).clock(self.clock.clone());
        builder.tier("api", quota, Key::ip()).build().unwrap()
    }

    pub(super) fn layer(&self, quota: Quota) -> RateLimitLayer {
        RateLimitLayer::new(self.limiter(quota)).unwrap()
    }

    pub(super) fn request(&self, path: &str) -> Request<()> {
        let ctx = RequestContext::builder()
            .client("192.0.2.1".parse::<IpAddr>().unwrap())
            .path(path)
            .clock(self.clock.clone())
            .sink(self.sink.clone())
            .build();
        ctx.identify(Identity::Anonymous);
        let mut request = Request::builder().uri(path).body(()).unwrap();
        request.extensions_mut().insert(ctx);
        request
    }

    pub(super) async fn get(&self, layer: &RateLimitLayer, path: &str) -> Response<Bytes> {
        call(layer, self.request(path)).await
    }
}

/// A fresh service behind the layer, whose answer has the status that the path spells, if any.
pub(crate) async fn call(layer: &RateLimitLayer, request: Request<()>) -> Response<Bytes> {
    let service = service_fn(|request: Request<()>| async move {
        let status = request.uri().path().trim_start_matches('/').parse();
        let mut response = Inner::new(Full::from("hello"));
        *response.status_mut() = status.unwrap_or(StatusCode::OK);
        if let Some(decision) = request.extensions().get::<Decision>() {
            let seen = decision.remaining().to_string();
            response.headers_mut().insert("seen", seen.parse().unwrap());
        }
        Ok::<_, Infallible>(response)
    });
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn the_decision_travels_with_request_and_response() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(2));
    let first = world.get(&layer, "/").await;
    assert_eq!(first.headers()["seen"], "1");
    assert_eq!(first.headers()["ratelimit"], "\"api\";r=1;t=60");
    assert_eq!(first.headers()["ratelimit-policy"], "\"api\";q=2;w=60");
    let decision = first.extensions().get::<Decision>().unwrap();
    assert_eq!(
        (decision.tier(), decision.limit(), decision.remaining()),
        ("api", 2, 1)
    );
    assert_eq!(decision.reset(), Duration::from_secs(60));
    assert!(!decision.degraded());
}

#[tokio::test]
async fn a_refusal_is_the_problem_of_the_draft() {
    let world = World::new();
    let layer = world
        .layer(Quota::per_minute(1))
        .headers(Fields::IETF.and(Fields::LEGACY));
    assert_eq!(world.get(&layer, "/").await.status(), StatusCode::OK);
    world.clock.advance(Duration::from_millis(59_100));
    let refused = world.get(&layer, "/").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    for (name, value) in [
        ("content-type", "application/problem+json"),
        ("retry-after", "1"),
        ("ratelimit", "\"api\";r=0;t=1"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1"),
    ] {
        assert_eq!(refused.headers().get_all(name).iter().count(), 1, "{name}");
        assert_eq!(refused.headers()[name], value, "{name}");
    }
    let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    let expected = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    assert_eq!(problem["type"], expected);
    assert_eq!(problem["violated-policies"], serde_json::json!(["api"]));
    assert_eq!(problem["status"], 429);
    assert!(refused.extensions().get::<Refused>().is_some());
    assert!(!refused.extensions().get::<Decision>().unwrap().is_allowed());
}

#[tokio::test]
async fn a_cost_above_the_capacity_has_no_time_to_come_back() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(5)).cost(|request| {
        let query = request.uri.query().unwrap_or("1");
        query.parse().unwrap_or(1)
    });
    assert_eq!(world.get(&layer, "/?4").await.headers()["seen"], "1");
    let refused = world.get(&layer, "/?6").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.headers().contains_key("retry-after"));
    assert_eq!(world.get(&layer, "/").await.headers()["seen"], "0");
}

#[tokio::test]
async fn refusals_reach_the_trail_coalesced_and_without_secrets() {
    let world = World::new();
    let limiter = Limiter::builder()
        .clock(world.clock.clone())
        .tier(
            "keys",
            Quota::per_minute(1),
            Key::header("x-api-key".parse().unwrap()),
        )
        .build()
        .unwrap();
    let layer = RateLimitLayer::new(limiter).unwrap();
    let ctx = RequestContext::builder()
        .clock(world.clock.clone())
        .sink(world.sink.clone())
        .coalesce(Duration::from_secs(10))
        .build();
    let refuse = async || {
        let mut request = world.request("/items/7");
        request.extensions_mut().insert(ctx.clone());
        request
            .headers_mut()
            .insert("x-api-key", "s3cret".parse().unwrap());
        MatchedRoute::set(&mut request, "/items/{id}");
        call(&layer, request).await
    };
    for _ in 0..50 {
        let _ = refuse().await;
    }
    world.clock.advance(Duration::from_secs(10));
    let _ = refuse().await;
    let events = world.sink.events();
    let counts: Vec<_> = events.iter().map(sec_core::SecurityEvent::count).collect();
    assert_eq!(
        counts,
        [1, 48, 1],
        "the first at once, the others of the window as one"
    );
    let event = &events[0];
    assert_eq!(event.kind(), &EventKind::RATE_LIMITED);
    for (key, value) in [
        ("policy", "keys"),
        ("key", "header:x-api-key"),
        ("route", "/items/{id}"),
    ] {
        assert_eq!(event.detail()[key], value);
    }
    assert!(!serde_json::to_string(event).unwrap().contains("s3cret"));
}

#[tokio::test]
async fn a_hook_answers_instead_and_keeps_the_fields() {
    let world = World::new();
    let layer = world
        .layer(Quota::per_minute(1))
        .on_refusal(|_: &Refused, _: RequestView<'_>| {
            let mut response = Response::new(Bytes::from_static(b"slow down"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        });
    let _ = world.get(&layer, "/").await;
    let refused = world.get(&layer, "/").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.body(), "slow down");
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(refused.headers()["ratelimit"], "\"api\";r=0;t=60");
    assert_eq!(world.sink.events().len(), 1);
}

#[tokio::test]
async fn shadow_mode_reports_and_changes_nothing_for_the_client() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(1)).shadow(true);
    for _ in 0..3 {
        let response = world.get(&layer, "/").await;
        assert_eq!(response.status(), StatusCode::OK);
        for field in ["ratelimit", "ratelimit-policy", "retry-after"] {
            assert!(!response.headers().contains_key(field));
        }
    }
    let event = &world.sink.events()[0];
    assert_eq!(event.detail()["shadow"], true);
    assert_eq!(event.outcome(), Outcome::Pending);
}

#[tokio::test]
async fn switched_off_or_on_another_path_it_does_nothing() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(1));
    let off = layer.clone().enabled(false);
    assert_eq!(call(&off, Request::new(())).await.status(), StatusCode::OK);
    let health = layer.paths(PathRules::all().exclude("/healthz").unwrap());
    for _ in 0..5 {
        let response = world.get(&health, "/healthz").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("ratelimit"));
    }
    assert_eq!(world.get(&health, "/healthzz").await.headers()["seen"], "0");
}

/// tower-governor#34: limits that depend on the response. The refund also shows in the fields.
#[tokio::test]
async fn only_the_responses_that_count_are_counted() {
    let world = World::new();
    let failures = world
        .layer(Quota::auth())
        .count_if(|response| response.status == 401);
    for _ in 0..20 {
        let response = world.get(&failures, "/200").await;
        assert_eq!(response.headers()["ratelimit"], "\"api\";r=5;t=0");
        assert_eq!(
            response.extensions().get::<Decision>().unwrap().remaining(),
            5
        );
    }
    for _ in 0..5 {
        assert_eq!(
            world.get(&failures, "/401").await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        world.get(&failures, "/200").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
}

/// Get-then-consume lets as many guesses through as fit before the first is answered.
#[tokio::test]
async fn parallel_guesses_cannot_slip_through_before_the_first_answer() {
    let world = World::new();
    let layer = world
        .layer(Quota::auth())
        .count_if(|response| response.status == 401);
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let mut service = layer.layer(service_fn(move |_: Request<()>| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Inner::default()) }
    }));
    // Fifty requests under way, none of them answered yet.
    let under_way: Vec<_> = (0..50).map(|_| service.call(world.request("/"))).collect();
    assert_eq!(reached.load(Ordering::Relaxed), 5);
    // They were right, so they do not count after all.
    for answer in under_way {
        let _ = answer.await;
    }
    let next = world.get(&layer, "/401").await;
    assert_eq!(next.headers()["ratelimit"], "\"api\";r=4;t=900");
}

/// The stated policy: who goes away before the answer stays counted.
#[tokio::test]
async fn a_dropped_request_and_a_failed_service_stay_counted() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(3)).count_if(|_| false);
    let mut hanging = layer.layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<Inner, Infallible>>()
    }));
    drop(hanging.call(world.request("/")));
    let failing = layer.layer(service_fn(|_: Request<()>| async {
        Err::<Inner, _>("gone")
    }));
    assert_eq!(
        failing.oneshot(world.request("/")).await.err(),
        Some("gone")
    );
    assert_eq!(
        world.get(&layer, "/").await.headers()["ratelimit"],
        "\"api\";r=1;t=60"
    );
}

/// tower#764, axum#2634: limits not enforced, since every clone and every layering had its own state.
#[tokio::test]
async fn limits_survive_cloning_and_layering_again() {
    let world = World::new();
    let layer = world.layer(Quota::per_minute(3));
    let mut passed = 0;
    for _ in 0..10 {
        let again = layer.clone().headers(Fields::LEGACY);
        passed += u32::from(world.get(&again, "/").await.status() == StatusCode::OK);
    }
    assert_eq!(passed, 3);
}
