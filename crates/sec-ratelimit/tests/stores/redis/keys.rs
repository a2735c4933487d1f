//! What stands in Redis, and what a decision costs there.

use std::time::{Duration, Instant};

use sec_ratelimit::{Fallback, Key, Quota, RedisStore, RedisStoreError, SharedLimiter, Subject};

use super::redis;
use super::server::Server;
use crate::conformance::quotas;
use crate::{HOUR, ada, one_tier, patient, secret};

#[tokio::test]
async fn every_key_has_a_time_to_live_within_its_window() {
    let server = Server::start();
    // Two units of a bucket refill for two hours; a sliding counter counts the window before, too; a
    // bounded window counts a sub-window longer.
    let longest = [HOUR, HOUR, 2 * HOUR, 2 * HOUR, HOUR * 17 / 16];
    for (quota, longest) in quotas(3).into_iter().zip(longest) {
        let limiter = one_tier(redis(&server), quota);
        let taken = limiter.reserve(ada(), 2).await.unwrap();
        for _ in 0..3 {
            let _ = limiter.check(ada(), 1).await;
        }
        taken.commit_actual(1).await.unwrap();
        let [key] = &server.keys()[..] else {
            panic!("one key for one subject")
        };
        let left: u64 = server.ask(&["PTTL", key]);
        let left = Duration::from_millis(left);
        assert!(
            left > longest - Duration::from_secs(60) && left <= longest,
            "{quota:?}: {left:?}"
        );
        limiter.reset(ada()).await.unwrap();
        assert_eq!(server.keys(), [""; 0]);
    }
}

