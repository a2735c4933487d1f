//! The header fields, read back with a structured-fields parser.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use sec_core::{ManualClock, Problem};
use sfv::{KeyRef, List, ListEntry, Parser};

use crate::{Decision, Fields, Key, Limiter, OnExceed, Quota, Subject, Tier};

const MINUTE: Duration = Duration::from_secs(60);

fn written(decision: &Decision, fields: Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    fields.write(decision, &mut headers);
    headers
}

/// The items of a list field: name, and the integers of two parameters.
fn items(headers: &HeaderMap, field: &str, one: &str, two: &str) -> Vec<(String, i64, i64)> {
    let lines = headers.get_all(field).iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
    let list = Parser::new(&lines.join(", ")).parse::<List>().unwrap();
    let integer = |item: &sfv::Item, name: &str| {
        let value = item.params.get(KeyRef::from_str(name).unwrap()).unwrap();
        value.as_integer().unwrap().into()
    };
    list.iter()
        .map(|entry| match entry {
            ListEntry::Item(item) => {
                let name = item.bare_item.as_string().unwrap().as_str().to_owned();
                (name, integer(item, one), integer(item, two))
            }
            ListEntry::InnerList(_) => panic!("an inner list"),
        })
        .collect()
}

fn policies(headers: &HeaderMap) -> Vec<(String, i64, i64)> {
    items(headers, "ratelimit-policy", "q", "w")
}

fn states(headers: &HeaderMap) -> Vec<(String, i64, i64)> {
    items(headers, "ratelimit", "r", "t")
}

fn single(quota: Quota) -> (Limiter, Arc<ManualClock>) {
    let clock = ManualClock::new();
    let builder = Limiter::builder().capacity(8).clock(clock.clone());
    (
        builder.tier("t", quota, Key::given("k")).build().unwrap(),
        clock,
    )
}

fn ask(limiter: &Limiter, cost: u64) -> Decision {
    let subjects = vec![Subject::of("a"); limiter.0.tiers.len()];
    match limiter.check(subjects, cost) {
        Ok(decision) => decision,
        Err(error) => error.refused().unwrap().decision().clone(),
    }
}

/// draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
#[test]
fn every_tier_is_an_item_except_those_that_only_demand() {
    let limiter = Limiter::builder()
        .tier("api", Quota::per(100, MINUTE), Key::given("k"))
        .tier(
            "daily quota",
            Quota::gcra(1_000, 1_440 * MINUTE).burst(10),
            Key::given("k"),
        )
        .with_tier(Tier::new("account", Quota::auth(), Key::given("k")).on_exceed(OnExceed::Demand))
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let headers = written(&ask(&limiter, 2), Fields::IETF);
    let named = |name: &str, one, two| (name.to_owned(), one, two);
    assert_eq!(
        policies(&headers),
        [named("api", 100, 60), named("daily quota", 1_000, 86_400)]
    );
    assert_eq!(
        states(&headers),
        [named("api", 98, 60), named("daily quota", 8, 173)]
    );
    assert_eq!(
        headers["ratelimit-policy"]
            .to_str()
            .unwrap()
            .matches("w=")
            .count(),
        2
    );
    assert!(!headers.contains_key("retry-after"));
    assert!(!headers.contains_key("x-ratelimit-limit"));
}

/// tower_governor sent `retry-after: 0` with 900 ms left, fastify#301 milliseconds.
#[test]
fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    for (gone, seconds) in [
        (59_999, "1"),
        (59_100, "1"),
        (58_999, "2"),
        (0, "60"),
        (1, "60"),
    ] {
        for quota in [
            Quota::per(1, MINUTE),
            Quota::per(1, MINUTE).exact(),
            Quota::gcra(1, MINUTE),
        ] {
            let (limiter, clock) = single(quota);
            let _ = ask(&limiter, 1);
            clock.advance(Duration::from_millis(gone));
            let refused = limiter.check([Subject::of("a")], 1).unwrap_err();
            let headers = written(refused.refused().unwrap().decision(), Fields::NONE);
            assert_eq!(headers["retry-after"], seconds, "{quota:?}");
            let problem = Problem::from(&refused).respond(&HeaderMap::new());
            assert_eq!(problem.headers()["retry-after"], seconds);
        }
    }
}

