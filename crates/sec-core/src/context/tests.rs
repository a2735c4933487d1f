use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::{
    AuthMethod, ClientAddress, CollectingSink, Delivery, EventKind, EventSink, Forwarding,
    Identity, ManualClock, PeerAddr, Principal, Receipt, Scheme, SecurityEvent, TrustedProxies,
};

const PROXY: &str = "10.0.0.1:4000";

fn request(peer: Option<&str>, lines: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = "/a/b?secret=1".parse().unwrap();
    for (name, value) in lines {
        let name: http::HeaderName = name.parse().unwrap();
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    if let Some(peer) = peer {
        request
            .extensions_mut()
            .insert(PeerAddr(peer.parse::<SocketAddr>().unwrap()));
    }
    request
}

fn behind_proxy() -> ContextLayer {
    let proxies = TrustedProxies::networks(["10.0.0.0/8"]).unwrap();
    ContextLayer::new().client_address(ClientAddress::new(Forwarding::XForwarded, proxies).unwrap())
}

/// Sends one request and gives the answer with the context that the inner service saw.
async fn send(
    layer: &ContextLayer,
    request: Request<()>,
) -> (Response<Bytes>, Option<RequestContext>) {
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
        let seen = RequestContext::of(request.extensions()).unwrap().clone();
        response.extensions_mut().insert(seen);
        Ok::<_, Infallible>(response)
    }));
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let seen = parts.extensions.get().cloned();
    (
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes()),
        seen,
    )
}

