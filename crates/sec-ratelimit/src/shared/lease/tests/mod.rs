//! Leases on the store in memory, with the time moved by hand. Tokio's time is paused: what a lease
//! returns at its end waits for that clock, what it hands out for the limiter's.

mod bound;
mod decide;
mod faults;
mod settle;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sec_core::{Clock, CollectingSink, ManualClock};

use crate::shared::SharedRule;
use crate::shared::store::{Ask, Change, Given, Hold, SharedStore, StoreError, StoreFuture};
use crate::{
    Answer, Decision, Fallback, Key, Lease, LimitError, MemoryStore, Quota, SharedLimiter,
    SharedLimiterBuilder, Subject,
};

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const LIFE: Duration = Duration::from_millis(500);

/// A store that counts how often it is asked, remembers what, and can be away.
#[derive(Debug)]
pub(super) struct Watched {
    store: MemoryStore,
    decided: AtomicU64,
    settled: AtomicU64,
    away: AtomicBool,
    asks: Mutex<Vec<Ask>>,
    /// When how many units were taken that never came back.
    taken: Mutex<Vec<(Duration, u64)>>,
    clock: Arc<ManualClock>,
}

impl Watched {
    pub(super) fn new(clock: Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::with_clock(clock.clone()),
            decided: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            away: AtomicBool::new(false),
            asks: Mutex::default(),
            taken: Mutex::default(),
            clock,
        })
    }

    pub(super) fn decided(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(super) fn asks(&self) -> Vec<Ask> {
        self.asks.lock().unwrap().clone()
    }

    pub(super) fn taken(&self) -> Vec<(Duration, u64)> {
        self.taken.lock().unwrap().clone()
    }

    /// Writes down what was taken. A window's hold has room for the entry's number.
    fn note(&self, ask: &Ask, given: &mut Given) {
        let mut taken = self.taken.lock().unwrap();
        let [tier] = &mut *given.tiers else { return };
        if tier.answer == Answer::Admit && !matches!(ask.tiers[0].rule, SharedRule::Gcra { .. }) {
            tier.hold[3] = taken.len() as u64;
            taken.push((self.clock.monotonic(), ask.cost));
        }
    }

    /// Answers one turn of the runtime later, as a store does that is not in memory.
    fn answer<'a, T: Send + 'a>(
        &'a self,
        asked: Option<&'a AtomicU64>,
        answer: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            if let Some(asked) = asked {
                asked.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
            if self.away.load(Ordering::Relaxed) {
                return Err(StoreError::Unreachable("away".into()));
            }
            answer().await
        })
    }
}

impl SharedStore for Watched {
    fn decide<'a>(&'a self, ask: &'a Ask, take: bool, deadline: Instant) -> StoreFuture<'a, Given> {
        let asked = take.then_some(&self.decided);
        self.answer(asked, move || {
            self.asks.lock().unwrap().push(ask.clone());
            Box::pin(async move {
                let mut given = self.store.decide(ask, take, deadline).await?;
                if take {
                    self.note(ask, &mut given);
                }
                Ok(given)
            })
        })
    }

    fn settle<'a>(
        &'a self,
        ask: &'a Ask,
        holds: &'a [Hold],
        change: Change,
        deadline: Instant,
    ) -> StoreFuture<'a, Given> {
        let asked = Some(&self.settled);
        self.answer(asked, move || {
            self.store.settle(ask, holds, change, deadline)
        })
    }

    fn reset<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> StoreFuture<'a, ()> {
        self.answer(None, move || self.store.reset(ask, deadline))
    }
}

/// One store, and as many processes as a test makes of it.
pub(super) struct Setup {
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Arc<Watched>,
    pub(super) sink: Arc<CollectingSink>,
}

impl Setup {
    pub(super) fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            store: Watched::new(clock.clone()),
            sink: CollectingSink::new(),
            clock,
        }
    }

    pub(super) fn builder(&self) -> SharedLimiterBuilder {
        SharedLimiter::builder("api", self.store.clone(), vec![7; 32])
            .on_store_error(Fallback::Closed)
            .deadline(Duration::from_secs(1))
            .clock(self.clock.clone())
            .sink(self.sink.clone())
    }

    /// One global tier, and nothing fetched ahead.
    pub(super) fn global(&self, quota: Quota, units: u64) -> SharedLimiter {
        self.leased(quota, Lease::of(units).for_at_most(LIFE).renew_below(0))
    }

    pub(super) fn leased(&self, quota: Quota, lease: Lease) -> SharedLimiter {
        let builder = self.builder().tier("service", quota, Key::global());
        builder.lease("service", lease).build().unwrap()
    }

    /// Both clocks go on, and what was due then is done.
    pub(super) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        tokio::time::advance(by).await;
        idle().await;
    }
}

/// Lets everything go on that does not wait for time.
pub(super) async fn idle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn all() -> [Subject<'static>; 1] {
    [Subject::everyone()]
}

pub(super) async fn admitted(limiter: &SharedLimiter, asked: u64) -> u64 {
    let mut admitted = 0;
    for _ in 0..asked {
        admitted += u64::from(limiter.check(all(), 1).await.is_ok());
    }
    admitted
}

pub(super) async fn remaining(limiter: &SharedLimiter) -> u64 {
    limiter.peek(all(), 1).await.unwrap().remaining()
}

pub(super) fn refusal(error: &LimitError) -> Decision {
    error.refused().unwrap().decision().clone()
}

/// What a future says at once, without being waited for.
pub(super) async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
