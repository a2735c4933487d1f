use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use sec_core::{CollectingSink, EventKind, ManualClock, Outcome};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;

pub(super) struct Service {
    pub(super) sink: Arc<CollectingSink>,
    pub(super) clock: Arc<ManualClock>,
    base: RequestContext,
}

impl Service {
    pub(super) fn new() -> Self {
        let (sink, clock) = (CollectingSink::new(), ManualClock::new());
        let base = RequestContext::builder()
            .scheme(Scheme::Https)
            .authority("api.example")
            .unwrap()
            .path("/data")
            .tenant("acme")
            .sink(sink.clone())
            .clock(clock.clone())
            .coalesce(Duration::from_secs(10))
            .build();
        Self { sink, clock, base }
    }

    /// Through the layer to a handler that says `done` and writes grants of its own.
    pub(super) async fn send(
        &self,
        layer: &CorsLayer,
        method: &str,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut request = request(method, headers);
        request.extensions_mut().insert(self.base.clone());
        let inner = service_fn(|_| async {
            let response = Response::builder()
                .header("access-control-allow-origin", "*")
                .header("vary", "accept");
            let body = Full::new(Bytes::from_static(b"done"));
            Ok::<_, Infallible>(response.body(body).unwrap())
        });
        let response = layer.layer(inner).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

const EVIL: (&str, &str) = ("origin", "https://evil.example");

fn two() -> CorsBuilder {
    listed(&[APP, "https://b.example"]).credentials(true)
}

fn layer(cors: CorsBuilder) -> CorsLayer {
    CorsLayer::new(cors.build().unwrap())
}

#[tokio::test]
async fn a_refusal_is_a_problem_and_an_event() {
    let service = Service::new();
    let layer = layer(two());
    let refused = service
        .send(&layer, "POST", &[EVIL, (SITE, "cross-site")])
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
    assert_eq!(
        text(refused.headers(), &VARY),
        "accept, Origin, Sec-Fetch-Site"
    );
    let grants = |name: &HeaderName| name.as_str().starts_with("access-control");
    assert!(!refused.headers().keys().any(grants));
    let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .ends_with("#origin-not-allowed")
    );
    assert!(!String::from_utf8_lossy(refused.body()).contains("evil"));
    let refusal = refused.extensions().get::<CorsRefusal>().unwrap();
    assert_eq!(refusal.reason(), CorsReason::NotListed);
    assert_eq!(refusal.origin(), Some("https://evil.example"));

    let read = service.send(&layer, "GET", &[EVIL]).await;
    assert_eq!(read.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        service.sink.kinds(),
        [EventKind::CSRF_REFUSED, EventKind::CORS_REFUSED],
        "a change that is forged goes by that name, though another layer refuses it"
    );
    let event = &service.sink.events()[0];
    assert_eq!(event.reason(), Some("Origin is not listed"));
    assert_eq!(event.outcome(), Outcome::Failure);
    assert_eq!(event.detail()["origin"], "https://evil.example");
    assert_eq!(event.detail()["own_origin"], "https://api.example");
    assert_eq!(event.detail()["enforced"], true);
}

#[tokio::test]
async fn what_is_allowed_reaches_the_handler_and_comes_back_granted() {
    let service = Service::new();
    let layer = layer(two());
    for (headers, allowed) in [
        (&[("origin", APP)][..], APP),
        (&[("origin", "https://api.example")], ""),
        (&[], ""),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = service.send(&layer, method, headers).await;
            assert_eq!(
                (answer.status(), &answer.body()[..]),
                (StatusCode::OK, &b"done"[..])
            );
            assert_eq!(
                text(answer.headers(), &ACCESS_CONTROL_ALLOW_ORIGIN),
                allowed
            );
            assert_eq!(text(answer.headers(), &VARY), "accept, Origin");
        }
    }
    assert!(service.sink.events().is_empty());
}

