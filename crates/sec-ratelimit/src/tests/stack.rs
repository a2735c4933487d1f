//! The layer among others: what it needs around it, and whom it then counts.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sec_core::{AuthMethod, EventKind, Identity, Principal, Problem, RequestContext, RequestView};
use tower::{Layer, ServiceExt, service_fn};

use super::layer::{Inner, World, call};
use crate::{
    ConfigErrorKind, Decision, Key, Limiter, Quota, RateLimitLayer, Refused, Subject, Tier,
};

#[tokio::test]
async fn of_two_layers_the_stricter_speaks_and_both_are_listed() {
    let world = World::new();
    let (outer, inner) = (
        world.layer(Quota::per_minute(50)),
        world.layer(Quota::per_minute(1)),
    );
    let service = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Inner::default()) });
    let service = outer.layer(inner.layer(service));
    let first = service.clone().oneshot(world.request("/")).await.unwrap();
    assert_eq!(first.extensions().get::<Decision>().unwrap().remaining(), 0);
    assert_eq!(first.headers().get_all("ratelimit").iter().count(), 2);
    let refused = service.oneshot(world.request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.extensions().get::<Decision>().unwrap().is_allowed());
}

/// A challenge inside of a limit asks for what that one demands, not one further out.
#[tokio::test]
async fn of_two_layers_the_handler_sees_the_decision_of_the_inner_one() {
    let world = World::new();
    for (outer, inner) in [(50, 7), (7, 50)] {
        let handler = service_fn(async |request: Request<()>| {
            let decision = request.extensions().get::<Decision>().unwrap();
            let seen = Response::new(Bytes::from(decision.limit().to_string()));
            Ok::<_, Infallible>(seen.map(http_body_util::Full::new))
        });
        let [outer, layer] = [outer, inner].map(|limit| world.layer(Quota::per_minute(limit)));
        let service = outer.layer(layer.layer(handler));
        let answer = service.oneshot(world.request("/")).await.unwrap();
        let seen = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(seen, inner.to_string());
    }
}

/// draft-ietf-httpapi-ratelimit-headers-10, section 6: `Retry-After` should not precede `t`, whichever layer wrote it.
#[tokio::test]
async fn an_inner_limits_retry_after_does_not_precede_the_end_of_an_outer_one() {
    let world = World::new();
    let seconds = Duration::from_secs;
    let told = async |outer: Quota, hook: bool| {
        let outer = world.layer(outer);
        let mut inner = world.layer(Quota::per(1, seconds(5)));
        if hook {
            inner = inner.on_refusal(|_: &Refused, _: RequestView<'_>| {
                let answer = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
                answer
                    .header("retry-after", "2")
                    .body(Bytes::new())
                    .unwrap()
            });
        }
        let service = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Inner::default()) });
        let service = outer.layer(inner.layer(service));
        let _ = service.clone().oneshot(world.request("/")).await.unwrap();
        let refused = service.oneshot(world.request("/")).await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    // The second request uses the outer limit up, and is refused by the inner one.
    assert_eq!(told(Quota::per(2, seconds(60)), false).await, "60");
    // Of an outer bucket the next unit comes sooner than the inner window ends; and it is not used up at all.
    assert_eq!(
        told(Quota::gcra(60, seconds(60)).burst(2), false).await,
        "5"
    );
    assert_eq!(told(Quota::per(3, seconds(60)), false).await, "5");
    assert_eq!(
        told(Quota::per(2, seconds(60)), true).await,
        "2",
        "the hook's own"
    );
}

/// What is missing further out is loud, and never means "no limit".
#[tokio::test]
async fn a_wrong_order_of_layers_is_a_500() {
    let world = World::new();
    let layer = world.layer(Quota::api());
    let status = call(&layer, Request::new(())).await.status();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);

    let by_caller = |tier: Tier| {
        let limiter = Limiter::builder().with_tier(tier).build().unwrap();
        RateLimitLayer::new(limiter).unwrap()
    };
    for layer in [
        by_caller(Tier::new("t", Quota::api(), Key::principal().or_ip())),
        by_caller(Tier::new("t", Quota::api(), Key::ip()).limit_for(|_| None)),
    ] {
        let unresolved = world.request("/");
        RequestContext::get(unresolved.extensions())
            .unwrap()
            .identify(Identity::Unresolved);
        let status = call(&layer, unresolved).await.status();
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(world.get(&layer, "/").await.status(), StatusCode::OK);
    }
}

