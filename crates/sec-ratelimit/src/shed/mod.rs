//! Load shedding: a service that is saturated refuses at once what it could only serve late.

mod config;
mod gradient;
mod layer;
mod refusal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use sec_core::{Clock, SystemClock};

pub(crate) use self::config::rules;
pub use self::config::{AdaptiveConfig, ShedConfig};
pub use self::gradient::Adaptive;
use self::gradient::{Gradient, Samples};
pub use self::layer::{ShedFuture, ShedLayer, ShedService};
pub use self::refusal::Overloaded;
use crate::quota::nanos;
use crate::{ConfigError, ConfigErrorKind};

/// Bounds how many requests are under way at once, with a fixed limit or one that follows the latency.
///
/// ```
/// use sec_ratelimit::Shed;
///
/// let shed = Shed::new(2)?;
/// let (first, second) = (shed.try_acquire()?, shed.try_acquire()?);
/// assert!(shed.try_acquire().is_err()); // at once: nothing waits in line
/// drop(first);
/// assert!(shed.try_acquire().is_ok());
/// # drop(second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Admission is one compare-and-swap, a refusal one load, the return one subtraction; there is no lock.
/// Threads at the limit admit exactly what is left. [Adaptive](Self::adaptive) reads the clock twice more
/// and adds two atomic operations when the request is answered.
///
/// Clones share the count.
#[derive(Clone)]
pub struct Shed(Arc<Inner>);

/// One request under way. Returned when it is dropped.
#[must_use = "a permit that is dropped is returned"]
pub struct ShedPermit {
    shed: Shed,
    /// When it began, until its latency is known; only where the limit adapts.
    began: Option<u64>,
}

/// How much of the limit a request may fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Priority {
    /// Refused once three quarters of the limit are taken: prefetching, exports, crawlers.
    Low,
    /// Refused once the whole limit is taken.
    #[default]
    Normal,
}

struct Inner {
    in_flight: AtomicU32,
    limit: AtomicU32,
    retry_after: Duration,
    clock: Arc<dyn Clock>,
    gradient: Option<Gradient>,
    samples: Samples,
    /// The smoothed limit and the long latency: written by whoever closes a window.
    smooth: AtomicU64,
    long: AtomicU64,
    windows: AtomicU64,
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Shed {
    /// The largest limit: a million requests.
    pub const MAX_IN_FLIGHT: u32 = 1_000_000;

    /// At most so many requests at once.
    ///
    /// # Errors
    /// A limit outside of 1 to [`MAX_IN_FLIGHT`](Self::MAX_IN_FLIGHT).
    pub fn new(max_in_flight: u32) -> Result<Self, ConfigError> {
        within("max_in_flight", max_in_flight, 1, Self::MAX_IN_FLIGHT)?;
        Ok(Self::build(max_in_flight, None))
    }

    /// A limit that follows the latency, between the bounds of `settings`: it sinks while answers take
    /// longer than they used to, and rises again when they do not. See [`Adaptive`].
    ///
    /// # Errors
    /// A field of `settings` outside of its range.
    pub fn adaptive(settings: Adaptive) -> Result<Self, ConfigError> {
        let gradient = settings.checked()?;
        Ok(Self::build(settings.initial, Some(gradient)))
    }

    /// Where the time of latencies comes from. Default: the system. Call it while setting up: permits
    /// that are out keep counting against what they were taken from.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.rebuilt(|inner| inner.clock = clock)
    }

