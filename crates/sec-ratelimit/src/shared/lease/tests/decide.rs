//! What is decided from memory and what is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{HOUR, LIFE, Setup, admitted, all, at_once, idle, refusal, remaining};
use crate::{ConfigError, Key, Lease, MemoryStore, OnExceed, Quota, SharedLimiter, Subject, Tier};

#[tokio::test(start_paused = true)]
async fn one_trip_takes_a_batch() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(1000, HOUR), 100);
    for used in 1..=100 {
        let decision = limiter.check(all(), 1).await.unwrap();
        assert!(!decision.degraded());
        assert_eq!(decision.limit(), 1000);
        assert_eq!(decision.remaining(), 1000 - used);
        assert_eq!(decision.reset(), HOUR);
    }
    assert_eq!(setup.store.decided(), 1);
    limiter.check(all(), 1).await.unwrap();
    assert_eq!(setup.store.decided(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_next_batch_is_fetched_before_it_is_needed() {
    let setup = Setup::new();
    let limiter = setup.leased(Quota::per(1000, HOUR), Lease::of(10).for_at_most(LIFE));
    limiter.check(all(), 1).await.unwrap();
    for _ in 0..200 {
        let decided = at_once(limiter.check(all(), 1)).await;
        decided.expect("a request waited").unwrap();
        idle().await;
    }
    // Each fetches what is missing of a batch, about half of it.
    assert!((30..=42).contains(&setup.store.decided()));
}

#[tokio::test(start_paused = true)]
async fn all_who_come_meanwhile_wait_for_the_same_batch() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(1000, HOUR), 100);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.check(all(), 1).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(setup.store.decided(), 1);
}

