use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use sec_core::{CollectingSink, EventKind, ManualClock, RequestContext};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{BATCH, SINGLE, chromium, hyphenated};
use crate::ReportReceiver;

struct Collector {
    sink: Arc<CollectingSink>,
    clock: Arc<ManualClock>,
    context: RequestContext,
    receiver: ReportReceiver,
}

impl Collector {
    fn new(receiver: ReportReceiver) -> Self {
        let (sink, clock) = (CollectingSink::new(), ManualClock::new());
        let context = RequestContext::builder()
            .path("/csp-report")
            .sink(sink.clone())
            .clock(clock.clone())
            .coalesce(Duration::from_secs(10))
            .build();
        Self {
            sink,
            clock,
            context,
            receiver,
        }
    }

    async fn send<B>(&self, method: &str, content_type: &str, body: B) -> Response<Bytes>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let mut request = Request::builder()
            .method(method)
            .header("content-type", content_type)
            .body(body)
            .unwrap();
        request.extensions_mut().insert(self.context.clone());
        collect(self.receiver.clone().oneshot(request).await).await
    }

    async fn post(&self, content_type: &str, body: &Value) -> StatusCode {
        let body = Full::new(Bytes::from(body.to_string()));
        self.send("POST", content_type, body).await.status()
    }
}

async fn collect(response: Result<Response<Full<Bytes>>, Infallible>) -> Response<Bytes> {
    let (parts, body) = response.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_report_becomes_an_event() {
    let collector = Collector::new(ReportReceiver::new());
    let batch = json!([chromium("inline"), chromium("chrome-extension"), {"type": "deprecation"}]);
    assert_eq!(collector.post(BATCH, &batch).await, StatusCode::NO_CONTENT);
    let events = collector.sink.events();
    let kinds = collector.sink.kinds();
    assert_eq!(kinds, [EventKind::CSP_VIOLATION, EventKind::BROWSER_REPORT]);
    assert_eq!(events[1].detail()["type"], "deprecation");
    let detail = events[0].detail();
    assert_eq!(detail["directive"], "script-src-elem");
    assert_eq!(detail["blocked"], "inline");
    assert_eq!(detail["document"], "https://a.example/page");
    assert_eq!(detail["source"], "https://a.example/app.js");
    assert_eq!(detail["disposition"], "enforce");
    assert_eq!(
        (detail["line"].as_u64(), detail["status"].as_u64()),
        (Some(42), Some(200))
    );
    assert_eq!(events[0].path(), Some("/csp-report"));
}

#[tokio::test]
async fn equal_reports_are_counted_over_a_window() {
    let collector = Collector::new(ReportReceiver::new().window(Duration::from_secs(60)));
    for _ in 0..5 {
        collector.post(SINGLE, &hyphenated("inline")).await;
        collector
            .post(BATCH, &json!([chromium("inline"), chromium("inline")]))
            .await;
    }
    assert_eq!(collector.sink.events().len(), 1, "the first at once");
    collector.clock.advance(Duration::from_secs(59));
    collector.post(SINGLE, &hyphenated("eval")).await;
    assert_eq!(collector.sink.events().len(), 2, "the window is still open");
    collector.clock.advance(Duration::from_secs(1));
    collector.post(SINGLE, &hyphenated("inline")).await;
    let seen: Vec<(String, u64)> = collector
        .sink
        .events()
        .iter()
        .map(|event| {
            (
                event.detail()["blocked"].as_str().unwrap().to_owned(),
                event.count(),
            )
        })
        .collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(blocked, count)| (blocked.as_str(), *count))
        .collect();
    assert_eq!(
        seen,
        [("inline", 1), ("eval", 1), ("inline", 14), ("inline", 1)]
    );
}

#[tokio::test]
async fn invented_reports_do_not_flood_the_trail() {
    let collector = Collector::new(ReportReceiver::new().different(8));
    for number in 0..1_000 {
        let blocked = format!("https://{number}.example/");
        collector.post(BATCH, &json!([chromium(&blocked)])).await;
    }
    assert_eq!(
        collector.sink.events().len(),
        9,
        "eight, and one for all others"
    );
    let Collector { sink, receiver, .. } = collector;
    drop(receiver);
    let events = sink.events();
    assert_eq!(events.len(), 10, "the rest when the receiver goes");
    assert_eq!(
        events
            .iter()
            .map(sec_core::SecurityEvent::count)
            .sum::<u64>(),
        1_000
    );
    assert!(
        events[9]
            .reason()
            .unwrap()
            .contains("more different reports")
    );
}

