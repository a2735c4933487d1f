//! Time that tests can move (C5).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Where the family takes its time from.
///
/// Two readings, because they answer different questions: [`now`](Clock::now) says *when* something
/// happened and may step in either direction when the host's clock is set; [`monotonic`](Clock::monotonic)
/// says *how long* something took and never steps back. Windows, lifetimes of limits and durations use
/// the second; timestamps that leave the process (`exp`, log entries) use the first.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> SystemTime;

    /// The time since this clock was made. Never decreases.
    fn monotonic(&self) -> Duration;

    /// By how much a [monotonic](Clock::monotonic) reading may be late. Who tells somebody with a clock of
    /// his own how long to wait adds it, or he comes too early. Default: zero. A clock that wraps another
    /// one passes on what that says.
    fn resolution(&self) -> Duration {
        Duration::ZERO
    }
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// [`SystemClock::new`] behind the pointer that layers ask for.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The operating system's clocks, the monotonic one as it stood at the kernel's last tick.
///
/// On Linux a reading is `CLOCK_MONOTONIC_COARSE` (`clock_gettime(2)`): a load from memory instead of the
/// processor's counter, a quarter of the time or less. It is late by up to one tick, 1 to 10 ms as the
/// kernel was built (`CONFIG_HZ`), and by more where the machine itself is held up; it is never early and
/// never decreases. Elsewhere it reads like [`SystemClock`].
///
/// For what happens on every request and is measured in seconds. What is measured in milliseconds wants
/// [`SystemClock`].
#[derive(Debug, Clone, Copy)]
pub struct CoarseClock {
    started: u64,
    #[cfg(not(target_os = "linux"))]
    precise: SystemClock,
}

impl CoarseClock {
    /// A clock whose monotonic reading starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        let mut clock = Self {
            started: 0,
            #[cfg(not(target_os = "linux"))]
            precise: SystemClock::new(),
        };
        clock.started = clock.nanos();
        clock
    }

    /// [`Clock::monotonic`] in nanoseconds.
    #[inline]
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.read().saturating_sub(self.started)
    }

    #[cfg(target_os = "linux")]
    #[inline]
    fn read(&self) -> u64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
        let (seconds, rest) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        // Since the machine was started: enough for 584 years.
        seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
    }

    #[cfg(not(target_os = "linux"))]
    #[inline]
    fn read(&self) -> u64 {
        u64::try_from(self.precise.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Default for CoarseClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for CoarseClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    /// One tick of the kernel, or nothing where the clock is the precise one.
    fn resolution(&self) -> Duration {
        #[cfg(target_os = "linux")]
        {
            let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
            Duration::try_from(tick).unwrap_or_default()
        }
        #[cfg(not(target_os = "linux"))]
        Duration::ZERO
    }
}

/// A clock that stands still until a test moves it.
///
/// ```
/// use sec_core::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.monotonic();
/// clock.advance(Duration::from_secs(900));
/// assert_eq!(clock.monotonic() - before, Duration::from_secs(900));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    readings: Mutex<Readings>,
}

#[derive(Debug, Clone, Copy)]
struct Readings {
    wall: SystemTime,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Arc<Self> {
        const START_OF_2026: Duration = Duration::from_secs(1_767_225_600);
        Self::starting_at(
            SystemTime::UNIX_EPOCH
                .checked_add(START_OF_2026)
                .unwrap_or(SystemTime::UNIX_EPOCH),
        )
    }

    /// A clock at the given instant.
    #[must_use]
    pub fn starting_at(wall: SystemTime) -> Arc<Self> {
        Arc::new(Self {
            readings: Mutex::new(Readings {
                wall,
                monotonic: Duration::ZERO,
            }),
        })
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        self.change(|readings| {
            readings.wall = readings.wall.checked_add(by).unwrap_or(readings.wall);
            readings.monotonic = readings.monotonic.saturating_add(by);
        });
    }

    /// Sets the wall clock alone, as an administrator or NTP does; the monotonic reading stays.
    pub fn step_wall(&self, to: SystemTime) {
        self.change(|readings| readings.wall = to);
    }

    fn change(&self, change: impl FnOnce(&mut Readings)) {
        change(&mut self.readings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> Readings {
        *self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.read().wall
    }

    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_leaves_the_monotonic_reading() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(10));
        clock.step_wall(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.monotonic(), Duration::from_secs(10));
    }

    #[test]
    fn the_systems_clocks_move_forward() {
        let clocks: [&dyn Clock; 2] = [&SystemClock::new(), &CoarseClock::new()];
        for clock in clocks {
            let first = clock.monotonic();
            while clock.monotonic() == first {
                std::hint::spin_loop();
            }
            assert!(clock.monotonic() > first);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_coarse_clock_is_never_early() {
        use rustix::time::{ClockId, clock_gettime};
        let coarse = CoarseClock::new();
        let tick = coarse.resolution();
        assert!(
            tick > Duration::ZERO && tick <= Duration::from_millis(10),
            "{tick:?}"
        );
        for _ in 0..10_000 {
            let seen = coarse.started + coarse.nanos();
            let now = clock_gettime(ClockId::Monotonic);
            assert!(seen <= (now.tv_sec * 1_000_000_000 + now.tv_nsec).cast_unsigned());
        }
    }
}
