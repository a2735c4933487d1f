//! Limits that callers have of their own.

use std::time::Duration;

use http::HeaderMap;
use sec_core::ManualClock;

use crate::{Fields, Key, Limiter, Quota, Subject};

const HOUR: Duration = Duration::from_secs(3_600);

fn given() -> Key {
    Key::given("test")
}

/// What a flood of invented keys pushes out is judged by the tier's limit, of which one that is at a smaller
/// one of its own has used little.
#[test]
fn a_key_at_its_own_limit_is_never_forgotten() {
    for quota in [
        Quota::per(100, HOUR),
        Quota::per(100, HOUR).exact(),
        Quota::gcra(100, HOUR),
        Quota::sliding(100, HOUR),
        Quota::bounded(100, HOUR),
    ] {
        for tiers in [1, 2] {
            let mut builder = Limiter::builder().capacity(16).clock(ManualClock::new());
            builder = builder.tier("one", quota, given());
            if tiers == 2 {
                builder = builder.tier("two", Quota::per(1_000_000, HOUR), Key::global());
            }
            let limiter = builder.build().unwrap();
            let of = |subject| [subject, Subject::everyone()].into_iter().take(tiers);
            let take = |subject, cost| {
                let subjects: Vec<_> = of(subject).collect();
                limiter.check(subjects, cost).is_ok()
            };
            let mallory = || Subject::of("mallory").limited_to(1);
            assert!(take(mallory(), 1), "{quota:?}");
            for round in 0..50 {
                for stranger in 0..64_u64 {
                    let _ = take(Subject::of(round * 1_000 + stranger), 2);
                }
                assert!(!take(mallory(), 1), "{quota:?} {tiers} {round}");
            }
        }
    }
}

/// The mark of the one above goes with what is given back, and changes no count.
#[test]
fn what_a_key_at_its_own_limit_gives_back_it_may_take_again() {
    for limit in [1, 3, 100, 1_000] {
        let limiter = Limiter::builder().clock(ManualClock::new());
        let quota = Quota::per(100, HOUR);
        let limiter = limiter.tier("one", quota, given()).build().unwrap();
        let ada = || [Subject::of("ada").limited_to(limit)];
        for _ in 0..5 {
            let all = limiter.reserve(ada(), limit).unwrap();
            assert_eq!(all.decision().remaining(), 0);
            assert!(limiter.check(ada(), 1).is_err());
            assert_eq!(all.commit_actual(limit - 1).remaining(), 1);
            let last = limiter.reserve(ada(), 1).unwrap();
            last.refund();
            limiter.reset(ada()).unwrap();
        }
    }
}

/// An exact log has no room for more, and must not say that it has.
#[test]
fn an_exact_quota_tells_no_limit_that_it_does_not_have() {
    let quota = Quota::per(5, HOUR).exact();
    let limiter = Limiter::builder().tier("one", quota, given());
    let limiter = limiter.build().unwrap();
    for (own, told) in [(1_000, 5), (u64::MAX, 5), (5, 5), (3, 3), (0, 0)] {
        let ada = [Subject::of("ada").limited_to(own)];
        let decision = limiter.peek(ada, 1).unwrap();
        assert_eq!(decision.tiers().next().unwrap().quota, told);
        let mut headers = HeaderMap::new();
        Fields::IETF.write(&decision, &mut headers);
        let policy = format!("\"one\";q={told};w=3600");
        assert_eq!(headers["ratelimit-policy"], policy.as_str());
    }
}
