//! A store's script with its clock in hand: beside the algorithms in memory, microsecond by microsecond.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sec_core::{Clock, ManualClock};
use sec_ratelimit::{
    Answer, Ask, Change, Given, Hold, Key, MemoryStore, OnExceed, Quota, SharedRule, SharedStore,
    SharedTier, StoreFuture, Subject, Tier, TierGiven,
};

use crate::conformance::Dice;
use crate::{HOUR, patient};

pub(crate) type Answered<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store's second writing of the algorithms, told the time.
pub(crate) trait Script: Send + Sync + 'static {
    /// What it answers at this instant, in microseconds: eight numbers per tier.
    fn run<'a>(
        &'a self,
        ask: &'a Ask,
        operation: &'a str,
        units: u64,
        holds: &'a [Hold],
        now: u64,
    ) -> Answered<'a, Vec<i64>>;

    /// Forgets all it knows.
    fn forget(&self) -> Answered<'_, ()>;

    /// Whether it kept anything.
    fn kept(&self) -> Answered<'_, bool>;
}

/// The letter of an algorithm, and its two numbers.
pub(crate) fn rule(tier: &SharedTier) -> (u8, u64, u64) {
    match tier.rule {
        SharedRule::Fixed { limit, window } => (b'f', limit, window),
        SharedRule::Gcra { interval, burst } => (b'g', interval, burst),
        SharedRule::Exact { limit, window } => (b'e', limit, window),
        SharedRule::Sliding { limit, window } => (b's', limit, window),
        SharedRule::Bounded { limit, window } => (b'b', limit, window),
        other => panic!("{other:?} is not in the script"),
    }
}

/// Asks the memory and the script, and insists that they answer the same.
struct Both<S> {
    memory: MemoryStore,
    script: S,
    clock: Arc<ManualClock>,
}

impl<S: Script> Both<S> {
    async fn script(&self, ask: &Ask, operation: &str, units: u64, holds: &[Hold]) -> Given {
        // What the memory takes its clock for.
        let now = self.clock.monotonic().as_micros() as u64 + 1;
        let numbers = self.script.run(ask, operation, units, holds, now).await;
        let whole = |number: i64| u64::try_from(number).unwrap();
        let tier = |&[wait, remaining, reset, next, a, b, c, d]: &[i64; 8]| TierGiven {
            answer: match wait {
                0 => Answer::Admit,
                -1 => Answer::Never,
                wait => Answer::Wait(whole(wait)),
            },
            remaining: whole(remaining),
            reset: whole(reset),
            next: whole(next),
            hold: [a, b, c, d].map(whole),
        };
        Given {
            tiers: numbers.as_chunks().0.iter().map(tier).collect(),
        }
    }
}

impl<S> std::fmt::Debug for Both<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Both").finish_non_exhaustive()
    }
}

impl<S: Script> SharedStore for Both<S> {
    fn decide<'a>(&'a self, ask: &'a Ask, take: bool, deadline: Instant) -> StoreFuture<'a, Given> {
        Box::pin(async move {
            let operation = if take { "take" } else { "peek" };
            let script = self.script(ask, operation, ask.cost, &[]).await;
            let memory = self.memory.decide(ask, take, deadline).await?;
            assert_eq!(script, memory, "{operation} {ask:?}");
            Ok(script)
        })
    }

    fn settle<'a>(
        &'a self,
        ask: &'a Ask,
        holds: &'a [Hold],
        change: Change,
        deadline: Instant,
    ) -> StoreFuture<'a, Given> {
        Box::pin(async move {
            let (operation, units) = match change {
                Change::GiveBack(units) => ("give", units),
                Change::TakeMore(units) => ("more", units),
            };
            let mut script = self.script(ask, operation, units, holds).await;
            let memory = self.memory.settle(ask, holds, change, deadline).await?;
            // A settlement is final: what it took has no refund.
            for tier in &mut script.tiers {
                tier.hold = Hold::default();
            }
            assert_eq!(script, memory, "{operation} {units} {holds:?} {ask:?}");
            Ok(script)
        })
    }

    fn reset<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.script.forget().await;
            self.memory.reset(ask, deadline).await
        })
    }
}

/// Keys live by the server's clock, so windows are long enough for none to go during the test.
fn quotas(limit: u64, window: Duration) -> [Quota; 5] {
    [
        Quota::per(limit, window),
        Quota::per(limit.min(Quota::EXACT_MAX), window).exact(),
        Quota::gcra(limit, window).burst(limit / 2 + 1),
        Quota::sliding(limit, window),
        Quota::bounded(limit, window),
    ]
}

/// Steps of sub-windows, of windows and of single microseconds, on their borders and beside them; refunds
/// that come too late; costs settled above the limit.
async fn walk<S: Script>(script: S, limit: u64, window: Duration, rounds: u64) {
    let clock = ManualClock::new();
    let both = Arc::new(Both {
        memory: MemoryStore::with_clock(clock.clone()),
        script,
        clock: clock.clone(),
    });
    let mut dice = Dice(limit);
    // Whole ones, so that steps land on the borders of sub-windows and beside them.
    let microsecond = Duration::from_micros(1);
    let sixteenth = Duration::from_micros(window.as_micros().div_ceil(16) as u64);
    // One tier alone knows by itself whether it refuses, two have to agree.
    for (round, tiers) in (0..rounds).flat_map(|round| [(round, 2), (round, 1)]) {
        let quota = quotas(limit, window)[round as usize % 5];
        let demand = Tier::new("demand", quota, Key::given("b")).on_exceed(OnExceed::Demand);
        let limiter = patient(both.clone()).tier("refuse", quota, Key::given("a"));
        let limiter = match tiers {
            1 => limiter.build().unwrap(),
            _ => limiter.with_tier(demand).build().unwrap(),
        };
        let subject = Subject::of(round).and(tiers);
        let subjects = vec![subject; tiers as usize];
        let mut held = Vec::new();
        for _ in 0..60 {
            let cost = dice.roll(limit / 3 + 2);
            let index = dice.roll(100) as usize % held.len().max(1);
            match dice.roll(12) {
                0..4 => match limiter.reserve(&subjects, cost).await {
                    Ok(taken) => held.push(taken),
                    Err(error) => assert!(error.refused().is_some(), "{error:?}"),
                },
                4 if !held.is_empty() => drop(held.swap_remove(index).refund().await.unwrap()),
                5 if !held.is_empty() => {
                    drop(held.swap_remove(index).commit_actual(cost).await.unwrap());
                }
                6 => clock.advance(sixteenth * 5),
                7 => clock.advance(sixteenth),
                8 => clock.advance(sixteenth - microsecond),
                9 => clock.advance(microsecond),
                10 => clock.advance(window * dice.roll(3) as u32),
                _ => drop(limiter.peek(&subjects, cost).await.unwrap()),
            }
        }
    }
    assert!(both.script.kept().await);
}

pub(crate) async fn alike_to_the_microsecond<S: Script>(script: impl AsyncFn() -> S) {
    walk(script().await, 12, HOUR, 25).await;
    // No sixteenth of it is whole.
    let odd = HOUR + Duration::from_micros(7);
    walk(script().await, 100, odd, 10).await;
}

/// Products of units and times beyond 2⁵³ and 2⁶³, which doubles round and integers do not hold.
pub(crate) async fn the_largest_limits_lose_no_unit<S: Script>(script: impl AsyncFn() -> S) {
    let year = HOUR * 24 * 365;
    for limit in [1_000_000_007, Quota::MAX / 2] {
        walk(script().await, limit, year, 15).await;
    }
}
