use std::error::Error;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;

use super::layer::Service;
use super::*;

fn base() -> CorsLayer {
    CorsLayer::new(listed(&[APP]).credentials(true).build().unwrap())
}

/// tower-http's test_allow_origin_async_predicate, by tenant.
#[tokio::test]
async fn a_tenants_origins_are_allowed_and_vary() {
    let service = Service::new();
    let layer = base().lookup(|origin: Origin, context: RequestContext| async move {
        tokio::task::yield_now().await;
        let own = context
            .tenant()
            .map(|tenant| format!("https://{tenant}.shop.example"));
        Ok::<_, io::Error>(own == Some(origin.to_string()))
    });
    let own = ("origin", "https://acme.shop.example");
    let granted = service.send(&layer, "GET", &[own]).await;
    assert_eq!(
        (granted.status(), &granted.body()[..]),
        (StatusCode::OK, &b"done"[..])
    );
    assert_eq!(text(granted.headers(), &ACCESS_CONTROL_ALLOW_ORIGIN), own.1);
    assert_eq!(
        text(granted.headers(), &ACCESS_CONTROL_ALLOW_CREDENTIALS),
        "true"
    );
    assert_eq!(text(granted.headers(), &VARY), "accept, Origin");
    let preflight = service
        .send(&layer, "OPTIONS", &[own, (ASKED, "PUT")])
        .await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        text(preflight.headers(), &ACCESS_CONTROL_ALLOW_ORIGIN),
        own.1
    );
    assert!(service.sink.events().is_empty());

    let other = ("origin", "https://other.shop.example");
    let refused = service.send(&layer, "GET", &[other]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        service.sink.events()[0].reason(),
        Some("Origin is not listed")
    );
    // Also where nobody asks.
    let plain = service.send(&layer, "GET", &[]).await;
    assert_eq!(text(plain.headers(), &VARY), "accept, Origin");
}

#[tokio::test]
async fn it_is_asked_only_when_nothing_else_knows() {
    let service = Service::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let layer = base().lookup(move |origin: Origin, _: RequestContext| {
        heard.lock().unwrap().push(origin.to_string());
        async { Ok::<_, io::Error>(true) }
    });
    for headers in [
        &[][..],
        &[("origin", APP)],
        &[("origin", "https://api.example")],
        &[("origin", "https://b.example"), (SITE, "same-origin")],
        &[("origin", "null")],
        &[("origin", "https://u@b.example")],
        &[
            ("origin", "https://b.example"),
            ("origin", "https://b.example"),
        ],
        &[("origin", "chrome-extension://abc")],
        &[("origin", "https://b.example/")],
    ] {
        service.send(&layer, "GET", headers).await;
        assert!(asked.lock().unwrap().is_empty(), "{headers:?}");
    }
    let answer = service
        .send(&layer, "GET", &[("origin", "https://B.example:443")])
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(*asked.lock().unwrap(), ["https://b.example"]);
}

#[tokio::test]
async fn an_error_denies() {
    let service = Service::new();
    let layer = base().lookup(|_: Origin, _: RequestContext| async {
        Err::<bool, _>(io::Error::other("store\r\nis down"))
    });
    let refused = service
        .send(&layer, "GET", &[("origin", "https://b.example")])
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!String::from_utf8_lossy(refused.body()).contains("store"));
    let event = &service.sink.events()[0];
    assert_eq!(event.reason(), Some("the lookup of the origin failed"));
    let told = event.detail()["lookup_error"].as_str().unwrap();
    assert!(told.contains("is down") && !told.contains('\n'), "{told}");
    // The lists do not depend on it.
    let listed = service.send(&layer, "GET", &[("origin", APP)]).await;
    assert_eq!(listed.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn silence_denies_at_the_deadline() {
    let service = Service::new();
    let lookup = |_: Origin, _: RequestContext| pending::<Result<bool, io::Error>>();
    for (layer, deadline) in [
        (base().lookup(lookup), Duration::from_secs(2)),
        (
            base()
                .lookup_deadline(Duration::from_millis(50))
                .lookup(lookup),
            Duration::from_millis(50),
        ),
    ] {
        let begin = tokio::time::Instant::now();
        let refused = service
            .send(&layer, "GET", &[("origin", "https://b.example")])
            .await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let refusal = refused.extensions().get::<CorsRefusal>().unwrap();
        assert_eq!(refusal.reason(), CorsReason::LookupTimedOut);
        let waited = begin.elapsed();
        assert!(waited >= deadline && waited < deadline * 2, "{waited:?}");
    }
}

/// A type of one's own, as a store would be.
struct Counting(AtomicUsize);

impl OriginLookup for Arc<Counting> {
    async fn allows(
        &self,
        _: Origin,
        _: RequestContext,
    ) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) == 0)
    }
}

#[tokio::test]
async fn a_type_can_be_a_lookup_and_enforcing_is_apart() {
    let service = Service::new();
    let store = Arc::new(Counting(AtomicUsize::new(0)));
    let cors = listed(&[]).enforce(false).build().unwrap();
    let layer = CorsLayer::new(cors).lookup(store.clone());
    let header = [("origin", "https://b.example")];
    for allowed in ["https://b.example", ""] {
        let answer = service.send(&layer, "GET", &header).await;
        assert_eq!(answer.body(), "done");
        assert_eq!(
            text(answer.headers(), &ACCESS_CONTROL_ALLOW_ORIGIN),
            allowed
        );
    }
    assert_eq!(store.0.load(Ordering::Relaxed), 2);
}
