//! What a concurrency limit promises, row by row. None of six peers limits concurrency per key.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use sec_core::{
    Body, CollectingSink, EventKind, FieldFaults, Identity, ManualClock, PathRules, RequestContext,
    RequestView,
};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::table::Seats;
use super::*;
use crate::Key;

fn a() -> Subject<'static> {
    Subject::of("a")
}

#[test]
fn a_key_holds_as_many_permits_as_its_limit_and_each_comes_back_once() {
    let limit = Concurrency::new("exports", 3).unwrap();
    let mut held: Vec<_> = (0..3).map(|_| limit.try_acquire(&a()).unwrap()).collect();
    let remaining: Vec<_> = held.iter().map(Permit::remaining).collect();
    assert_eq!(remaining, [2, 1, 0]);
    for _ in 0..10 {
        let refused = limit.try_acquire(&a()).unwrap_err();
        assert!(matches!(refused, ConcurrencyError::Refused(refused)
            if (refused.name(), refused.limit(), refused.degraded()) == ("exports", 3, false)));
    }
    assert!(limit.try_acquire(&Subject::of("b")).is_ok(), "another key");
    for left in (0..3).rev() {
        drop(held.pop());
        assert_eq!(limit.in_use(&a()).unwrap(), left);
    }
    assert_eq!(limit.0.seats.total(), 0);
    // A caller's own limit, and a clone of the same state.
    let own = || a().limited_to(1);
    let one = limit.clone().try_acquire(&own()).unwrap();
    assert!(limit.try_acquire(&own()).is_err());
    assert!(limit.try_acquire(&a()).is_ok());
    drop(one);
    assert!(limit.try_acquire(&a().limited_to(0)).is_err());
}

#[test]
fn threads_never_hold_more_than_the_limit() {
    let limit = Concurrency::new("threads", 3).unwrap();
    let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let Ok(permit) = limit.try_acquire(&a()) else {
                        continue;
                    };
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    admitted.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert!(admitted.load(Ordering::Relaxed) > 0);
    assert_eq!(limit.0.seats.total(), 0);
}

/// With all permits kept, threads that race for them get exactly the limit.
#[test]
fn threads_at_the_limit_get_exactly_the_limit() {
    for _ in 0..40 {
        let limit = Concurrency::new("threads", 50).unwrap();
        let got = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    let tries = (0..50).filter_map(|_| limit.try_acquire(&a()).ok());
                    tries.collect::<Vec<_>>()
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(got.iter().map(Vec::len).sum::<usize>(), 50);
    }
}

#[test]
fn memory_is_as_documented_and_busy_keys_within_the_capacity_have_a_place_of_their_own() {
    let seats = Seats::new(Concurrency::DEFAULT_CAPACITY);
    assert_eq!(seats.bytes(), Concurrency::DEFAULT_CAPACITY * 48);
    let seed = Seed::fixed(7);
    let key = |n: u64| Subject::of(n).digest(&seed).unwrap();
    let shared = (0..Concurrency::DEFAULT_CAPACITY as u64)
        .filter(|n| match seats.take(key(*n), 1) {
            Ok((seat, _)) => seat.is_shared(),
            Err(degraded) => degraded,
        })
        .count();
    assert_eq!(shared, 0, "of 16 384 keys all have a place of their own");
    // A flood on top of it: neither memory nor the limit of anyone grows.
    for n in 100_000..300_000 {
        let _ = seats.take(key(n), 1);
    }
    assert_eq!(seats.bytes(), Concurrency::DEFAULT_CAPACITY * 48);
    assert!(seats.take(key(1), 1).is_err());
}

/// A key which holds permits in the shared place must not get its whole limit once more elsewhere.
#[test]
fn keys_without_a_place_share_one_limit_until_the_last_of_them_is_done() {
    let limit = Concurrency::with_capacity("small", 2, 1).unwrap();
    let hold = |name| limit.try_acquire(&Subject::of(name));
    let (one, two) = (hold("a").unwrap(), hold("b").unwrap());
    let (three, four) = (hold("c").unwrap(), hold("d").unwrap());
    assert!(!one.degraded() && three.degraded());
    assert!(hold("c").is_err() && hold("e").is_err());
    let told = ["a", "c", "e"].map(|name| limit.in_use(&Subject::of(name)).unwrap());
    assert_eq!(told, [1, 2, 2], "\"e\" has none out, but would share");
    drop(one);
    drop(four);
    // A place is free again, but "c" may still hold its permit in the shared one: it gets one more, not two.
    let again = hold("c").unwrap();
    assert!(again.degraded());
    assert!(hold("c").is_err());
    drop((three, again));
    assert!(!hold("c").unwrap().degraded());
    drop(two);
    assert_eq!(limit.0.seats.total(), 0);
}

