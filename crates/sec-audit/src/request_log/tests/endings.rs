//! However a request ends, it is recorded exactly once.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use sec_core::{Outcome, Severity};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{Answer, RequestLogLayer, answer, scene, scene_of};

/// Statement 10: client cancels are recorded.
#[tokio::test]
async fn a_request_that_is_dropped_is_recorded() {
    let before = scene();
    let hanging = service_fn(|_: Request<()>| pending::<Answer>());
    let future = RequestLogLayer::new()
        .layer(hanging)
        .oneshot(before.request());
    {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        assert!(before.sink.events().is_empty());
    }
    let event = before.only();
    assert_eq!(event.outcome(), Outcome::Failure);
    assert_eq!(
        event.reason(),
        Some("the request was dropped before it was answered")
    );
    assert_eq!(event.detail().get("status"), None);

    let during = scene();
    let inner = service_fn(|_: Request<()>| ready(answer(200)));
    drop(
        RequestLogLayer::new()
            .layer(inner)
            .oneshot(during.request())
            .await
            .unwrap(),
    );
    let event = during.only();
    assert_eq!(event.outcome(), Outcome::Failure);
    assert_eq!(event.reason(), Some("the answer was not read to its end"));
}

/// What a server never reads was not broken off: HEAD, 204, 304, an empty body.
#[tokio::test]
async fn an_answer_without_a_body_is_complete() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        let scene = scene_of(method.clone(), "/");
        let inner = service_fn(move |_: Request<()>| ready(answer(status)));
        drop(
            RequestLogLayer::new()
                .layer(inner)
                .oneshot(scene.request())
                .await
                .unwrap(),
        );
        assert_eq!(
            scene.only().outcome(),
            Outcome::Success,
            "{method} {status}"
        );
    }
    let scene = scene();
    let inner = service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let response = RequestLogLayer::new()
        .layer(inner)
        .oneshot(scene.request())
        .await
        .unwrap();
    assert_eq!(
        scene.only().outcome(),
        Outcome::Success,
        "recorded with the head"
    );
    drop(response);
    assert_eq!(scene.sink.events().len(), 1);
}

/// Hyper drops a body of known length after its last byte without polling it to its end (a file, a proxied answer).
#[tokio::test]
async fn an_announced_length_that_is_sent_is_complete() {
    for (length, outcome) in [("4", Outcome::Success), ("5", Outcome::Failure)] {
        let scene = scene();
        let inner = service_fn(move |_: Request<()>| {
            let response = Response::builder()
                .header("content-length", length)
                .body(Endless);
            ready(Ok::<_, Infallible>(response.unwrap()))
        });
        let response = RequestLogLayer::new()
            .layer(inner)
            .oneshot(scene.request())
            .await
            .unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(scene.only().outcome(), outcome, "{length}");
    }
}

/// Four bytes at a time, and never an end.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(
            b"four",
        )))))
    }
}

/// Statement 10: panics are recorded, also when something catches them before the future is dropped.
#[test]
fn a_panic_is_recorded_and_passes_on() {
    let in_poll = scene();
    let inner = service_fn(|_: Request<()>| async { panic!("the handler") as Answer });
    let future = RequestLogLayer::new()
        .layer(inner)
        .oneshot(in_poll.request());
    {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut cx).is_ready()
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the handler"));
        assert_eq!(in_poll.only().reason(), Some("the service panicked"));
    }
    let event = in_poll.only();
    assert_eq!(
        (event.severity(), event.outcome()),
        (Severity::High, Outcome::Failure)
    );

    let in_call = scene();
    let inner = service_fn(|_: Request<()>| -> std::future::Ready<Answer> { panic!("in call") });
    let mut service = RequestLogLayer::new().layer(inner);
    let request = in_call.request();
    let caught = catch_unwind(AssertUnwindSafe(|| drop(service.call(request))));
    assert!(caught.is_err());
    assert_eq!(in_call.only().reason(), Some("the service panicked"));
}

#[tokio::test]
async fn a_failing_service_and_a_failing_body_are_recorded() {
    let failing = scene();
    let inner = service_fn(|_: Request<()>| ready(Err::<Response<Full<Bytes>>, _>("broken")));
    let result = RequestLogLayer::new()
        .layer(inner)
        .oneshot(failing.request())
        .await;
    assert_eq!(result.unwrap_err(), "broken");
    let event = failing.only();
    assert_eq!(
        (event.severity(), event.reason()),
        (Severity::High, Some("the service failed"))
    );

    let cut = scene();
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Cut))));
    let response = RequestLogLayer::new()
        .layer(inner)
        .oneshot(cut.request())
        .await
        .unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(cut.only().reason(), Some("the body of the answer failed"));
}

#[derive(Debug)]
struct Cut;

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("cut"))))
    }
}

proptest! {
    /// However the parts of a request end, there is exactly one event.
    #[test]
    fn there_is_exactly_one_event(status in 200_u16..600, read in any::<bool>(), empty in any::<bool>()) {
        let scene = scene();
        let inner = service_fn(move |_: Request<()>| {
            let body = if empty { Bytes::new() } else { Bytes::from_static(b"x") };
            ready(Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(body)).unwrap()))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let response = RequestLogLayer::new().layer(inner).oneshot(scene.request()).await.unwrap();
            if read {
                response.into_body().collect().await.unwrap();
            }
        });
        prop_assert_eq!(scene.sink.events().len(), 1);
    }
}
