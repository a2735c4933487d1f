//! The circuit breaker: a store that fails is given a pause, and asked again by one request at a time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sec_core::{Clock, EventKind, EventSink, Outcome, SecurityEvent, Severity};

use super::{Ask, SharedStore, StoreError};

/// One breaker for each part of a store.
#[derive(Debug)]
pub(super) struct Breakers(Box<[Breaker]>);

/// Closed, open for a pause, or half open while one probe is on its way.
pub(super) struct Breaker {
    state: Mutex<State>,
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
            state: Mutex::new(State::Closed { failed: 0 }),
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
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if self.clock.monotonic() >= until => {
                *state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => return None,
        };
        drop(state);
        if probe {
            self.tell("half-open", Severity::Low, Outcome::Pending, None);
        }
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
        let mut state = self.lock();
        let returned = match *state {
            State::Closed { failed: 0 } => return,
            State::Closed { .. } => false,
            // An answer to an earlier request says nothing about the store as it is now.
            State::Open { .. } | State::HalfOpen if !probe => return,
            State::Open { .. } | State::HalfOpen => true,
        };
        *state = State::Closed { failed: 0 };
        self.calm.store(true, Ordering::Release);
        drop(state);
        if returned {
            self.tell("closed", Severity::Low, Outcome::Success, None);
        }
    }

    fn failed(&self, probe: bool, error: &StoreError) {
        let until = self.clock.monotonic().saturating_add(self.pause);
        let mut state = self.lock();
        self.calm.store(false, Ordering::Release);
        match *state {
            State::Closed { failed } if failed.saturating_add(1) < self.failures => {
                *state = State::Closed {
                    failed: failed.saturating_add(1),
                };
                return;
            }
            State::Closed { .. } => {}
            State::Open { .. } | State::HalfOpen if !probe => return,
            State::Open { .. } | State::HalfOpen => {}
        }
        *state = State::Open { until };
        drop(state);
        self.tell("open", Severity::High, Outcome::Failure, Some(error));
    }

    fn abandoned(&self) {
        let mut state = self.lock();
        if *state == State::HalfOpen {
            *state = State::Open {
                until: self.clock.monotonic(),
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change is an event; the sink by default writes it to `tracing`.
    fn tell(
        &self,
        state: &'static str,
        severity: Severity,
        outcome: Outcome,
        error: Option<&StoreError>,
    ) {
        let kind =
            EventKind::custom("rate_limit_store", severity, outcome).unwrap_or(EventKind::ERROR);
        let mut event = SecurityEvent::new(kind, &*self.clock)
            .with_detail("limiter", &*self.limiter)
            .with_detail("state", state);
        if let Some(name) = self.part.store.part_name(self.part.index) {
            event = event.with_detail("part", name);
        }
        if let Some(error) = error {
            event = event.with_reason(error.to_string());
        }
        // Nothing waits for it: the receipt of an operational event is not asked for.
        let _ = self.sink.emit(event);
    }
}

impl Pass<'_> {
    pub(super) fn tell(mut self, result: Result<(), &StoreError>) {
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
            .field("state", &*self.lock())
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
        assert_eq!(
            states(&sink),
            ["open", "half-open", "open", "half-open", "closed"]
        );
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
