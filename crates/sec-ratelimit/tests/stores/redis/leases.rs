//! Leases: how many round trips they save, and what several processes then admit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sec_ratelimit::{Fallback, Key, Lease, Quota, SharedLimiter, SharedLimiterBuilder, Subject};

use super::redis;
use super::server::Server;
use crate::{HOUR, patient};

fn everyone() -> [Subject<'static>; 1] {
    [Subject::everyone()]
}

fn service(server: &Server, limit: u64) -> SharedLimiterBuilder {
    patient(redis(server)).tier("service", Quota::per(limit, HOUR), Key::global())
}

fn leased(server: &Server, limit: u64, lease: Lease) -> SharedLimiter {
    let builder = service(server, limit).lease("service", lease);
    builder.build().unwrap()
}

#[tokio::test]
async fn a_thousand_decisions_are_a_few_round_trips() {
    let server = Server::start();
    let limiter = leased(&server, 5000, Lease::of(100).for_at_most(HOUR));
    for used in 1..=1000 {
        let decision = limiter.check(everyone(), 1).await.unwrap();
        assert!(!decision.degraded());
        assert!(decision.remaining() <= 5000 - used);
    }
    // A batch is asked for when half of the last one is left, so for about fifty units each.
    let calls = server.calls("evalsha");
    assert!((10..=25).contains(&calls), "{calls}");
    // A batch that is on its way is seen once it is here.
    let left = limiter.peek(everyone(), 1).await.unwrap().remaining();
    assert!((3900..=4000).contains(&left), "{left}");
}

/// Each with connections of its own, as two processes have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_admit_what_one_counter_has_and_no_more() {
    let server = Server::start();
    let admitted = Arc::new(AtomicU64::new(0));
    let lease = Lease::of(20).for_at_most(HOUR);
    let nodes = [leased(&server, 300, lease), leased(&server, 300, lease)];
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (limiter, admitted) = (nodes[task % 2].clone(), admitted.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    match limiter.check(everyone(), 1).await {
                        Ok(decision) => {
                            assert!(!decision.degraded());
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert!(error.refused().is_some(), "{error:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // A batch that came after a node's last request lies idle there.
    let mut left = 0;
    for node in &nodes {
        while node.check(everyone(), 1).await.is_ok() {
            left += 1;
        }
    }
    assert!(left <= 2 * 20);
    assert_eq!(admitted.load(Ordering::Relaxed) + left, 300);
}

#[tokio::test]
async fn what_is_not_used_goes_back_to_the_server() {
    let server = Server::start();
    let life = Duration::from_millis(200);
    let idle = leased(&server, 100, Lease::of(40).for_at_most(life));
    let other = service(&server, 100).build().unwrap();
    idle.check(everyone(), 1).await.unwrap();
    let began = Instant::now();
    loop {
        let left = other.peek(everyone(), 1).await.unwrap().remaining();
        if left == 99 {
            break;
        }
        assert_eq!(left, 60);
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nothing came back"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_server_is_not_missed_while_the_lease_lives() {
    let mut server = Server::start();
    let limiter = service(&server, 100)
        .on_store_error(Fallback::Local { nodes: 10 })
        .lease("service", Lease::of(30).for_at_most(HOUR).renew_below(0))
        .build()
        .unwrap();
    limiter.check(everyone(), 1).await.unwrap();
    server.kill();
    for _ in 0..29 {
        assert!(!limiter.check(everyone(), 1).await.unwrap().degraded());
    }
    // Now the fallback, with a tenth.
    for _ in 0..10 {
        assert!(limiter.check(everyone(), 1).await.unwrap().degraded());
    }
    let refused = limiter.check(everyone(), 1).await.unwrap_err();
    assert!(refused.refused().unwrap().decision().degraded());
}

/// The callers' keys spread over a cluster; only the batches meet in the slot of the global tier.
#[tokio::test]
async fn the_callers_keys_are_placed_by_the_caller() {
    let server = Server::start();
    let limiter = patient(redis(&server))
        .tier("service", Quota::per(1000, HOUR), Key::global())
        .tier("user", Quota::per(10, HOUR), Key::given("user"))
        .lease("service", Lease::of(100).for_at_most(HOUR))
        .build()
        .unwrap();
    for user in 0..5_u64 {
        let subjects = [Subject::everyone(), Subject::of(user)];
        limiter.check(subjects, 1).await.unwrap();
    }
    let keys = server.keys();
    let global = keys
        .iter()
        .filter(|key| key.starts_with("sec:v1:{api}:service:"));
    assert_eq!(global.count(), 1, "{keys:?}");
    let callers = keys
        .iter()
        .filter_map(|key| key.strip_prefix("sec:v1:{api:"));
    let mut tags: Vec<_> = callers
        .map(|rest| rest.split_once("}:user:").unwrap().0)
        .collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 5);
    assert_eq!(server.calls("evalsha"), 1 + 5);
}
