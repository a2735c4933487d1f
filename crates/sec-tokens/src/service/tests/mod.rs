mod failing;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use sec_core::{AuthMethod, Clock, CollectingSink, EventKind, ManualClock, SecretString};

use super::*;
use crate::{
    key::SigningKey,
    password::{Argon2Params, PasswordHash, Passwords},
};

struct Bench {
    tokens: TokenService,
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
}

fn issuer() -> Issuer {
    let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
    Issuer::new(keys, "https://auth.example", "https://api.example").unwrap()
}

fn bench() -> Bench {
    let refresh = RefreshTokens::new(MemoryRefreshStore::new())
        .families_per_owner(2)
        .unwrap();
    let tokens = TokenService::new(issuer(), refresh, RefreshCookie::new());
    Bench {
        tokens,
        clock: ManualClock::new(),
        sink: CollectingSink::new(),
    }
}

fn alice() -> Principal {
    Principal::new("alice", AuthMethod::Password).with_role("user")
}

impl Bench {
    /// A new request.
    fn ctx(&self) -> RequestContext {
        RequestContext::builder()
            .clock(Arc::clone(&self.clock) as _)
            .sink(Arc::clone(&self.sink) as _)
            .user_agent("test")
            .build()
    }

    async fn log_in(&self, headers: &HeaderMap) -> TokenPair {
        self.tokens
            .log_in(&self.ctx(), headers, alice())
            .await
            .unwrap()
    }

    async fn refresh(&self, headers: &HeaderMap) -> Result<TokenPair, AuthRefusal> {
        self.tokens
            .refresh(&self.ctx(), headers, |_| async { Ok(Some(alice())) })
            .await
    }

    async fn kind(&self, headers: &HeaderMap) -> AuthRefusalKind {
        self.refresh(headers).await.unwrap_err().kind()
    }

    /// The kinds since the last look.
    fn events(&self) -> Vec<EventKind> {
        let kinds = self.sink.kinds();
        self.sink.clear();
        kinds
    }
}

/// What a browser sends back.
fn cookie(set: &HeaderValue) -> HeaderMap {
    let set = set.to_str().unwrap();
    let pair = set.split(';').next().unwrap();
    HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(pair).unwrap())])
}

#[tokio::test]
async fn logging_in_answers_sets_the_identity_and_is_on_record() {
    let bench = bench();
    let ctx = bench.ctx();
    let pair = bench
        .tokens
        .log_in(&ctx, &HeaderMap::new(), alice())
        .await
        .unwrap();
    let response = pair.respond();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        set.starts_with("__Host-refresh=") && set.contains("; Max-Age=604800;"),
        "{set}"
    );
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        (body["token_type"].as_str(), body["expires_in"].as_u64()),
        (Some("Bearer"), Some(900))
    );
    assert_eq!(
        body.as_object().unwrap().len(),
        3,
        "the refresh token is in the cookie alone"
    );

    let access = body["access_token"].as_str().unwrap();
    let token = bench
        .tokens
        .verifier()
        .verify(access, bench.clock.now())
        .unwrap();
    assert_eq!(
        token.principal().session(),
        Some(pair.session().to_string().as_str())
    );
    let identity = ctx.identity();
    assert_eq!(
        identity.principal().unwrap().session(),
        token.principal().session()
    );
    let events = bench.sink.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind(), events[0].actor()),
        (&EventKind::LOGIN_SUCCESS, Some("alice"))
    );
    assert_eq!(events[0].session(), token.principal().session());
    let dump = format!("{events:?}{pair:?}");
    assert!(
        !dump.contains(access) && !dump.contains(&set[15..79]),
        "{dump}"
    );
}

#[tokio::test]
async fn every_log_in_is_a_new_session_and_ends_the_one_it_came_with() {
    // ASVS 7.2.4; a peer keeps the session at a second log-in.
    let bench = bench();
    let first = bench.log_in(&HeaderMap::new()).await;
    bench.events();
    let second = bench.log_in(&cookie(first.set_cookie())).await;
    assert_ne!(first.session(), second.session());
    assert_eq!(
        bench.events(),
        [EventKind::TOKEN_REVOKED, EventKind::LOGIN_SUCCESS]
    );
    let old = bench.kind(&cookie(first.set_cookie())).await;
    assert_eq!(old, AuthRefusalKind::InvalidRefreshToken);
    assert!(bench.refresh(&cookie(second.set_cookie())).await.is_ok());
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let bench = bench();
    let first = bench.log_in(&HeaderMap::new()).await;
    bench.log_in(&HeaderMap::new()).await;
    bench.events();
    bench.log_in(&HeaderMap::new()).await;
    assert_eq!(
        bench.events(),
        [EventKind::TOKEN_REVOKED, EventKind::LOGIN_SUCCESS]
    );
    assert!(bench.refresh(&cookie(first.set_cookie())).await.is_err());
}

