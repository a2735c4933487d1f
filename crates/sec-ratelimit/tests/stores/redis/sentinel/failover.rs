//! A master that goes away while it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sec_ratelimit::{Fallback, Key, LimitError, Quota, SharedLimiter, Subject};

use super::group::{Group, NAME, until};
use crate::redis::server::Server;
use crate::{HOUR, secret};

const LIMIT: u64 = 10;
const USERS: u64 = 20;

fn limiter(group: &Group) -> SharedLimiter {
    SharedLimiter::builder("api", Arc::new(group.store().build().unwrap()), secret())
        .tier("user", Quota::per(LIMIT, HOUR), Key::given("user"))
        .on_store_error(Fallback::Closed)
        .deadline(Duration::from_millis(500))
        .breaker(3, Duration::from_millis(100))
        .remember_refusals(0, Duration::ZERO)
        .build()
        .unwrap()
}

/// Asks for one user after the other until the store has failed and has, afterwards, refused all.
async fn press(limiter: SharedLimiter, admitted: Arc<[AtomicU64]>) {
    let started = Instant::now();
    let (mut failed, mut refused) = (false, 0);
    for user in (0..USERS).cycle() {
        match limiter.check([Subject::of(user)], 1).await {
            Ok(_) => {
                admitted[user as usize].fetch_add(1, Ordering::Relaxed);
                refused = 0;
            }
            Err(LimitError::Store(_)) => {
                (failed, refused) = (true, 0);
                // As a client would, so that the servers have a turn on a small machine.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(_) => refused += 1,
        }
        if failed && refused == USERS {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(90),
            "it does not return"
        );
    }
}

/// Asked again by whoever waits: sentinels close all connections of a server that they give a role.
fn has_role(server: &Server, role: &str) -> bool {
    let state = server.try_ask::<String>(&["INFO", "replication"]);
    state.is_ok_and(|state| state.contains(&format!("role:{role}")))
}

async fn over_a_fail_over(lose: impl FnOnce(&mut Group)) -> (Group, SharedLimiter) {
    let mut group = Group::start(3, Duration::from_millis(1500));
    let limiter = limiter(&group);
    let admitted: Arc<[_]> = (0..USERS).map(|_| AtomicU64::new(0)).collect();
    for user in 0..USERS {
        limiter.check([Subject::of(user)], LIMIT / 2).await.unwrap();
        admitted[user as usize].fetch_add(LIMIT / 2, Ordering::Relaxed);
    }
    let pressing: Vec<_> = (0..4)
        .map(|_| tokio::spawn(press(limiter.clone(), admitted.clone())))
        .collect();
    lose(&mut group);
    for task in pressing {
        task.await.unwrap();
    }

    // What was not replicated is lost, and nothing else.
    for count in admitted.iter() {
        let count = count.load(Ordering::Relaxed);
        assert!((LIMIT / 2..=2 * LIMIT).contains(&count), "{count}");
    }
    until("the replica is promoted", || {
        has_role(&group.replica, "master")
    });
    let keys = group.replica.keys();
    assert_eq!(keys.len() as u64, USERS);
    for key in keys {
        let left: i64 = group.replica.ask(&["PTTL", &key]);
        assert!((1..=3_600_000).contains(&left), "{key}: {left}");
    }
    (group, limiter)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_the_promoted_replica_counts_on() {
    over_a_fail_over(|group| group.master.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hung_is_not_returned_to_when_it_wakes() {
    let (group, limiter) = over_a_fail_over(|group| group.master.signal("-STOP")).await;
    group.master.signal("-CONT");
    let user = || [Subject::of("late")];
    for left in (0..LIMIT).rev() {
        // It has not yet heard that it is the master no more, or has.
        assert_eq!(limiter.check(user(), 1).await.unwrap().remaining(), left);
    }
    until("the old master follows the new one", || {
        has_role(&group.master, "slave")
    });
    assert!(
        limiter
            .check(user(), 1)
            .await
            .unwrap_err()
            .refused()
            .is_some()
    );
}

/// The old master lives on and answers `READONLY`, or closes its connections.
#[tokio::test]
async fn a_planned_fail_over_keeps_every_count() {
    let group = Group::start(1, HOUR);
    let limiter = limiter(&group);
    let user = || [Subject::of("ada")];
    for _ in 0..4 {
        limiter.check(user(), 1).await.unwrap();
    }
    let key = group.master.keys().remove(0);
    let count = |server: &Server| -> Option<Vec<u8>> { server.ask(&["GET", &key]) };
    until("the replica has counted, too", || {
        count(&group.replica) == count(&group.master)
    });
    until(
        "the sentinel knows enough of the replica to promote it",
        || {
            let asked = group.sentinels[0].ask::<()>(&["SENTINEL", "FAILOVER", NAME]);
            asked.is_ok()
        },
    );
    until("the replica is promoted", || {
        has_role(&group.replica, "master")
    });
    until("the old master follows", || {
        has_role(&group.master, "slave")
    });
    // Each lane finds out for itself, once.
    let mut failures = 0;
    let mut left = Vec::new();
    while left.len() < 4 {
        match limiter.check(user(), 1).await {
            Ok(decision) => left.push(decision.remaining()),
            Err(error) => {
                assert!(matches!(error, LimitError::Store(_)), "{error:?}");
                failures += 1;
            }
        }
    }
    assert_eq!(left, [5, 4, 3, 2]);
    assert!(failures <= 2, "{failures}");
}
