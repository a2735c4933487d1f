//! Where a limiter takes its time from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, CoarseClock};

use crate::Answer;
use crate::quota::nanos;
use crate::store::{HORIZON, ORIGIN};

/// A clock, and what it showed when the limiter was built.
pub(crate) struct Time {
    source: Source,
    origin: u64,
    /// By how much a reading may be late.
    late: u64,
}

enum Source {
    Coarse(CoarseClock),
    Given(Arc<dyn Clock>),
}

/// From this window on a tick of the coarse clock, at most 10 ms, is a hundredth of it or less.
pub(crate) const COARSE_FROM: Duration = Duration::from_secs(1);

impl Time {
    pub(crate) fn coarse() -> Self {
        let clock = CoarseClock::new();
        Self {
            late: nanos(clock.resolution()),
            source: Source::Coarse(clock),
            origin: 0,
        }
    }

    pub(crate) fn of(clock: Arc<dyn Clock>) -> Self {
        Self {
            origin: nanos(clock.monotonic()),
            source: Source::Given(clock),
            late: 0,
        }
    }

    /// The clock's own reading.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        match &self.source {
            Source::Coarse(clock) => clock.nanos(),
            Source::Given(clock) => nanos(clock.monotonic()),
        }
    }

    /// The answer for somebody with a clock of his own: after the wait this one has come as far, even if
    /// it was on time when it was asked and is late then.
    #[inline]
    pub(crate) fn outside(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Wait(wait) => Answer::Wait(wait.saturating_add(self.late)),
            answer => answer,
        }
    }

    /// As packed states count it; `None` once it is too late for them.
    #[inline]
    pub(crate) fn packed(&self) -> Option<u64> {
        let since = self.nanos().saturating_sub(self.origin);
        let now = since.saturating_add(ORIGIN);
        (now < HORIZON).then_some(now)
    }

    /// For what keeps its own time beside the limiter.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match &self.source {
            Source::Coarse(clock) => Arc::new(*clock),
            Source::Given(clock) => clock.clone(),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Coarse(_) => "the coarse clock",
            Source::Given(_) => "the given clock",
        })
    }
}

#[cfg(all(test, not(sec_loom)))]
mod tests {
    use std::time::Duration;

    use crate::{Answer, Key, Limiter, Quota, Subject};

    /// With the clock of the default, which may be late by a tick at either end of the wait.
    #[test]
    fn who_waits_as_long_as_told_is_admitted() {
        let quota = Quota::gcra(100, Duration::from_secs(1)).burst(1);
        let limiter = Limiter::builder().tier("api", quota, Key::given("user"));
        let limiter = limiter.build().unwrap();
        assert_eq!(format!("{:?}", limiter.0.time), "the coarse clock");
        let take = || limiter.take([Subject::of("ada")], 1).unwrap();
        assert_eq!(take(), Answer::Admit);
        for round in 0..30 {
            let Answer::Wait(wait) = take() else {
                continue; // this thread was held up for longer than the interval
            };
            assert!(wait <= 20_000_000, "an interval and a tick: {wait}");
            std::thread::sleep(Duration::from_nanos(wait));
            assert_eq!(take(), Answer::Admit, "{round}");
        }
    }
}
