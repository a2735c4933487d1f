//! What every shared store must do: each test runs against memory and against each store outside of
//! the process. A new store is one line below and a `fixture` of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sec_core::ManualClock;
use sec_ratelimit::{
    Fallback, Key, MemoryStore, OnExceed, Quota, SharedLimiter, SharedStore, Subject, Tier,
};

use crate::{HOUR, ada, one_tier, patient};

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        /// All tests of this file against the store that `$fixture` starts.
        macro_rules! against {
            ($store:ident, $fixture:path) => {
                mod $store {
                    $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let (_server, store) = $fixture().await;
                        super::$name(store).await;
                    })*

                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn it_and_memory_answer_alike_at_every_step() {
                        let (_server, store) = $fixture().await;
                        super::answers_like_memory_at_every_step(store).await;
                    }
                }
            };
        }
    };
}

suite!(
    admits_exactly_the_limit_under_concurrency,
    a_refusal_takes_nothing_from_any_tier,
    two_users_draw_on_one_global_counter,
    a_refund_gives_back_once_and_only_to_its_own_window,
    what_it_really_cost_is_settled,
    a_peek_takes_nothing,
    a_cost_above_the_limit_never_fits,
    a_tier_that_demands_lets_pass,
    a_limit_of_ones_own_counts,
    two_limiters_with_one_name_share_their_counters,
    quota_returns_when_its_window_has_passed_and_no_sooner,
    other_names_and_secrets_share_nothing,
    clocks_of_processes_that_disagree_mint_nothing,
    a_refusal_is_no_failure_of_the_store,
);

against!(memory, crate::conformance::memory_fixture);
#[cfg(feature = "postgres")]
against!(postgres, crate::postgres::fixture);
#[cfg(feature = "redis")]
against!(redis, crate::redis::fixture);
#[cfg(feature = "redis")]
against!(redis_sentinel, crate::redis::sentinel::fixture);
#[cfg(feature = "redis-tls")]
against!(redis_tls, crate::redis::tls::fixture);
#[cfg(feature = "redis-cluster")]
against!(redis_cluster, crate::redis::cluster::fixture);

type Store = Arc<dyn SharedStore>;

async fn memory_fixture() -> ((), Store) {
    ((), Arc::new(MemoryStore::new()))
}

/// One of each algorithm, of which nothing returns while a test runs.
pub(crate) fn quotas(limit: u64) -> [Quota; 5] {
    [
        Quota::per(limit, HOUR),
        Quota::per(limit, HOUR).exact(),
        Quota::gcra(1, HOUR).burst(limit),
        Quota::sliding(limit, HOUR),
        Quota::bounded(limit, HOUR),
    ]
}

async fn fresh(store: &Store, quota: Quota) -> SharedLimiter {
    let limiter = one_tier(store.clone(), quota);
    limiter.reset(ada()).await.unwrap();
    limiter
}

async fn remaining(limiter: &SharedLimiter) -> u64 {
    limiter.peek(ada(), 1).await.unwrap().remaining()
}

