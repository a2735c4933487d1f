use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sec_core::{EventSink, RequestContext, SecurityEvent};

use super::Report;
use super::details::Key;

/// Counts equal reports, so that a popular page with one fault is one event and a number, and bounds
/// how many different ones are told apart, so that whoever invents reports cannot flood the trail.
///
/// It is a map of its own and not [`RequestContext::refused`]'s: here strangers choose the keys, and
/// must not be able to use up the windows of real refusals.
#[derive(Debug)]
pub(super) struct Tally {
    window: Duration,
    capacity: usize,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    windows: HashMap<u64, Window>,
    /// When the first window ends, so that nobody looks before.
    due: Duration,
    /// Where the last counts go when the receiver is dropped.
    sink: Option<Arc<dyn EventSink>>,
}

#[derive(Debug)]
struct Window {
    ends: Duration,
    /// The second report's event, and how many it stands for.
    repeated: Option<(SecurityEvent, u64)>,
}

/// The key that all reports beyond the capacity share.
const OTHERS: u64 = 0;

impl Tally {
    pub(super) fn new(window: Duration, capacity: usize) -> Self {
        Self {
            window,
            capacity,
            hasher: RandomState::new(),
            state: Mutex::default(),
        }
    }

    /// Emits the first of its kind at once, and counts the others until its window ends.
    pub(super) fn add(&self, report: &Report, context: &RequestContext) {
        let now = context.clock().monotonic();
        let (ended, event) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = state.close(|window| window.ends <= now, Some(now));
            (ended, self.count(&mut state, report, context, now))
        };
        // Outside the lock: a sink is foreign code.
        for event in ended.into_iter().chain(event) {
            let _ = context.sink().emit(event);
        }
    }

    /// Emits what has been counted so far.
    pub(super) fn flush(&self) {
        let (ended, sink) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.close(|_| true, None), state.sink.clone())
        };
        if let Some(sink) = sink {
            for event in ended {
                let _ = sink.emit(event);
            }
        }
    }

    fn count(
        &self,
        state: &mut State,
        report: &Report,
        context: &RequestContext,
        now: Duration,
    ) -> Option<SecurityEvent> {
        let mut key = self.hasher.hash_one(Key(report));
        if !state.windows.contains_key(&key) && state.windows.len() >= self.capacity {
            key = OTHERS;
        }
        let event = || {
            let event = report.event(context);
            if key == OTHERS {
                event.with_reason("one of more different reports than are told apart")
            } else {
                event
            }
        };
        if let Some(window) = state.windows.get_mut(&key) {
            match &mut window.repeated {
                Some((_, count)) => *count = count.saturating_add(1),
                none => *none = Some((event(), 1)),
            }
            return None;
        }
        let ends = now.saturating_add(self.window);
        state.due = if state.windows.is_empty() {
            ends
        } else {
            state.due.min(ends)
        };
        state.windows.insert(
            key,
            Window {
                ends,
                repeated: None,
            },
        );
        if state.sink.is_none() {
            state.sink = Some(context.sink().clone());
        }
        Some(event())
    }
}

impl State {
    /// Takes out the windows that are over. With `now`, it looks only when the first one is due.
    fn close(
        &mut self,
        over: impl Fn(&Window) -> bool,
        now: Option<Duration>,
    ) -> Vec<SecurityEvent> {
        let mut ended = Vec::new();
        if self.windows.is_empty() || now.is_some_and(|now| now < self.due) {
            return ended;
        }
        let mut due = Duration::MAX;
        self.windows.retain(|_, window| {
            let keep = !over(window);
            if keep {
                due = due.min(window.ends);
            } else if let Some((event, count)) = window.repeated.take() {
                ended.push(event.with_count(count));
            }
            keep
        });
        self.due = due;
        ended
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.flush();
    }
}
