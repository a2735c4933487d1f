//! Thresholds, permits and the way of an adaptive limit.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_core::{
    Clock, CollectingSink, FieldFaults, ManualClock, PathRules, RequestContext, RequestView,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn request(path: &str, sink: &Arc<CollectingSink>) -> Request<()> {
    let ctx = RequestContext::builder()
        .path(path)
        .coalesce(Duration::from_secs(10))
        .clock(ManualClock::new())
        .sink(sink.clone())
        .build();
    let mut request = Request::builder().uri(path).body(()).unwrap();
    request.extensions_mut().insert(ctx);
    request
}

async fn hello(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

#[test]
fn at_the_limit_it_refuses_and_what_is_dropped_returns() {
    let shed = Shed::new(3).unwrap().retry_after(1500 * MS);
    let mut permits: Vec<_> = (0..3).map(|_| shed.try_acquire().unwrap()).collect();
    let refusal = shed.try_acquire().unwrap_err();
    assert_eq!((refusal.in_flight(), refusal.limit()), (3, 3));
    assert_eq!((shed.pressure(), shed.in_flight()), (100, 3));
    permits.pop();
    assert_eq!(shed.in_flight(), 2);
    drop(shed.try_acquire().unwrap());
    permits.clear();
    assert_eq!(shed.in_flight(), 0);
}

#[test]
fn what_matters_less_leaves_a_quarter_free() {
    let shed = Shed::new(8).unwrap();
    let low: Vec<_> = std::iter::from_fn(|| shed.try_acquire_as(Priority::Low).ok()).collect();
    assert_eq!(low.len(), 6);
    let normal: Vec<_> = std::iter::from_fn(|| shed.try_acquire().ok()).collect();
    assert_eq!(normal.len(), 2);
    let one = Shed::new(1).unwrap();
    assert!(one.try_acquire_as(Priority::Low).is_ok());
}

#[test]
fn threads_never_exceed_the_limit_and_return_every_permit_once() {
    const LIMIT: u32 = 7;
    let shed = Shed::new(LIMIT).unwrap();
    let (inside, peak, admitted) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut held = Vec::new();
                for round in 0..20_000_u32 {
                    if let Ok(permit) = shed.try_acquire() {
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        peak.fetch_max(now, Ordering::SeqCst);
                        admitted.fetch_add(1, Ordering::Relaxed);
                        held.push(permit);
                    }
                    if round % 3 == 0 {
                        for permit in held.drain(..) {
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                    }
                }
                for permit in held {
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert!(admitted.into_inner() > 0);
    assert!(peak.into_inner() <= LIMIT);
    assert_eq!(shed.in_flight(), 0);
    let left: Vec<_> = std::iter::from_fn(|| shed.try_acquire().ok()).collect();
    assert_eq!(left.len(), LIMIT as usize, "exactly what is left");
}

/// As many requests at once as are admitted, each taking `latency`, until a window is over.
fn window(shed: &Shed, clock: &ManualClock, latency: Duration) {
    let end = clock.monotonic() + Duration::from_secs(1);
    while clock.monotonic() < end {
        let permits: Vec<_> = std::iter::from_fn(|| shed.try_acquire().ok()).collect();
        clock.advance(latency);
        drop(permits);
    }
}

#[test]
fn the_limit_follows_simulated_latencies_both_ways() {
    let clock = ManualClock::new();
    let shed = Shed::adaptive(Adaptive::default())
        .unwrap()
        .clock(clock.clone());
    assert_eq!(shed.limit(), 50);
    for _ in 0..120 {
        window(&shed, &clock, 20 * MS);
    }
    let calm = shed.limit();
    assert!(calm > 100, "{calm}");
    for _ in 0..20 {
        window(&shed, &clock, 200 * MS);
    }
    let slow = shed.limit();
    assert!(slow < calm / 3, "{calm} → {slow}");
    for _ in 0..120 {
        window(&shed, &clock, 20 * MS);
    }
    assert!(shed.limit() > slow * 3, "{slow} → {}", shed.limit());
    assert_eq!(shed.in_flight(), 0);
}

/// A service whose latency grows with its load settles where the queue begins, not at a bound.
#[test]
fn a_service_with_a_knee_is_kept_near_it() {
    const KNEE: u32 = 80;
    let clock = ManualClock::new();
    let settings = Adaptive {
        long_windows: 100_000,
        ..Adaptive::default()
    };
    let shed = Shed::adaptive(settings).unwrap().clock(clock.clone());
    let mut limits = Vec::new();
    for _ in 0..400 {
        // Above the knee, every request waits for its turn.
        let load = shed.limit().max(KNEE);
        window(&shed, &clock, 20 * MS * load / KNEE);
        limits.push(shed.limit());
    }
    let settled = &limits[200..];
    let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(*least >= KNEE && *most < 4 * KNEE, "{least}..{most}");
}

#[test]
fn a_download_is_not_a_slow_answer() {
    let clock = ManualClock::new();
    let shed = Shed::adaptive(Adaptive::default())
        .unwrap()
        .clock(clock.clone());
    for _ in 0..120 {
        let mut permits: Vec<_> = std::iter::from_fn(|| shed.try_acquire().ok()).collect();
        clock.advance(20 * MS);
        permits.iter_mut().for_each(ShedPermit::answered);
        clock.advance(Duration::from_secs(30));
        drop(permits);
    }
    assert!(shed.limit() > 100, "{}", shed.limit());
}

#[tokio::test]
async fn the_permit_lives_until_the_body_ends_or_is_dropped() {
    let sink = CollectingSink::new();
    let shed = Shed::new(1).unwrap();
    let service = ShedLayer::new(shed.clone()).layer(service_fn(hello));
    let first = service.clone().oneshot(request("/", &sink)).await.unwrap();
    assert_eq!(shed.in_flight(), 1);
    let refused = service.clone().oneshot(request("/", &sink)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.extensions().get::<Overloaded>().is_some());
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("#busy"));
    assert_eq!(shed.in_flight(), 1, "a refusal holds nothing");

    let mut body = first.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(shed.in_flight(), 0, "the last frame returns it");
    drop(body);
    assert_eq!(shed.in_flight(), 0, "and only once");

    drop(service.clone().oneshot(request("/", &sink)).await.unwrap());
    assert_eq!(shed.in_flight(), 0, "a client that goes away");
    drop(service.clone().call(request("/", &sink)));
    assert_eq!(shed.in_flight(), 0, "before it was answered");
}

#[tokio::test]
async fn a_service_that_fails_returns_the_permit() {
    let sink = CollectingSink::new();
    let shed = Shed::new(1).unwrap();
    let failing = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>("broken") });
    let service = ShedLayer::new(shed.clone()).layer(failing);
    assert!(service.oneshot(request("/", &sink)).await.is_err());
    assert_eq!(shed.in_flight(), 0);
}

