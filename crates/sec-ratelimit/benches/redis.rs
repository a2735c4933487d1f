//! What a decision in Redis costs beside the bare script call, and beside a pool's check-out for each.
#![allow(missing_docs, reason = "a benchmark")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and one that fails should fail loudly"
)]

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/stores/redis/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, Cmd, Value, cmd};
use deadpool_redis::{Manager, Pool};
use sec_ratelimit::{Key, Quota, RedisStore, SharedLimiter, Subject};

use self::server::Server;

const USERS: u64 = 1000;
const HOUR: Duration = Duration::from_secs(3600);
/// Interleaved, so that what else runs on the machine meets all of them.
const ROUNDS: usize = 41;
const ROUND: Duration = Duration::from_millis(60);

const BARE: &str = "bare EVALSHA, one connection";
const BARE_2: &str = "bare EVALSHA, two connections";
const ONE: &str = "SharedLimiter, one tier";
const THREE: &str = "SharedLimiter, three tiers";
const POOLED: &str = "pool check-out and EVALSHA";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let server = Server::start();
    remembered(&server).await;
    let prepared = prepared(&server);
    let client = Client::open(server.url()).unwrap();
    let mut connections = Vec::new();
    for _ in 0..2 {
        connections.push(client.get_multiplexed_async_connection().await.unwrap());
    }
    let pool = Pool::builder(Manager::new(server.url()).unwrap()).max_size(16);
    let pool = pool.build().unwrap();
    let (one, three) = (limiter(&server, 1), limiter(&server, 3));

    for tasks in [1, 64] {
        let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut costs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            let mut note = |name, (rate, cost)| {
                rates.entry(name).or_default().push(rate);
                costs.entry(name).or_default().push(cost);
            };
            let run = async |count: usize| {
                let (prepared, connections) = (prepared.clone(), connections.clone());
                loaded(tasks, move |task, user| {
                    bare(prepared.clone(), connections[task % count].clone(), user)
                })
                .await
            };
            note(BARE, run(1).await);
            note(BARE_2, run(2).await);
            let limiter = one.clone();
            note(
                ONE,
                loaded(tasks, move |_, user| check(limiter.clone(), 1, user)).await,
            );
            let (limiter, before) = (three.clone(), server.calls("evalsha"));
            let (done, result) =
                counted(tasks, move |_, user| check(limiter.clone(), 3, user)).await;
            assert_eq!(
                server.calls("evalsha") - before,
                done,
                "more than one round trip"
            );
            note(THREE, result);
            let (prepared, pool) = (prepared.clone(), pool.clone());
            note(
                POOLED,
                loaded(tasks, move |_, user| {
                    pooled(prepared.clone(), pool.clone(), user)
                })
                .await,
            );
        }
        println!("concurrency {tasks}");
        let rate = |name| median(&rates[name]);
        for name in [BARE, BARE_2, ONE, THREE, POOLED] {
            let cost = median(&costs[name]);
            println!(
                "  {name:<30} {:9.0}/s  {cost:6.2} µs of our processor",
                rate(name)
            );
        }
        // Each round's own ratio: its parts ran one after the other.
        let ratio = |one: &str, other: &str| {
            let pairs = rates[one].iter().zip(&rates[other]);
            median(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>())
        };
        println!("  one tier / bare {:.2}", ratio(ONE, BARE));
        println!("  one tier / bare on two {:.2}", ratio(ONE, BARE_2));
        println!("  one tier / pooled {:.2}", ratio(ONE, POOLED));
    }
}

/// A refusal that is answered from memory.
async fn remembered(server: &Server) {
    let store = RedisStore::builder(server.url()).build().unwrap();
    let limiter = SharedLimiter::builder("refuses", Arc::new(store), vec![7; 32])
        .tier("user", Quota::per(1, HOUR), Key::given("user"))
        .remember_refusals(1024, HOUR)
        .deadline(Duration::from_secs(10))
        .build()
        .unwrap();
    let mut best = f64::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        for _ in 0..10_000 {
            let _ = black_box(limiter.check([Subject::of("ada")], 1).await);
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / 10_000.0);
    }
    println!("remembered refusal {best:.0} ns");
}

fn limiter(server: &Server, tiers: usize) -> SharedLimiter {
    let store = Arc::new(RedisStore::builder(server.url()).build().unwrap());
    (0..tiers)
        .fold(
            SharedLimiter::builder("bench", store, vec![7; 32]),
            |limiter, tier| {
                limiter.tier(
                    format!("tier-{tier}"),
                    Quota::per(1 << 40, HOUR),
                    Key::principal(),
                )
            },
        )
        .deadline(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// The calls as a limiter of one tier makes them, ready to be sent.
fn prepared(server: &Server) -> Arc<[Cmd]> {
    let script = include_str!("../src/shared/redis/decide.lua");
    let name: String = server.ask(&["SCRIPT", "LOAD", script]);
    let call = |user| {
        let mut call = cmd("EVALSHA");
        let key = format!("bare:v1:{{bench:{user:032x}}}:tier-0:{user:032x}");
        let double = |number: f64| number.to_le_bytes();
        let quota = [double((1_u64 << 40) as f64), double(3_600_000_000.0)];
        let asked = [b"t", double(1.0).as_slice(), b"f\0", quota.as_flattened()].concat();
        call.arg(&name).arg(1).arg(key).arg(asked);
        call
    };
    (0..USERS).map(call).collect()
}

async fn bare(prepared: Arc<[Cmd]>, mut connection: MultiplexedConnection, user: u64) {
    let value: Value = prepared[user as usize]
        .query_async(&mut connection)
        .await
        .unwrap();
    black_box(value);
}

async fn pooled(prepared: Arc<[Cmd]>, pool: Pool, user: u64) {
    let mut connection = pool.get().await.unwrap();
    let value: Value = prepared[user as usize]
        .query_async(&mut connection)
        .await
        .unwrap();
    black_box(value);
}

async fn check(limiter: SharedLimiter, tiers: usize, user: u64) {
    let subjects = [(); 3].map(|()| Subject::of(user));
    let decision = limiter.check(&subjects[..tiers], 1).await.unwrap();
    assert!(!decision.degraded());
    black_box(decision);
}

async fn loaded<F: Future<Output = ()> + Send>(
    tasks: usize,
    each: impl Fn(usize, u64) -> F + Clone + Send + 'static,
) -> (f64, f64) {
    counted(tasks, each).await.1
}

/// How many were done, how many per second, and microseconds of this process's processor time each.
async fn counted<F: Future<Output = ()> + Send>(
    tasks: usize,
    each: impl Fn(usize, u64) -> F + Clone + Send + 'static,
) -> (u64, (f64, f64)) {
    let (begun, used) = (Instant::now(), processor_time());
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let each = each.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while begun.elapsed() < ROUND {
                    each(task, (done * 7 + task as u64 * 13) % USERS).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    let used = (processor_time() - used).as_micros() as f64;
    (done, (rate, used / done as f64))
}

/// Of all threads of this process; zero where the system does not say.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may have spaces in it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
