//! The circuit breaker: a store that fails is given a pause, and asked again by one request at a time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sec_core::{Clock, EventKind, EventSink, Outcome, SecurityEvent, Severity};

use super::state::StoreState;
use super::{Ask, SharedStore, StoreError};

/// One breaker for each part of a store.
#[derive(Debug)]
pub(super) struct Breakers(Box<[Breaker]>);

/// Closed, open for a pause, or half open while one probe is on its way.
pub(super) struct Breaker {
    standing: Mutex<Standing>,
    /// Closed without a failure, as nearly always: then nobody needs the lock.
    calm: AtomicBool,
    failures: u32,
    pause: Duration,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
    limiter: Arc<str>,
    part: Part,
}

/// Which part of which store.
#[derive(Clone, Debug)]
pub(super) struct Part {
    store: Arc<dyn SharedStore>,
    index: usize,
}

#[derive(Debug)]
struct Standing {
    state: State,
    /// `None` while it is closed.
    outage: Option<Outage>,
}

/// What is told of an outage when it is over.
#[derive(Debug)]
struct Outage {
    since: Duration,
    probes: u64,
    /// How many times the store was not asked.
    unasked: u64,
    why: StoreError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failed: u32 },
    Open { until: Duration },
    HalfOpen,
}

/// The permission to ask the store, and the duty to say how it went. Dropped without a word (its
/// request went away), a probe counts as one that found nothing out: the next request probes.
#[must_use]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Breakers {
    /// As many as the store has parts; `each` makes one.
    pub(super) fn new(store: &Arc<dyn SharedStore>, each: impl Fn(Part) -> Breaker) -> Self {
        let parts = 0..store.parts().clamp(1, 1024);
        let part = |index| Part {
            store: store.clone(),
            index,
        };
        Self(parts.map(part).map(each).collect())
    }

    /// Whether the part of the store that this ask concerns may be asked now.
    pub(super) fn enter(&self, store: &dyn SharedStore, ask: &Ask) -> Option<Pass<'_>> {
        let part = match &*self.0 {
            [_] => 0,
            parts => store.part(ask).checked_rem(parts.len())?,
        };
        self.0.get(part)?.enter()
    }

    pub(super) fn states(&self) -> Vec<StoreState> {
        self.0.iter().map(Breaker::state).collect()
    }
}

impl Breaker {
    pub(super) fn new(
        part: Part,
        limiter: Arc<str>,
        failures: u32,
        pause: Duration,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn EventSink>,
    ) -> Self {
        Self {
            standing: Mutex::new(Standing {
                state: State::Closed { failed: 0 },
                outage: None,
            }),
            calm: AtomicBool::new(true),
            failures,
            pause,
            clock,
            sink,
            limiter,
            part,
        }
    }

