//! Where the keys of a cluster stand.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sec_ratelimit::{Key, LimitError, Quota, RedisStore, RedisStoreError, Subject, SubjectError};

use super::super::server::Server;
use super::servers::Cluster;
use super::{prefix, shared};
use crate::{HOUR, ada, one_tier, patient};

fn of_prefix(cluster: &Cluster) -> (Arc<RedisStore>, String) {
    let prefix = prefix();
    let store = cluster.store().prefix(&prefix).build().unwrap();
    (Arc::new(store), prefix)
}

/// Names that another limiter put into its keys as they are: `{}evil}` gave CROSSSLOT, and a reset of
/// `*` deleted everybody's (both @upstash/ratelimit 2.2.0).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_subjects_are_keys_like_any_other() {
    let cluster = shared();
    let (store, prefix) = of_prefix(&cluster);
    let limiter = patient(store)
        .tier("minute", Quota::per(1, HOUR), Key::principal())
        .tier("day", Quota::gcra(5, HOUR), Key::principal())
        .build()
        .unwrap();
    let long = "x".repeat(1 << 20);
    let hostile = [
        "",
        "*",
        "{",
        "}",
        "{}",
        "{}evil}",
        "{api}",
        "}{",
        "\0",
        "a\r\nFLUSHALL\r\n",
        "?",
        "é",
        &long,
    ];
    let check = async |name: &str| {
        limiter
            .check([Subject::of(name), Subject::of(name)], 1)
            .await
    };
    for name in hostile {
        check(name)
            .await
            .unwrap_or_else(|error| panic!("{name:.9}: {error}"));
    }
    let keys = || cluster.keys(&prefix).concat();
    assert_eq!(keys().len(), 2 * hostile.len());
    limiter
        .reset([Subject::of("*"), Subject::of("*")])
        .await
        .unwrap();
    assert_eq!(keys().len(), 2 * (hostile.len() - 1));
    for name in hostile {
        assert_eq!(check(name).await.is_ok(), name == "*", "{name:.9}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_spread_over_all_masters_and_the_tiers_of_one_stay_together() {
    let cluster = shared();
    let (store, prefix) = of_prefix(&cluster);
    let limiter = patient(store)
        .tier("minute", Quota::per(5, HOUR), Key::principal())
        .tier("hour", Quota::gcra(5, HOUR), Key::principal())
        .tier("day", Quota::per(5, HOUR).exact(), Key::principal())
        .build()
        .unwrap();
    for user in 0..300_u64 {
        limiter
            .check(&[(); 3].map(|()| Subject::of(user)), 1)
            .await
            .unwrap();
    }
    for keys in cluster.keys(&prefix) {
        // A third of the 300, by chance: fewer than 50 would be one in 10⁹ digests.
        assert!(keys.len() >= 3 * 50, "{}", keys.len());
        let slots: HashSet<_> = keys.iter().map(|key| cluster.slot(key)).collect();
        assert!(slots.len() * 3 <= keys.len());
        assert!(
            slots.len() * 3 >= keys.len() - 30,
            "hardly anything is spread"
        );
    }
}

/// Tiers whose key code gives are one subject where they have one label, and may be two where they have not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_under_one_label_is_one_subject() {
    let cluster = shared();
    for (labels, spread) in [(["user", "user"], true), (["user", "account"], false)] {
        let (store, prefix) = of_prefix(&cluster);
        let limiter = patient(store)
            .tier("minute", Quota::per(5, HOUR), Key::given(labels[0]))
            .tier("day", Quota::gcra(9, HOUR), Key::given(labels[1]))
            .build()
            .unwrap();
        for user in 0..20_u64 {
            let subjects = [Subject::of(user), Subject::of(user)];
            limiter.check(subjects, 1).await.unwrap();
        }
        let apart = [Subject::of("ada"), Subject::of("bob")];
        match limiter.check(apart, 1).await {
            Err(LimitError::Subjects(SubjectError::Apart)) => assert!(spread),
            decision => assert!(!spread && decision.is_ok(), "{decision:?}"),
        }
        let keys = cluster.keys(&prefix).concat();
        let slots: HashSet<_> = keys.iter().map(|key| cluster.slot(key)).collect();
        // Twenty digests in fewer than three slots would be one in 10⁷⁰.
        assert_eq!(slots.len() > 2, spread, "{labels:?}: {keys:?}");
        assert_eq!(slots.len() == 1, !spread);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiter_with_a_global_tier_lives_in_one_slot() {
    let cluster = shared();
    let (store, prefix) = of_prefix(&cluster);
    let limiter = patient(store)
        .tier("all", Quota::per(1000, HOUR), Key::global())
        .tier("user", Quota::per(5, HOUR), Key::given("user"))
        .build()
        .unwrap();
    for user in 0..20_u64 {
        let subjects = [Subject::everyone(), Subject::of(user)];
        let decision = limiter.check(subjects, 1).await.unwrap();
        let left = decision.tiers().next().unwrap().remaining;
        assert_eq!(left, 999 - user, "two users draw on two global counters");
    }
    let keys = cluster.keys(&prefix).concat();
    assert_eq!(keys.len(), 21);
    let slots: HashSet<_> = keys.iter().map(|key| cluster.slot(key)).collect();
    assert_eq!(slots.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_finds_the_whole_cluster_past_those_that_are_dead() {
    let cluster = shared();
    // A replica tells of the masters as well as anybody.
    let (dead, living) = (Server::absent(), cluster.servers.last().unwrap());
    let store = RedisStore::cluster([dead.url(), dead.url(), dead.url(), living.url()]);
    let limiter = one_tier(
        Arc::new(store.prefix(prefix()).build().unwrap()),
        Quota::per(1, HOUR),
    );
    for user in 0..40_u64 {
        limiter.check([Subject::of(user)], 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_cluster_is_a_failure_with_its_reason() {
    let single = Server::start();
    let store = RedisStore::cluster([single.url()]).build().unwrap();
    let limiter = one_tier(Arc::new(store), Quota::per(1, HOUR));
    let error = limiter.check(ada(), 1).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("cluster support disabled"), "{text}");
}

#[test]
fn addresses_that_a_cluster_cannot_have_are_named() {
    let urls = |urls: &[&str]| {
        RedisStore::cluster(urls.iter().copied())
            .build()
            .unwrap_err()
    };
    let good = "redis://127.0.0.1:1";
    for wrong in [
        urls(&[]),
        urls(&[good, "redis://127.0.0.1:1/3"]),
        urls(&[good, "unix:///run/redis.sock"]),
        urls(&[good, "http://user:hush@host"]),
    ] {
        assert!(
            matches!(&wrong, RedisStoreError::Url(why) if !why.contains("hush")),
            "{wrong}"
        );
    }
    let never = RedisStore::cluster([good]).connect_within(Duration::ZERO);
    assert_eq!(never.build().unwrap_err(), RedisStoreError::ConnectWithin);
}