#[tokio::test]
async fn preflights_are_answered_in_front_of_the_handler() {
    let service = Service::new();
    let layer = layer(two());
    let allowed = service
        .send(&layer, "OPTIONS", &[("origin", APP), (ASKED, "PUT")])
        .await;
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert!(allowed.body().is_empty());
    assert_eq!(text(allowed.headers(), &ACCESS_CONTROL_ALLOW_ORIGIN), APP);
    assert!(!allowed.headers().contains_key("content-type"));

    let denied = service
        .send(&layer, "OPTIONS", &[EVIL, (ASKED, "PUT")])
        .await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert!(!denied.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    let vary = text(denied.headers(), &VARY);
    for name in [
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
    ] {
        assert_eq!(vary.matches(name).count(), 1, "{vary}");
    }
    let events = service.sink.events();
    assert_eq!(events[0].detail()["requested_method"], "PUT");

    // tower-http answers every OPTIONS itself.
    let other = service.send(&layer, "OPTIONS", &[("origin", APP)]).await;
    assert_eq!(other.body(), "done");
    // One that names our own origin is none that a browser sends.
    let own = [("origin", "https://api.example"), (ASKED, "PUT")];
    assert_eq!(service.send(&layer, "OPTIONS", &own).await.body(), "done");
}

#[tokio::test]
async fn without_enforcing_the_browser_alone_refuses() {
    let service = Service::new();
    let layer = layer(two().enforce(false));
    let passed = service.send(&layer, "POST", &[EVIL]).await;
    assert_eq!(
        (passed.status(), &passed.body()[..]),
        (StatusCode::OK, &b"done"[..])
    );
    assert_eq!(text(passed.headers(), &VARY), "accept, Origin");
    let only_vary = passed.headers().keys().all(|name| name == VARY);
    assert!(only_vary, "{:?}", passed.headers());
    assert_eq!(service.sink.events()[0].detail()["enforced"], false);

    let denied = service
        .send(&layer, "OPTIONS", &[EVIL, (ASKED, "PUT")])
        .await;
    assert_eq!(denied.status(), StatusCode::NO_CONTENT);
    assert!(
        denied.headers().keys().all(|name| name == VARY),
        "{:?}",
        denied.headers()
    );
}

#[tokio::test]
async fn a_flood_is_two_events() {
    let service = Service::new();
    let layer = layer(two());
    for port in 1..=50 {
        let origin = format!("https://evil.example:{port}");
        service.send(&layer, "GET", &[("origin", &origin)]).await;
    }
    service.clock.advance(Duration::from_secs(60));
    service.send(&layer, "GET", &[EVIL]).await;
    let counts: Vec<u64> = service
        .sink
        .events()
        .iter()
        .map(|event| event.count())
        .collect();
    assert_eq!(counts, [1, 49, 1]);
}

#[tokio::test]
async fn paths_and_the_switch() {
    let service = Service::new();
    let paths = PathRules::all().exclude("/data").unwrap();
    for layer in [layer(two().paths(paths)), layer(two()).enabled(false)] {
        for (method, headers) in [("POST", &[EVIL][..]), ("OPTIONS", &[EVIL, (ASKED, "PUT")])] {
            let answer = service.send(&layer, method, headers).await;
            assert_eq!(answer.body(), "done");
            assert_eq!(answer.headers()["access-control-allow-origin"], "*");
            assert_eq!(text(answer.headers(), &VARY), "accept");
        }
    }
    assert!(service.sink.events().is_empty());
}

#[tokio::test]
async fn another_answer_grants_nothing_and_keeps_what_caches_need() {
    let service = Service::new();
    let layer = layer(two()).on_refusal(|_: &CorsRefusal, _: RequestView<'_>| {
        let response = Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("access-control-allow-origin", "*")
            .header("cache-control", "public");
        response.body(Bytes::from_static(b"no")).unwrap()
    });
    let refused = service.send(&layer, "GET", &[EVIL]).await;
    assert_eq!(
        (refused.status(), &refused.body()[..]),
        (StatusCode::IM_A_TEAPOT, &b"no"[..])
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
    assert_eq!(text(refused.headers(), &VARY), "Origin, Sec-Fetch-Site");
    assert!(!refused.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn without_the_context_it_is_loud() {
    let inner = service_fn(|_: http::Request<()>| async {
        panic!("must not be reached") as Result<Response<Full<Bytes>>, Infallible>
    });
    let request = request("OPTIONS", &[("origin", APP), (ASKED, "PUT")]);
    let response = layer(two()).layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
