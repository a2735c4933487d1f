use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::CONTENT_SECURITY_POLICY;
use http_body_util::BodyExt as _;
use sec_core::{CollectingSink, EventKind, ManualClock, Outcome};
use tower::Layer as _;

use super::*;
use crate::{HeadersLayer, SecHeaders};

struct Service {
    sink: Arc<CollectingSink>,
    clock: Arc<ManualClock>,
}

impl Service {
    fn new() -> Self {
        Self {
            sink: CollectingSink::new(),
            clock: ManualClock::new(),
        }
    }

    fn base(&self, scheme: Scheme, host: &str, path: &str) -> RequestContext {
        RequestContext::builder()
            .scheme(scheme)
            .authority(host)
            .unwrap()
            .path(path)
            .sink(self.sink.clone())
            .clock(self.clock.clone())
            .build()
    }

    async fn send(
        &self,
        layer: &HostGuardLayer,
        method: Method,
        base: &RequestContext,
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri("/reset?x=1")
            .body(())
            .unwrap();
        request.extensions_mut().insert(base.clone());
        // With a nonce the policy would forbid caching itself.
        let policy = SecHeaders::web_app().without(CONTENT_SECURITY_POLICY);
        let policy = policy.build().unwrap();
        let inner = layer.layer(service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }));
        let service = HeadersLayer::new(policy).layer(inner);
        let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

fn guard() -> HostGuard {
    HostGuard::new(["example.com"]).unwrap()
}

#[tokio::test]
async fn a_refusal_is_a_problem_and_an_event() {
    let service = Service::new();
    let layer = HostGuardLayer::new(guard());
    let own = service.base(Scheme::Https, "example.com", "/reset");
    let passed = service.send(&layer, Method::POST, &own).await;
    assert_eq!(
        (passed.status(), &passed.body()[..]),
        (StatusCode::OK, &b"done"[..])
    );
    assert!(service.sink.events().is_empty());

    let evil = service.base(Scheme::Https, "evil.example:444", "/reset");
    let refused = service.send(&layer, Method::POST, &evil).await;
    assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    let slug = problem["type"].as_str().unwrap();
    assert!(slug.ends_with("#misdirected-request"), "{slug}");
    let told = String::from_utf8_lossy(refused.body());
    assert!(
        !told.contains("evil") && !told.contains("example.com"),
        "{told}"
    );
    let refusal = refused.extensions().get::<HostRefusal>().unwrap();
    assert_eq!(refusal.reason(), HostReason::NotListed);
    assert_eq!(refusal.authority().to_string(), "evil.example:444");
    assert_eq!(refusal.scheme(), Scheme::Https);

    assert_eq!(service.sink.kinds(), [EventKind::HOST_REFUSED]);
    let event = &service.sink.events()[0];
    assert_eq!(event.kind().as_str(), "malicious_host");
    assert_eq!(event.detail()["host"], "evil.example:444");
    assert_eq!(event.detail()["scheme"], "https");
    assert_eq!(event.outcome(), Outcome::Failure);
}

#[test]
fn a_scan_of_many_names_is_two_events() {
    let (sink, clock) = (CollectingSink::new(), ManualClock::new());
    let mut stack = Stack::new(guard());
    stack.context = stack.context.sink(sink.clone()).clock(clock.clone());
    for number in 0..50 {
        assert_eq!(stack.host(&format!("{number}.evil.example")), 421);
    }
    assert_eq!(sink.events().len(), 1);
    clock.advance(Duration::from_secs(60));
    assert_eq!(stack.host("evil.example"), 421);
    let counts: Vec<u64> = sink.events().iter().map(|event| event.count()).collect();
    assert_eq!(counts, [1, 49, 1]);
}

#[tokio::test]
async fn a_redirect_keeps_the_method_and_is_kept_by_nobody() {
    let service = Service::new();
    let layer = HostGuardLayer::new(guard().redirect_to_https(443).unwrap());
    for method in [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::OPTIONS,
    ] {
        let base = service.base(Scheme::Http, "example.com", "/reset");
        let answer = service.send(&layer, method.clone(), &base).await;
        // RFC 9110 §15.4.9; 301 and 302 turn a POST into a GET.
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT, "{method}");
        assert_eq!(
            answer.headers()["location"],
            "https://example.com/reset?x=1"
        );
        assert_eq!(answer.headers()["cache-control"], "no-store");
        // RFC 6797 §7.2: never over http, where anybody could have written it.
        assert!(!answer.headers().contains_key("strict-transport-security"));
        assert!(answer.headers().contains_key("x-content-type-options"));
        assert!(answer.body().is_empty());
    }
    let base = service.base(Scheme::Https, "example.com", "/reset");
    let answer = service.send(&layer, Method::GET, &base).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert!(service.sink.events().is_empty());
}

