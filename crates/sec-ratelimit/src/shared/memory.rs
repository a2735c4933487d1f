//! The shared store of one process, on the crate's own algorithms: what any other must agree with.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sec_core::{Clock, SystemClock};

use super::SharedRule;
use super::blocks::{BlockChanges, BlockStore, SharedBlock};
use super::memory_blocks::Lists;
use super::rule::micros;
use super::store::{Ask, Change, Given, Hold, SharedStore, SharedTier, StoreFuture, TierGiven};
use crate::digest::Digest;
use crate::gcra::{GcraHold, GcraState};
use crate::{
    Answer, BoundedState, BoundedWindow, ExactLog, FixedState, FixedWindow, Gcra, LogState,
    SlidingState, SlidingWindow, Standing, WindowHold,
};

/// A [`SharedStore`] and [`BlockStore`] in this process's memory, for tests of code that uses a shared
/// limiter, and for several limiters of one process that share their counters.
///
/// **Not bounded** as [`Limiter`](crate::Limiter) is: it keeps what lives, and sweeps what is over each
/// time its size has doubled. One lock for all keys.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<States>,
    blocks: Mutex<Lists>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct States {
    /// Each with the instant from which it says no more than nothing would.
    keys: HashMap<Place, (State, u64)>,
    sweep_at: usize,
}

type Place = (Arc<str>, Arc<str>, Digest);

#[derive(Clone, Debug)]
enum State {
    Fixed(FixedState),
    Gcra { state: GcraState, born: u64 },
    Exact { times: Vec<u64>, log: LogState },
    Sliding(SlidingState),
    Bounded(BoundedState),
}

impl MemoryStore {
    /// An empty one, on the system's monotonic clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock::shared())
    }

    /// An empty one, on this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::default(),
            blocks: Mutex::default(),
            clock,
        }
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.lock().keys.len()
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        // Never 0, so that a state's birth always is a number of its own.
        micros(self.clock.monotonic()).saturating_add(1)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedStore for MemoryStore {
    fn decide<'a>(&'a self, ask: &'a Ask, take: bool, _: Instant) -> StoreFuture<'a, Given> {
        let mut states = self.lock();
        let now = self.now();
        let mut tiers: Vec<_> = ask
            .tiers
            .iter()
            .map(|tier| {
                let state = states.of(ask, tier, now);
                state.given(tier, state.answer(tier.rule, now, ask.cost), now)
            })
            .collect();
        let refused = |(tier, given): (&SharedTier, &TierGiven)| {
            !tier.demands && given.answer != Answer::Admit
        };
        if take && !ask.tiers.iter().zip(&tiers).any(refused) {
            for (tier, given) in ask.tiers.iter().zip(&mut tiers) {
                let mut state = states.of(ask, tier, now);
                let hold = state.take(tier, now, ask.cost);
                *given = TierGiven {
                    hold,
                    ..state.given(tier, given.answer, now)
                };
                states.put(ask, tier, state, now);
            }
        }
        Box::pin(ready(Ok(Given { tiers })))
    }

    fn settle<'a>(
        &'a self,
        ask: &'a Ask,
        holds: &'a [Hold],
        change: Change,
        _: Instant,
    ) -> StoreFuture<'a, Given> {
        let mut states = self.lock();
        let now = self.now();
        let settle = |(tier, hold): (&SharedTier, &Hold)| {
            let mut state = states.of(ask, tier, now);
            match change {
                Change::GiveBack(units) => state.give_back(tier.rule, now, *hold, units),
                Change::TakeMore(units) => {
                    let _ = state.take(tier, now, units);
                }
            }
            let given = state.given(tier, Answer::Admit, now);
            states.put(ask, tier, state, now);
            given
        };
        let tiers = ask.tiers.iter().zip(holds).map(settle).collect();
        Box::pin(ready(Ok(Given { tiers })))
    }

    fn reset<'a>(&'a self, ask: &'a Ask, _: Instant) -> StoreFuture<'a, ()> {
        let mut states = self.lock();
        for tier in &ask.tiers {
            states.keys.remove(&place(ask, tier));
        }
        Box::pin(ready(Ok(())))
    }
}

impl BlockStore for MemoryStore {
    fn put<'a>(&'a self, list: &'a str, block: &'a SharedBlock, _: Instant) -> StoreFuture<'a, ()> {
        self.lists().put(list, block, self.now());
        Box::pin(ready(Ok(())))
    }

    fn lift<'a>(&'a self, list: &'a str, digest: Digest, _: Instant) -> StoreFuture<'a, ()> {
        self.lists().lift(list, digest, self.now());
        Box::pin(ready(Ok(())))
    }

    fn changes<'a>(
        &'a self,
        list: &'a str,
        since: u64,
        most: u32,
        _: Instant,
    ) -> StoreFuture<'a, BlockChanges> {
        let changes = self.lists().changes(list, since, most, self.now());
        Box::pin(ready(Ok(changes)))
    }
}

