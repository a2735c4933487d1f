#[cfg(feature = "axum")]
mod extractors;
mod paths;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use sec_core::{
    AuthMethod, Body, CollectingSink, EventKind, Identity, ManualClock, PathRules, Principal,
    RequestContext, RequestView,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::{
    key::{KeyRing, SigningKey},
    token::{Issuer, NoClaims, Token, TokenErrorKind},
};

struct Bench {
    issuer: Issuer,
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
    ctx: RequestContext,
}

fn bench() -> Bench {
    let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
    let issuer = Issuer::new(keys, "https://auth.example", "https://api.example").unwrap();
    let (clock, sink) = (ManualClock::new(), CollectingSink::new());
    let ctx = RequestContext::builder()
        .clock(Arc::clone(&clock) as _)
        .sink(Arc::clone(&sink) as _)
        .coalesce(Duration::from_secs(10))
        .path("/api/me")
        .build();
    Bench {
        issuer,
        clock,
        sink,
        ctx,
    }
}

impl Bench {
    fn token(&self) -> String {
        let alice = Principal::new("alice", AuthMethod::Password).with_role("user");
        self.issuer
            .issue(&alice, self.now())
            .unwrap()
            .expose()
            .to_owned()
    }

    fn now(&self) -> SystemTime {
        use sec_core::Clock;
        self.clock.now()
    }

    fn request(&self, headers: &[(http::HeaderName, &str)]) -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().insert(self.ctx.clone());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(name, value);
        }
        request
    }

    fn bearer(&self, credentials: &str) -> Request<()> {
        self.request(&[(header::AUTHORIZATION, credentials)])
    }

    async fn call(&self, layer: &AuthLayer, request: Request<()>) -> Response<Body<Full<Bytes>>> {
        layer
            .layer(service_fn(hello))
            .oneshot(request)
            .await
            .unwrap()
    }
}

/// Says who is asking, as a handler sees it.
async fn hello(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let identity = RequestContext::of(request.extensions()).unwrap().identity();
    let token = request.extensions().get::<Arc<Token<NoClaims>>>();
    let text = match (identity, token) {
        (Identity::Known(who), Some(token)) => format!("{} {}", who.subject(), token.id().len()),
        (Identity::Known(who), None) => format!("{} without token", who.subject()),
        (other, _) => format!("{other:?}"),
    };
    Ok(Response::new(Full::from(text)))
}

async fn text(response: Response<Body<Full<Bytes>>>) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_valid_token_makes_somebody_known_whatever_the_schemes_case() {
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
        let bench = bench();
        let layer = AuthLayer::new(bench.issuer.verifier());
        let request = bench.bearer(&format!("{scheme} {}", bench.token()));
        assert_eq!(
            text(bench.call(&layer, request).await).await,
            "alice 22",
            "{scheme}"
        );
        assert!(bench.sink.events().is_empty());
    }
}

#[tokio::test]
async fn without_bearer_token_somebody_is_anonymous_or_who_they_were() {
    let bench = bench();
    let layer = AuthLayer::new(bench.issuer.verifier());
    assert_eq!(
        text(bench.call(&layer, bench.request(&[])).await).await,
        "Anonymous"
    );
    let basic = bench.bearer("Basic YTpi");
    assert_eq!(text(bench.call(&layer, basic).await).await, "Anonymous");
    bench
        .ctx
        .identify(Principal::new("bob", AuthMethod::Session));
    let known = bench.call(&layer, bench.request(&[])).await;
    assert_eq!(text(known).await, "bob without token");
}

