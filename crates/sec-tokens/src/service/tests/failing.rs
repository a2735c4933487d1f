//! When something that is needed is not there.

use sec_core::{Delivery, EventSink, Receipt};

use super::*;
use crate::refresh::{FamilyRecord, Presented, Rotated};

#[tokio::test]
async fn an_outage_of_the_users_table_logs_nobody_out() {
    let bench = bench();
    let headers = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let down = |_| async { Err(StoreError::new("down")) };
    let refusal = bench
        .tokens
        .refresh(&bench.ctx(), &headers, down)
        .await
        .unwrap_err();
    assert_eq!(refusal.kind(), AuthRefusalKind::Unavailable);
    let response = refusal.respond(&HeaderMap::new());
    assert_eq!(response.status(), 503);
    let next = cookie(&response.headers()[header::SET_COOKIE]);
    bench.clock.advance(Duration::from_secs(3600));
    assert!(bench.refresh(&next).await.is_ok());
}

#[tokio::test]
async fn the_development_cookie_is_secure_on_other_hosts() {
    let cookie = RefreshCookie::new().insecure_for_loopback_development();
    let tokens = TokenService::new(
        issuer(),
        RefreshTokens::new(MemoryRefreshStore::new()),
        cookie,
    );
    for (host, name) in [
        ("localhost:3000", "refresh="),
        ("127.0.0.1", "refresh="),
        ("example.com", "__Host-refresh="),
    ] {
        let ctx = RequestContext::builder().authority(host).unwrap().build();
        let pair = tokens
            .log_in(&ctx, &HeaderMap::new(), alice())
            .await
            .unwrap();
        let set = pair.set_cookie().to_str().unwrap();
        assert!(set.starts_with(name), "{host}: {set}");
        assert_eq!(
            set.contains("; Secure"),
            name.starts_with("__Host-"),
            "{host}"
        );
    }
}

#[derive(Debug)]
struct Refusing;

impl EventSink for Refusing {
    fn emit(&self, _: SecurityEvent) -> Receipt {
        Receipt::ready(Delivery::Refused)
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let bench = bench();
    let deaf = || {
        RequestContext::builder()
            .clock(Arc::clone(&bench.clock) as _)
            .sink(Arc::new(Refusing))
            .require(Delivery::Enqueued, Duration::from_secs(1))
            .build()
    };
    let ctx = deaf();
    let refusal = bench
        .tokens
        .log_in(&ctx, &HeaderMap::new(), alice())
        .await
        .unwrap_err();
    assert_eq!(refusal.kind(), AuthRefusalKind::NotRecorded);
    assert_eq!(ctx.identity(), Identity::Unresolved);
    assert!(
        bench.tokens.refresh_tokens().store().is_empty(),
        "no session is left behind"
    );

    let headers = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let load = |_| async { Ok(Some(alice())) };
    let refusal = bench
        .tokens
        .refresh(&deaf(), &headers, load)
        .await
        .unwrap_err();
    assert_eq!(refusal.kind(), AuthRefusalKind::NotRecorded);
    assert!(
        bench.refresh(&headers).await.is_ok(),
        "within the grace it can be asked for again"
    );

    let headers = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let refusal = bench.tokens.log_out(&deaf(), &headers).await.unwrap_err();
    let response = refusal.respond(&HeaderMap::new());
    assert_eq!(response.status(), 503);
    assert!(
        response.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert!(
        bench.refresh(&headers).await.is_err(),
        "a log-out is done all the same"
    );
}

/// A store that is down.
#[derive(Debug)]
struct Down;

impl RefreshStore for Down {
    async fn create(&self, _: FamilyRecord, _: usize) -> Result<Vec<Family>, StoreError> {
        Err(StoreError::new("connection refused to 10.0.0.7"))
    }

    async fn rotate(&self, _: Presented) -> Result<Rotated, StoreError> {
        Err(StoreError::new("connection refused to 10.0.0.7"))
    }

    async fn revoke(&self, _: FamilyId, _: SystemTime) -> Result<Option<Family>, StoreError> {
        Err(StoreError::new("connection refused to 10.0.0.7"))
    }

    async fn revoke_all(&self, _: &Owner, _: SystemTime) -> Result<Vec<Family>, StoreError> {
        Err(StoreError::new("connection refused to 10.0.0.7"))
    }

    async fn list(&self, _: &Owner, _: SystemTime) -> Result<Vec<Family>, StoreError> {
        Err(StoreError::new("connection refused to 10.0.0.7"))
    }
}

#[tokio::test]
async fn a_store_that_is_down_grants_nothing_and_tells_nothing() {
    let up = bench();
    let headers = cookie(up.log_in(&HeaderMap::new()).await.set_cookie());
    let tokens = TokenService::new(issuer(), RefreshTokens::new(Down), RefreshCookie::new());
    let load = |_| async { Ok(Some(alice())) };
    let ctx = up.ctx();
    let refusals = [
        tokens
            .log_in(&ctx, &HeaderMap::new(), alice())
            .await
            .map(drop)
            .unwrap_err(),
        tokens
            .refresh(&ctx, &headers, load)
            .await
            .map(drop)
            .unwrap_err(),
        tokens.log_out(&ctx, &headers).await.map(drop).unwrap_err(),
        tokens
            .end_all_sessions(&ctx, &Owner::new("alice"))
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.kind(), AuthRefusalKind::Unavailable);
        let response = refusal.respond(&HeaderMap::new());
        assert_eq!(response.status(), 503);
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!body.contains("10.0.0.7"), "{body}");
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }
}

/// An account must not be guessed at unnamed, by hanging up before the answer.
#[tokio::test]
async fn a_guess_whose_client_hangs_up_is_on_record() {
    let bench = bench();
    let passwords = Passwords::new(Argon2Params::weak_for_tests());
    let (ctx, headers) = (bench.ctx(), HeaderMap::new());
    let claim = PasswordLogIn::new("alice", SecretString::new("a guess".to_owned()));
    let mut attempt = Box::pin(
        bench
            .tokens
            .log_in_with_password(&ctx, &headers, &passwords, claim),
    );
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(
        attempt.as_mut().poll(&mut cx).is_pending(),
        "it is being hashed"
    );
    drop(attempt);
    assert_eq!(bench.sink.kinds(), [EventKind::LOGIN_FAILURE]);
    assert_eq!(bench.sink.events()[0].actor(), Some("alice"));
}