#[tokio::test]
async fn the_context_tells_what_the_client_saw() {
    let lines = [
        ("host", "internal:8080"),
        ("x-forwarded-for", "6.6.6.6, 198.51.100.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "Shop.Example:443"),
        ("x-request-id", "edge-0042"),
        ("user-agent", "curl/8\u{202e}"),
    ];
    let (response, seen) = send(&behind_proxy(), request(Some(PROXY), &lines)).await;
    let seen = seen.unwrap();
    assert_eq!(seen.client().to_string(), "198.51.100.4");
    assert_eq!(seen.peer().to_string(), "10.0.0.1");
    assert_eq!(seen.scheme(), Scheme::Https);
    assert_eq!(seen.authority().to_string(), "shop.example");
    assert_eq!(seen.path(), "/a/b");
    assert_eq!(seen.user_agent(), Some("curl/8\u{fffd}"));
    assert_eq!(seen.request_id(), "edge-0042");
    assert_eq!(response.headers()["x-request-id"], "edge-0042");
    assert_eq!(seen.identity(), Identity::Unresolved);
}

#[tokio::test]
async fn an_id_from_anyone_else_is_replaced() {
    let lines = [
        ("host", "a.test"),
        ("x-request-id", "mine"),
        ("x-forwarded-proto", "https"),
    ];
    let (response, seen) = send(&behind_proxy(), request(Some("192.0.2.9:1"), &lines)).await;
    let seen = seen.unwrap();
    assert_eq!(
        uuid::Uuid::parse_str(seen.request_id())
            .unwrap()
            .get_version_num(),
        7
    );
    assert_eq!(response.headers()["x-request-id"], seen.request_id());
    assert_eq!(seen.scheme(), Scheme::Http);
    // A trusted proxy passes on what its client wrote: it must still be harmless.
    for bad in ["a b", "a\"b", "", &"x".repeat(129), "\u{e9}"] {
        let lines = [("host", "a.test"), ("x-request-id", bad)];
        let (_, seen) = send(&behind_proxy(), request(Some(PROXY), &lines)).await;
        assert_eq!(seen.unwrap().request_id().len(), 36, "{bad:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_certain_is_refused() {
    let sink = CollectingSink::new();
    let layer = ContextLayer::new().sink(sink.clone());
    // RFC 9112 §3.2: the three cases that a server must answer 400.
    for lines in [
        &[][..],
        &[("host", "")],
        &[("host", "a.test"), ("host", "a.test")],
        &[("host", "user@a.test")],
        &[("host", "a.test:x")],
        &[("host", "\u{e9}.test")],
    ] {
        let (response, seen) = send(&layer, request(Some("192.0.2.9:1"), lines)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{lines:?}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert!(response.extensions().get::<ContextRefusal>().is_some());
        assert!(seen.is_none());
    }
    assert_eq!(
        sink.kinds(),
        [EventKind::INPUT_REJECTED],
        "repetitions are coalesced"
    );
    assert_eq!(sink.events()[0].client().unwrap().to_string(), "192.0.2.9");
    layer.flush();
    assert_eq!(sink.events()[1].count(), 5);

    let mut absolute = request(Some("192.0.2.9:1"), &[("host", "b.test")]);
    *absolute.uri_mut() = "http://a.test/".parse().unwrap();
    let (response, _) = send(&layer, absolute).await;
    assert_eq!(
        response.extensions().get(),
        Some(&ContextRefusal::ConflictingHost)
    );
    let mut absolute = request(Some("192.0.2.9:1"), &[("host", "A.test:80")]);
    *absolute.uri_mut() = "http://a.test/".parse().unwrap();
    assert_eq!(
        send(&layer, absolute).await.1.unwrap().authority().host(),
        "a.test"
    );
}

#[tokio::test]
async fn a_missing_peer_is_loud_unless_a_policy_was_chosen() {
    let host = [("host", "a.test")];
    let sink = CollectingSink::new();
    let layer = ContextLayer::new().sink(sink.clone());
    let (response, _) = send(&layer, request(None, &host)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    layer.flush();
    assert!(sink.events().is_empty(), "no client did anything wrong");
    let refusal = response.extensions().get::<ContextRefusal>().unwrap();
    assert_eq!(refusal, &ContextRefusal::NoPeer);
    let words = refusal.to_string();
    for cause in [
        "feature `axum` of sec-core",
        "`into_make_service_with_connect_info::<SocketAddr>()`",
        "insert `PeerAddr`",
        "`ContextLayer::missing_peer`",
    ] {
        assert!(words.contains(cause), "{words}");
    }
    assert_eq!(
        words.contains("this build lacks it"),
        cfg!(not(feature = "axum"))
    );
    assert!(
        !String::from_utf8_lossy(response.body()).contains("peer"),
        "internals stay inside"
    );
    let assume =
        ContextLayer::new().missing_peer(MissingPeer::Assume("192.0.2.1".parse().unwrap()));
    let (_, seen) = send(&assume, request(None, &host)).await;
    assert_eq!(seen.unwrap().client().to_string(), "192.0.2.1");
}

#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_says_which_layer_is_missing() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let missing = tracing::subscriber::with_default(subscriber, || {
        RequestContext::of(&http::Extensions::new()).unwrap_err()
    });
    assert_eq!(missing.layer(), "sec_core::ContextLayer");
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("missing=\"sec_core::ContextLayer\""), "{log}");
    assert!(log.contains("ERROR sec: answering 500"), "{log}");
}

#[tokio::test]
async fn a_second_layer_leaves_the_first_ones_word() {
    let host = [("host", "a.test"), ("x-forwarded-for", "198.51.100.4")];
    let inner = ContextLayer::new().layer(service_fn(|request: Request<()>| async move {
        let client = RequestContext::of(request.extensions()).unwrap().client();
        assert_eq!(client.to_string(), "198.51.100.4");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    let response = behind_proxy()
        .layer(inner)
        .oneshot(request(Some(PROXY), &host))
        .await
        .unwrap();
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
}

#[tokio::test]
async fn the_tenant_comes_from_the_hook() {
    let layer = ContextLayer::new().tenant(|_, authority| {
        authority
            .host()
            .strip_suffix(".example.com")
            .map(str::to_owned)
    });
    let (_, seen) = send(
        &layer,
        request(Some(PROXY), &[("host", "acme.example.com")]),
    )
    .await;
    assert_eq!(seen.unwrap().tenant(), Some("acme"));
}

#[tokio::test]
async fn an_event_keeps_the_identity_of_its_moment() {
    let sink = CollectingSink::new();
    let context = RequestContext::builder()
        .sink(sink.clone())
        .user_agent("x")
        .tenant("acme")
        .build();
    context.identify(Principal::new("ada", AuthMethod::BearerToken).with_session("s1"));
    let event = context.event(EventKind::LOGOUT);
    context.identify(Identity::Anonymous);
    let _ = context.emit(event);
    let event = &sink.events()[0];
    assert_eq!(
        (event.actor(), event.session(), event.tenant()),
        (Some("ada"), Some("s1"), Some("acme"))
    );
    let json = serde_json::to_value(event).unwrap();
    assert_eq!(json["kind"], "authn_logout");
    assert_eq!(json["client"], "127.0.0.1");
}

#[derive(Debug)]
struct Promises(Delivery);

impl EventSink for Promises {
    fn emit(&self, _: SecurityEvent) -> Receipt {
        let delivery = self.0;
        Receipt::pending(async move { delivery })
    }
}

#[tokio::test]
async fn what_must_be_recorded_fails_closed() {
    let build = |promise, required: Option<Delivery>| {
        let builder = RequestContext::builder().sink(Arc::new(Promises(promise)));
        match required {
            Some(required) => builder.require(required, Duration::from_secs(1)).build(),
            None => builder.build(),
        }
    };
    for (promise, required, recorded) in [
        (Delivery::Refused, None, true),
        (Delivery::Synced, Some(Delivery::Synced), true),
        (Delivery::Synced, Some(Delivery::Enqueued), true),
        (Delivery::Written, Some(Delivery::Synced), false),
        (Delivery::Refused, Some(Delivery::Enqueued), false),
    ] {
        let context = build(promise, required);
        let result = context
            .record(context.event(EventKind::LOGIN_SUCCESS))
            .await;
        assert_eq!(result.is_ok(), recorded, "{promise:?} {required:?}");
        if let Err(refusal) = result {
            assert_eq!(
                crate::Problem::from(refusal).status(),
                StatusCode::SERVICE_UNAVAILABLE
            );
        }
    }
}

#[tokio::test]
async fn a_flood_of_refusals_is_closed_by_the_next_request_after_the_window() {
    let (sink, clock) = (CollectingSink::new(), ManualClock::new());
    let layer = ContextLayer::new().sink(sink.clone()).clock(clock.clone());
    for _ in 0..100 {
        send(&layer, request(Some("192.0.2.9:1"), &[])).await;
    }
    assert_eq!(sink.events().len(), 1);
    clock.advance(Duration::from_secs(10));
    send(&layer, request(Some("192.0.2.7:1"), &[("host", "a.test")])).await;
    assert_eq!(
        sink.events()
            .iter()
            .map(SecurityEvent::count)
            .collect::<Vec<_>>(),
        [1, 99]
    );
}

#[tokio::test]
async fn a_disabled_layer_is_as_if_it_were_not_there() {
    let layer = ContextLayer::new().enabled(false);
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        assert!(RequestContext::get(request.extensions()).is_none());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    assert_eq!(
        service.oneshot(request(None, &[])).await.unwrap().status(),
        StatusCode::OK
    );
}