#[tokio::test]
async fn every_other_request_has_its_answer() {
    let collector = Collector::new(ReportReceiver::new().body_limit(64).report_limit(2));
    let text = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
    for (method, content_type, body, status) in [
        ("POST", BATCH, "[]", 204),
        (
            "POST",
            "application/csp-report;charset=utf-8",
            r#"{"csp-report": {}}"#,
            204,
        ),
        ("OPTIONS", "", "", 204),
        ("GET", BATCH, "", 405),
        ("HEAD", BATCH, "", 405),
        ("PUT", BATCH, "[]", 405),
        ("PATCH", BATCH, "[]", 405),
        ("DELETE", BATCH, "", 405),
        ("POST", "application/json", "[]", 415),
        ("POST", "", "[]", 415),
        ("POST", BATCH, "{", 400),
        ("POST", BATCH, "[1,2,3]", 413),
    ] {
        let response = collector.send(method, content_type, text(body)).await;
        assert_eq!(response.status(), status, "{method} {content_type} {body}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        if status == 204 {
            assert!(response.body().is_empty());
        } else {
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
        }
        if status == 405 {
            assert_eq!(response.headers()["allow"], "POST, OPTIONS");
        }
    }
    let preflight = collector.send("OPTIONS", "", text("")).await;
    assert_eq!(
        preflight.headers()["access-control-allow-methods"],
        "POST, OPTIONS"
    );
    assert_eq!(
        preflight.headers()["access-control-allow-headers"],
        "content-type"
    );
    let kinds = collector.sink.kinds();
    assert!(kinds.contains(&EventKind::INPUT_REJECTED));
}

/// What a browser sends in front of a report to another origin (Fetch, section 4.8): the content type
/// is none that forms can send, and nothing else is asked for.
#[tokio::test]
async fn a_collector_on_another_origin_may_be_reached() {
    let collector = Collector::new(ReportReceiver::new());
    let mut request = Request::options("https://reports.example/csp-report")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Full::new(Bytes::new()))
        .unwrap();
    request.extensions_mut().insert(collector.context.clone());
    let answer = collect(collector.receiver.clone().oneshot(request).await).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST, OPTIONS"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    // Reports go without cookies, which `*` would not allow either.
    assert!(
        !answer
            .headers()
            .contains_key("access-control-allow-credentials")
    );
    assert!(collector.sink.events().is_empty());
}

#[tokio::test]
async fn every_type_is_an_event_with_its_fields() {
    let collector = Collector::new(ReportReceiver::new());
    let batch = json!([
        {"type": "network-error", "age": 5, "url": "https://a.example/x", "user_agent": "Browser/1",
            "body": {"type": "tcp.reset", "phase": "connection", "elapsed_time": 12, "status_code": 0,
                "sampling_fraction": 0.5, "server_ip": "192.0.2.1", "method": "GET"}},
        {"type": "crash", "url": "https://a.example/x", "body": {"reason": "oom", "is_top_level": false}},
        {"type": "deprecation", "url": "https://a.example/x",
            "body": {"id": "x", "sourceFile": "chrome-extension://abc/x.js"}},
        {"type": "new-thing", "url": "https://a.example/x"},
    ]);
    assert_eq!(collector.post(BATCH, &batch).await, StatusCode::NO_CONTENT);
    let events = collector.sink.events();
    assert_eq!(collector.sink.kinds(), [EventKind::BROWSER_REPORT; 3]);
    let expected = [
        json!({
            "type": "network-error", "document": "https://a.example/x", "error": "tcp.reset",
            "phase": "connection", "method": "GET", "server_ip": "192.0.2.1", "elapsed_ms": 12,
            "sampling_fraction": 0.5, "age_ms": 5, "reported_user_agent": "Browser/1",
        }),
        json!({
            "type": "crash", "document": "https://a.example/x", "reason": "oom", "top_level": false,
        }),
        json!({"type": "new-thing", "document": "https://a.example/x"}),
    ];
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(Value::Object(event.detail().clone()), expected);
    }
}

