//! Limits in memory beside governor and `tower_governor`, in one run: `cargo bench --bench limits`.
//!
//! Keys are addresses in an order that no cache guesses. Each candidate decides on all of them once before its rounds are
//! measured, so that it finds its table where its own use of it left it; the candidates take turns a few times. The group
//! that says so has them take turns round by round instead: each finds the caches full of the others' tables. With two
//! threads each candidate's figure is the time of both threads' calls, divided by the calls of one.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark; its counting allocator is unsafe by its trait"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use governor::RateLimiter;
use http::{Request, Response};
use sec_core::RequestContext;
use sec_ratelimit::{Answer, Key, Limiter, LimiterBuilder, Quota, RateLimitLayer, Subject};
use tower::{Layer, service_fn};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;

use common::{Candidate, calls, group, hello};

/// Knows how much is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.size() >= LARGE {
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tables only, so that counting costs a request nothing.
const LARGE: usize = 16 * 1024;
const SECOND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;
const TURNS: usize = 5;
const CALLS: usize = 500_000;
const FEW: usize = 8;

fn main() {
    memory();
    for keys in [1_000, 1_000_000] {
        for threads in [1, 2] {
            decisions(keys, threads, Caches::Own);
        }
    }
    decisions(1_000_000, 1, Caches::Others);
    group("the layer around a handler: admission", layers(false));
    group("the layer around a handler: denial", layers(true));
}

fn address(n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n as u32))
}

fn governor(per_second: u32, burst: u32) -> governor::DefaultKeyedRateLimiter<IpAddr> {
    let [rate, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
    RateLimiter::keyed(governor::Quota::per_second(rate).allow_burst(burst))
}

fn ours(quota: Quota, keys: usize) -> LimiterBuilder {
    Limiter::builder()
        .capacity(keys)
        .tier("api", quota, Key::given("ip"))
}

fn memory() {
    const KEYS: usize = 1_000_000;
    let before = LIVE.load(Ordering::Relaxed);
    let theirs = governor(1, 1);
    for n in 0..KEYS {
        let _ = theirs.check_key(&address(n));
    }
    let theirs = (LIVE.load(Ordering::Relaxed) - before, theirs).0;
    println!("\nbytes per key, a million keys");
    println!("  {:44} {:>8}", "governor, keyed", theirs / KEYS);
    for (name, quota) in [
        ("sec-ratelimit, GCRA", Quota::gcra(100, SECOND)),
        ("sec-ratelimit, fixed window", Quota::per(100, SECOND)),
    ] {
        let bytes = ours(quota, KEYS).memory().unwrap();
        let ratio = bytes as f64 / theirs as f64;
        println!("  {name:44} {:>8}      {ratio:5.2} x", bytes / KEYS);
    }
}

type Decide = Box<dyn Fn(IpAddr) -> bool + Sync>;

/// What a candidate finds in the caches.
#[derive(Clone, Copy, PartialEq)]
enum Caches {
    Own,
    Others,
}

fn decisions(keys: usize, threads: usize, caches: Caches) {
    let mut order: Vec<IpAddr> = (0..keys).map(address).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..order.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        order.swap(at, (random >> 33) as usize % (at + 1));
    }
    let (million, hour) = (1_000_000_000, Duration::from_secs(3600));
    let take = |quota| -> Decide {
        let limiter = ours(quota, keys).build().unwrap();
        Box::new(move |ip| limiter.take([Subject::of(ip)], 1) == Ok(Answer::Admit))
    };
    let check = |quota| -> Decide {
        let limiter = ours(quota, keys).build().unwrap();
        Box::new(move |ip| limiter.check([Subject::of(ip)], 1).is_ok())
    };
    let admits = governor(million, million);
    let denied = {
        let quota = governor::Quota::with_period(hour).unwrap();
        RateLimiter::keyed(quota)
    };
    let wide = Quota::gcra(1_000_000_000, SECOND);
    let candidates: Vec<(&str, bool, Decide)> = vec![
        (
            "governor, keyed",
            true,
            Box::new(move |ip| admits.check_key(&ip).is_ok()),
        ),
        ("sec-ratelimit, GCRA, take", true, take(wide)),
        ("sec-ratelimit, GCRA, check", true, check(wide)),
        (
            "sec-ratelimit, window, take",
            true,
            take(Quota::per(100_000_000, hour)),
        ),
        (
            "governor, keyed, denied",
            false,
            Box::new(move |ip| denied.check_key(&ip).is_ok()),
        ),
        (
            "sec-ratelimit, GCRA, take, denied",
            false,
            take(Quota::gcra(1, hour)),
        ),
        (
            "sec-ratelimit, GCRA, check, denied",
            false,
            check(Quota::gcra(1, hour)),
        ),
        (
            "sec-ratelimit, window, take, denied",
            false,
            take(Quota::per(1, hour)),
        ),
    ];
    for (_, _, decide) in &candidates {
        // Every key is there, and those to be denied are at their limit. Of a million keys in a table for
        // as many about one finds no room.
        let without = order.iter().filter(|ip| !decide(**ip)).count();
        assert!(without < FEW);
    }
    let mut times = vec![Vec::new(); candidates.len()];
    let (turns, rounds) = match caches {
        Caches::Own => (TURNS, ROUNDS),
        Caches::Others => (TURNS * ROUNDS, 1),
    };
    for turn in 0..turns {
        for ((_, admitted, decide), times) in candidates.iter().zip(&mut times) {
            if caches == Caches::Own {
                assert!(order.iter().filter(|ip| decide(**ip) != *admitted).count() < FEW);
            }
            for round in 0..rounds {
                times.push(run(
                    &order,
                    threads,
                    turn * rounds + round,
                    *admitted,
                    decide,
                ));
            }
        }
    }
    print!("\none decision, {keys} keys, {threads} thread(s)");
    println!(
        "{}",
        if caches == Caches::Own {
            ""
        } else {
            ", caches full of the others"
        }
    );
    let mut first = 0.0;
    for ((name, _, _), times) in candidates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        if name.starts_with("governor") {
            first = median;
        }
        println!(
            "  {name:44} {median:>8.1} ns   {:5.2} x faster",
            first / median
        );
    }
}