#[tokio::test]
async fn refreshing_keeps_the_session_and_brings_the_roles_of_today() {
    let bench = bench();
    let first = bench.log_in(&HeaderMap::new()).await;
    bench.clock.advance(Duration::from_secs(600));
    bench.events();
    let ctx = bench.ctx();
    let demoted = |owner: Owner| async move {
        assert_eq!(owner, Owner::new("alice"));
        Ok(Some(Principal::new("alice", AuthMethod::RefreshToken)))
    };
    let headers = cookie(first.set_cookie());
    let pair = bench.tokens.refresh(&ctx, &headers, demoted).await.unwrap();
    assert_eq!(pair.session(), first.session());
    assert_eq!(bench.events(), [EventKind::TOKEN_REFRESHED]);
    let token = bench
        .tokens
        .verifier()
        .verify(pair.access().expose(), bench.clock.now())
        .unwrap();
    assert!(!token.principal().has_role("user"));
    assert!(ctx.identity().principal().is_some());
    let set = pair.set_cookie().to_str().unwrap();
    assert!(
        set.contains("Max-Age=604200;"),
        "the life is that of the log-in: {set}"
    );
}

#[tokio::test]
async fn two_tabs_get_the_same_cookie_and_a_thief_ends_the_session_once() {
    let bench = bench();
    let first = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let one = bench.refresh(&first).await.unwrap();
    let two = bench.refresh(&first).await.unwrap();
    assert_eq!(one.set_cookie(), two.set_cookie());
    bench.clock.advance(Duration::from_secs(11));
    bench.events();
    let refusal = bench.refresh(&first).await.unwrap_err();
    assert_eq!(refusal.kind(), AuthRefusalKind::InvalidRefreshToken);
    let response = refusal.respond(&HeaderMap::new());
    assert_eq!(response.status(), 401);
    assert!(
        !response.headers().contains_key(header::SET_COOKIE),
        "a loser clears no cookie"
    );
    let event = bench.sink.events().remove(0);
    assert_eq!(event.kind(), &EventKind::TOKEN_REUSED);
    assert_eq!(event.severity(), sec_core::Severity::Critical);
    assert_eq!(event.actor(), Some("alice"));
    bench.events();
    for headers in [&first, &cookie(one.set_cookie())] {
        assert_eq!(
            bench.kind(headers).await,
            AuthRefusalKind::InvalidRefreshToken
        );
    }
    assert_eq!(
        bench.events(),
        [EventKind::TOKEN_REJECTED, EventKind::TOKEN_REJECTED]
    );
}