#[tokio::test]
async fn broken_bodies_do_not_flood_the_trail() {
    let collector = Collector::new(ReportReceiver::new());
    for _ in 0..100 {
        assert_eq!(
            collector.post(BATCH, &json!({})).await,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(collector.sink.kinds(), [EventKind::INPUT_REJECTED]);
}

/// Gives frames one by one and remembers how many were asked for.
struct Frames {
    frames: VecDeque<Result<Bytes, std::io::Error>>,
    polled: Arc<std::sync::atomic::AtomicUsize>,
}

impl Frames {
    fn new(frames: impl IntoIterator<Item = Result<Bytes, std::io::Error>>) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            polled: Arc::default(),
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.polled
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Poll::Ready(self.frames.pop_front().map(|frame| frame.map(Frame::data)))
    }
}

#[tokio::test]
async fn a_body_is_read_only_as_far_as_it_may_go() {
    let collector = Collector::new(ReportReceiver::new().body_limit(100));
    let endless = Frames::new((0..1_000).map(|_| Ok(Bytes::from_static(&[b' '; 30]))));
    let polled = endless.polled.clone();
    let response = collector.send("POST", BATCH, endless).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(polled.load(std::sync::atomic::Ordering::Relaxed), 4);

    // A declared length is believed before anything is read.
    let declared = Full::new(Bytes::from(vec![b' '; 101]));
    let response = collector.send("POST", BATCH, declared).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let pieces = Frames::new([Ok(Bytes::from_static(b"[")), Ok(Bytes::from_static(b"]"))]);
    assert_eq!(
        collector.send("POST", BATCH, pieces).await.status(),
        StatusCode::NO_CONTENT
    );

    let broken = Frames::new([
        Ok(Bytes::from_static(b"[")),
        Err(std::io::Error::other("reset")),
    ]);
    assert_eq!(
        collector.send("POST", BATCH, broken).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn without_the_context_it_is_loud() {
    let request = Request::post("/")
        .header("content-type", BATCH)
        .body(Full::new(Bytes::from_static(b"[]")));
    let response = ReportReceiver::new().oneshot(request.unwrap()).await;
    assert_eq!(
        collect(response).await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[test]
fn it_can_be_used_as_a_route() {
    // What axum's `route_service` and Hyper's servers ask for.
    fn is_route<S>(service: S) -> S
    where
        S: tower::Service<Request<Full<Bytes>>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        service
    }
    let _ = is_route(ReportReceiver::new());
}

#[test]
fn a_section_becomes_a_receiver_or_names_its_faults() {
    use sec_core::FieldFaults;

    let config = |json: &str| serde_json::from_str::<crate::ReportsConfig>(json);
    let good = config(r#"{"window": "5m", "body_limit": 10}"#).unwrap();
    assert_eq!(good.window, Duration::from_secs(300));
    let receiver = ReportReceiver::from_config(&good).unwrap();
    let context = RequestContext::builder().build();
    let refused = receiver.receive(BATCH, &[b' '; 11], &context);
    assert_eq!(refused, Err(crate::ReportError::TooLarge(10)));
    assert!(FieldFaults::of(&crate::ReportsConfig::default()).is_empty());
    let wrong = config(r#"{"different": 0, "text_limit": 0}"#).unwrap();
    assert!(ReportReceiver::from_config(&wrong).is_err());
    let faults = FieldFaults::of(&wrong);
    let paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
    assert_eq!(paths, ["text_limit", "different"]);
    assert!(config(r#"{"windows": "5m"}"#).is_err());
    // Without a window, or with one that never ends, nothing bounds the trail.
    for (json, field) in [
        (r#"{"window": 0}"#.to_owned(), "window"),
        (r#"{"window": "999ms"}"#.to_owned(), "window"),
        (r#"{"window": "24h1s"}"#.to_owned(), "window"),
        (r#"{"window": "1000w"}"#.to_owned(), "window"),
        (format!(r#"{{"different": {}}}"#, usize::MAX), "different"),
        (r#"{"different": 10001}"#.to_owned(), "different"),
        (format!(r#"{{"body_limit": {}}}"#, usize::MAX), "body_limit"),
        (
            format!(r#"{{"report_limit": {}}}"#, usize::MAX),
            "report_limit",
        ),
        (format!(r#"{{"text_limit": {}}}"#, usize::MAX), "text_limit"),
    ] {
        let section = config(&json).unwrap();
        assert!(ReportReceiver::from_config(&section).is_err(), "{json}");
        let faults = FieldFaults::of(&section);
        let paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
        assert_eq!(paths, [field], "{json}");
    }
    for json in [
        r#"{"window": "1s"}"#,
        r#"{"window": "1d", "different": 10000}"#,
    ] {
        assert!(FieldFaults::of(&config(json).unwrap()).is_empty(), "{json}");
    }
}

/// What is written in code is held to the same bounds.
#[tokio::test]
async fn no_setting_takes_the_bound_off() {
    let receiver = ReportReceiver::new().window(Duration::ZERO).different(0);
    let collector = Collector::new(receiver);
    for _ in 0..100 {
        collector.post(SINGLE, &hyphenated("inline")).await;
    }
    assert_eq!(collector.sink.events().len(), 1);
    let endless = ReportReceiver::new()
        .window(Duration::MAX)
        .different(usize::MAX);
    let collector = Collector::new(endless);
    collector.post(SINGLE, &hyphenated("inline")).await;
    collector.post(SINGLE, &hyphenated("inline")).await;
    collector.clock.advance(Duration::from_secs(86_400));
    collector.post(SINGLE, &hyphenated("eval")).await;
    assert_eq!(collector.sink.events().len(), 3, "the day is over");
}