/// Nanoseconds per call of each thread.
fn run(order: &[IpAddr], threads: usize, round: usize, admitted: bool, decide: &Decide) -> f64 {
    let start = Barrier::new(threads);
    let slowest = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let from = (round * CALLS + thread * order.len() / 2) % order.len();
                    let keys = order[from..].iter().chain(order.iter().cycle()).take(CALLS);
                    start.wait();
                    let begun = Instant::now();
                    let wrong = keys.filter(|ip| decide(**ip) != admitted).count();
                    let time = begun.elapsed();
                    assert!(wrong < FEW * (1 + CALLS / order.len()));
                    time
                })
            })
            .collect();
        runners
            .into_iter()
            .map(|runner| runner.join().unwrap())
            .max()
    });
    slowest.unwrap().as_nanos() as f64 / CALLS as f64
}

/// `tower_governor` asks for axum's body.
fn boxed(request: Request<()>) -> Ready<Result<Response<axum::body::Body>, Infallible>> {
    ready(
        hello(request)
            .into_inner()
            .map(|response| response.map(axum::body::Body::new)),
    )
}

/// Each with its header fields. Ours reads the address from a context, which a service has anyway.
fn layers(denied: bool) -> Vec<Candidate> {
    let peer = SocketAddr::from(([203, 0, 113, 7], 1));
    let bare = || Request::new(());
    let connected = move || {
        let mut request = bare();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    // Repeated refusals become one event, as behind `ContextLayer`.
    let known = RequestContext::builder()
        .coalesce(Duration::from_secs(10))
        .build();
    let in_context = move || {
        let mut request = bare();
        request.extensions_mut().insert(known.clone());
        request
    };
    let mut config = GovernorConfigBuilder::default();
    if denied {
        config.per_second(3600).burst_size(1);
    } else {
        config.per_nanosecond(1).burst_size(1_000_000_000);
    }
    let theirs = GovernorLayer::new(config.use_headers().finish().unwrap());
    let quota = if denied {
        Quota::gcra(1, Duration::from_secs(3600))
    } else {
        Quota::gcra(1_000_000_000, SECOND)
    };
    let limiter = || {
        Limiter::builder()
            .tier("api", quota, Key::ip())
            .build()
            .unwrap()
    };
    let ours = RateLimitLayer::new(limiter()).unwrap();
    vec![
        calls("the handler alone", bare, service_fn(hello)),
        calls(
            "a request with its peer's address",
            connected,
            service_fn(boxed),
        ),
        calls(
            "tower_governor, with headers",
            connected,
            theirs.layer(service_fn(boxed)),
        ),
        calls(
            "a request with a context",
            in_context.clone(),
            service_fn(hello),
        ),
        calls(
            "sec-ratelimit, the IETF fields",
            in_context,
            ours.layer(service_fn(hello)),
        ),
    ]
}
