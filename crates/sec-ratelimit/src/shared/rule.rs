//! A quota in whole microseconds, the numbers that every store can keep without rounding.

use std::time::Duration;

use crate::{Gcra, Quota};

/// A quota as a [`SharedStore`](crate::SharedStore) decides it. Times are microseconds.
///
/// All numbers, and all sums that a store makes of them and of the time since 1970, stay below 2⁵³,
/// where the floating point of a Lua script still counts in ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedRule {
    /// A [fixed window](crate::FixedWindow).
    Fixed {
        /// The units per window.
        limit: u64,
        /// Its length.
        window: u64,
    },
    /// A [token bucket](crate::Gcra).
    Gcra {
        /// The time in which one unit refills.
        interval: u64,
        /// The size of the bucket.
        burst: u64,
    },
    /// An [exact log](crate::ExactLog).
    Exact {
        /// The units per window.
        limit: u64,
        /// Its length.
        window: u64,
    },
    /// A [sliding-window counter](crate::SlidingWindow).
    Sliding {
        /// The units per window.
        limit: u64,
        /// Its length.
        window: u64,
    },
    /// A [bounded window](crate::BoundedWindow).
    Bounded {
        /// The units per window.
        limit: u64,
        /// Its length, of which each sub-window is a sixteenth, rounded up.
        window: u64,
    },
}

impl SharedRule {
    /// Larger than any cost that is asked for, so that it admits everything.
    const UNLIMITED: u64 = 1 << 52;

    pub(crate) fn fixed(limit: u64, per: Duration) -> Self {
        Self::Fixed {
            limit: limit.min(Self::UNLIMITED),
            window: micros(per),
        }
    }

    pub(crate) fn exact(limit: u64, per: Duration) -> Self {
        Self::Exact {
            limit,
            window: micros(per),
        }
    }

    pub(crate) fn sliding(limit: u64, per: Duration) -> Self {
        Self::Sliding {
            limit: limit.min(Self::UNLIMITED),
            window: micros(per),
        }
    }

    pub(crate) fn bounded(limit: u64, per: Duration) -> Self {
        Self::Bounded {
            limit: limit.min(Self::UNLIMITED),
            window: micros(per),
        }
    }

    /// The interval is rounded up to a whole microsecond, so the rate is never above the one asked
    /// for. A full bucket refills within [`Quota::MAX_PER`].
    pub(crate) fn gcra(limit: u64, per: Duration, burst: u64) -> Self {
        let per = micros(per);
        if limit == 0 {
            return Self::Gcra {
                interval: per,
                burst: 0,
            };
        }
        let interval = Gcra::new(limit, per, 1).interval();
        let fitting = micros(Quota::MAX_PER).checked_div(interval).unwrap_or(1);
        Self::Gcra {
            interval,
            burst: burst.min(fitting),
        }
    }

    /// The most that can be taken at once.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        match *self {
            Self::Fixed { limit, .. }
            | Self::Exact { limit, .. }
            | Self::Sliding { limit, .. }
            | Self::Bounded { limit, .. } => limit,
            Self::Gcra { burst, .. } => burst,
        }
    }
}

/// Rounded up: a window is never shorter than the one asked for.
pub(crate) fn micros(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000);
    whole.saturating_add(duration.subsec_nanos().div_ceil(1000).into())
}