#[tokio::test]
async fn what_was_sent_in_the_clear_can_be_refused_instead() {
    let service = Service::new();
    let redirecting = guard().redirect_to_https(443).unwrap();
    let layer = HostGuardLayer::new(redirecting.refuse_unsafe_over_http(true).log_only(true));
    let base = service.base(Scheme::Http, "example.com", "/reset");
    for (method, status) in [
        (Method::GET, 308),
        (Method::HEAD, 308),
        (Method::OPTIONS, 308),
        (Method::POST, 403),
        (Method::DELETE, 403),
        (Method::TRACE, 403),
    ] {
        let answer = service.send(&layer, method.clone(), &base).await;
        assert_eq!(answer.status(), status, "{method}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{method}");
        if status == 403 {
            let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert!(
                problem["type"]
                    .as_str()
                    .unwrap()
                    .ends_with("#https-required")
            );
        }
    }
    // It is no matter of the list, so log-only does not let it pass.
    let event = &service.sink.events()[0];
    assert_eq!(event.kind(), &EventKind::INPUT_REJECTED);
    assert_eq!(event.outcome(), Outcome::Failure);
    let https = service.base(Scheme::Https, "example.com", "/reset");
    let answer = service.send(&layer, Method::POST, &https).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// A guard that is asked to refuse, and has nowhere to redirect to, must not let pass.
#[tokio::test]
async fn the_refusal_needs_no_redirect() {
    let service = Service::new();
    let layer = HostGuardLayer::new(guard().refuse_unsafe_over_http(true));
    let section = r#"{"hosts": ["example.com"], "refuse_unsafe_over_http": true}"#;
    let section: HostConfig = serde_json::from_str(section).unwrap();
    let configured = HostGuardLayer::from_config(&section).unwrap();
    let http = service.base(Scheme::Http, "example.com", "/reset");
    let https = service.base(Scheme::Https, "example.com", "/reset");
    for (method, status) in [
        (Method::GET, 200),
        (Method::HEAD, 200),
        (Method::OPTIONS, 200),
        (Method::POST, 403),
        (Method::PUT, 403),
        (Method::PATCH, 403),
        (Method::DELETE, 403),
        (Method::CONNECT, 403),
        (Method::TRACE, 403),
    ] {
        for layer in [&layer, &configured] {
            let answer = service.send(layer, method.clone(), &http).await;
            assert_eq!(answer.status(), status, "{method}");
            let answer = service.send(layer, method.clone(), &https).await;
            assert_eq!(answer.status(), StatusCode::OK, "{method}");
        }
    }
    let event = &service.sink.events()[0];
    assert_eq!(event.kind(), &EventKind::INPUT_REJECTED);
    assert_eq!(event.reason(), Some("an unsafe method over plain http"));
    // Whoever develops has no certificate.
    let local = HostGuard::new(["localhost:3000"]).unwrap();
    let local = HostGuardLayer::new(local.refuse_unsafe_over_http(true));
    let base = service.base(Scheme::Http, "localhost:3000", "/reset");
    let answer = service.send(&local, Method::POST, &base).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn log_only_leaves_the_event_and_lets_pass() {
    let service = Service::new();
    let layer = HostGuardLayer::new(guard().log_only(true));
    let evil = service.base(Scheme::Https, "evil.example", "/");
    let answer = service.send(&layer, Method::GET, &evil).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let event = &service.sink.events()[0];
    assert_eq!(event.kind(), &EventKind::HOST_REFUSED);
    assert_eq!(event.detail()["log_only"], true);
    assert_eq!(event.outcome(), Outcome::Success);
}

#[tokio::test]
async fn another_answer_is_not_cached_either_and_a_switch_turns_it_off() {
    let service = Service::new();
    let layer = HostGuardLayer::new(guard()).on_refusal(|_: &HostRefusal, _: RequestView<'_>| {
        let mut response = Response::new(Bytes::from_static(b"elsewhere"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let public = HeaderValue::from_static("public, max-age=60");
        response.headers_mut().insert("cache-control", public);
        response
    });
    let evil = service.base(Scheme::Https, "evil.example", "/");
    let refused = service.send(&layer, Method::GET, &evil).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(refused.body(), "elsewhere");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let off = layer.enabled(false);
    let passed = service.send(&off, Method::GET, &evil).await;
    assert_eq!(passed.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_the_context_it_is_loud() {
    let layer = HostGuardLayer::new(guard());
    let inner = service_fn(|_: Request<()>| async {
        panic!("must not be reached") as Result<Response<Full<Bytes>>, Infallible>
    });
    let request = Request::get("/").body(()).unwrap();
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