    /// Whether the store may be asked now. One short lock, or none while nothing fails.
    pub(super) fn enter(&self) -> Option<Pass<'_>> {
        if self.calm.load(Ordering::Acquire) {
            return Some(self.pass(false));
        }
        let mut standing = self.lock();
        let probe = match standing.state {
            State::Closed { .. } => false,
            State::Open { until } if self.clock.monotonic() >= until => true,
            State::Open { .. } | State::HalfOpen => {
                standing.count(|outage| &mut outage.unasked);
                return None;
            }
        };
        if probe {
            standing.state = State::HalfOpen;
            standing.count(|outage| &mut outage.probes);
        }
        drop(standing);
        Some(self.pass(probe))
    }

    fn pass(&self, probe: bool) -> Pass<'_> {
        Pass {
            breaker: self,
            probe,
            told: false,
        }
    }

    fn succeeded(&self, probe: bool) {
        if self.calm.load(Ordering::Acquire) {
            return;
        }
        let mut standing = self.lock();
        match standing.state {
            State::Closed { failed: 0 } => return,
            State::Closed { .. } => {}
            // An answer to an earlier request says nothing about the store as it is now.
            State::Open { .. } | State::HalfOpen if !probe => return,
            State::Open { .. } | State::HalfOpen => {}
        }
        standing.state = State::Closed { failed: 0 };
        let outage = standing.outage.take();
        self.calm.store(true, Ordering::Release);
        drop(standing);
        if let Some(outage) = outage {
            let lasted = self.clock.monotonic().saturating_sub(outage.since);
            let event = self.event("closed", Severity::Low, Outcome::Success);
            self.tell(
                event
                    .with_detail("seconds", lasted.as_secs())
                    .with_detail("probes", outage.probes)
                    .with_detail("unasked", outage.unasked),
            );
        }
    }

    fn failed(&self, probe: bool, error: &StoreError) {
        let now = self.clock.monotonic();
        let mut standing = self.lock();
        self.calm.store(false, Ordering::Release);
        match standing.state {
            State::Closed { failed } if failed.saturating_add(1) < self.failures => {
                standing.state = State::Closed {
                    failed: failed.saturating_add(1),
                };
                return;
            }
            State::Closed { .. } => {}
            State::Open { .. } | State::HalfOpen if !probe => return,
            State::Open { .. } | State::HalfOpen => {}
        }
        standing.state = State::Open {
            until: now.saturating_add(self.pause),
        };
        // Told when it begins and when it ends: a probe that fails is no news, once a second for hours.
        let first = standing.outage.is_none();
        match &mut standing.outage {
            Some(outage) => outage.why = error.clone(),
            none => {
                *none = Some(Outage {
                    since: now,
                    probes: 0,
                    unasked: 0,
                    why: error.clone(),
                });
            }
        }
        drop(standing);
        if first {
            let event = self.event("open", Severity::High, Outcome::Failure);
            self.tell(event.with_reason(error.to_string()));
        }
    }

    fn abandoned(&self) {
        let mut standing = self.lock();
        if standing.state == State::HalfOpen {
            standing.state = State::Open {
                until: self.clock.monotonic(),
            };
        }
    }

    fn state(&self) -> StoreState {
        let standing = self.lock();
        let away = standing.outage.as_ref();
        StoreState {
            part: self.part.store.part_name(self.part.index),
            failures: match standing.state {
                State::Closed { failed } => failed,
                State::Open { .. } | State::HalfOpen => self.failures,
            },
            away: away.map(|outage| self.clock.monotonic().saturating_sub(outage.since)),
            unasked: away.map_or(0, |outage| outage.unasked),
            error: away.map(|outage| outage.why.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change is an event; the sink by default writes it to `tracing`.
    fn event(&self, state: &'static str, severity: Severity, outcome: Outcome) -> SecurityEvent {
        let kind =
            EventKind::custom("rate_limit_store", severity, outcome).unwrap_or(EventKind::ERROR);
        let event = SecurityEvent::new(kind, &*self.clock)
            .with_detail("limiter", &*self.limiter)
            .with_detail("state", state);
        match self.part.store.part_name(self.part.index) {
            Some(name) => event.with_detail("part", name),
            None => event,
        }
    }

    fn tell(&self, event: SecurityEvent) {
        // Nothing waits for it: the receipt of an operational event is not asked for.
        let _ = self.sink.emit(event);
    }
}

impl Standing {
    fn count(&mut self, which: impl FnOnce(&mut Outage) -> &mut u64) {
        if let Some(outage) = &mut self.outage {
            let count = which(outage);
            *count = count.saturating_add(1);
        }
    }
}

impl Pass<'_> {
    pub(super) fn tell(mut self, result: Result<(), &StoreError>) {
        // A queue is no outage, whoever stands in it; a probe in it has found nothing out.
        if matches!(result, Err(StoreError::Busy(_))) {
            return;
        }
        self.told = true;
        match result {
            Ok(()) => self.breaker.succeeded(self.probe),
            Err(error) => self.breaker.failed(self.probe, error),
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe && !self.told {
            self.breaker.abandoned();
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("standing", &*self.lock())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sec_core::{CollectingSink, ManualClock};

    use super::*;
    use crate::MemoryStore;

    fn breaker() -> (Breaker, Arc<ManualClock>, Arc<CollectingSink>) {
        let (clock, sink) = (ManualClock::new(), CollectingSink::new());
        let pause = Duration::from_secs(1);
        let part = Part {
            store: Arc::new(MemoryStore::new()),
            index: 0,
        };
        let breaker = Breaker::new(part, "api".into(), 2, pause, clock.clone(), sink.clone());
        (breaker, clock, sink)
    }

    fn fail(breaker: &Breaker) {
        let pass = breaker.enter().unwrap();
        pass.tell(Err(&StoreError::Deadline));
    }

    fn states(sink: &CollectingSink) -> Vec<String> {
        let state = |event: &SecurityEvent| event.detail()["state"].as_str().unwrap().to_owned();
        sink.events().iter().map(state).collect()
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let (breaker, _, sink) = breaker();
        fail(&breaker);
        breaker.enter().unwrap().tell(Ok(()));
        fail(&breaker);
        assert!(states(&sink).is_empty());
        fail(&breaker);
        assert!(breaker.enter().is_none());
        assert_eq!(states(&sink), ["open"]);
    }

    #[test]
    fn one_probe_at_a_time_decides_after_the_pause() {
        let (breaker, clock, sink) = breaker();
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_millis(999));
        assert!(breaker.enter().is_none());
        clock.advance(Duration::from_millis(1));
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_none(), "a second probe");
        probe.tell(Err(&StoreError::Deadline));
        assert!(breaker.enter().is_none(), "no new pause");
        clock.advance(Duration::from_secs(1));
        breaker.enter().unwrap().tell(Ok(()));
        breaker.enter().unwrap().tell(Ok(()));
        // A probe is no news.
        assert_eq!(states(&sink), ["open", "closed"]);
        let closed = sink.events().pop().unwrap();
        let count = |name: &str| closed.detail()[name].as_u64().unwrap();
        let counts = ["seconds", "probes", "unasked"].map(count);
        assert_eq!(counts, [2, 2, 3]);
    }

    #[test]
    fn its_state_can_be_read() {
        let (breaker, clock, _) = breaker();
        assert!(breaker.state().is_asked());
        fail(&breaker);
        assert_eq!((breaker.state().failures, breaker.state().away), (1, None));
        fail(&breaker);
        clock.advance(Duration::from_millis(300));
        assert!(breaker.enter().is_none());
        let state = breaker.state();
        assert!(!state.is_asked());
        assert_eq!((state.failures, state.unasked), (2, 1));
        assert_eq!(state.away, Some(Duration::from_millis(300)));
        assert!(matches!(state.error, Some(StoreError::Deadline)));
        clock.advance(Duration::from_secs(1));
        breaker.enter().unwrap().tell(Ok(()));
        assert!(breaker.state().is_asked() && breaker.state().error.is_none());
    }

    #[test]
    fn a_queue_is_no_failure_and_ends_no_pause() {
        let (breaker, clock, sink) = breaker();
        let busy = StoreError::Busy("a lock".into());
        for _ in 0..9 {
            breaker.enter().unwrap().tell(Err(&busy));
        }
        fail(&breaker);
        breaker.enter().unwrap().tell(Err(&busy));
        fail(&breaker);
        assert!(breaker.enter().is_none(), "two in a row");
        clock.advance(Duration::from_secs(1));
        breaker.enter().unwrap().tell(Err(&busy));
        let probe = breaker.enter().expect("the next one probes");
        assert!(breaker.enter().is_none());
        probe.tell(Ok(()));
        assert_eq!(states(&sink), ["open", "closed"]);
    }

    #[test]
    fn a_probe_that_goes_away_leaves_the_next_one_to_ask() {
        let (breaker, clock, _) = breaker();
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_secs(1));
        drop(breaker.enter().unwrap());
        assert!(breaker.enter().is_some());
    }

    #[test]
    fn a_late_answer_from_before_changes_nothing() {
        let (breaker, _, sink) = breaker();
        let (late, later) = (breaker.enter().unwrap(), breaker.enter().unwrap());
        fail(&breaker);
        fail(&breaker);
        late.tell(Ok(()));
        later.tell(Err(&StoreError::Deadline));
        assert!(breaker.enter().is_none());
        assert_eq!(states(&sink), ["open"]);
    }
}
