//! When a route is asked for far more often than it used to be.

use std::time::Duration;

use crate::quota::nanos;
use crate::{ConfigError, ConfigErrorKind};

/// Compares the requests of each window with their moving average over the windows before. A plain value:
/// one per thing that is watched, moved by [`observe`](Self::observe).
///
/// The average is exponential, of weight 1/8 for each new window, and a window in which nothing came counts as 0. A
/// window with a spike enters it as the largest count that is none, so an attack does not soon become the habit, while
/// growth that lasts does.
///
/// ```
/// # use std::time::Duration;
/// # use sec_ratelimit::SpikeDetector;
/// let mut detector = SpikeDetector::new(4, Duration::from_secs(10), 100)?;
/// assert_eq!(detector.observe(Duration::ZERO), None);
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SpikeDetector {
    factor: u64,
    window: u64,
    least: u64,
    /// In 1/256 of a request; `None` before the first window is over.
    average: Option<u64>,
    begin: Option<u64>,
    count: u64,
    told: bool,
}

/// A window with far more requests than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spike {
    requests: u64,
    usual: u64,
}

/// Scale of the average.
const ONE: u64 = 256;
const WEIGHT: u64 = 8;
/// After so many empty windows nothing is left of an average of 2^32 requests.
const FORGOTTEN: u64 = 400;

impl SpikeDetector {
    /// Tells when a window has more than `factor` times the usual requests, and at least `least`, so that a quiet
    /// route is no spike at its second request.
    ///
    /// # Errors
    ///
    /// A factor outside of 2 to 1 000, an empty window or one longer than a year, a `least` of 0.
    pub fn new(factor: u64, window: Duration, least: u64) -> Result<Self, ConfigError> {
        if let Some(fault) = Self::faults(factor, window, least).into_iter().next() {
            return Err(fault);
        }
        Ok(Self {
            factor,
            window: nanos(window),
            least,
            average: None,
            begin: None,
            count: 0,
            told: false,
        })
    }

    /// The one set of rules, all faults at once.
    pub(super) fn faults(factor: u64, window: Duration, least: u64) -> Vec<ConfigError> {
        const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        let range = |least, most| ConfigErrorKind::OutOfRange { least, most };
        let time = !window.is_zero() && window <= YEAR;
        let checks = [
            ((2..=1000).contains(&factor), "factor", range(2, 1000)),
            (time, "window", ConfigErrorKind::Window),
            (least > 0, "least", range(1, u64::MAX)),
        ];
        let wrong = checks.into_iter().filter(|(right, ..)| !right);
        wrong
            .map(|(_, field, kind)| ConfigError::new(field, kind))
            .collect()
    }

    /// Counts one request at a monotonic instant. Gives the spike once per window, at the request that makes it one;
    /// never in the first window, which has nothing to be compared with.
    pub fn observe(&mut self, now: Duration) -> Option<Spike> {
        self.pass(now);
        self.count_one()
    }

    /// Whether a spike was told in the window that the last request was in.
    #[must_use]
    pub const fn is_spike(&self) -> bool {
        self.told
    }

    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Lets time pass; whether a window without a spike has passed with it.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        let now = nanos(now);
        let begin = *self.begin.get_or_insert(now);
        let passed = now
            .saturating_sub(begin)
            .checked_div(self.window)
            .unwrap_or(0);
        if passed == 0 {
            return false;
        }
        let quiet = !self.told || passed > 1;
        self.close(passed);
        self.begin = Some(begin.saturating_add(passed.saturating_mul(self.window)));
        quiet
    }

    pub(super) fn count_one(&mut self) -> Option<Spike> {
        self.count = self.count.saturating_add(1);
        let most = self.most()?;
        if self.told || self.count <= most {
            return None;
        }
        self.told = true;
        Some(Spike {
            requests: self.count,
            usual: self.average.unwrap_or(0) / ONE,
        })
    }

    /// The largest count that is no spike.
    fn most(&self) -> Option<u64> {
        let usual = self.average?.saturating_mul(self.factor) / ONE;
        Some(usual.max(self.least.saturating_sub(1)))
    }

    /// Takes the window into the average, and the empty ones after it.
    fn close(&mut self, passed: u64) {
        let count = self.most().map_or(self.count, |most| self.count.min(most));
        let count = count.saturating_mul(ONE);
        let mut average = match self.average {
            None => count,
            Some(old) => old
                .saturating_sub(old / WEIGHT)
                .saturating_add(count / WEIGHT),
        };
        for _ in 1..passed.min(FORGOTTEN) {
            average = average.saturating_sub(average / WEIGHT);
        }
        self.average = Some(average);
        self.count = 0;
        self.told = false;
    }
}

impl Spike {
    /// How many requests the window has so far.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// How many it usually has, rounded down.
    #[must_use]
    pub const fn usual(&self) -> u64 {
        self.usual
    }
}
