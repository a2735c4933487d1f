//! A slot moves to another server while its keys are decided on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sec_ratelimit::{Key, LimitError, Quota, SharedLimiter, StoreError, Subject};

use super::servers::{CALM, Cluster, until};
use crate::{HOUR, one_tier, patient};

const USER: u64 = 7;

/// A slot on its way from one server to another.
struct Move<'a> {
    cluster: &'a Cluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Move<'a> {
    /// Of the slot where this limiter's keys of one user are.
    fn of_the_only_keys(cluster: &'a Cluster) -> (Self, Vec<String>) {
        let keys = cluster.keys("t");
        let from = keys.iter().position(|keys| !keys.is_empty()).unwrap();
        let slot = cluster.slot(&keys[from][0]).to_string();
        let to = (from + 1) % 3;
        let moved = Self {
            cluster,
            slot,
            from,
            to,
        };
        (moved, keys[from].clone())
    }

    fn begin(&self) {
        let (from, to) = (self.cluster.id(self.from), self.cluster.id(self.to));
        let set = |server: usize, state: &str, other: &str| {
            let server = &self.cluster.servers[server];
            let () = server.ask(&["CLUSTER", "SETSLOT", &self.slot, state, other]);
        };
        set(self.to, "IMPORTING", &from);
        set(self.from, "MIGRATING", &to);
    }

    fn carry(&self, key: &str) {
        let port = self.cluster.servers[self.to].port().to_string();
        let from = &self.cluster.servers[self.from];
        let carried: String =
            from.ask(&["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS", key]);
        assert_eq!(carried, "OK");
    }

    fn end(&self) {
        let to = self.cluster.id(self.to);
        for server in [self.to, self.from] {
            let server = &self.cluster.servers[server];
            let () = server.ask(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &to]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tier_follows_its_slot_and_every_unit_is_counted_once() {
    let cluster = Cluster::start(false, CALM);
    let store = Arc::new(cluster.store().prefix("t").build().unwrap());
    let limiter = one_tier(store, Quota::per(1_000_000, HOUR));
    limiter.check([Subject::of(USER)], 1).await.unwrap();
    let (moving, keys) = Move::of_the_only_keys(&cluster);

    let (stop, taken) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(1)),
    );
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (limiter, stop, taken) = (limiter.clone(), stop.clone(), taken.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    limiter.check([Subject::of(USER)], 1).await.unwrap();
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let goes_on = |what: &str| {
        let before = taken.load(Ordering::Relaxed);
        until(what, || {
            let stopped = tasks.iter().any(tokio::task::JoinHandle::is_finished);
            stopped || taken.load(Ordering::Relaxed) > before + 100
        });
    };
    goes_on("before the move");
    moving.begin();
    goes_on("the key is still at the old server");
    moving.carry(&keys[0]);
    // ASK: eight tasks share the connections, and each permission serves who got it.
    goes_on("the key is at the new server, the slot is not");
    moving.end();
    // MOVED, then the new map.
    goes_on("the slot is at the new server");
    let asked = || cluster.servers[moving.from].calls("evalsha");
    until("the new server is asked at once", || {
        let before = asked();
        goes_on("and counts");
        asked() == before
    });
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(cluster.servers[moving.to].calls("asking") > 100);
    let left = limiter.peek([Subject::of(USER)], 1).await.unwrap();
    assert_eq!(left.remaining(), 1_000_000 - taken.load(Ordering::Relaxed));
}

/// A script of several keys, some here and some there, can run nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tiers_of_a_slot_under_way_are_a_failure_that_takes_nothing() {
    let cluster = Cluster::start(false, CALM);
    let store = Arc::new(cluster.store().prefix("t").build().unwrap());
    let limiter = patient(store)
        .tier("minute", Quota::per(100, HOUR), Key::principal())
        .tier("day", Quota::gcra(100, HOUR).burst(100), Key::principal())
        .breaker(1000, HOUR)
        .build()
        .unwrap();
    check(&limiter).await.unwrap();
    let (moving, keys) = Move::of_the_only_keys(&cluster);
    moving.begin();
    check(&limiter).await.unwrap();
    moving.carry(&keys[0]);
    for _ in 0..5 {
        let failed = check(&limiter).await.unwrap_err();
        assert!(
            matches!(&failed, LimitError::Store(StoreError::Answer(why)) if why.contains("TryAgain")),
            "{failed:?}"
        );
    }
    moving.carry(&keys[1]);
    check(&limiter).await.unwrap();
    // Without keys the old server sends on, and the new one does not know whether they are to come.
    limiter.reset(subjects()).await.unwrap();
    assert!(matches!(check(&limiter).await, Err(LimitError::Store(_))));
    moving.end();
    for left in [99, 98] {
        assert_eq!(check(&limiter).await.unwrap(), left);
    }
}

fn subjects() -> [Subject<'static>; 2] {
    [Subject::of(USER), Subject::of(USER)]
}

async fn check(limiter: &SharedLimiter) -> Result<u64, LimitError> {
    let decision = limiter.check(subjects(), 1).await?;
    Ok(decision.remaining())
}
