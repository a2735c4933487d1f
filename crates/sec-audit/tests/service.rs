//! The trail as the sink of a service: what its requests and its handlers leave in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_audit::{
    AuditConfig, AuditEntry, AuditQuery, AuditTrail, EntryBuilder, MASK, Masker, RequestLogLayer,
};
use sec_core::{
    AuthMethod, ContextLayer, Delivery, EventKind, EventSink, PeerAddr, Principal, Problem,
    RequestContext, SecurityEvent, Severity, SystemClock,
};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

fn trail() -> AuditTrail {
    AuditTrail::in_memory(&AuditConfig::default()).unwrap()
}

async fn entries(trail: &AuditTrail, query: &str) -> Vec<Value> {
    let page = trail
        .query(&AuditQuery::parse(query).unwrap())
        .await
        .unwrap();
    let page: Value = serde_json::from_slice(page.respond().body()).unwrap();
    page["entries"].as_array().unwrap().clone()
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .uri(uri)
        .header("host", "example.com")
        .body(Full::default())
        .unwrap();
    let peer: SocketAddr = "203.0.113.7:4711".parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

/// A log-in that succeeds, seen through the layers in their canonical order.
#[tokio::test]
async fn a_request_leaves_what_its_handler_said_and_how_it_ended() {
    let trail = trail();
    let handler = service_fn(|request: Request<Full<Bytes>>| async move {
        let ctx = RequestContext::of(request.extensions()).unwrap();
        ctx.identify(Principal::new("ann", AuthMethod::Password).with_role("user"));
        let event = ctx
            .event(EventKind::LOGIN_SUCCESS)
            .with_detail("password", "hunter2");
        ctx.record(event).await.unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"welcome"))))
    });
    let service = ContextLayer::new()
        .sink(Arc::new(trail.clone()))
        .layer(RequestLogLayer::new().layer(handler));
    let response = service
        .oneshot(request("/login?password=hunter2"))
        .await
        .unwrap();
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    response.into_body().collect().await.unwrap();

    let found = entries(&trail, &format!("request_id={id}")).await;
    assert_eq!(found.len(), 2);
    let (logged, login) = (&found[0], &found[1]);
    assert_eq!(logged["action"], "request");
    assert_eq!(
        (&logged["actor"], &logged["path"]),
        (&json!("ann"), &json!("/login"))
    );
    assert_eq!(logged["metadata"], json!({"bytes": 7, "status": 200}));
    assert!(logged["duration_us"].is_u64());
    assert_eq!(login["action"], "authn_login_success");
    assert_eq!(login["roles"], json!(["user"]));
    assert_eq!(login["client"], "203.0.113.7");
    assert_eq!(login["metadata"], json!({"password": MASK}));
    assert!(logged["seq"].as_u64() > login["seq"].as_u64());
}

/// Memory promises what it can: a host that requires a disk is refused, not lied to.
#[tokio::test]
async fn memory_does_not_pass_for_a_disk() {
    let trail = trail();
    let event = || SecurityEvent::new(EventKind::LOGIN_SUCCESS, &SystemClock::new());
    assert_eq!(
        trail.emit(event()).wait(Duration::ZERO).await,
        Delivery::Enqueued
    );
    for (required, recorded) in [(Delivery::Enqueued, true), (Delivery::Written, false)] {
        let ctx = RequestContext::builder()
            .sink(Arc::new(trail.clone()))
            .require(required, Duration::from_millis(250))
            .build();
        let result = ctx.record(event()).await;
        assert_eq!(result.is_ok(), recorded, "{required:?}");
        if let Err(error) = result {
            assert_eq!(
                Problem::from(error).status(),
                StatusCode::SERVICE_UNAVAILABLE
            );
        }
    }
}

/// Losing what matters turns the health bad; losing what does not, leaves it.
#[tokio::test]
async fn health_tells_of_losses_that_matter() {
    let mut config = AuditConfig::default();
    config.capacity = 16;
    let trail = AuditTrail::in_memory(&config).unwrap();
    let fill = |severity| {
        for _ in 0..20 {
            let _ = trail.record(AuditEntry::builder(EventKind::ERROR).severity(severity));
        }
    };
    fill(Severity::Low);
    let health = trail.health();
    assert!(health.healthy && health.stats.evicted.low > 0);
    assert_eq!(health.respond().status(), StatusCode::OK);
    fill(Severity::High);
    let answer = trail.health().respond();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["healthy"], false);
    assert_eq!(body["stats"]["capacity"], 16);
    assert_eq!(body["stats"]["recorded"], 40);
    let gap = entries(&trail, "action=audit_gap").await;
    assert_eq!((gap.len(), &gap[0]["severity"]), (1, &json!("high")));
    assert_eq!(
        gap[0]["count"],
        body["stats"]["evicted"]["low"].as_u64().unwrap()
            + body["stats"]["evicted"]["high"].as_u64().unwrap()
    );
}

/// A host's masking rule that panics neither fails the request nor lets the text through.
#[tokio::test]
async fn a_panicking_rule_loses_nothing_but_the_text() {
    let trail = trail().with_masker(Masker::new().with_rule(|text| match text {
        "boom" => panic!("a rule of the host"),
        _ => None,
    }));
    let _ = trail.record(
        AuditEntry::builder(EventKind::ERROR)
            .reason("boom")
            .actor("ann"),
    );
    let found = entries(&trail, "").await;
    assert_eq!(
        (&found[0]["reason"], &found[0]["actor"]),
        (&json!(MASK), &json!("ann"))
    );
}

/// The host's own entries in a request: who and where from the context, what changed from the states.
#[tokio::test]
async fn a_change_is_recorded_with_its_difference() {
    let trail = trail();
    let ctx = RequestContext::builder()
        .sink(Arc::new(trail.clone()))
        .tenant("acme")
        .build();
    ctx.identify(Principal::new("ann", AuthMethod::Session));
    let event = ctx
        .event(EventKind::RESOURCE_UPDATED)
        .with_entity("user", "7");
    let _ = trail.record(
        EntryBuilder::from(event)
            .before(json!({"mail": "a@example.com", "totp_secret": "AAAA", "age": 30}))
            .after(json!({"mail": "b@example.com", "totp_secret": "BBBB", "age": 30})),
    );
    let found = entries(&trail, "entity_kind=user&entity_id=7&tenant=acme&actor=ann").await;
    assert_eq!(
        found[0]["changes"],
        json!([
            {"path": "/mail", "before": "a@example.com", "after": "b@example.com"},
            {"path": "/totp_secret", "before": MASK, "after": MASK},
        ])
    );
    assert_eq!(found[0]["after"]["totp_secret"], MASK);
}