    /// What a refusal asks the client to wait, rounded up to whole seconds. Default: 1 s. Call it while
    /// setting up.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.rebuilt(|inner| inner.retry_after = wait)
    }

    /// Takes a permit, or refuses at once.
    ///
    /// # Errors
    /// [`Overloaded`]: the limit is reached.
    pub fn try_acquire(&self) -> Result<ShedPermit, Overloaded> {
        self.try_acquire_as(Priority::Normal)
    }

    /// Takes a permit for a request of this priority, or refuses at once.
    ///
    /// # Errors
    /// [`Overloaded`]: the share of the limit that the priority has is taken.
    pub fn try_acquire_as(&self, priority: Priority) -> Result<ShedPermit, Overloaded> {
        let inner = &*self.0;
        let limit = inner.limit.load(Ordering::Relaxed);
        let most = priority.share(limit);
        // Relaxed: the count publishes nothing but itself.
        let taken =
            inner
                .in_flight
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_flight| {
                    (in_flight < most).then(|| in_flight.saturating_add(1))
                });
        match taken {
            Ok(_) => Ok(ShedPermit {
                shed: self.clone(),
                began: inner
                    .gradient
                    .is_some()
                    .then(|| nanos(inner.clock.monotonic())),
            }),
            Err(in_flight) => Err(Overloaded {
                in_flight,
                limit,
                retry_after: inner.retry_after,
            }),
        }
    }

    /// How many requests are under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// How many there may be now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// How much of the limit is taken, in percent; above 100 while an adaptive limit sinks below what is
    /// under way.
    #[must_use]
    pub fn pressure(&self) -> u32 {
        let taken = self.in_flight().saturating_mul(100);
        taken.checked_div(self.limit()).unwrap_or(0)
    }

    fn build(limit: u32, gradient: Option<Gradient>) -> Self {
        Self(Arc::new(Inner::new(
            limit,
            gradient,
            SystemClock::shared(),
            RETRY_AFTER,
        )))
    }

    fn rebuilt(self, change: impl FnOnce(&mut Inner)) -> Self {
        let old = &*self.0;
        let mut inner = Inner::new(
            old.limit.load(Ordering::Relaxed),
            old.gradient,
            old.clock.clone(),
            old.retry_after,
        );
        change(&mut inner);
        inner.samples = Samples::starting_at(nanos(inner.clock.monotonic()));
        Self(Arc::new(inner))
    }
}

impl ShedPermit {
    /// The answer is there: its latency counts now, although the permit is held on, so that a long
    /// download is not taken for a slow service. A permit that is dropped before counts then, since
    /// what a client gave up on was slow.
    pub fn answered(&mut self) {
        if let Some(began) = self.began.take() {
            self.shed.0.sample(began);
        }
    }
}

impl Drop for ShedPermit {
    fn drop(&mut self) {
        self.answered();
        self.shed.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Priority {
    const fn share(self, limit: u32) -> u32 {
        match self {
            // At least one, or a limit of one would never serve it.
            Self::Low => match limit.saturating_sub(limit / 4) {
                0 => 1,
                share => share,
            },
            Self::Normal => limit,
        }
    }
}

impl Inner {
    fn new(
        limit: u32,
        gradient: Option<Gradient>,
        clock: Arc<dyn Clock>,
        retry_after: Duration,
    ) -> Self {
        let samples = Samples::starting_at(nanos(clock.monotonic()));
        Self {
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(limit),
            retry_after,
            clock,
            gradient,
            samples,
            smooth: AtomicU64::new(gradient::fixed(limit)),
            long: AtomicU64::new(0),
            windows: AtomicU64::new(0),
        }
    }

    /// Adds a latency, and closes the window if it is over.
    fn sample(&self, began: u64) {
        let Some(gradient) = &self.gradient else {
            return;
        };
        let now = nanos(self.clock.monotonic());
        let latency = now.saturating_sub(began);
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let Some(window) = self.samples.add(gradient, now, latency, in_flight) else {
            return;
        };
        // One thread closes a window. Were it to stall for a whole further one, the later result would
        // win or lose against the earlier: both are within the bounds.
        let before = gradient::State {
            limit: self.smooth.load(Ordering::Relaxed),
            long: self.long.load(Ordering::Relaxed),
            windows: self.windows.load(Ordering::Relaxed),
        };
        let after = gradient.next(before, window);
        self.smooth.store(after.limit, Ordering::Relaxed);
        self.long.store(after.long, Ordering::Relaxed);
        self.windows.store(after.windows, Ordering::Relaxed);
        self.limit
            .store(gradient::whole(after.limit), Ordering::Relaxed);
    }
}

pub(super) fn within(
    field: &'static str,
    value: u32,
    least: u32,
    most: u32,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let kind = ConfigErrorKind::OutOfRange {
        least: least.into(),
        most: most.into(),
    };
    Err(ConfigError::new(field, kind))
}

impl fmt::Debug for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shed")
            .field("in_flight", &self.in_flight())
            .field("limit", &self.limit())
            .field("adaptive", &self.0.gradient.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ShedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedPermit").finish_non_exhaustive()
    }
}
