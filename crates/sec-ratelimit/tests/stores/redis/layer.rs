//! The layer around a shared limiter, as two processes would have it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, Response, StatusCode};
use sec_core::RequestContext;
use sec_ratelimit::{
    ConfigErrorKind, Decision, Fallback, Key, Quota, RateLimitLayer, SharedLimiter,
};
use tower::{Layer, ServiceExt, service_fn};

use super::redis;
use super::server::Server;
use crate::{HOUR, one_tier, patient, secret};

fn by_address(server: &Server) -> SharedLimiter {
    let limiter = patient(redis(server)).tier("address", Quota::per(2, HOUR), Key::ip());
    limiter.build().unwrap()
}

async fn send(layer: &RateLimitLayer<SharedLimiter>, calls: &Arc<AtomicU64>) -> Response<()> {
    let calls = calls.clone();
    let inner = service_fn(move |request: Request<String>| {
        calls.fetch_add(1, Ordering::Relaxed);
        let status = match request.uri().path() {
            "/wrong" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::OK,
        };
        async move {
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    let mut request = Request::new("hello".to_owned());
    request
        .extensions_mut()
        .insert(RequestContext::builder().build());
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    response.map(|_| ())
}

#[tokio::test]
async fn two_processes_share_one_limit() {
    let server = Server::start();
    let layers = [(); 2].map(|()| RateLimitLayer::shared(by_address(&server)).unwrap());
    let calls = Arc::default();
    for layer in &layers {
        let response = send(layer, &calls).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().contains_key("ratelimit"));
        assert!(!response.extensions().get::<Decision>().unwrap().degraded());
    }
    for layer in &layers {
        let response = send(layer, &calls).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key("retry-after"));
    }
    assert_eq!(
        calls.load(Ordering::Relaxed),
        2,
        "a refused request reached the service"
    );
}

#[tokio::test]
async fn what_does_not_count_is_given_back_before_the_answer() {
    let server = Server::start();
    let layer = RateLimitLayer::shared(by_address(&server)).unwrap();
    let layer = layer.count_if(|response| response.status == 401);
    for _ in 0..5 {
        let response = send(&layer, &Arc::default()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.extensions().get::<Decision>().unwrap().remaining(),
            2
        );
    }
}

#[tokio::test]
async fn shadow_and_off_let_everything_pass() {
    let server = Server::start();
    let layer = RateLimitLayer::shared(by_address(&server)).unwrap();
    let shadow = layer.clone().shadow(true);
    for nth in 0..4 {
        let response = send(&shadow, &Arc::default()).await;
        assert_eq!(response.status(), StatusCode::OK, "{nth}");
        assert!(!response.headers().contains_key("ratelimit"));
    }
    let off = send(&layer.enabled(false), &Arc::default()).await;
    assert_eq!(off.status(), StatusCode::OK);
    assert!(off.extensions().get::<Decision>().is_none());
}

#[tokio::test]
async fn without_its_store_a_closed_limit_answers_503_and_a_local_one_its_share() {
    let server = Server::absent();
    let layer = |fallback| {
        let limiter = SharedLimiter::builder("api", redis(&server), secret())
            .tier("address", Quota::per(2, HOUR), Key::ip())
            .on_store_error(fallback)
            .build();
        RateLimitLayer::shared(limiter.unwrap()).unwrap()
    };
    let (closed, calls) = (layer(Fallback::Closed), Arc::default());
    let response = send(&closed, &calls).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calls.load(Ordering::Relaxed), 0);

    let local = layer(Fallback::Local { nodes: 2 });
    let statuses = [
        send(&local, &calls).await.status(),
        send(&local, &calls).await.status(),
    ];
    assert_eq!(statuses, [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]);
}

#[tokio::test]
async fn a_key_that_only_code_knows_makes_no_layer() {
    let server = Server::absent();
    let limiter = one_tier(redis(&server), Quota::per(1, HOUR));
    let error = RateLimitLayer::shared(limiter).unwrap_err();
    assert_eq!(error.field(), "tiers[0].key");
    assert_eq!(*error.kind(), ConfigErrorKind::GivenKey);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let server = Server::absent();
    let builder = |name: &str, secret: usize| {
        SharedLimiter::builder(name, redis(&server), vec![1; secret]).tier(
            "t",
            Quota::per(1, HOUR),
            Key::global(),
        )
    };
    let field = |builder: sec_ratelimit::SharedLimiterBuilder| {
        builder.build().unwrap_err().field().to_owned()
    };
    assert_eq!(field(builder("a{b", 32)), "name");
    assert_eq!(field(builder("", 32)), "name");
    assert_eq!(field(builder("a", 31)), "secret");
    let wrong = builder("a", 32).on_store_error(Fallback::Local { nodes: 0 });
    assert_eq!(field(wrong), "on_store_error.local");
    assert_eq!(field(builder("a", 32).breaker(0, HOUR)), "breaker.failures");
    let wrong = builder("a", 32).tier("u", Quota::per(0, HOUR), Key::ip());
    assert_eq!(field(wrong), "tiers[1].limit");
}