/// Who goes away does not take the batch from the others: it is fetched in a task of its own.
#[tokio::test(start_paused = true)]
async fn a_request_that_goes_away_leaves_its_batch_to_others() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(1000, HOUR), 100);
    assert!(at_once(limiter.check(all(), 1)).await.is_none());
    limiter.check(all(), 1).await.unwrap();
    assert_eq!(setup.store.decided(), 1);
    assert_eq!(remaining(&limiter).await, 999);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_while_the_store_has_units() {
    for (quota, batch) in [
        (Quota::per(25, HOUR), 10),
        (Quota::per(25, HOUR).exact(), 10),
        (Quota::gcra(1, HOUR).burst(25), 10),
        (Quota::per(25, HOUR), 25),
        (Quota::per(25, HOUR), 24),
        (Quota::per(25, HOUR), 1),
    ] {
        let setup = Setup::new();
        let nodes = [setup.global(quota, batch), setup.global(quota, batch)];
        // Each node uses up what it holds before the other goes on.
        let mut total = 0;
        for node in nodes.iter().cycle().take(30) {
            total += admitted(node, batch).await;
        }
        assert_eq!(total, 25, "{quota:?} by {batch}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_costs_of_a_request_are_exact_too() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(25, HOUR), 10);
    for (cost, fits, left) in [
        (7, true, 18),
        (7, true, 11),   // 3 of the first batch and 4 of the next
        (12, false, 11), // above what is left
        (11, true, 0),   // above the batch: all that is here and the rest
        (1, false, 0),
        (26, false, 0),
        (0, true, 0),
    ] {
        let decided = limiter.check(all(), cost).await;
        assert_eq!(decided.is_ok(), fits, "{cost}");
        if let Err(error) = decided {
            let refused = refusal(&error);
            assert_eq!(refused.is_impossible(), cost == 26);
            assert_eq!(refused.retry_after().is_none(), cost == 26);
            assert_eq!(refused.remaining(), left);
        }
        assert_eq!(remaining(&limiter).await, left, "{cost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_the_key_whoever_asks() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("service", Quota::per(2, HOUR), Key::global())
        .tier("user", Quota::per(9, HOUR), Key::given("user"))
        .lease("service", Lease::of(2).for_at_most(LIFE))
        .build()
        .unwrap();
    let subjects = |user: u64| [Subject::everyone(), Subject::of(user)];
    for user in 0..2 {
        limiter.check(subjects(user), 1).await.unwrap();
    }
    idle().await;
    let before = setup.store.decided();
    for user in 0..50 {
        let refused = limiter.check(subjects(user), 1).await.unwrap_err();
        let refused = refusal(&refused);
        assert_eq!(refused.violated().collect::<Vec<_>>(), ["service"]);
        assert_eq!(refused.retry_after(), Some(HOUR));
        assert!(!refused.degraded());
    }
    assert!(setup.store.decided() <= before + 1);
    // It is believed for a second, and then asked again.
    setup.advance(Duration::from_secs(1)).await;
    assert!(limiter.check(subjects(0), 1).await.is_err());
    setup.advance(HOUR).await;
    limiter.check(subjects(0), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_other_tiers_are_one_trip_and_all_or_nothing() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("service", Quota::per(100, HOUR), Key::global())
        .tier("minute", Quota::gcra(1, HOUR).burst(3), Key::principal())
        .tier("day", Quota::per(50, HOUR), Key::principal())
        .lease("service", Lease::of(20).for_at_most(LIFE).renew_below(0))
        .build()
        .unwrap();
    let ada = [Subject::everyone(), Subject::of("ada"), Subject::of("ada")];
    for _ in 0..3 {
        limiter.check(&ada, 1).await.unwrap();
    }
    assert_eq!(setup.store.decided(), 1 + 3);
    let refused = refusal(&limiter.check(&ada, 1).await.unwrap_err());
    assert_eq!(refused.violated().collect::<Vec<_>>(), ["minute"]);
    let left: Vec<_> = refused.tiers().map(|tier| tier.remaining).collect();
    assert_eq!(left, [97, 0, 47]);
    // Remembered, as without leases.
    let before = setup.store.decided();
    assert!(limiter.check(&ada, 1).await.is_err());
    assert_eq!(setup.store.decided(), before);

    // The batches stand by themselves, the others by their one subject.
    let asks = setup.store.asks();
    assert!(asks[0].subject.is_none() && asks[0].tiers.len() == 1);
    assert_eq!(asks[1].subject, Some(asks[1].tiers[0].digest));
    assert_eq!(asks[1].tiers.len(), 2);
    let apart = [Subject::everyone(), Subject::of("ada"), Subject::of("bob")];
    assert!(limiter.check(&apart, 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn two_leased_tiers_are_taken_from_together_or_not_at_all() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("service", Quota::per(100, HOUR), Key::global())
        .tier("tenant", Quota::per(3, HOUR), Key::given("tenant"))
        .lease("service", Lease::of(20).for_at_most(LIFE))
        .lease("tenant", Lease::of(2).for_at_most(LIFE))
        .build()
        .unwrap();
    let subjects = [Subject::everyone(), Subject::of("acme")];
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += u64::from(limiter.check(&subjects, 1).await.is_ok());
    }
    assert_eq!(admitted, 3);
    let peek = limiter.peek(&subjects, 1).await.unwrap();
    let left: Vec<_> = peek.tiers().map(|tier| tier.remaining).collect();
    assert_eq!(left, [97, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_ones_own_is_leased_apart() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("user", Quota::per(100, HOUR), Key::given("user"))
        .lease("user", Lease::of(20).for_at_most(LIFE))
        .build()
        .unwrap();
    limiter.check([Subject::of("ada")], 1).await.unwrap();
    // Units that were taken under the large limit are not handed out under a small one.
    let shut = [Subject::of("ada").limited_to(0)];
    assert!(limiter.check(&shut, 1).await.is_err());
    let few = [Subject::of("bob").limited_to(3)];
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += u64::from(limiter.check(&few, 1).await.is_ok());
    }
    assert_eq!(admitted, 3);
    let vip = [Subject::of("eve").limited_to(500)];
    limiter.check(&vip, 400).await.unwrap();
    assert_eq!(limiter.peek(&vip, 1).await.unwrap().remaining(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_finds_no_room_asks_the_store() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("user", Quota::per(5, HOUR), Key::given("user"))
        .lease("user", Lease::of(3).for_at_most(LIFE).keys(1))
        .build()
        .unwrap();
    // Eight slots, all of them with units of their own.
    for user in 0..8_u64 {
        limiter.check([Subject::of(user)], 1).await.unwrap();
    }
    let late = [Subject::of(8)];
    let before = setup.store.decided();
    for _ in 0..5 {
        limiter.check(&late, 1).await.unwrap();
    }
    assert!(limiter.check(&late, 1).await.is_err());
    assert_eq!(setup.store.decided(), before + 6);
    // Once the others' leases are over, there is room.
    setup.advance(LIFE).await;
    let later = [Subject::of(9)];
    let before = setup.store.decided();
    for _ in 0..2 {
        limiter.check(&later, 1).await.unwrap();
    }
    assert_eq!(setup.store.decided(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_peek_sees_the_store_and_what_is_here() {
    let setup = Setup::new();
    let quota = Quota::per(100, HOUR);
    let (one, other) = (setup.global(quota, 40), setup.global(quota, 40));
    assert_eq!(admitted(&one, 10).await, 10);
    assert_eq!(remaining(&one).await, 60 + 30);
    assert_eq!(remaining(&other).await, 60);
    assert!(one.peek(all(), 90).await.unwrap().is_allowed());
    assert!(!one.peek(all(), 91).await.unwrap().is_allowed());
    assert!(one.peek(all(), 101).await.unwrap().is_impossible());
    assert_eq!(remaining(&one).await, 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_admit_exactly_the_limit() {
    for quota in [
        Quota::per(120, HOUR),
        Quota::per(120, HOUR).exact(),
        Quota::gcra(1, HOUR).burst(120),
    ] {
        let store = Arc::new(MemoryStore::new());
        let limiter = SharedLimiter::builder("api", store, vec![7; 32])
            .deadline(Duration::from_secs(10))
            .tier("service", quota, Key::global())
            .tier("tenant", Quota::per(10_000, HOUR), Key::global())
            .lease("service", Lease::of(7).for_at_most(HOUR))
            .lease("tenant", Lease::of(100).for_at_most(HOUR))
            .build()
            .unwrap();
        let admitted = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (limiter, admitted) = (limiter.clone(), admitted.clone());
                tokio::spawn(async move {
                    let subjects = [Subject::everyone(), Subject::everyone()];
                    for _ in 0..20 {
                        match limiter.check(&subjects, 1).await {
                            Ok(decision) => {
                                assert!(!decision.degraded());
                                admitted.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => assert!(!refusal(&error).degraded()),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(admitted.load(Ordering::Relaxed), 120, "{quota:?}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let setup = Setup::new();
    let build = |tier: Tier, name: &str, lease: Lease| -> ConfigError {
        let builder = setup.builder().with_tier(tier).lease(name, lease);
        builder.build().unwrap_err()
    };
    let quota = Quota::per(100, HOUR);
    let tier = || Tier::new("all", quota, Key::global());
    let bucket = || Tier::new("all", Quota::gcra(100, HOUR).burst(10), Key::global());
    for (tier, name, lease, field) in [
        (tier(), "other", Lease::of(1), "lease"),
        (tier(), "all", Lease::of(0), "tiers[0].lease.units"),
        (tier(), "all", Lease::of(101), "tiers[0].lease.units"),
        (bucket(), "all", Lease::of(11), "tiers[0].lease.units"),
        (
            tier(),
            "all",
            Lease::of(1).for_at_most(Duration::ZERO),
            "tiers[0].lease.for_at_most",
        ),
        (
            tier(),
            "all",
            Lease::of(1).for_at_most(HOUR + LIFE),
            "tiers[0].lease.for_at_most",
        ),
        (
            tier(),
            "all",
            Lease::of(5).renew_below(6),
            "tiers[0].lease.renew_below",
        ),
        (tier(), "all", Lease::of(5).keys(0), "tiers[0].lease.keys"),
        (
            tier().on_exceed(OnExceed::Demand),
            "all",
            Lease::of(5),
            "tiers[0].lease",
        ),
    ] {
        let error = build(tier, name, lease);
        assert_eq!(error.field(), field, "{error}");
    }
}
