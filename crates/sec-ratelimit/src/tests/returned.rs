//! What is given back ends refusals that are remembered, whoever was refused and whatever it cost.

use std::sync::Arc;
use std::time::Duration;

use sec_core::ManualClock;

use crate::{Key, MemoryStore, Quota, SharedLimiter, Subject};

fn limiter(service: u64) -> SharedLimiter {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let minute = Duration::from_secs(60);
    SharedLimiter::builder("api", store, vec![7; 32])
        .tier("service", Quota::per(service, minute), Key::global())
        .tier("user", Quota::per(100, minute), Key::given("user"))
        .remember_refusals(1024, minute)
        .clock(clock)
        .build()
        .unwrap()
}

fn of(user: &str) -> [Subject<'_>; 2] {
    [Subject::everyone(), Subject::of(user)]
}

/// `peek` said that there were four, and `check` for a minute that there was none.
#[tokio::test]
async fn a_refund_ends_the_refusals_of_every_cost_and_of_whoever_shares_a_tier() {
    let limiter = limiter(4);
    let taken = limiter.reserve(of("ada"), 4).await.unwrap();
    for user in ["ada", "bob"] {
        for cost in [1, 2] {
            limiter.check(of(user), cost).await.unwrap_err();
        }
    }
    taken.refund().await.unwrap();
    assert_eq!(limiter.peek(of("ada"), 1).await.unwrap().remaining(), 4);
    limiter.check(of("ada"), 1).await.unwrap();
    limiter.check(of("bob"), 2).await.unwrap();
    limiter.check(of("ada"), 2).await.unwrap_err();
    // A part of it is as good, also where it was refused again meanwhile.
    let last = limiter.reserve(of("bob"), 1).await.unwrap();
    limiter.check(of("ada"), 1).await.unwrap_err();
    last.commit_actual(0).await.unwrap();
    limiter.check(of("ada"), 1).await.unwrap();
}

#[tokio::test]
async fn a_reset_ends_them_too() {
    let limiter = limiter(4);
    limiter.check(of("ada"), 4).await.unwrap();
    limiter.check(of("bob"), 1).await.unwrap_err();
    limiter.reset(of("ada")).await.unwrap();
    limiter.check(of("bob"), 1).await.unwrap();
}

/// Whom another tier refuses is still refused from memory when somebody gives back to the one that all share.
#[tokio::test]
async fn a_refund_in_a_tier_that_did_not_refuse_ends_nothing() {
    let limiter = limiter(1000);
    let taken = limiter.reserve(of("bob"), 5).await.unwrap();
    limiter.check(of("ada"), 100).await.unwrap();
    limiter.check(of("ada"), 1).await.unwrap_err();
    let (ada, everyone) = (of("ada"), [Subject::everyone(), Subject::of("bob")]);
    assert!(limiter.remembers(&ada, 1));
    taken.refund().await.unwrap();
    assert!(limiter.remembers(&ada, 1));
    assert!(!limiter.remembers(&everyone, 1));
}