#[test]
fn a_key_that_only_the_caller_can_give_makes_no_layer() {
    let limiter = Limiter::builder()
        .tier("a", Quota::api(), Key::ip())
        .tier("b", Quota::api(), Key::ip().and(Key::given("account")))
        .build()
        .unwrap();
    let error = RateLimitLayer::new(limiter).unwrap_err();
    assert_eq!(
        (error.field(), error.kind()),
        ("tiers[1].key", &ConfigErrorKind::GivenKey)
    );
}

#[tokio::test]
async fn a_limit_goes_by_role() {
    let world = World::new();
    let tier = Tier::new("api", Quota::per_minute(10), Key::principal().or_ip());
    let tier = tier.limit_for(|caller| match caller {
        Some(caller) if caller.has_role("admin") => Some(100),
        Some(caller) if caller.has_role("moderator") => Some(50),
        _ => None,
    });
    let layer = RateLimitLayer::new(Limiter::builder().with_tier(tier).build().unwrap()).unwrap();
    for (role, limit) in [("user", 10), ("moderator", 50), ("admin", 100)] {
        let mut passed = 0;
        for _ in 0..120 {
            let request = world.request("/");
            let principal = Principal::new(role, AuthMethod::BearerToken).with_role(role);
            RequestContext::get(request.extensions())
                .unwrap()
                .identify(principal);
            let response = call(&layer, request).await;
            passed += u32::from(response.status() == StatusCode::OK);
            let policy = response.headers()["ratelimit-policy"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(policy, format!("\"api\";q={limit};w=60"));
        }
        assert_eq!(passed, limit);
    }
}

/// What a handler does with a limiter of its own: keys from the request or by hand, and its own event.
#[test]
fn a_handler_peeks_reserves_and_reports() {
    let world = World::new();
    let limiter = world.limiter(Quota::per_minute(1));
    let request = world.request("/auth/login");
    let view = RequestView::from(&request);
    let ctx = view.context().unwrap();

    assert_eq!(limiter.peek_request(view, 1).unwrap().remaining(), 1);
    limiter.reserve_request(view, 1).unwrap().commit();
    assert!(!limiter.peek_request(view, 1).unwrap().is_allowed());

    let error = limiter
        .reserve([Subject::of(ctx.client_group())], 1)
        .unwrap_err();
    let refused = error.refused().unwrap();
    refused.report_as(ctx, EventKind::LOGIN_LOCKED, "/auth/login");
    refused.report(ctx, "/auth/login");
    let kinds = world.sink.kinds();
    assert_eq!(kinds, [EventKind::LOGIN_LOCKED, EventKind::RATE_LIMITED]);
    let problem = Problem::from(error);
    assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);

    let missing = Request::new(());
    let error = limiter.reserve_request(&missing, 1).unwrap_err();
    assert_eq!(
        Problem::from(error).status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let error = limiter.check([], 1).unwrap_err();
    assert!(error.refused().is_none());
    assert_eq!(
        Problem::from(error).status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_route_is_axums_matched_path() {
    use axum::{Router, routing};

    let world = World::new();
    let limiter = Limiter::builder()
        .tier("route", Quota::per_minute(2), Key::ip().and(Key::route()))
        .build()
        .unwrap();
    let router: Router = Router::new()
        .route("/items/{id}", routing::get(async || "item"))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(RateLimitLayer::new(limiter).unwrap());
    let mut statuses = Vec::new();
    for path in ["/items/1", "/items/2", "/items/3", "/a", "/b", "/c"] {
        let request = world.request(path).map(|()| axum::body::Body::empty());
        statuses.push(
            router
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 200, 429, 404, 404, 429]);
}
