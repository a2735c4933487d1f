//! A server of a cluster that hangs, is restarted or forgets the script.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sec_core::{CollectingSink, ManualClock};
use sec_ratelimit::{Fallback, Key, LimitError, Quota, SharedLimiter, Subject};

use super::servers::{CALM, Cluster, until};
use super::{prefix, shared, users_by_master};
use crate::{HOUR, ada, one_tier, patient, secret};

const PAUSE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_millis(500);

struct Setup {
    cluster: Cluster,
    limiter: SharedLimiter,
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
    /// Two per master.
    users: Vec<Vec<u64>>,
}

async fn setup() -> Setup {
    let (clock, sink) = (ManualClock::new(), CollectingSink::new());
    let cluster = Cluster::start(false, CALM);
    // The first connections have all the time that a busy machine needs.
    let patient = limiter(&cluster, Duration::from_secs(10), &clock, &sink);
    let users = users_by_master(&cluster, &patient, "t", 2).await;
    let setup = Setup {
        limiter: limiter(&cluster, DEADLINE, &clock, &sink),
        cluster,
        clock,
        sink,
        users,
    };
    for user in setup.users.concat() {
        setup.until_served(user).await;
    }
    setup.sink.clear();
    setup
}

/// Three failures open the breaker of a server.
fn limiter(
    cluster: &Cluster,
    deadline: Duration,
    clock: &Arc<ManualClock>,
    sink: &Arc<CollectingSink>,
) -> SharedLimiter {
    let store = cluster.store().prefix("t").build().unwrap();
    SharedLimiter::builder("api", Arc::new(store), secret())
        .tier("user", Quota::per(1000, HOUR), Key::given("user"))
        .on_store_error(Fallback::Open)
        .deadline(deadline)
        .breaker(3, PAUSE)
        .clock(clock.clone())
        .sink(sink.clone())
        .build()
        .unwrap()
}

impl Setup {
    async fn is_degraded(&self, user: u64) -> bool {
        self.limiter
            .check([Subject::of(user)], 1)
            .await
            .unwrap()
            .degraded()
    }