/// Within a window the time to live stays as it was set, unless it was set for another window.
#[tokio::test]
async fn a_window_that_is_made_longer_or_shorter_lives_as_long() {
    type Make = fn(u64, Duration) -> Quota;
    // A sliding counter lives for two windows, a bounded one for a sub-window more than one.
    let quotas: [(Make, u32); 3] = [(Quota::per, 16), (Quota::sliding, 32), (Quota::bounded, 17)];
    let server = Server::start();
    for (quota, sixteenths) in quotas {
        for window in [HOUR, 3 * HOUR, HOUR] {
            let limiter = one_tier(redis(&server), quota(100, window));
            for _ in 0..2 {
                limiter.check(ada(), 1).await.unwrap();
                let [key] = &server.keys()[..] else {
                    panic!("one key for one subject")
                };
                let left: u64 = server.ask(&["PTTL", key]);
                let (left, whole) = (Duration::from_millis(left), window * sixteenths / 16);
                assert!(
                    left > whole - Duration::from_secs(60) && left <= whole,
                    "{sixteenths} {window:?}: {left:?}"
                );
            }
        }
        server.ask::<()>(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn what_is_over_goes_away_by_itself() {
    let server = Server::start();
    let window = Duration::from_millis(60);
    for (index, quota) in [
        Quota::per(3, window),
        Quota::per(3, window).exact(),
        Quota::gcra(3, window),
        Quota::sliding(3, window),
        Quota::bounded(3, window),
    ]
    .into_iter()
    .enumerate()
    {
        let limiter = one_tier(redis(&server), quota);
        limiter.check([Subject::of(index as u64)], 2).await.unwrap();
    }
    let started = Instant::now();
    while !server.keys().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_full_refund_leaves_no_key() {
    let server = Server::start();
    for quota in quotas(3) {
        let limiter = one_tier(redis(&server), quota);
        let taken = limiter.reserve(ada(), 3).await.unwrap();
        taken.refund().await.unwrap();
        assert_eq!(server.keys(), [""; 0], "{quota:?}");
    }
}

/// Names that broke others' keys: braces that move a key to another slot of a cluster, wildcards
/// that a reset by pattern would follow, line ends and NUL in a protocol, another user's key.
#[tokio::test]
async fn hostile_subjects_become_digests() {
    let server = Server::start();
    let limiter = one_tier(redis(&server), Quota::per(1, HOUR));
    let hostile = [
        "",
        "*",
        "{}evil}",
        "{api}",
        "a:b",
        "a\r\nFLUSHALL\r\n",
        "\0",
        "é",
        "ada",
    ];
    for name in hostile {
        limiter.check([Subject::of(name)], 1).await.unwrap();
    }
    let keys = server.keys();
    assert_eq!(keys.len(), hostile.len());
    for key in &keys {
        // One limiter of one subject: `sec:v1:{api:<digest>}:user:<digest>`.
        let rest = key.strip_prefix("sec:v1:{api:").unwrap();
        let (tag, digest) = rest.split_once("}:user:").unwrap();
        assert_eq!(tag, digest);
        assert_eq!(digest.len(), 32);
        assert!(digest.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    }
    limiter.reset([Subject::of("*")]).await.unwrap();
    assert_eq!(
        server.keys().len(),
        hostile.len() - 1,
        "a reset took more than its own"
    );
}

#[tokio::test]
async fn tiers_of_several_subjects_share_the_limiters_tag() {
    let server = Server::start();
    let limiter = patient(redis(&server))
        .tier("all", Quota::per(5, HOUR), Key::global())
        .tier("user", Quota::per(5, HOUR), Key::given("user"))
        .build()
        .unwrap();
    let subjects = [Subject::everyone(), Subject::of("ada")];
    limiter.check(&subjects, 1).await.unwrap();
    let slots = server.keys();
    assert_eq!(slots.len(), 2);
    assert!(
        slots.iter().all(|key| key.starts_with("sec:v1:{api}:")),
        "{slots:?}"
    );
}

#[tokio::test]
async fn three_tiers_are_one_round_trip_and_no_pool_traffic() {
    let server = Server::start();
    let store = RedisStore::builder(server.url()).lanes(1).build().unwrap();
    let limiter = patient(std::sync::Arc::new(store))
        .tier("all", Quota::per(500, HOUR), Key::global())
        .tier("minute", Quota::gcra(500, HOUR), Key::given("user"))
        .tier("day", Quota::per(100, HOUR).exact(), Key::given("user"))
        .build()
        .unwrap();
    let subjects = [Subject::everyone(), Subject::of("ada"), Subject::of("ada")];
    for _ in 0..50 {
        limiter.check(&subjects, 1).await.unwrap();
    }
    assert_eq!(server.calls("evalsha"), 50);
    assert_eq!(server.calls("eval"), 1, "the script was brought once");
    assert_eq!((server.calls("ping"), server.calls("unwatch")), (0, 0));
}

#[tokio::test]
async fn a_remembered_refusal_is_answered_without_the_store() {
    let server = Server::start();
    let limiter = SharedLimiter::builder("api", redis(&server), secret())
        .deadline(Duration::from_secs(10))
        .on_store_error(Fallback::Closed)
        .remember_refusals(64, HOUR)
        .tier("user", Quota::per(2, HOUR), Key::given("user"))
        .build()
        .unwrap();
    let taken = limiter.reserve(ada(), 2).await.unwrap();
    let first = limiter.check(ada(), 1).await.unwrap_err();
    let calls = server.calls("evalsha");
    for _ in 0..20 {
        let again = limiter.check(ada(), 1).await.unwrap_err();
        let wait = |error: &sec_ratelimit::LimitError| {
            error.refused().unwrap().decision().retry_after().unwrap()
        };
        assert!(wait(&again) <= wait(&first));
        assert!(wait(&again) > HOUR - Duration::from_secs(60));
    }
    assert_eq!(server.calls("evalsha"), calls);
    // Another cost and another subject are asked for.
    assert!(limiter.check(ada(), 2).await.is_err());
    limiter.check([Subject::of("bob")], 1).await.unwrap();
    assert_eq!(server.calls("evalsha"), calls + 2);
    // A reset here is seen here.
    taken.commit();
    limiter.reset(ada()).await.unwrap();
    limiter.check(ada(), 1).await.unwrap();
}

#[cfg(not(feature = "redis-tls"))]
#[test]
fn without_its_feature_tls_is_an_error_that_names_it() {
    let sentinel = RedisStore::sentinel(["redis://host"], "rediss://mymaster");
    for builder in [RedisStore::builder("REDISS://host"), sentinel] {
        let error = builder.build().unwrap_err();
        assert_eq!(error, RedisStoreError::TlsFeature);
        assert!(error.to_string().contains("redis-tls"));
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let store = |url: &str| RedisStore::builder(url);
    let url = "redis://127.0.0.1:1";
    assert!(matches!(
        store("http://user:hush@host").build().unwrap_err(),
        RedisStoreError::Url(why) if !why.contains("hush")
    ));
    assert_eq!(
        store(url).prefix("a{b").build().unwrap_err(),
        RedisStoreError::Prefix
    );
    assert_eq!(
        store(url).lanes(0).build().unwrap_err(),
        RedisStoreError::Lanes
    );
    let never = store(url).connect_within(Duration::ZERO);
    assert_eq!(never.build().unwrap_err(), RedisStoreError::ConnectWithin);
    assert!(!format!("{:?}", store("redis://:hush@host")).contains("hush"));
}
