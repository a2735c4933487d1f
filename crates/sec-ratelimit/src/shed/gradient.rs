//! The limit that follows the latency.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{Shed, within};
use crate::quota::nanos;
use crate::{ConfigError, ConfigErrorKind};

/// How an adaptive limit moves: the `Gradient2` of Netflix's concurrency-limits (after Landau, Thurston
/// and Bozarth, "Performance Under Load", 2018), over windows of time.
///
/// At the end of each window its mean latency is compared with the mean of a long time. While the short one stays
/// within `tolerance` of the long one, the limit rises by `queue`; else it sinks in proportion, to half
/// at most, and both moves are smoothed. A limit of which less than half is used does not rise, since
/// nothing was learned about it. When the latency has come down to less than half of the long one, that is forgotten
/// faster.
///
/// It measures nothing but latency: a service whose answers get slower over hours, for reasons of its own,
/// is taken to be like that. `max` is therefore a promise about memory, not a formality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "plain settings, made with `..Adaptive::default()`"
)]
pub struct Adaptive {
    /// Where it starts. Default: 50 requests.
    pub initial: u32,
    /// The least it sinks to. Default: 10 requests.
    pub min: u32,
    /// The most it rises to. Default: 1000 requests.
    pub max: u32,
    /// How long a window is. Default: 1 s; from 10 ms to 1 min.
    pub window: Duration,
    /// How much slower than in the long run answers may be, in percent. Default: 150; from 100 to 1000.
    pub tolerance: u32,
    /// What is added per window, for requests that may wait. Default: 4 requests; from 1 to 1000.
    pub queue: u32,
    /// The share of the old limit that a window replaces, in percent. Default: 20; from 1 to 100.
    pub smoothing: u32,
    /// How many windows the long run is. Default: 600; from 10 to 100 000.
    pub long_windows: u32,
    /// With fewer latencies a window is kept open. Default: 10; from 1 to 1000.
    pub min_samples: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            initial: 50,
            min: 10,
            max: 1000,
            window: Duration::from_secs(1),
            tolerance: 150,
            queue: 4,
            smoothing: 20,
            long_windows: 600,
            min_samples: 10,
        }
    }
}

/// Settings that were checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gradient {
    settings: Adaptive,
    window: u64,
}

/// What is remembered from window to window: the limit and the long latency, both with ten binary places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) limit: u64,
    pub(super) long: u64,
    pub(super) windows: u64,
}

/// A window that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The mean latency, in microseconds with ten binary places.
    pub(super) short: u64,
    /// The most requests that were under way when one of them was answered.
    pub(super) peak: u32,
}

/// Ten binary places.
const ONE: u64 = 1 << 10;

pub(super) fn fixed(limit: u32) -> u64 {
    u64::from(limit).saturating_mul(ONE)
}

pub(super) fn whole(limit: u64) -> u32 {
    u32::try_from(limit / ONE).unwrap_or(u32::MAX)
}

impl Adaptive {
    pub(super) fn checked(&self) -> Result<Gradient, ConfigError> {
        within("max", self.max, 1, Shed::MAX_IN_FLIGHT)?;
        within("min", self.min, 1, self.max)?;
        within("initial", self.initial, self.min, self.max)?;
        within("tolerance", self.tolerance, 100, 1000)?;
        within("queue", self.queue, 1, 1000)?;
        within("smoothing", self.smoothing, 1, 100)?;
        within("long_windows", self.long_windows, 10, 100_000)?;
        within("min_samples", self.min_samples, 1, 1000)?;
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.window) {
            let kind = ConfigErrorKind::Misused("must be from 10ms to 1m");
            return Err(ConfigError::new("window", kind));
        }
        Ok(Gradient {
            settings: *self,
            window: nanos(self.window),
        })
    }
}

impl Gradient {
    /// The state after a window: a function of nothing else.
    pub(super) fn next(&self, before: State, window: Window) -> State {
        let settings = &self.settings;
        let short = window.short.max(1);
        let windows = before.windows.saturating_add(1);
        // The mean of all windows at first, then one that forgets.
        let weight = windows.min(settings.long_windows.into()).max(1);
        let mut long = if short >= before.long {
            let more = short.saturating_sub(before.long);
            before
                .long
                .saturating_add(more.checked_div(weight).unwrap_or(0))
        } else {
            let less = before.long.saturating_sub(short);
            before
                .long
                .saturating_sub(less.checked_div(weight).unwrap_or(0))
        };
        if long > short.saturating_mul(2) {
            // A long overload has shifted it; what is fast again is to be judged by that.
            long = long.saturating_sub(long / 20);
        }
        let limit = if u64::from(window.peak).saturating_mul(2) < before.limit / ONE {
            before.limit
        } else {
            let allowed = long.saturating_mul(settings.tolerance.into()) / 100;
            let gradient = allowed
                .saturating_mul(ONE)
                .checked_div(short)
                .unwrap_or(ONE)
                .clamp(ONE / 2, ONE);
            let target =
                (before.limit.saturating_mul(gradient) / ONE).saturating_add(fixed(settings.queue));
            let share = u64::from(settings.smoothing);
            let kept = before.limit.saturating_mul(100_u64.saturating_sub(share));
            let smooth = kept.saturating_add(target.saturating_mul(share)) / 100;
            smooth.clamp(fixed(settings.min), fixed(settings.max))
        };
        State {
            limit,
            long,
            windows,
        }
    }
}