#[test]
fn what_cannot_work_is_an_error_when_built_and_checked_by_the_same_rules() {
    for (section, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "a\"b"}), "name"),
        (json!({"limit": 0}), "limit"),
        (json!({"capacity": 0}), "capacity"),
        (json!({"key": "user"}), "key"),
        (json!({"key": "given"}), "key"),
        (json!({"exclude": ["/a", "b"]}), "exclude[1]"),
    ] {
        let config: ConcurrencyConfig = serde_json::from_value(section.clone()).unwrap();
        let faults = FieldFaults::of(&config);
        assert!(
            faults.iter().any(|fault| fault.path() == field),
            "{section}: {faults}"
        );
        assert_eq!(config.layer().unwrap_err().field(), field, "{section}");
    }
    assert!(FieldFaults::of(&ConcurrencyConfig::default()).is_empty());
    ConcurrencyLayer::try_from(&ConcurrencyConfig::default()).unwrap();
    let unknown = serde_json::from_value::<ConcurrencyConfig>(json!({"limits": 1}));
    assert!(unknown.unwrap_err().to_string().contains("unknown field"));
}

fn request(sink: &Arc<CollectingSink>) -> Request<()> {
    let ctx = RequestContext::builder()
        .client("192.0.2.1".parse::<IpAddr>().unwrap())
        .path("/export")
        .clock(ManualClock::new())
        .sink(sink.clone())
        .build();
    ctx.identify(Identity::Anonymous);
    let mut request = Request::new(());
    request.extensions_mut().insert(ctx);
    request
}

fn layer(limit: u64) -> (ConcurrencyLayer, Concurrency) {
    let concurrency = Concurrency::new("exports", limit).unwrap();
    let layer = ConcurrencyLayer::new(concurrency.clone(), Key::ip()).unwrap();
    (layer, concurrency)
}

fn hello()
-> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone
{
    service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::from("hello"))) })
}

#[tokio::test]
async fn the_permit_is_held_until_the_body_ends_however_it_ends() {
    let sink = CollectingSink::new();
    let (layer, limit) = layer(1);
    let out = || limit.0.seats.total();
    for read in [true, false] {
        let response = layer.layer(hello()).oneshot(request(&sink)).await.unwrap();
        assert_eq!(out(), 1, "the head alone gives nothing back");
        assert_eq!(response.headers()["ratelimit"], "\"exports\";r=0");
        let mut body = response.into_body();
        if read {
            body.frame().await.unwrap().unwrap();
            assert_eq!(out(), 0, "with the last frame, though the body lives on");
            assert!(body.frame().await.is_none());
        }
        drop(body);
        assert_eq!(out(), 0, "read: {read}");
    }

    let broken =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Half(true))) });
    let response = layer.layer(broken).oneshot(request(&sink)).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(out(), 1);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(out(), 0);
}

/// A body that fails after its first frame.
struct Half(bool);

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let first = std::mem::take(&mut self.0);
        let half = || Frame::data(Bytes::from_static(b"half"));
        Poll::Ready(Some(first.then(half).ok_or("cut")))
    }
}

/// No answer: the service fails, panics in its call or in its future, or the client goes away.
#[tokio::test]
async fn without_an_answer_the_permit_comes_back_at_once() {
    type Answer = Result<Response<Full<Bytes>>, &'static str>;
    let sink = CollectingSink::new();
    let (layer, limit) = layer(1);
    let out = || limit.0.seats.total();
    let calls = AtomicU64::new(0);

    let failing = service_fn(|_: Request<()>| {
        assert_eq!(out(), 1, "held while the service works");
        calls.fetch_add(1, Ordering::Relaxed);
        async { Answer::Err("gone") }
    });
    let failed = layer.layer(failing).oneshot(request(&sink)).await;
    assert_eq!((failed.err(), out()), (Some("gone"), 0));
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    let mut hanging = layer.layer(service_fn(|_: Request<()>| {
        std::future::pending::<Answer>()
    }));
    let mut under_way = Box::pin(hanging.call(request(&sink)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(under_way.as_mut().poll(&mut cx).is_pending());
    assert_eq!(out(), 1);
    drop(under_way);
    assert_eq!(out(), 0, "the client went away");

    let mut panicking = layer.layer(service_fn(|_: Request<()>| -> std::future::Ready<Answer> {
        panic!("in the call")
    }));
    let call = std::panic::catch_unwind(AssertUnwindSafe(|| drop(panicking.call(request(&sink)))));
    assert!(call.is_err());
    assert_eq!(out(), 0);

    let late = layer.layer(service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        if out_of_luck() {
            panic!("in the future");
        }
        Answer::Err("never")
    }));
    let task = tokio::spawn(late.oneshot(request(&sink)));
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(out(), 0);
}

