//! What a person changes by hand, and the spread of the time to come back.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use sec_core::{ManualClock, RequestView};

use super::layer::World;
use crate::{Key, Limiter, LimiterBuilder, Quota, Refused, Subject, SubjectError};

const MINUTE: Duration = Duration::from_secs(60);

fn kinds() -> [Quota; 5] {
    [
        Quota::per(10, MINUTE),
        Quota::per(10, MINUTE).exact(),
        Quota::gcra(10, MINUTE),
        Quota::sliding(10, MINUTE),
        Quota::bounded(10, MINUTE),
    ]
}

fn builder() -> LimiterBuilder {
    Limiter::builder().capacity(64).clock(ManualClock::new())
}

fn left(limiter: &Limiter, key: &str) -> Vec<u64> {
    let decision = limiter
        .peek(vec![Subject::of(key); limiter.0.tiers.len()], 1)
        .unwrap();
    decision.tiers().map(|tier| tier.remaining).collect()
}

#[test]
fn a_reset_forgets_one_key_in_all_tiers_or_in_one() {
    for quota in kinds() {
        let limiter = builder()
            .tier("one", quota, Key::given("test"))
            .tier("two", Quota::per(20, MINUTE), Key::given("test"))
            .build()
            .unwrap();
        let subjects = |key| [Subject::of(key), Subject::of(key)];
        for key in ["a", "b"] {
            limiter.check(subjects(key), 10).unwrap();
            assert!(limiter.check(subjects(key), 1).is_err());
        }
        let decision = limiter.reset(subjects("a")).unwrap();
        assert_eq!((decision.remaining(), decision.is_allowed()), (10, true));
        assert_eq!(left(&limiter, "a"), [10, 20], "{quota:?}");
        assert_eq!(left(&limiter, "b"), [0, 10], "{quota:?}: another key");

        assert_eq!(limiter.reset_tier("one", &Subject::of("b")), Ok(true));
        assert_eq!(left(&limiter, "b"), [10, 10], "{quota:?}");
        limiter.check(subjects("b"), 10).unwrap();
        assert!(limiter.check(subjects("b"), 1).is_err());
        // A key which was never seen takes no slot from anyone.
        assert_eq!(limiter.reset_tier("one", &Subject::of("c")), Ok(true));
    }
}

/// What was taken before a reset cannot be given back to what was taken after it.
#[test]
fn a_reservation_of_before_gives_nothing_back_after_a_reset() {
    for quota in kinds() {
        let limiter = builder()
            .tier("one", quota, Key::given("test"))
            .build()
            .unwrap();
        let before = limiter.reserve([Subject::of("a")], 4).unwrap();
        limiter.reset([Subject::of("a")]).unwrap();
        limiter.check([Subject::of("a")], 7).unwrap();
        let _ = before.refund();
        assert_eq!(left(&limiter, "a"), [3], "{quota:?}");
    }
}

#[test]
fn the_use_can_be_said_below_and_above_the_limit() {
    for quota in kinds() {
        let limiter = builder()
            .tier("one", quota, Key::given("test"))
            .build()
            .unwrap();
        limiter.check([Subject::of("a")], 9).unwrap();
        for (used, remaining) in [(3, 7), (10, 0), (15, 0), (1, 9), (0, 10)] {
            assert_eq!(limiter.set_used("one", &Subject::of("a"), used), Ok(true));
            assert_eq!(left(&limiter, "a"), [remaining], "{quota:?} {used}");
        }
    }
}

#[test]
fn an_unknown_tier_is_an_error_and_a_shared_slot_is_left_alone() {
    let limiter = builder()
        .capacity(1)
        .tier("one", Quota::per(1, MINUTE), Key::given("test"))
        .build()
        .unwrap();
    assert_eq!(
        limiter.reset_tier("two", &Subject::of("a")),
        Err(SubjectError::NoSuchTier)
    );
    assert!(limiter.reset([]).is_err());
    // A few keys have the slots and are at their limit, all others share the overflow.
    let names: Vec<String> = (0..100).map(|n| format!("key {n}")).collect();
    let degraded = |name: &&String| {
        let decision = limiter.check([Subject::of(name.as_str())], 1).unwrap();
        decision.degraded()
    };
    let shared = names.iter().find(degraded).unwrap();
    assert_eq!(
        limiter.reset_tier("one", &Subject::of("another")),
        Ok(false)
    );
    assert!(limiter.check([Subject::of(shared.as_str())], 1).is_err());
}

#[tokio::test]
async fn retry_after_is_spread_and_never_before_t() {
    let world = World::new();
    let layer = world.layer(Quota::per(1, Duration::from_secs(1_000)));
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            layer.clone().retry_jitter(share).unwrap_err().field(),
            "retry_jitter"
        );
    }
    let _ = world.get(&layer, "/").await;
    let told = async |layer: &crate::RateLimitLayer| -> u64 {
        let refused = world.get(layer, "/").await;
        assert_eq!(refused.headers()["ratelimit"], "\"api\";r=0;t=1000");
        assert_eq!(refused.headers().get_all("retry-after").iter().count(), 1);
        refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(told(&layer).await, 1_000, "none by default");
    let spread = layer.clone().retry_jitter(0.2).unwrap();
    let mut waits = Vec::new();
    for _ in 0..200 {
        waits.push(told(&spread).await);
    }
    assert!(waits.iter().all(|wait| (1_000..=1_200).contains(wait)));
    // Of 200 draws from 200 values: chance alone would not leave half of the range empty.
    assert!(waits.iter().any(|wait| *wait < 1_100) && waits.iter().any(|wait| *wait > 1_100));

    // What a hook chose itself stays.
    let own = spread.on_refusal(|_: &Refused, _: RequestView<'_>| {
        let mut response = Response::new(Bytes::new());
        response.headers_mut().insert("retry-after", 5.into());
        response
    });
    assert_eq!(told(&own).await, 5);
}

/// A slot without a lock tells its states apart by six bits.
#[test]
fn a_reservation_gives_nothing_back_after_as_many_resets_as_is_said() {
    for quota in kinds() {
        let limiter = builder().tier("one", quota, Key::given("test"));
        let limiter = limiter.build().unwrap();
        let ada = || [Subject::of("ada")];
        for resets in 1..=31 {
            let open = limiter.reserve(ada(), 3).unwrap();
            for _ in 0..resets {
                limiter.reset(ada()).unwrap();
                limiter.check(ada(), 5).unwrap();
            }
            assert_eq!(open.refund().remaining(), 5, "{quota:?} {resets}");
            limiter.reset(ada()).unwrap();
        }
    }
}