#[tokio::test]
async fn an_invalid_token_is_refused_with_a_challenge_and_no_reason() {
    let bench = bench();
    let layer = AuthLayer::new(bench.issuer.verifier());
    let expired = bench.token();
    bench.clock.advance(Duration::from_secs(15 * 60));
    for bad in [expired.as_str(), "x", "a.b.c"] {
        let response = bench
            .call(&layer, bench.bearer(&format!("Bearer {bad}")))
            .await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenge = &response.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, r#"Bearer realm="api", error="invalid_token""#);
        let refusal = response.extensions().get::<AuthRefusal>().unwrap();
        assert!(matches!(refusal.kind(), AuthRefusalKind::InvalidToken(_)));
        let body = text(response).await;
        assert!(body.contains("invalid-token"), "{body}");
        for inner in ["expired", "Expired", "malformed", "signature", bad] {
            assert!(bad == "x" || !body.contains(inner), "{inner} in {body}");
        }
    }
    let events = bench.sink.events();
    assert_eq!(events.len(), 1, "the rest of the flood is one count");
    assert_eq!(events[0].kind(), &EventKind::TOKEN_REJECTED);
    assert_eq!(events[0].reason(), Some("expired"));
    assert!(!format!("{events:?}").contains(&expired));
}

#[tokio::test]
async fn malformed_or_repeated_credentials_are_a_bad_request() {
    // RFC 6750 §3.1; a peer answered 401 without challenge, and took the first of two.
    let bench = bench();
    let layer = AuthLayer::new(bench.issuer.verifier());
    let token = bench.token();
    let twice = format!("Bearer {token}");
    let rows = [
        bench.bearer("Bearer"),
        bench.bearer("Bearer "),
        bench.bearer("bearer =="),
        bench.bearer(&format!("Bearer {token} x")),
        bench.bearer(&format!("Bearer {token},Bearer {token}")),
        bench.bearer(&format!("Bearer\t{token}x\u{e9}")),
        bench.bearer("Bearer \u{e9}"),
        bench.request(&[
            (header::AUTHORIZATION, &twice),
            (header::AUTHORIZATION, &twice),
        ]),
        bench.request(&[
            (header::AUTHORIZATION, "Basic YTpi"),
            (header::AUTHORIZATION, &twice),
        ]),
    ];
    for request in rows {
        let shown = format!("{:?}", request.headers());
        let response = bench.call(&layer, request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{shown}");
        let challenge = &response.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, r#"Bearer realm="api", error="invalid_request""#);
    }
    assert_eq!(bench.sink.kinds(), [EventKind::TOKEN_REJECTED]);
}

#[tokio::test]
async fn refusals_take_the_form_that_accept_asks_for() {
    let bench = bench();
    let layer = AuthLayer::new(bench.issuer.verifier());
    let headers = [
        (header::AUTHORIZATION, "Bearer x"),
        (header::ACCEPT, "text/html"),
    ];
    let response = bench.call(&layer, bench.request(&headers)).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn settings_do_what_they_say() {
    let bench = bench();
    let layer = || AuthLayer::new(bench.issuer.verifier());
    let invalid = || bench.bearer("Bearer x");
    let lenient = layer().invalid_as_anonymous(true);
    assert_eq!(
        text(bench.call(&lenient, invalid()).await).await,
        "Anonymous"
    );
    assert_eq!(bench.sink.kinds(), [EventKind::TOKEN_REJECTED]);
    let malformed = bench.call(&lenient, bench.bearer("Bearer")).await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);

    let elsewhere = layer().paths(PathRules::all().exclude("/api").unwrap());
    assert_eq!(
        text(bench.call(&elsewhere, invalid()).await).await,
        "Anonymous"
    );

    let own = layer().on_refusal(|_: &AuthRefusal, _: RequestView<'_>| {
        let mut response = Response::new(Bytes::from_static(b"no"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let response = bench.call(&own, invalid()).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.extensions().get::<AuthRefusal>().is_some());
}

#[tokio::test]
async fn a_layer_that_is_off_or_lacks_its_context_lets_nobody_in_silently() {
    let bench = bench();
    let off = AuthLayer::new(bench.issuer.verifier()).enabled(false);
    let valid = bench.bearer(&format!("Bearer {}", bench.token()));
    assert_eq!(text(bench.call(&off, valid).await).await, "Unresolved");
    assert_eq!(
        identified(&bench.ctx).unwrap_err().kind(),
        AuthRefusalKind::Internal
    );

    let on = AuthLayer::new(bench.issuer.verifier());
    let response = bench.call(&on, Request::new(())).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let role = RequireRoleLayer::new("user").layer(service_fn(hello));
    let response = role.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_role_is_demanded_after_authentication_and_never_before() {
    let bench = bench();
    let stack = |role: &str| {
        ServiceBuilder::new()
            .layer(AuthLayer::new(bench.issuer.verifier()))
            .layer(RequireRoleLayer::new(role))
            .service(service_fn(hello))
    };
    let valid = || bench.bearer(&format!("Bearer {}", bench.token()));
    let user = stack("user").oneshot(valid()).await.unwrap();
    assert_eq!(user.status(), StatusCode::OK);

    let denied = stack("admin").oneshot(valid()).await.unwrap();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let challenge = &denied.headers()[header::WWW_AUTHENTICATE];
    assert_eq!(
        challenge,
        r#"Bearer realm="api", error="insufficient_scope""#
    );
    let event = bench.sink.events().pop().unwrap();
    assert_eq!(
        (event.kind(), event.actor()),
        (&EventKind::ACCESS_DENIED, Some("alice"))
    );

    let fresh = self::bench();
    let anonymous = stack("user").oneshot(fresh.request(&[])).await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        anonymous.headers()[header::WWW_AUTHENTICATE],
        r#"Bearer realm="api""#
    );
    let off = RequireRoleLayer::new("admin")
        .enabled(false)
        .layer(service_fn(hello));
    assert_eq!(
        off.oneshot(fresh.request(&[])).await.unwrap().status(),
        StatusCode::OK
    );

    // The wrong way round: loud, not open.
    let swapped = self::bench();
    let wrong = ServiceBuilder::new()
        .layer(RequireRoleLayer::new("user"))
        .layer(AuthLayer::new(swapped.issuer.verifier()))
        .service(service_fn(hello));
    let response = wrong.oneshot(swapped.bearer("Bearer x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_called() {
    // A clone that was never polled may have no permit, and panics or hangs.
    #[derive(Debug)]
    struct Picky(bool);
    impl Clone for Picky {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<()>> for Picky {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            self.0 = true;
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(self.0, "called without having been ready");
            std::future::ready(Ok(Response::new(Full::default())))
        }
    }
    let bench = bench();
    bench
        .ctx
        .identify(Principal::new("a", AuthMethod::Session).with_role("user"));
    let mut service = ServiceBuilder::new()
        .layer(AuthLayer::new(bench.issuer.verifier()))
        .layer(RequireRoleLayer::new("user"))
        .service(Picky(false));
    for _ in 0..2 {
        let response = service
            .ready()
            .await
            .unwrap()
            .call(bench.request(&[]))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[test]
fn every_refusal_has_its_status_and_tells_no_reason() {
    let rows = [
        (AuthRefusalKind::NoCredentials, 401, true, false),
        (AuthRefusalKind::InvalidRequest, 400, true, false),
        (
            AuthRefusalKind::InvalidToken(TokenErrorKind::WrongAudience),
            401,
            true,
            false,
        ),
        (AuthRefusalKind::InvalidCredentials, 401, true, false),
        (AuthRefusalKind::InvalidRefreshToken, 401, true, false),
        (AuthRefusalKind::InsufficientRole, 403, true, false),
        (AuthRefusalKind::Busy, 503, false, true),
        (AuthRefusalKind::Unavailable, 503, false, true),
        (AuthRefusalKind::NotRecorded, 503, false, true),
        (AuthRefusalKind::Internal, 500, false, false),
    ];
    for (kind, status, challenge, later) in rows {
        let response = AuthRefusal::from(kind).respond(&HeaderMap::new());
        assert_eq!(response.status(), status, "{kind:?}");
        assert_eq!(
            response.headers().contains_key(header::WWW_AUTHENTICATE),
            challenge,
            "{kind:?}"
        );
        assert_eq!(
            response.headers().contains_key(header::RETRY_AFTER),
            later,
            "{kind:?}"
        );
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!body.contains("audience"), "{body}");
    }
}