    /// Lets pauses pass until the store decides again.
    async fn until_served(&self, user: u64) {
        let begun = Instant::now();
        while self.is_degraded(user).await {
            assert!(begun.elapsed() < CALM, "{:?}", self.events());
            self.clock.advance(PAUSE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// State and server of each event.
    fn events(&self) -> Vec<(String, String)> {
        let text = |event: &sec_core::SecurityEvent, name: &str| {
            event.detail()[name].as_str().unwrap_or_default().to_owned()
        };
        let events = self.sink.events();
        let pair = |event| (text(event, "state"), text(event, "part"));
        events.iter().map(pair).collect()
    }

    fn name(&self, master: usize) -> String {
        format!("127.0.0.1:{}", self.cluster.servers[master].port())
    }

    /// The first master answers nothing: its keys cost a deadline each until its breaker opens, and
    /// the others' keys nothing.
    async fn only_the_first_is_missed(&self) {
        let mut waited = 0;
        for round in 0..12 {
            for (master, users) in self.users.iter().enumerate() {
                for &user in users {
                    let begun = Instant::now();
                    let was = self.is_degraded(user).await;
                    assert_eq!(was, master == 0, "round {round}, master {master}");
                    waited += u32::from(was && begun.elapsed() >= DEADLINE);
                }
            }
        }
        // Of 24 decisions; one whose connection was being made already may have heard sooner.
        assert!((1..=3).contains(&waited), "{waited}");
        assert_eq!(self.events(), [("open".into(), self.name(0))]);
    }

    async fn the_first_returns(&self) {
        self.sink.clear();
        for &user in &self.users[0] {
            self.until_served(user).await;
        }
        assert_eq!(self.events(), [("closed".into(), self.name(0))]);
        self.sink.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hangs_is_missed_by_its_own_keys_only() {
    let setup = setup().await;
    setup.cluster.servers[0].signal("-STOP");
    setup.only_the_first_is_missed().await;
    setup.cluster.servers[0].signal("-CONT");
    setup.the_first_returns().await;

    let () = setup.cluster.servers[0].ask(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    setup.only_the_first_is_missed().await;
    let () = setup.cluster.servers[0].ask(&["CLIENT", "UNPAUSE"]);
    setup.the_first_returns().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_and_restarted_returns_by_itself() {
    let mut setup = setup().await;
    setup.cluster.servers[0].kill();
    for users in &setup.users[1..] {
        for &user in users {
            for _ in 0..5 {
                assert!(!setup.is_degraded(user).await);
                assert!(setup.is_degraded(setup.users[0][0]).await);
            }
        }
    }
    assert_eq!(setup.events(), [("open".into(), setup.name(0))]);
    setup.cluster.servers[0].restart();
    setup.the_first_returns().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_starts_without_its_cluster() {
    let mut setup = setup().await;
    for server in &mut setup.cluster.servers {
        server.kill();
    }
    // As a new process: nobody has told it any slot.
    setup.limiter = limiter(&setup.cluster, DEADLINE, &setup.clock, &setup.sink);
    for user in setup.users.concat() {
        assert!(setup.is_degraded(user).await);
    }
    for server in &mut setup.cluster.servers {
        server.restart();
    }
    for user in setup.users.concat() {
        setup.until_served(user).await;
    }
}

/// A client library that repeats what failed on the way counts it twice (rate-limit-redis 6.0.1 does).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_on_its_way_over_a_lost_connection_is_not_repeated() {
    const LIMIT: u64 = 1_000_000;
    let cluster = Cluster::start(false, CALM);
    let store = cluster.store().prefix("t").build().unwrap();
    let limiter = patient(Arc::new(store))
        .tier("user", Quota::per(LIMIT, HOUR), Key::given("user"))
        .breaker(u32::MAX, PAUSE)
        .build()
        .unwrap();
    let (stop, lost) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (limiter, stop) = (limiter.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut admitted, mut failed) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    match limiter.check(ada(), 1).await {
                        Ok(_) => admitted += 1,
                        Err(_) => failed += 1,
                    }
                }
                (admitted, failed)
            })
        })
        .collect();
    until("connections were lost a hundred times", || {
        let killed: u64 = cluster
            .servers
            .iter()
            .map(|server| -> u64 {
                server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            })
            .sum();
        lost.fetch_add(killed, Ordering::Relaxed) + killed >= 100
    });
    stop.store(true, Ordering::Relaxed);
    let (mut admitted, mut failed) = (0, 0);
    for task in tasks {
        let (of_this, lost) = task.await.unwrap();
        (admitted, failed) = (admitted + of_this, failed + lost);
    }
    let used = loop {
        // The last connections may have been lost unnoticed.
        if let Ok(decision) = limiter.peek(ada(), 1).await {
            break LIMIT - decision.remaining();
        }
    };
    assert!(failed > 0, "nothing was lost");
    assert!(
        (admitted..=admitted + failed).contains(&used),
        "{used} used, {admitted} admitted, {failed} failed"
    );
}

/// A slot that nobody serves is the failure of nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_without_a_server_is_missed_by_its_own_keys_only() {
    let setup = setup().await;
    let lost = setup.users[0][0];
    let keys = &setup.cluster.keys("t")[0];
    let digest = {
        // Its key is the one that counts on.
        let count = |key: &String| -> Vec<u8> { setup.cluster.servers[0].ask(&["GET", key]) };
        let before: Vec<_> = keys.iter().map(count).collect();
        assert!(!setup.is_degraded(lost).await);
        let after: Vec<_> = keys.iter().map(count).collect();
        (0..keys.len())
            .find(|&key| before[key] != after[key])
            .unwrap()
    };
    let slot = setup.cluster.slot(&keys[digest]).to_string();
    for server in &setup.cluster.servers {
        let () = server.ask(&["CLUSTER", "DELSLOTS", &slot]);
    }
    for users in &setup.users[1..] {
        for &user in users {
            assert!(setup.is_degraded(lost).await);
            assert!(!setup.is_degraded(user).await);
        }
    }
    let error = setup.limiter.reset([Subject::of(lost)]).await.unwrap_err();
    assert!(matches!(error, LimitError::Store(_)), "{error:?}");
    let () = setup.cluster.servers[0].ask(&["CLUSTER", "ADDSLOTS", &slot]);
    setup.until_served(lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_script_is_brought_again_to_each_server() {
    let cluster = shared();
    let store = cluster.store().prefix(prefix()).build().unwrap();
    let limiter = one_tier(Arc::new(store), Quota::per(10, HOUR));
    for left in (5..10).rev() {
        assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), left);
        for user in 0..10_u64 {
            limiter.check([Subject::of(user)], 1).await.unwrap();
        }
        for server in cluster.masters() {
            let () = server.ask(&["SCRIPT", "FLUSH"]);
        }
    }
    for server in cluster.masters() {
        assert!(server.calls("eval") > 0, "no key of these subjects is here");
    }
}