fn out_of_luck() -> bool {
    std::hint::black_box(true)
}

/// A layer further in refuses with a body of its own.
#[tokio::test]
async fn a_refusal_further_in_holds_the_permit_as_long_as_its_body() {
    let sink = CollectingSink::new();
    let (outer, limit) = layer(2);
    let (inner, inner_limit) = layer(1);
    let full = inner_limit
        .acquire(
            Key::ip()
                .digest(
                    inner_limit.0.seed,
                    context(request(&sink).extensions()).unwrap(),
                    RequestView::from(&request(&sink)),
                )
                .unwrap(),
            1,
        )
        .unwrap();
    let response = outer
        .layer(inner.layer(hello()))
        .oneshot(request(&sink))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limit.0.seats.total(), 1);
    let _ = response.into_body().collect().await.unwrap();
    assert_eq!(limit.0.seats.total(), 0);
    drop(full);
    assert_eq!(inner_limit.0.seats.total(), 0);
}

#[tokio::test]
async fn a_refusal_is_the_problem_of_the_draft_with_the_unit_and_without_a_time() {
    let sink = CollectingSink::new();
    let (layer, limit) = layer(1);
    let first = layer.layer(hello()).oneshot(request(&sink)).await.unwrap();
    let ask = async |layer: &ConcurrencyLayer| {
        layer.layer(hello()).oneshot(request(&sink)).await.unwrap()
    };
    let refused = ask(&layer).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.extensions().get::<ConcurrencyRefused>().is_some());
    let headers = refused.headers();
    assert!(!headers.contains_key("retry-after"));
    let policy = headers["ratelimit-policy"].to_str().unwrap();
    assert_eq!(policy, "\"exports\";q=1;qu=\"concurrent-requests\"");
    for field in ["ratelimit-policy", "ratelimit"] {
        let parsed: Result<sfv::List, _> = sfv::Parser::new(headers[field].as_bytes()).parse();
        assert_eq!(parsed.unwrap().len(), 1, "{field}");
    }
    let problem = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
    let expected = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    assert_eq!(problem["type"], expected);
    assert_eq!(problem["violated-policies"], json!(["exports"]));

    let event = &sink.events()[0];
    assert_eq!(event.kind(), &EventKind::RATE_LIMITED);
    for (key, value) in [
        ("policy", "exports"),
        ("key", "ip"),
        ("unit", "concurrent-requests"),
    ] {
        assert_eq!(event.detail()[key], value);
    }
    // A hook's answer keeps the fields; in shadow mode nothing is refused, and nothing is shown.
    let own = layer
        .clone()
        .on_refusal(|_: &ConcurrencyRefused, _: RequestView<'_>| {
            let mut response = Response::new(Bytes::from_static(b"busy"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        });
    let busy = ask(&own).await;
    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(busy.headers()["ratelimit"], "\"exports\";r=0");
    let shadow = ask(&layer.clone().shadow(true)).await;
    assert_eq!(shadow.status(), StatusCode::OK);
    assert!(!shadow.headers().contains_key("ratelimit"));
    let elsewhere = layer
        .clone()
        .paths(PathRules::all().exclude("/export").unwrap());
    assert_eq!(ask(&elsewhere).await.status(), StatusCode::OK);
    assert_eq!(
        ask(&layer.clone().enabled(false)).await.status(),
        StatusCode::OK
    );
    assert_eq!(limit.0.seats.total(), 1);
    drop(first);
    assert_eq!(ask(&layer).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_a_context_or_a_caller_the_answer_is_500() {
    let sink = CollectingSink::new();
    let (by_ip, limit) = layer(1);
    let response = by_ip
        .layer(hello())
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let by_caller = ConcurrencyLayer::new(limit.clone(), Key::principal()).unwrap();
    let mut unresolved = Request::new(());
    let ctx = RequestContext::builder().sink(sink).build();
    unresolved.extensions_mut().insert(ctx);
    let response: Response<Body<Full<Bytes>>> =
        by_caller.layer(hello()).oneshot(unresolved).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(limit.0.seats.total(), 0);
}
