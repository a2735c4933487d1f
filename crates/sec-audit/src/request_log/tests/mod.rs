mod endings;

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use sec_core::path::PathRules;
use sec_core::{
    AuthMethod, Body, CollectingSink, EventKind, ManualClock, Principal, RequestContext,
    SecurityEvent,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::config::RequestLogConfig;

struct Scene {
    sink: Arc<CollectingSink>,
    clock: Arc<ManualClock>,
    ctx: RequestContext,
}

fn scene() -> Scene {
    scene_of(Method::GET, "/api/orders?token=x")
}

fn scene_of(method: Method, path: &str) -> Scene {
    let (sink, clock) = (CollectingSink::new(), ManualClock::new());
    let ctx = RequestContext::builder()
        .sink(sink.clone())
        .clock(clock.clone())
        .method(method)
        .path(path)
        .client([203, 0, 113, 7])
        .user_agent("curl/8")
        .build();
    Scene { sink, clock, ctx }
}

impl Scene {
    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().insert(self.ctx.clone());
        request
    }

    fn only(&self) -> SecurityEvent {
        let events = self.sink.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events[0].clone()
    }
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

fn answer(status: u16) -> Answer {
    Ok(Response::builder()
        .status(status)
        .body(Full::new(Bytes::from_static(b"hello")))
        .unwrap())
}

/// A4: the duration reaches to the end of the body, and the actor is who was known by then.
#[tokio::test]
async fn a_request_is_recorded_when_its_body_ends() {
    let scene = scene();
    let (clock, ctx) = (scene.clock.clone(), scene.ctx.clone());
    let inner = service_fn(move |_: Request<()>| {
        clock.advance(Duration::from_millis(20));
        ctx.identify(Principal::new("ann", AuthMethod::Password));
        ready(answer(200))
    });
    let response = RequestLogLayer::new()
        .layer(inner)
        .oneshot(scene.request())
        .await
        .unwrap();
    assert!(scene.sink.events().is_empty(), "the head is not the end");
    scene.clock.advance(Duration::from_millis(5));
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );

    let event = scene.only();
    assert_eq!(event.kind(), &EventKind::REQUEST);
    assert_eq!(
        (event.severity(), event.outcome()),
        (Severity::Low, Outcome::Success)
    );
    assert_eq!(
        (event.method(), event.path()),
        (Some("GET"), Some("/api/orders"))
    );
    assert_eq!(
        (event.actor(), event.user_agent()),
        (Some("ann"), Some("curl/8"))
    );
    assert_eq!(event.client().unwrap().to_string(), "203.0.113.7");
    assert_eq!(event.detail()["duration_us"], 25_000);
    assert_eq!(event.detail()["status"], 200);
    assert_eq!(event.detail()["bytes"], 5);
    assert_eq!(event.reason(), None);
}

#[tokio::test]
async fn severity_and_outcome_follow_the_status() {
    for (status, severity, outcome) in [
        (200, Severity::Low, Outcome::Success),
        (302, Severity::Low, Outcome::Success),
        (400, Severity::Low, Outcome::Failure),
        (401, Severity::Medium, Outcome::Failure),
        (403, Severity::Medium, Outcome::Failure),
        (404, Severity::Low, Outcome::Failure),
        (429, Severity::Medium, Outcome::Failure),
        (500, Severity::High, Outcome::Failure),
        (503, Severity::High, Outcome::Failure),
    ] {
        let scene = scene();
        let inner = service_fn(move |_: Request<()>| ready(answer(status)));
        let response = RequestLogLayer::new()
            .layer(inner)
            .oneshot(scene.request())
            .await
            .unwrap();
        response.into_body().collect().await.unwrap();
        let event = scene.only();
        assert_eq!(
            (event.severity(), event.outcome()),
            (severity, outcome),
            "{status}"
        );
    }
}

async fn run(layer: &RequestLogLayer, scene: &Scene, status: u16) {
    let inner = service_fn(move |_: Request<()>| ready(answer(status)));
    let response = layer
        .clone()
        .layer(inner)
        .oneshot(scene.request())
        .await
        .unwrap();
    response.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn successes_are_sampled_and_failures_are_not() {
    let scene = scene();
    let layer = RequestLogLayer::new().sample_one_in(10);
    for _ in 0..100 {
        run(&layer, &scene, 200).await;
    }
    assert_eq!(scene.sink.events().len(), 10);
    assert_eq!(scene.sink.events()[0].detail()["sampled_one_in"], 10);
    for _ in 0..5 {
        run(&layer, &scene, 404).await;
    }
    assert_eq!(scene.sink.events().len(), 15);
    scene.sink.clear();
    let none = RequestLogLayer::new().sample_one_in(0);
    run(&none, &scene, 200).await;
    run(&none, &scene, 500).await;
    assert_eq!(scene.sink.events().len(), 1);
}

#[tokio::test]
async fn paths_a_switch_and_another_sink() {
    let scene = scene_of(Method::GET, "/healthz");
    run(
        &RequestLogLayer::new().paths(PathRules::all().exclude("/healthz").unwrap()),
        &scene,
        500,
    )
    .await;
    run(&RequestLogLayer::new().enabled(false), &scene, 500).await;
    assert!(scene.sink.events().is_empty());
    let other = CollectingSink::new();
    run(&RequestLogLayer::new().sink(other.clone()), &scene, 200).await;
    assert_eq!((scene.sink.events().len(), other.events().len()), (0, 1));

    let mut config = RequestLogConfig {
        exclude: vec!["/healthz".into()],
        ..RequestLogConfig::default()
    };
    run(&RequestLogLayer::from_config(&config).unwrap(), &scene, 200).await;
    assert!(scene.sink.events().is_empty());
    config.exclude = vec!["healthz".into()];
    assert_eq!(
        RequestLogLayer::from_config(&config).unwrap_err().field(),
        "request_log.exclude"
    );
}

/// A wrong order of layers is never silent.
#[tokio::test]
async fn without_a_context_it_answers_500() {
    let inner = service_fn(|_: Request<()>| ready(answer(200)));
    let response = RequestLogLayer::new()
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
    assert!(
        response
            .extensions()
            .get::<sec_core::MissingLayer>()
            .is_some()
    );
    let inner = service_fn(|_: Request<()>| ready(answer(200)));
    let off = RequestLogLayer::new()
        .enabled(false)
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(off.status(), 200);
}

/// The service that was polled ready is the one that is called (tower's contract).
#[tokio::test]
async fn the_ready_service_is_called() {
    #[derive(Default)]
    struct OnlyWhenReady(bool);
    impl Clone for OnlyWhenReady {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<()>> for OnlyWhenReady {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Answer>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0 = true;
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(self.0, "called a service that was not ready");
            ready(answer(200))
        }
    }
    let scene = scene();
    let mut service = RequestLogLayer::new().layer(OnlyWhenReady::default());
    let response = service
        .ready()
        .await
        .unwrap()
        .call(scene.request())
        .await
        .unwrap();
    let _: Body<Full<Bytes>> = response.into_body();
}