fn place(ask: &Ask, tier: &SharedTier) -> Place {
    (ask.limiter.clone(), tier.name.clone(), tier.digest)
}

impl States {
    fn of(&self, ask: &Ask, tier: &SharedTier, now: u64) -> State {
        let found = self.keys.get(&place(ask, tier));
        let found = found.map(|(state, _)| state.clone());
        match (found, tier.rule) {
            (Some(State::Fixed(state)), SharedRule::Fixed { .. }) => State::Fixed(state),
            (Some(State::Gcra { state, born }), SharedRule::Gcra { .. }) if state.tat > now => {
                State::Gcra { state, born }
            }
            (Some(state @ State::Exact { .. }), SharedRule::Exact { .. }) => state,
            (Some(State::Sliding(state)), SharedRule::Sliding { .. }) => State::Sliding(state),
            (Some(State::Bounded(state)), SharedRule::Bounded { .. }) => State::Bounded(state),
            (_, SharedRule::Fixed { .. }) => State::Fixed(FixedState::default()),
            (_, SharedRule::Gcra { .. }) => State::Gcra {
                state: GcraState::default(),
                born: now,
            },
            (_, SharedRule::Exact { .. }) => State::Exact {
                times: Vec::new(),
                log: LogState::default(),
            },
            (_, SharedRule::Sliding { .. }) => State::Sliding(SlidingState::default()),
            (_, SharedRule::Bounded { .. }) => State::Bounded(BoundedState::default()),
        }
    }

    fn put(&mut self, ask: &Ask, tier: &SharedTier, state: State, now: u64) {
        if state.is_spent(tier.rule, now) {
            self.keys.remove(&place(ask, tier));
            return;
        }
        let until = now.saturating_add(state.standing(tier.rule, now).reset);
        self.keys.insert(place(ask, tier), (state, until));
        if self.keys.len() > self.sweep_at {
            self.keys.retain(|_, (_, until)| *until > now);
            self.sweep_at = self.keys.len().saturating_mul(2).max(1024);
        }
    }
}

impl State {
    fn answer(&self, rule: SharedRule, now: u64, cost: u64) -> Answer {
        match (self, rule) {
            (Self::Fixed(state), SharedRule::Fixed { limit, window }) => {
                FixedWindow::new(limit, window).answer(*state, now, cost)
            }
            (Self::Gcra { state, .. }, SharedRule::Gcra { interval, burst }) => {
                Gcra::new(1, interval, burst).answer(*state, now, cost)
            }
            (Self::Exact { times, .. }, SharedRule::Exact { limit, window }) => {
                ExactLog::new(limit, window).answer(times, now, cost)
            }
            (Self::Sliding(state), SharedRule::Sliding { limit, window }) => {
                SlidingWindow::new(limit, window).answer(*state, now, cost)
            }
            (Self::Bounded(state), SharedRule::Bounded { limit, window }) => {
                BoundedWindow::new(limit, window).answer(state, now, cost)
            }
            _ => Answer::Never,
        }
    }

    fn take(&mut self, tier: &SharedTier, now: u64, cost: u64) -> Hold {
        match (self, tier.rule) {
            (Self::Fixed(state), SharedRule::Fixed { limit, window }) => [
                FixedWindow::new(limit, window).take(state, now, cost),
                0,
                0,
                0,
            ],
            (Self::Gcra { state, born }, SharedRule::Gcra { interval, burst }) => {
                let gcra = Gcra::new(1, interval, burst);
                let hold = if tier.demands {
                    gcra.take_saturating(state, now, cost)
                } else {
                    gcra.take(state, now, cost)
                };
                [hold.tat, hold.weight, hold.returned, *born]
            }
            (Self::Exact { times, log }, SharedRule::Exact { limit, window }) => {
                let room = usize::try_from(limit).unwrap_or(usize::MAX);
                times.resize(room.max(times.len()), 0);
                let exact = ExactLog::new(limit, window);
                let hold = if tier.demands {
                    exact.take_saturating(times, log, now, cost)
                } else {
                    exact.take(times, log, now, cost)
                };
                times.truncate(log.len);
                [hold.start, hold.taken, 0, 0]
            }
            (Self::Sliding(state), SharedRule::Sliding { limit, window }) => {
                let sliding = SlidingWindow::new(limit, window);
                let hold = if tier.demands {
                    sliding.take_saturating(state, now, cost)
                } else {
                    sliding.take(state, now, cost)
                };
                [hold.start, hold.taken, 0, 0]
            }
            (Self::Bounded(state), SharedRule::Bounded { limit, window }) => {
                let bounded = BoundedWindow::new(limit, window);
                let hold = if tier.demands {
                    bounded.take_saturating(state, now, cost)
                } else {
                    bounded.take(state, now, cost)
                };
                [hold.start, hold.taken, 0, 0]
            }
            _ => Hold::default(),
        }
    }

