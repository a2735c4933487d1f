//! A master is killed while its keys are decided on, and its replica takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sec_core::{CollectingSink, ManualClock};
use sec_ratelimit::{Fallback, Key, LimitError, Quota, SharedLimiter, Subject};

use super::servers::{Cluster, until};
use super::users_by_master;
use crate::{HOUR, secret};

const LIMIT: u64 = 3000;
const USERS: usize = 4;

/// The clock of the breakers stands still: whoever returns does so without the end of any pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_return_with_the_promoted_replica_and_no_key_exceeds_twice_its_limit() {
    let mut cluster = Cluster::start(true, Duration::from_millis(2000));
    let sink = CollectingSink::new();
    let store = cluster.store().prefix("t").build().unwrap();
    let limiter = SharedLimiter::builder("api", Arc::new(store), secret())
        .tier("user", Quota::per(LIMIT, HOUR), Key::given("user"))
        .on_store_error(Fallback::Closed)
        .remember_refusals(0, Duration::ZERO)
        .deadline(Duration::from_secs(1))
        .clock(ManualClock::new())
        .sink(sink.clone())
        .build()
        .unwrap();
    let users = users_by_master(&cluster, &limiter, "t", USERS).await;

    let (stop, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // Each began with the one that found its master.
    let admitted: Arc<Vec<AtomicU64>> = Arc::new((0..USERS).map(|_| AtomicU64::new(1)).collect());
    let tasks: Vec<_> = (0..4 * USERS)
        .map(|task| {
            let (limiter, admitted) = (limiter.clone(), admitted.clone());
            let (stop, failed) = (stop.clone(), failed.clone());
            let user = users[0][task % USERS];
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match limiter.check([Subject::of(user)], 1).await {
                        Ok(_) => admitted[task % USERS].fetch_add(1, Ordering::Relaxed),
                        Err(LimitError::Store(_)) => {
                            // As a client that was told to come again would.
                            tokio::time::sleep(Duration::from_millis(5)).await;
                            failed.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(_) => 0,
                    };
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let counts = || -> Vec<u64> {
        let counts = admitted.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    };

    until("the load has begun", || {
        counts().iter().all(|&count| count > 20)
    });
    cluster.servers[0].kill();
    let killed_at = counts();
    // The others' keys have other breakers, and are never refused for it.
    until("the replica has taken over", || {
        let role: String = cluster.servers[3].ask(&["INFO", "replication"]);
        role.contains("role:master")
    });
    let promoted = Instant::now();
    // Any decision counts, a refusal of the store as well.
    let serves = async || loop {
        let mut served = 0;
        for &user in &users[0] {
            served += usize::from(limiter.peek([Subject::of(user)], 1).await.is_ok());
        }
        if served == USERS {
            return;
        }
        assert!(
            promoted.elapsed() < Duration::from_secs(60),
            "{:?}",
            sink.events()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    serves().await;
    until("each key is exhausted", || {
        let calls: Vec<String> = cluster.servers[3].keys();
        let spent = |key: &&String| -> bool {
            let value: Vec<u8> = cluster.servers[3].ask(&["GET", key]);
            value.ends_with(&(LIMIT as f64).to_le_bytes())
        };
        calls.iter().filter(spent).count() >= USERS
    });
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }

    assert!(failed.load(Ordering::Relaxed) > 0, "nobody noticed");
    for (before, after) in killed_at.into_iter().zip(counts()) {
        assert!(
            before < LIMIT,
            "the limit was reached before anything failed"
        );
        assert!(after > before && after <= 2 * LIMIT, "{before} {after}");
    }
    let keys = cluster.servers[3].keys();
    assert!(keys.len() >= USERS);
    for key in keys {
        let left: i64 = cluster.servers[3].ask(&["PTTL", &key]);
        assert!((1..=3_600_000).contains(&left), "{key}: {left}");
    }
    for &user in users[1..].iter().flatten() {
        limiter.check([Subject::of(user)], 1).await.unwrap();
    }
}
