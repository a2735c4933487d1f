//! Keeps a flood of equal refusals from drowning the trail (R9).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{EventSink, SecurityEvent};

/// The first event of a key goes out at once; the rest of a window becomes one event with a count.
///
/// The number of keys is bounded. Beyond it, events of all further keys share one window, so an attacker who
/// rotates keys cannot drown the trail either. Whoever closes a window is the next request that comes by
/// after its end ([`sweep`](Coalescer::sweep) costs one atomic load until then), or the drop of the last layer.
#[derive(Debug)]
pub(crate) struct Coalescer {
    sink: Arc<dyn EventSink>,
    window: Duration,
    hasher: RandomState,
    windows: Mutex<HashMap<u64, Window>>,
    /// The monotonic nanosecond at which the oldest open window ends; `u64::MAX` when none is open.
    due: AtomicU64,
}

#[derive(Debug)]
struct Window {
    ends: Duration,
    /// The second event of the window, made once, and how many it stands for.
    repeated: Option<(SecurityEvent, u64)>,
}

/// How many keys have windows of their own.
const CAPACITY: usize = 1024;

/// The key of the window that all further keys share.
const OVERFLOW: u64 = 0;

impl Coalescer {
    pub(crate) fn new(sink: Arc<dyn EventSink>, window: Duration) -> Self {
        Self {
            sink,
            window,
            hasher: RandomState::new(),
            windows: Mutex::default(),
            due: AtomicU64::new(u64::MAX),
        }
    }

    /// Emits, or counts, the event of `key`. `make` runs for the first and the second event of a window only.
    pub(crate) fn emit(&self, now: Duration, key: impl Hash, make: impl FnOnce() -> SecurityEvent) {
        let key = self.hasher.hash_one(key);
        if self.window.is_zero() {
            let _ = self.sink.emit(make());
            return;
        }
        self.sweep(now);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if windows.len() < CAPACITY || windows.contains_key(&key) {
            key
        } else {
            OVERFLOW
        };
        if let Some(window) = windows.get_mut(&key) {
            match &mut window.repeated {
                Some((_, count)) => *count = count.saturating_add(1),
                empty => *empty = Some((make(), 1)),
            }
            return;
        }
        let ends = now.saturating_add(self.window);
        windows.insert(
            key,
            Window {
                ends,
                repeated: None,
            },
        );
        self.due.fetch_min(nanos(ends), Ordering::Relaxed);
        drop(windows);
        let _ = self.sink.emit(make());
    }

    /// Closes the windows that have ended and emits their counts.
    pub(crate) fn sweep(&self, now: Duration) {
        if nanos(now) >= self.due.load(Ordering::Relaxed) {
            self.close(|window| window.ends <= now);
        }
    }

    /// Closes every window.
    pub(crate) fn flush(&self) {
        self.close(|_| true);
    }

    fn close(&self, over: impl Fn(&Window) -> bool) {
        let mut ended = Vec::new();
        {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let mut due = Duration::MAX;
            windows.retain(|_, window| {
                let keep = !over(window);
                if keep {
                    due = due.min(window.ends);
                } else {
                    ended.extend(window.repeated.take());
                }
                keep
            });
            self.due.store(nanos(due), Ordering::Relaxed);
        }
        // Outside the lock: a sink is foreign code.
        for (event, count) in ended {
            let _ = self.sink.emit(event.with_count(count));
        }
    }
}

impl Drop for Coalescer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{CollectingSink, EventKind, ManualClock};

    const WINDOW: Duration = Duration::from_secs(10);

    fn event() -> SecurityEvent {
        SecurityEvent::new(EventKind::RATE_LIMITED, &*ManualClock::new())
    }

    fn counts(sink: &CollectingSink) -> Vec<u64> {
        sink.events().iter().map(SecurityEvent::count).collect()
    }

    #[test]
    fn the_first_goes_out_at_once_and_the_rest_as_one_count() {
        let sink = CollectingSink::new();
        let coalescer = Coalescer::new(sink.clone(), WINDOW);
        let made = Cell::new(0);
        for _ in 0..1000 {
            coalescer.emit(Duration::ZERO, "a", || {
                made.set(made.get() + 1);
                event()
            });
        }
        assert_eq!(counts(&sink), [1]);
        assert_eq!(made.get(), 2, "an event that is only counted is not built");
        coalescer.sweep(WINDOW - Duration::from_nanos(1));
        assert_eq!(counts(&sink), [1]);
        coalescer.sweep(WINDOW);
        assert_eq!(counts(&sink), [1, 999]);
        coalescer.emit(WINDOW, "a", event);
        assert_eq!(counts(&sink), [1, 999, 1]);
    }

    #[test]
    fn keys_are_told_apart() {
        let sink = CollectingSink::new();
        let coalescer = Coalescer::new(sink.clone(), WINDOW);
        coalescer.emit(Duration::ZERO, ("api", "10.0.0.1"), event);
        coalescer.emit(Duration::ZERO, ("api", "10.0.0.2"), event);
        assert_eq!(counts(&sink), [1, 1]);
        drop(coalescer);
        assert_eq!(
            counts(&sink),
            [1, 1],
            "a window without repetition has nothing to add"
        );
    }

    #[test]
    fn rotating_keys_cannot_drown_the_trail_and_nothing_goes_uncounted() {
        let sink = CollectingSink::new();
        let coalescer = Coalescer::new(sink.clone(), WINDOW);
        for key in 0..100_000 {
            coalescer.emit(Duration::ZERO, key, event);
        }
        assert!(sink.events().len() <= CAPACITY + 1);
        drop(coalescer);
        assert_eq!(counts(&sink).iter().sum::<u64>(), 100_000);
        assert!(sink.events().len() <= CAPACITY + 2);
    }

    #[test]
    fn a_zero_window_switches_it_off() {
        let sink = CollectingSink::new();
        let coalescer = Coalescer::new(sink.clone(), Duration::ZERO);
        coalescer.emit(Duration::ZERO, 1, event);
        coalescer.emit(Duration::ZERO, 1, event);
        assert_eq!(counts(&sink), [1, 1]);
    }
}