#[tokio::test]
async fn exempt_paths_answer_while_the_rest_is_shed() {
    let sink = CollectingSink::new();
    let shed = Shed::new(1).unwrap();
    let _full = shed.try_acquire().unwrap();
    let rules = PathRules::all().exclude("/healthz").unwrap();
    let layer = ShedLayer::new(shed.clone()).paths(rules);
    let status = async |layer: &ShedLayer, path| {
        let service = layer.layer(service_fn(hello));
        let answer = service.oneshot(request(path, &sink)).await.unwrap();
        answer.status().as_u16()
    };
    for (path, expected) in [
        ("/", 503),
        ("/healthz", 200),
        ("/healthz/db", 200),
        ("/healthzz", 503),
        ("/healthz/../orders", 503),
        ("/healthz;x", 503),
    ] {
        assert_eq!(status(&layer, path).await, expected, "{path}");
    }
    assert_eq!(status(&layer.clone().enabled(false), "/").await, 200);
    assert_eq!(shed.in_flight(), 1, "what is exempt is not counted");
    assert_eq!(
        sink.events().len(),
        4,
        "each request had a context of its own"
    );
}

#[tokio::test]
async fn refusals_are_one_event_and_the_priority_decides_first() {
    let sink = CollectingSink::new();
    let shed = Shed::new(4).unwrap();
    let _three: Vec<_> = (0..3).map(|_| shed.try_acquire().unwrap()).collect();
    let layer = ShedLayer::new(shed).priority(|view: RequestView<'_>| {
        if view.uri.path() == "/export" {
            Priority::Low
        } else {
            Priority::Normal
        }
    });
    let shared = request("/export", &sink);
    let ctx = RequestContext::get(shared.extensions()).unwrap().clone();
    for _ in 0..50 {
        let mut request = request("/export", &sink);
        request.extensions_mut().insert(ctx.clone());
        let answer = layer.layer(service_fn(hello)).oneshot(request).await;
        assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let normal = layer.layer(service_fn(hello));
    let answer = normal.oneshot(request("/", &sink)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let events = sink.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].detail()["policy"], "shed");
    assert_eq!(events[0].detail()["in_flight"], 3);
}

#[tokio::test]
async fn without_a_context_it_is_a_500() {
    let layer = ShedLayer::new(Shed::new(1).unwrap());
    let answer = layer.layer(service_fn(hello)).oneshot(Request::new(()));
    let status = answer.await.unwrap().status();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_section_reports_its_faults_by_field() {
    let section = |json: &str| serde_json::from_str::<ShedConfig>(json).unwrap();
    for (json, fields) in [
        ("{}", &[][..]),
        (r#"{"adaptive": {}}"#, &[]),
        (r#"{"max_in_flight": 0}"#, &["max_in_flight"]),
        (r#"{"adaptive": {"min": 0}}"#, &["adaptive.min"]),
        (r#"{"adaptive": {"max": 5}}"#, &["adaptive.min"]),
        (r#"{"adaptive": {"window": "1ms"}}"#, &["adaptive.window"]),
        (
            r#"{"adaptive": {"tolerance": 99}}"#,
            &["adaptive.tolerance"],
        ),
        (
            r#"{"max_in_flight": 1000001, "exclude": ["/a", "b"]}"#,
            &["max_in_flight", "exclude[1]"],
        ),
    ] {
        let config = section(json);
        let faults = FieldFaults::of(&config);
        let found: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
        assert_eq!(found, fields, "{json}");
        assert_eq!(config.layer().is_ok(), fields.is_empty(), "{json}");
    }
    assert!(serde_json::from_str::<ShedConfig>(r#"{"max": 1}"#).is_err());
}
