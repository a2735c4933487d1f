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
            late: nanos(clock.resolution()),
            source: Source::Given(clock),
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
        let since = match &self.source {
            Source::Coarse(clock) => clock.nanos(),
            Source::Given(clock) => nanos(clock.monotonic()).saturating_sub(self.origin),
        };
        (since < HORIZON - ORIGIN).then_some(since.wrapping_add(ORIGIN))
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
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use sec_core::{Clock, ManualClock};

    use crate::{Answer, Bans, Escalate, Key, Limiter, Quota, Subject};

    const TICK: Duration = Duration::from_millis(4);

    /// A clock of somebody else's that shows its last tick.
    #[derive(Debug)]
    struct Late(Arc<ManualClock>);

    impl Clock for Late {
        fn now(&self) -> SystemTime {
            self.0.now()
        }

        fn monotonic(&self) -> Duration {
            let now = self.0.monotonic();
            let late = now.subsec_nanos() % TICK.subsec_nanos();
            now.saturating_sub(Duration::from_nanos(late.into()))
        }

        fn resolution(&self) -> Duration {
            TICK
        }
    }

    /// On time when it is asked, and late by nearly a tick at the end of the wait.
    #[test]
    fn who_waits_as_long_as_told_by_a_late_clock_is_admitted() {
        let window = Duration::from_millis(11);
        for quota in [
            Quota::per(1, window),
            Quota::per(1, window).exact(),
            Quota::gcra(1, window),
            Quota::sliding(1, window),
            Quota::bounded(1, window),
        ] {
            let clock = ManualClock::new();
            let limiter = Limiter::builder().clock(Arc::new(Late(clock.clone())));
            let limiter = limiter.tier("api", quota, Key::given("user"));
            let limiter = limiter.build().unwrap();
            let ada = || [Subject::of("ada")];
            assert_eq!(limiter.take(ada(), 1), Ok(Answer::Admit), "{quota:?}");
            let refused = limiter.check(ada(), 1).unwrap_err();
            let told = refused.refused().unwrap().decision().retry_after();
            let Ok(Answer::Wait(wait)) = limiter.take(ada(), 1) else {
                panic!("{quota:?}");
            };
            let wait = Duration::from_nanos(wait);
            assert_eq!(told, Some(wait), "{quota:?}");
            clock.advance(wait);
            assert!(
                clock.monotonic() > Late(clock.clone()).monotonic(),
                "{quota:?}"
            );
            assert_eq!(limiter.take(ada(), 1), Ok(Answer::Admit), "{quota:?}");
        }
    }

    /// The same for the end of a block.
    #[test]
    fn who_waits_for_the_end_of_a_block_that_a_late_clock_told_is_heard() {
        let clock = ManualClock::new();
        let escalate = Escalate::after(3, [Duration::from_secs(1)]);
        let bans = Bans::with_clock(escalate, Arc::new(Late(clock.clone()))).unwrap();
        let ada = Subject::of("ada");
        let length = Duration::from_millis(11);
        bans.block(&ada, length).unwrap();
        let rest = || bans.check(&ada).unwrap().map(|banned| banned.rest());
        assert_eq!((rest(), bans.blocks()[0].rest()), (Some(length), length));
        clock.advance(Duration::from_millis(4));
        clock.advance(rest().unwrap());
        assert!(clock.monotonic() > Late(clock.clone()).monotonic());
        assert_eq!(rest(), None);
        let struck = (0..3).find_map(|_| bans.strike(&ada).unwrap());
        assert_eq!(struck.unwrap().rest(), Duration::from_secs(1));
    }

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