#[tokio::test]
async fn cookies_that_name_nothing_are_refused() {
    let bench = bench();
    let twice = "__Host-refresh=a; __Host-refresh=b";
    let rows = [
        (None, AuthRefusalKind::InvalidRefreshToken),
        (Some("a=b"), AuthRefusalKind::InvalidRefreshToken),
        (
            Some("__Host-refresh=x"),
            AuthRefusalKind::InvalidRefreshToken,
        ),
        (Some(twice), AuthRefusalKind::InvalidRequest),
    ];
    for (line, expected) in rows {
        let headers = line.map(|line| (header::COOKIE, HeaderValue::from_static(line)));
        assert_eq!(
            bench.kind(&headers.into_iter().collect()).await,
            expected,
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn somebody_who_is_gone_loses_the_session() {
    let bench = bench();
    let headers = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let gone = bench
        .tokens
        .refresh(&bench.ctx(), &headers, |_| async { Ok(None) })
        .await;
    assert_eq!(
        gone.unwrap_err().kind(),
        AuthRefusalKind::InvalidRefreshToken
    );
    assert_eq!(bench.events().last(), Some(&EventKind::TOKEN_REVOKED));
    assert!(bench.tokens.refresh_tokens().store().is_empty());
    // Somebody else than the session's owner is a fault, not a session.
    let headers = cookie(bench.log_in(&HeaderMap::new()).await.set_cookie());
    let mallory = |_| async { Ok(Some(Principal::new("mallory", AuthMethod::RefreshToken))) };
    let refusal = bench
        .tokens
        .refresh(&bench.ctx(), &headers, mallory)
        .await
        .unwrap_err();
    assert_eq!(refusal.kind(), AuthRefusalKind::Internal);
}

#[tokio::test]
async fn logging_out_ends_the_cookies_session_and_the_tokens() {
    let bench = bench();
    let phone = bench.log_in(&HeaderMap::new()).await;
    let desk = bench.log_in(&HeaderMap::new()).await;
    bench.events();
    let ctx = bench.ctx();
    ctx.identify(alice().with_session(desk.session().to_string()));
    let out = bench
        .tokens
        .log_out(&ctx, &cookie(phone.set_cookie()))
        .await
        .unwrap();
    assert_eq!(out.ended(), 2);
    assert_eq!(ctx.identity(), Identity::Anonymous);
    assert_eq!(bench.events(), [EventKind::LOGOUT, EventKind::LOGOUT]);
    let response = out.respond();
    assert_eq!(response.status(), 204);
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        set.starts_with("__Host-refresh=; ") && set.contains("Max-Age=0"),
        "{set}"
    );
    for pair in [phone, desk] {
        assert!(bench.refresh(&cookie(pair.set_cookie())).await.is_err());
    }
    let nothing = bench
        .tokens
        .log_out(&bench.ctx(), &HeaderMap::new())
        .await
        .unwrap();
    assert_eq!(nothing.ended(), 0);
}

#[tokio::test]
async fn all_sessions_of_somebody_can_be_ended() {
    let bench = bench();
    bench.log_in(&HeaderMap::new()).await;
    let last = bench.log_in(&HeaderMap::new()).await;
    bench.events();
    let ended = bench
        .tokens
        .end_all_sessions(&bench.ctx(), &Owner::new("alice"))
        .await;
    assert_eq!(ended.unwrap(), 2);
    assert_eq!(
        bench.events(),
        [EventKind::TOKEN_REVOKED, EventKind::TOKEN_REVOKED]
    );
    assert!(bench.refresh(&cookie(last.set_cookie())).await.is_err());
}

#[tokio::test]
async fn wrong_password_and_unknown_user_look_the_same() {
    let bench = bench();
    let passwords = Passwords::new(Argon2Params::weak_for_tests());
    let secret = |text: &str| SecretString::new(text.to_owned());
    let hash = passwords.hash(secret("correct horse")).await.unwrap();
    let attempt = async |name: &str, password: &str, hash: Option<&PasswordHash>| {
        let account = hash.map(|hash| (alice(), hash));
        let claim = PasswordLogIn::new(name, secret(password)).account(account);
        let ctx = bench.ctx();
        let headers = HeaderMap::new();
        let result = bench
            .tokens
            .log_in_with_password(&ctx, &headers, &passwords, claim)
            .await;
        (result, ctx.identity())
    };
    let (right, _) = attempt("alice", "correct horse", Some(&hash)).await;
    assert!(!right.unwrap().needs_rehash);
    bench.sink.clear();

    let (wrong, identity) = attempt("alice", "guess", Some(&hash)).await;
    assert_eq!(identity, Identity::Unresolved);
    let (unknown, _) = attempt("nobody\n[2026] admin logged in", "guess", None).await;
    let answers: Vec<_> = [wrong, unknown]
        .map(|result| result.unwrap_err().respond(&HeaderMap::new()))
        .into_iter()
        .map(|answer| {
            (
                answer.status(),
                answer.headers().clone(),
                answer.into_body(),
            )
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 401);
    let events = bench.sink.events();
    assert!(
        events
            .iter()
            .all(|event| event.kind() == &EventKind::LOGIN_FAILURE)
    );
    assert_eq!(events[0].reason(), Some("wrong password"));
    assert_eq!(events[1].reason(), Some("unknown user"));
    assert!(!events[1].actor().unwrap().contains('\n'));
    assert!(!format!("{events:?}").contains("guess"));
}

#[test]
fn handlers_on_many_threads_can_await_it_all() {
    fn is_send<T: Send>(_: &T) {}
    let bench = bench();
    let (ctx, headers) = (bench.ctx(), HeaderMap::new());
    let passwords = Passwords::new(Argon2Params::weak_for_tests());
    let claim = PasswordLogIn::new("alice", SecretString::new(String::new()));
    let tokens = &bench.tokens;
    is_send(&tokens.log_in(&ctx, &headers, alice()));
    is_send(&tokens.log_in_with_password(&ctx, &headers, &passwords, claim));
    is_send(&tokens.refresh(&ctx, &headers, |_| async { Ok(Some(alice())) }));
    is_send(&tokens.log_out(&ctx, &headers));
    is_send(&tokens.end_all_sessions(&ctx, &Owner::new("alice")));
}