/// The latencies of the open window.
#[derive(Debug)]
pub(super) struct Samples {
    /// The count in the upper 20 bits, the sum in microseconds in the lower 44: one addition adds both.
    sum: AtomicU64,
    peak: AtomicU32,
    /// The nanosecond at which the window began.
    began: AtomicU64,
}

const COUNT: u32 = 44;
/// Neither half overflows: 2^17 latencies of at most 2^26 microseconds (67 s) make 2^43, and threads that
/// looked before the limit was reached fit into what is left.
const MOST: u64 = 1 << 17;
const LONGEST: u64 = 1 << 26;

impl Samples {
    pub(super) fn starting_at(now: u64) -> Self {
        Self {
            sum: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            began: AtomicU64::new(now),
        }
    }

    /// Adds a latency in nanoseconds. Whoever finds the window over gets it, and only one does.
    pub(super) fn add(
        &self,
        gradient: &Gradient,
        now: u64,
        latency: u64,
        in_flight: u32,
    ) -> Option<Window> {
        let micros = (latency / 1000).min(LONGEST);
        let count = self.sum.load(Ordering::Relaxed) >> COUNT;
        if count < MOST {
            self.sum.fetch_add((1 << COUNT) | micros, Ordering::Relaxed);
        }
        if self.peak.load(Ordering::Relaxed) < in_flight {
            self.peak.fetch_max(in_flight, Ordering::Relaxed);
        }
        let began = self.began.load(Ordering::Relaxed);
        if now.saturating_sub(began) < gradient.window
            || count.saturating_add(1) < gradient.settings.min_samples.into()
        {
            return None;
        }
        self.began
            .compare_exchange(began, now, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let sum = self.sum.swap(0, Ordering::Relaxed);
        let peak = self.peak.swap(0, Ordering::Relaxed);
        let total = sum & ((1_u64 << COUNT).saturating_sub(1));
        let short = total.saturating_mul(ONE).checked_div(sum >> COUNT)?;
        Some(Window { short, peak })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(settings: Adaptive, latencies: impl IntoIterator<Item = (u64, u32)>) -> Vec<u32> {
        let gradient = settings.checked().unwrap();
        let mut state = State {
            limit: fixed(settings.initial),
            long: 0,
            windows: 0,
        };
        let steps = latencies.into_iter().map(|(micros, peak)| {
            let short = micros * ONE;
            state = gradient.next(state, Window { short, peak });
            whole(state.limit)
        });
        steps.collect()
    }

    #[test]
    fn it_rises_to_its_bound_while_the_latency_is_steady_and_the_limit_is_used() {
        let limits = run(Adaptive::default(), [(20_000, 1000)].repeat(2000));
        assert!(limits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((limits[0], limits.last()), (50, Some(&1000)));
    }

    #[test]
    fn it_halves_and_comes_back() {
        let mut latencies = [(20_000, 1000)].repeat(200);
        latencies.extend([(200_000, 1000)].repeat(20));
        latencies.extend([(20_000, 1000)].repeat(200));
        let limits = run(Adaptive::default(), latencies);
        let (before, bottom, after) = (limits[199], limits[219], limits[419]);
        assert!(bottom * 4 < before, "{before} → {bottom}");
        assert!(after > bottom * 4, "{bottom} → {after}");
        assert!(limits.iter().all(|limit| (10..=1000).contains(limit)));
    }

    #[test]
    fn what_is_not_used_does_not_rise() {
        let limits = run(Adaptive::default(), [(20_000, 24)].repeat(100));
        assert!(limits.iter().all(|limit| *limit == 50));
    }

    #[test]
    fn within_the_tolerance_it_does_not_sink() {
        let mut latencies = [(20_000, 1000)].repeat(50);
        latencies.extend([(29_000, 1000)].repeat(50));
        let limits = run(Adaptive::default(), latencies);
        assert!(limits.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn extreme_latencies_stay_within_the_bounds() {
        let limits = run(
            Adaptive::default(),
            [(LONGEST, u32::MAX), (0, u32::MAX), (LONGEST, 0), (1, 1)].repeat(50),
        );
        assert!(limits.iter().all(|limit| (10..=1000).contains(limit)));
    }
}
