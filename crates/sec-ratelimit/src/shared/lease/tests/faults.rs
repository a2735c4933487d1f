//! A store that is away.

use std::time::Duration;

use super::{HOUR, LIFE, Setup, admitted, all, idle, refusal, remaining};
use crate::{Fallback, Key, Lease, LimitError, Quota, Subject};

#[tokio::test(start_paused = true)]
async fn a_live_lease_admits_without_the_store_and_then_the_fallback() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .on_store_error(Fallback::Local { nodes: 5 })
        .breaker(1, Duration::from_secs(1))
        .tier("service", Quota::per(50, HOUR), Key::global())
        .lease("service", Lease::of(20).for_at_most(LIFE))
        .build()
        .unwrap();
    limiter.check(all(), 1).await.unwrap();
    setup.store.set_away(true);
    for _ in 0..19 {
        let decision = limiter.check(all(), 1).await.unwrap();
        assert!(!decision.degraded());
        idle().await;
    }
    // A fifth of fifty.
    for _ in 0..10 {
        assert!(limiter.check(all(), 1).await.unwrap().degraded());
    }
    assert!(refusal(&limiter.check(all(), 1).await.unwrap_err()).degraded());
    // Fetching ahead was tried once, and not with each request.
    assert!(setup.store.decided() <= 3, "{}", setup.store.decided());

    setup.store.set_away(false);
    setup.advance(Duration::from_secs(1)).await;
    assert!(!limiter.check(all(), 1).await.unwrap().degraded());
    assert_eq!(remaining(&limiter).await, 29);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_here_goes_back_when_the_store_does_not_say_the_rest() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("service", Quota::per(50, HOUR), Key::global())
        .tier("user", Quota::per(50, HOUR), Key::given("user"))
        .lease("service", Lease::of(20).for_at_most(LIFE).renew_below(0))
        .build()
        .unwrap();
    let ada = [Subject::everyone(), Subject::of("ada")];
    limiter.check(&ada, 1).await.unwrap();
    setup.store.set_away(true);
    for _ in 0..3 {
        let error = limiter.check(&ada, 5).await.unwrap_err();
        assert!(matches!(error, LimitError::Store(_)));
    }
    setup.store.set_away(false);
    let peek = limiter.peek(&ada, 1).await.unwrap();
    let left: Vec<_> = peek.tiers().map(|tier| tier.remaining).collect();
    assert_eq!(left, [49, 49]);
}

#[tokio::test(start_paused = true)]
async fn a_peek_needs_no_store_for_what_is_held() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(50, HOUR), 20);
    assert_eq!(admitted(&limiter, 1).await, 1);
    setup.store.set_away(true);
    assert_eq!(remaining(&limiter).await, 49);
    assert!(limiter.peek(all(), 20).await.is_err());
    assert!(limiter.reset(all()).await.is_err());
    assert_eq!(remaining(&limiter).await, 49, "nothing was forgotten");
}

/// What cannot be returned stays counted until its window ends: never more than a batch, and nothing
/// is admitted for it.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_returned_stays_counted() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(50, HOUR), 20);
    assert_eq!(admitted(&limiter, 1).await, 1);
    setup.store.set_away(true);
    setup.advance(LIFE).await;
    setup.store.set_away(false);
    assert_eq!(admitted(&limiter, 100).await, 30);
}