async fn admits_exactly_the_limit_under_concurrency(store: Store) {
    for quota in quotas(40) {
        let limiter = fresh(&store, quota).await;
        let admitted = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (limiter, admitted) = (limiter.clone(), admitted.clone());
                tokio::spawn(async move {
                    for _ in 0..5 {
                        match limiter.check(ada(), 1).await {
                            Ok(decision) => {
                                assert!(!decision.degraded());
                                admitted.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => assert!(!error.refused().unwrap().decision().degraded()),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(admitted.load(Ordering::Relaxed), 40, "{quota:?}");
    }
}

async fn a_refusal_takes_nothing_from_any_tier(store: Store) {
    // Of two units taken at once, the sliding counter lets half of their weight fade in the second
    // window; the bounded one counts a sub-window longer.
    let waits = [HOUR, HOUR, HOUR, HOUR * 3 / 2, HOUR * 17 / 16];
    for (quota, longest) in quotas(2).into_iter().zip(waits) {
        let limiter = patient(store.clone())
            .tier("all", Quota::per(100, HOUR), Key::global())
            .tier("user", quota, Key::given("user"))
            .build()
            .unwrap();
        let subjects = [Subject::everyone(), Subject::of("ada")];
        limiter.reset(&subjects).await.unwrap();
        limiter.check(&subjects, 2).await.unwrap();
        for _ in 0..5 {
            let refused = limiter.check(&subjects, 1).await.unwrap_err();
            let decision = refused.refused().unwrap().decision().clone();
            assert_eq!(decision.violated().collect::<Vec<_>>(), ["user"]);
            let wait = decision.retry_after().unwrap();
            assert!(
                wait > longest - Duration::from_secs(60) && wait <= longest,
                "{quota:?} {wait:?}"
            );
        }
        let standing = limiter.peek(&subjects, 1).await.unwrap();
        let left: Vec<_> = standing.tiers().map(|tier| tier.remaining).collect();
        assert_eq!(left, [98, 0], "{quota:?}");
    }
}

async fn two_users_draw_on_one_global_counter(store: Store) {
    let limiter = patient(store)
        .tier("all", Quota::per(3, HOUR), Key::global())
        .tier("user", Quota::per(2, HOUR), Key::given("user"))
        .build()
        .unwrap();
    let of = |user| [Subject::everyone(), Subject::of(user)];
    limiter.check(of("ada"), 2).await.unwrap();
    limiter.check(of("bob"), 1).await.unwrap();
    let refused = limiter.check(of("bob"), 1).await.unwrap_err();
    let decision = refused.refused().unwrap().decision().clone();
    assert_eq!(decision.violated().collect::<Vec<_>>(), ["all"]);
}

async fn a_refund_gives_back_once_and_only_to_its_own_window(store: Store) {
    for quota in quotas(10) {
        let limiter = fresh(&store, quota).await;
        let (one, other) = (
            limiter.reserve(ada(), 4).await.unwrap(),
            limiter.reserve(ada(), 3).await.unwrap(),
        );
        assert_eq!(remaining(&limiter).await, 3);
        assert_eq!(one.refund().await.unwrap().remaining(), 7, "{quota:?}");
        // The window it was taken from is gone, and a new one has begun.
        limiter.reset(ada()).await.unwrap();
        limiter.check(ada(), 5).await.unwrap();
        assert_eq!(other.refund().await.unwrap().remaining(), 5, "{quota:?}");
        assert_eq!(remaining(&limiter).await, 5);
    }
}

async fn what_it_really_cost_is_settled(store: Store) {
    for quota in quotas(10) {
        let limiter = fresh(&store, quota).await;
        let less = limiter.reserve(ada(), 6).await.unwrap();
        assert_eq!(less.commit_actual(2).await.unwrap().remaining(), 8);
        let more = limiter.reserve(ada(), 1).await.unwrap();
        assert_eq!(more.commit_actual(8).await.unwrap().remaining(), 0);
        assert!(limiter.check(ada(), 1).await.is_err(), "{quota:?}");
        drop(limiter.reserve(ada(), 0).await.unwrap());
    }
}

async fn a_peek_takes_nothing(store: Store) {
    for quota in quotas(2) {
        let limiter = fresh(&store, quota).await;
        for _ in 0..5 {
            assert!(limiter.peek(ada(), 2).await.unwrap().is_allowed());
        }
        assert!(!limiter.peek(ada(), 3).await.unwrap().is_allowed());
        limiter.check(ada(), 2).await.unwrap();
        assert!(!limiter.peek(ada(), 1).await.unwrap().is_allowed());
    }
}

async fn a_cost_above_the_limit_never_fits(store: Store) {
    for quota in quotas(2) {
        let limiter = fresh(&store, quota).await;
        for cost in [3, Quota::MAX, u64::MAX] {
            let refused = limiter.check(ada(), cost).await.unwrap_err();
            let decision = refused.refused().unwrap().decision().clone();
            assert!(decision.is_impossible(), "{quota:?} {cost}");
            assert_eq!(decision.retry_after(), None);
        }
        assert_eq!(remaining(&limiter).await, 2);
    }
}

async fn a_tier_that_demands_lets_pass(store: Store) {
    for quota in quotas(2) {
        let tier = Tier::new("account", quota, Key::given("account")).on_exceed(OnExceed::Demand);
        let limiter = patient(store.clone()).with_tier(tier).build().unwrap();
        limiter.reset(ada()).await.unwrap();
        for nth in 1..=5 {
            let decision = limiter.check(ada(), 1).await.unwrap();
            assert_eq!(decision.demands_tier("account"), nth > 2, "{quota:?} {nth}");
        }
        // A flood leaves the bucket at most empty.
        let reset = limiter.peek(ada(), 1).await.unwrap();
        let reset = reset.tiers().next().unwrap().reset;
        assert!(reset <= 2 * HOUR, "{quota:?} {reset:?}");
    }
}

async fn a_limit_of_ones_own_counts(store: Store) {
    let mut quotas = quotas(2);
    // A burst of its own would not follow the caller's limit, nor can a log outgrow its room.
    (quotas[1], quotas[2]) = (Quota::per(5, HOUR).exact(), Quota::gcra(2, HOUR));
    for quota in quotas {
        let limiter = fresh(&store, quota).await;
        let own = |limit| [Subject::of("ada").limited_to(limit)];
        limiter.check(own(5), 5).await.unwrap();
        assert!(limiter.check(own(5), 1).await.is_err());
        limiter.reset(ada()).await.unwrap();
        assert!(
            limiter
                .check(own(0), 1)
                .await
                .unwrap_err()
                .refused()
                .is_some()
        );
        if quota != quotas[1] {
            limiter.check(own(u64::MAX), 1_000_000).await.unwrap();
        }
    }
}

/// The store's clock cannot be moved here, so it is awaited; what happens at each microsecond is
/// tested with the scripts' own clock in hand.
async fn quota_returns_when_its_window_has_passed_and_no_sooner(store: Store) {
    let window = Duration::from_millis(60);
    for quota in [
        Quota::per(3, window),
        Quota::per(3, window).exact(),
        Quota::gcra(3, window),
        Quota::sliding(3, window),
        Quota::bounded(3, window),
    ] {
        let limiter = fresh(&store, quota).await;
        let started = Instant::now();
        limiter.check(ada(), 3).await.unwrap();
        while limiter.check(ada(), 3).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "{quota:?}");
        }
        // A store's clock may be slewed against ours.
        assert!(started.elapsed() > window * 9 / 10, "{quota:?}");
    }
}

async fn two_limiters_with_one_name_share_their_counters(store: Store) {
    for quota in quotas(2) {
        let (one, other) = (fresh(&store, quota).await, one_tier(store.clone(), quota));
        one.check(ada(), 1).await.unwrap();
        other.check(ada(), 1).await.unwrap();
        assert!(one.check(ada(), 1).await.is_err());
    }
}

async fn other_names_and_secrets_share_nothing(store: Store) {
    let limiter = |name: &str, secret: u8| {
        SharedLimiter::builder(name, store.clone(), vec![secret; 32])
            .deadline(Duration::from_secs(10))
            .on_store_error(Fallback::Closed)
            .tier("user", Quota::per(1, HOUR), Key::given("user"))
            .build()
            .unwrap()
    };
    for (name, secret) in [("api", 1), ("web", 1), ("api", 2)] {
        limiter(name, secret).check(ada(), 1).await.unwrap();
        assert!(limiter(name, secret).check(ada(), 1).await.is_err());
    }
}

/// Each process reckoned with its own clock in spring-cloud-gateway (#1688), and two whose clocks disagreed doubled a burst.
async fn clocks_of_processes_that_disagree_mint_nothing(store: Store) {
    for quota in quotas(4) {
        let limiter = |ahead: Duration| {
            let clock = ManualClock::new();
            clock.advance(ahead);
            let limiter = patient(store.clone()).clock(clock);
            let limiter = limiter.tier("user", quota, Key::given("user"));
            limiter.build().unwrap()
        };
        let clocks = [Duration::ZERO, 2 * HOUR, 50 * HOUR];
        let limiters = clocks.map(limiter);
        limiters[0].reset(ada()).await.unwrap();
        let mut admitted = 0;
        for _ in 0..4 {
            for limiter in &limiters {
                admitted += u64::from(limiter.check(ada(), 1).await.is_ok());
            }
        }
        assert_eq!(admitted, 4, "{quota:?}");
    }
}

/// A refusal counted as a failure in rate-limiter-flexible (#337), and the insurance limiter then admitted.
async fn a_refusal_is_no_failure_of_the_store(store: Store) {
    for quota in quotas(1) {
        let limiter = patient(store.clone())
            .on_store_error(Fallback::Open)
            .breaker(1, HOUR)
            .tier("user", quota, Key::given("user"))
            .build()
            .unwrap();
        limiter.reset(ada()).await.unwrap();
        limiter.check(ada(), 1).await.unwrap();
        for _ in 0..5 {
            let error = limiter.check(ada(), 1).await.unwrap_err();
            assert!(!error.refused().unwrap().decision().degraded(), "{quota:?}");
        }
    }
}

/// A small generator with a fixed start, so that a failure is repeated by running the test again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A store outside of the process is a second writing of the algorithms; here it goes through the same
/// random steps as the ones in memory and must answer the same at each.
async fn answers_like_memory_at_every_step(store: Store) {
    let stores: [Store; 2] = [Arc::new(MemoryStore::new()), store];
    let mut dice = Dice(1);
    for round in 0..100 {
        let quota = quotas(12)[round % 5];
        let demand = Tier::new("demand", quota, Key::given("b")).on_exceed(OnExceed::Demand);
        let limiters = stores.clone().map(|store| {
            let limiter = patient(store).tier("refuse", quota, Key::given("a"));
            limiter.with_tier(demand.clone()).build().unwrap()
        });
        let subjects = [Subject::of(round as u64), Subject::of(round as u64 / 10)];
        let mut held: [Vec<_>; 2] = [Vec::new(), Vec::new()];
        for step in 0..25 {
            let (action, cost, pick) = (dice.roll(8), dice.roll(6), dice.roll(100) as usize);
            let mut seen = Vec::new();
            for (limiter, held) in limiters.iter().zip(&mut held) {
                let index = pick % held.len().max(1);
                let decision = match action {
                    0..4 => match limiter.reserve(&subjects, cost).await {
                        Ok(taken) => {
                            let decision = taken.decision().clone();
                            held.push(taken);
                            decision
                        }
                        Err(error) => error.refused().unwrap().decision().clone(),
                    },
                    4 if !held.is_empty() => held.swap_remove(index).refund().await.unwrap(),
                    5 if !held.is_empty() => {
                        held.swap_remove(index).commit_actual(cost).await.unwrap()
                    }
                    6 if pick < 10 => {
                        limiter.reset(&subjects).await.unwrap();
                        limiter.peek(&subjects, 1).await.unwrap()
                    }
                    _ => limiter.peek(&subjects, cost).await.unwrap(),
                };
                let units = decision
                    .tiers()
                    .map(|tier| (tier.exhausted, tier.remaining));
                let times = decision.tiers().flat_map(|tier| [tier.reset, tier.next]);
                let times = times.chain(decision.retry_after());
                seen.push((
                    (units.collect::<Vec<_>>(), decision.is_impossible()),
                    times.collect::<Vec<_>>(),
                ));
            }
            let at = format!("round {round}, step {step}: {action} {cost} {quota:?}");
            assert_eq!(seen[0].0, seen[1].0, "{at}");
            let times = [&seen[0].1, &seen[1].1];
            // Both clocks run on between the two.
            let alike = |(a, b): (&Duration, &Duration)| a.abs_diff(*b) < Duration::from_secs(60);
            assert_eq!(times[0].len(), times[1].len(), "{at}");
            assert!(times[0].iter().zip(times[1]).all(alike), "{at}: {times:?}");
        }
    }
}