    fn give_back(&mut self, rule: SharedRule, now: u64, hold: Hold, units: u64) {
        let [first, weight, returned, of] = hold;
        match (self, rule) {
            (Self::Fixed(state), SharedRule::Fixed { limit, window }) => {
                FixedWindow::new(limit, window).give_back(state, now, first, units);
            }
            (Self::Gcra { state, born }, SharedRule::Gcra { interval, burst }) if *born == of => {
                let mut hold = GcraHold::default();
                (hold.tat, hold.weight, hold.returned) = (first, weight, returned);
                Gcra::new(1, interval, burst).give_back(state, now, hold, units);
            }
            (Self::Exact { times, log }, SharedRule::Exact { limit, window }) => {
                let hold = window_hold(hold);
                ExactLog::new(limit, window).give_back(times, log, now, hold, units);
                times.truncate(log.len);
            }
            (Self::Sliding(state), SharedRule::Sliding { limit, window }) => {
                let hold = window_hold(hold);
                SlidingWindow::new(limit, window).give_back(state, now, hold, units);
            }
            (Self::Bounded(state), SharedRule::Bounded { limit, window }) => {
                let hold = window_hold(hold);
                BoundedWindow::new(limit, window).give_back(state, now, hold, units);
            }
            _ => {}
        }
    }

    fn standing(&self, rule: SharedRule, now: u64) -> Standing {
        match (self, rule) {
            (Self::Fixed(state), SharedRule::Fixed { limit, window }) => {
                FixedWindow::new(limit, window).standing(*state, now)
            }
            (Self::Gcra { state, .. }, SharedRule::Gcra { interval, burst }) => {
                Gcra::new(1, interval, burst).standing(*state, now)
            }
            (Self::Exact { times, .. }, SharedRule::Exact { limit, window }) => {
                ExactLog::new(limit, window).standing(times, now)
            }
            (Self::Sliding(state), SharedRule::Sliding { limit, window }) => {
                SlidingWindow::new(limit, window).standing(*state, now)
            }
            (Self::Bounded(state), SharedRule::Bounded { limit, window }) => {
                BoundedWindow::new(limit, window).standing(state, now)
            }
            _ => Standing::default(),
        }
    }

    fn given(&self, tier: &SharedTier, answer: Answer, now: u64) -> TierGiven {
        let standing = self.standing(tier.rule, now);
        TierGiven {
            answer,
            remaining: standing.remaining,
            reset: standing.reset,
            next: standing.next,
            hold: Hold::default(),
        }
    }

    fn is_spent(&self, rule: SharedRule, now: u64) -> bool {
        match (self, rule) {
            (Self::Fixed(state), SharedRule::Fixed { limit, window }) => {
                FixedWindow::new(limit, window).is_spent(*state, now)
            }
            (Self::Gcra { state, .. }, SharedRule::Gcra { .. }) => state.tat <= now,
            (Self::Exact { times, .. }, SharedRule::Exact { limit, window }) => {
                ExactLog::new(limit, window).is_spent(times, now)
            }
            (Self::Sliding(state), SharedRule::Sliding { limit, window }) => {
                SlidingWindow::new(limit, window).is_spent(*state, now)
            }
            (Self::Bounded(state), SharedRule::Bounded { limit, window }) => {
                BoundedWindow::new(limit, window).is_spent(state, now)
            }
            _ => true,
        }
    }
}

fn window_hold([start, taken, ..]: Hold) -> WindowHold {
    let mut hold = WindowHold::default();
    (hold.start, hold.taken) = (start, taken);
    hold
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sec_core::ManualClock;

    use super::*;

    #[test]
    fn what_is_over_is_swept() {
        let clock = ManualClock::new();
        let store = MemoryStore::with_clock(clock.clone());
        let minute = Duration::from_secs(60);
        let rules = [
            SharedRule::fixed(1, minute),
            SharedRule::exact(1, minute),
            SharedRule::gcra(1, minute, 1),
            SharedRule::sliding(1, minute),
            SharedRule::bounded(1, minute),
        ];
        let fill = |from: u64, to: u64| {
            for number in from..to {
                let rule = rules[usize::try_from(number % 5).unwrap()];
                let tier = SharedTier {
                    name: "t".into(),
                    digest: [number, 0],
                    rule,
                    demands: false,
                };
                let ask = Ask {
                    limiter: "l".into(),
                    subject: None,
                    tiers: vec![tier],
                    cost: 1,
                };
                drop(store.decide(&ask, true, Instant::now()));
            }
        };
        fill(0, 1024);
        assert_eq!(store.keys(), 1024);
        // A sliding counter weighs the window before, too.
        clock.advance(2 * minute);
        fill(1024, 2048);
        assert!(store.keys() <= 1024, "{}", store.keys());
    }
}