/// The draft, section 6: Retry-After should not precede the end of the effective window `t`.
#[test]
fn retry_after_never_precedes_t() {
    for quota in [
        Quota::per(10, MINUTE),
        Quota::per(10, MINUTE).exact(),
        Quota::gcra(10, MINUTE),
        Quota::gcra(10, MINUTE).burst(3),
        Quota::sliding(10, MINUTE),
        Quota::bounded(10, MINUTE),
    ] {
        for cost in 1..4 {
            let (limiter, clock) = single(quota);
            for _ in 0..30 {
                clock.advance(Duration::from_millis(1_300));
                let decision = ask(&limiter, cost);
                let headers = written(&decision, Fields::IETF);
                let [(_, remaining, t)] = states(&headers).try_into().unwrap();
                assert_eq!(headers.contains_key("retry-after"), !decision.is_allowed());
                if let Some(wait) = headers.get("retry-after") {
                    let wait: i64 = wait.to_str().unwrap().parse().unwrap();
                    assert!(wait >= t, "{quota:?}: {wait} before {t}");
                    assert!(remaining < cost.try_into().unwrap());
                }
            }
        }
    }
}

/// A refusal names the tiers that refused: another one's `t` says nothing about when to come back.
#[test]
fn a_refusal_states_who_refused() {
    let limiter = Limiter::builder()
        .tier(
            "second",
            Quota::per(1, Duration::from_secs(1)),
            Key::given("k"),
        )
        .tier("day", Quota::per(50, 1_440 * MINUTE), Key::given("k"))
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let _ = ask(&limiter, 1);
    let headers = written(&ask(&limiter, 1), Fields::IETF);
    assert_eq!(states(&headers), [("second".to_owned(), 0, 1)]);
    assert_eq!(policies(&headers).len(), 2);
    assert_eq!(headers["retry-after"], "1");
}

#[test]
fn a_window_below_a_second_is_never_zero() {
    let (limiter, _) = single(Quota::per(5, Duration::from_millis(100)));
    let headers = written(&ask(&limiter, 1), Fields::IETF);
    assert_eq!(policies(&headers), [("t".to_owned(), 5, 1)]);
}

/// RFC 9651, section 3.3.1: integers have at most 15 digits.
#[test]
fn the_largest_numbers_are_still_integers_of_a_structured_field() {
    let (limiter, _) = single(Quota::per(Quota::MAX, Quota::MAX_PER));
    let headers = written(&ask(&limiter, 1), Fields::IETF.and(Fields::LEGACY));
    assert_eq!(policies(&headers)[0].1, 999_999_999_999_999);
    let boundless = [Subject::of("b").limited_to(u64::MAX)];
    let decision = limiter.check(boundless, u64::MAX / 2).unwrap();
    let headers = written(&decision, Fields::IETF.and(Fields::LEGACY));
    assert_eq!(policies(&headers)[0].1, 999_999_999_999_999);
    assert_eq!(headers["x-ratelimit-remaining"], "999999999999999");
}

#[test]
fn the_older_fields_are_of_the_strictest_tier_in_seconds() {
    let (limiter, clock) = single(Quota::per(2, MINUTE));
    let _ = ask(&limiter, 1);
    clock.advance(Duration::from_millis(500));
    let headers = written(&ask(&limiter, 1), Fields::LEGACY);
    let shown = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(shown("x-ratelimit-limit"), "2");
    assert_eq!(shown("x-ratelimit-remaining"), "0");
    assert_eq!(shown("x-ratelimit-reset"), "60");
    assert!(!headers.contains_key("ratelimit"));
    // A laxer limiter further out leaves them.
    let (lax, _) = single(Quota::per(100, MINUTE));
    let mut both = headers.clone();
    Fields::LEGACY.write(&ask(&lax, 1), &mut both);
    assert_eq!(both, headers);
}

#[test]
fn the_partition_is_bytes_that_differ_by_key_and_stay_for_one() {
    let (limiter, _) = single(Quota::api());
    let partition = |who: &str| {
        let decision = limiter.check([Subject::of(who)], 1).unwrap();
        let headers = written(&decision, Fields::IETF.with_partition());
        let fields = ["ratelimit", "ratelimit-policy"].map(|field| {
            let list = Parser::new(&headers[field]).parse::<List>().unwrap();
            let ListEntry::Item(item) = &list[0] else {
                panic!("an inner list")
            };
            let pk = item.params.get(KeyRef::constant("pk")).unwrap();
            pk.as_byte_sequence().unwrap().to_vec()
        });
        assert_eq!(fields[0], fields[1]);
        assert_eq!(fields[0].len(), 8);
        fields[0].clone()
    };
    assert_eq!(partition("a"), partition("a"));
    assert_ne!(partition("a"), partition("b"));
}

/// tower_governor's `per_second(10)` means one per ten seconds (#55). Here the numbers are as they read.
#[test]
fn ten_per_second_is_ten_per_second() {
    let (limiter, clock) = single(Quota::gcra(10, Duration::from_secs(1)));
    for _ in 0..10 {
        assert!(ask(&limiter, 1).is_allowed());
    }
    assert!(!ask(&limiter, 1).is_allowed());
    clock.advance(Duration::from_millis(100));
    assert!(ask(&limiter, 1).is_allowed());
}
