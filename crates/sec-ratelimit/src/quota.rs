//! How much is allowed in which time, and by which algorithm.

use std::time::Duration;

use crate::{BoundedWindow, ConfigErrorKind, ExactLog, FixedWindow, Gcra, SlidingWindow};

/// How many units a key may take in which time. A plain value: it is checked when a limiter is
/// built from it.
///
/// | made with | algorithm | admitted in any interval as long as `per` |
/// |---|---|---|
/// | [`Quota::per`] | [fixed window](FixedWindow) | at most `2 n` (`n` in each of the key's own windows) |
/// | [`Quota::per`] + [`.exact()`](Quota::exact) | [exact log](ExactLog) | at most `n` |
/// | [`Quota::gcra`] | [token bucket](Gcra) | at most `burst + n` |
/// | [`Quota::sliding`] | [sliding-window counter](SlidingWindow) | below `2 n`: at most `n (1 + d / per)` in any `d ≤ per` |
/// | [`Quota::bounded`] | [bounded window](BoundedWindow) | at most `n` |
///
/// ```
/// use std::time::Duration;
/// use sec_ratelimit::Quota;
///
/// let log_in = Quota::per(5, Duration::from_secs(15 * 60)).exact();
/// let api = Quota::gcra(100, Duration::from_secs(60)).burst(20);
/// assert_eq!(Quota::auth(), log_in);
/// # let _ = api;
/// ```
///
#[doc = include_str!("accuracy.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    per: Duration,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Fixed,
    Exact,
    Sliding,
    Bounded,
    Gcra {
        burst: Option<u64>,
    },
    /// A setter of one algorithm was called on another; reported when the limiter is built.
    Misused(&'static str),
}

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

impl Quota {
    /// The largest limit of an [exact](Self::exact) quota: 128. Above it, twelve bytes per unit and
    /// key become more than a table should hold; take a fixed window or a bucket there.
    pub const EXACT_MAX: u64 = 128;
    /// The largest limit, cost or burst: the largest Integer of a structured header field
    /// (RFC 9651, section 3.3.1).
    pub const MAX: u64 = 999_999_999_999_999;
    /// The longest window: ten years of 365 days.
    pub const MAX_PER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

    /// `n` units per window; the window of a key begins with its first request. **Any interval as long as
    /// `per` may hold up to `2 n`**, at the end of one window and the beginning of the next: where `n` must hold in
    /// every interval take [`bounded`](Self::bounded), or [`exact`](Self::exact) for a small one.
    #[must_use]
    pub const fn per(n: u64, per: Duration) -> Self {
        Self {
            limit: n,
            per,
            shape: Shape::Fixed,
        }
    }

    /// A bucket of `n` units which refills evenly at `n` units per `per`. The size of the bucket is
    /// `n` unless [`burst`](Self::burst) says otherwise.
    #[must_use]
    pub const fn gcra(n: u64, per: Duration) -> Self {
        Self {
            limit: n,
            per,
            shape: Shape::Gcra { burst: None },
        }
    }

    /// About `n` units in any window: what was taken in the window before counts with the share of it
    /// that still lies within `per`. Smoother than a fixed window at twelve bytes more per key, but **not a
    /// strict limit**: up to `2 n − 1` units fit into one window. Where the limit must hold take
    /// [`bounded`](Self::bounded), or [`exact`](Self::exact) for a small one.
    #[must_use]
    pub const fn sliding(n: u64, per: Duration) -> Self {
        Self {
            limit: n,
            per,
            shape: Shape::Sliding,
        }
    }

    /// Never more than `n` units in any interval as long as `per`, in constant memory (264 bytes per key)
    /// whatever the limit. A unit counts for up to a sixteenth of `per` longer than
    /// it would in an exact log.
    #[must_use]
    pub const fn bounded(n: u64, per: Duration) -> Self {
        Self {
            limit: n,
            per,
            shape: Shape::Bounded,
        }
    }

    /// Keeps the instant of every unit, so that no interval ever holds more than the limit.
    /// For [`per`](Self::per) only, and up to [`EXACT_MAX`](Self::EXACT_MAX) units.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.shape = match self.shape {
            Shape::Fixed | Shape::Exact => Shape::Exact,
            Shape::Gcra { .. } => {
                Shape::Misused("`exact` belongs to `Quota::per`, not to a bucket")
            }
            Shape::Sliding | Shape::Bounded => {
                Shape::Misused("`exact` belongs to `Quota::per`, not to a window of another kind")
            }
            misused => misused,
        };
        self
    }

    /// How many units may be taken at once. For [`gcra`](Self::gcra) only; default: the limit.
    /// Fewer smooth the traffic, more let a longer pause be made up for.
    #[must_use]
    pub const fn burst(mut self, units: u64) -> Self {
        self.shape = match self.shape {
            Shape::Gcra { .. } => Shape::Gcra { burst: Some(units) },
            Shape::Fixed | Shape::Exact | Shape::Sliding | Shape::Bounded => {
                Shape::Misused("`burst` belongs to `Quota::gcra`")
            }
            misused => misused,
        };
        self
    }

    /// Attempts to prove who one is: 5 per 15 minutes, exact.
    #[must_use]
    pub const fn auth() -> Self {
        Self::per(5, QUARTER).exact()
    }

    /// Changes to what protects an account (password, address, second factor): 5 per 15 minutes,
    /// exact.
    #[must_use]
    pub const fn sensitive() -> Self {
        Self::per(5, QUARTER).exact()
    }

    /// Pages and ordinary requests: 100 per 15 minutes.
    #[must_use]
    pub const fn standard() -> Self {
        Self::per(100, QUARTER)
    }

    /// Cheap reads: 300 per 15 minutes.
    #[must_use]
    pub const fn relaxed() -> Self {
        Self::per(300, QUARTER)
    }

    /// Programs: 100 per minute.
    #[must_use]
    pub const fn api() -> Self {
        Self::per(100, MINUTE)
    }

    /// Requests that store something: 20 per minute.
    #[must_use]
    pub const fn write() -> Self {
        Self::per(20, MINUTE)
    }

    /// Uploads: 20 per hour.
    #[must_use]
    pub const fn upload() -> Self {
        Self::per(20, HOUR)
    }

    /// Calls of a language model: 30 per hour.
    #[must_use]
    pub const fn ai() -> Self {
        Self::per(30, HOUR)
    }

    /// Searches: 30 per minute.
    #[must_use]
    pub const fn search() -> Self {
        Self::per(30, MINUTE)
    }

    /// Exports of data: 5 per hour, exact.
    #[must_use]
    pub const fn export() -> Self {
        Self::per(5, HOUR).exact()
    }

    /// Payments: 10 per minute, exact.
    #[must_use]
    pub const fn payments() -> Self {
        Self::per(10, MINUTE).exact()
    }

    /// Images and other media: 20 per minute.
    #[must_use]
    pub const fn media() -> Self {
        Self::per(20, MINUTE)
    }

    /// `n` per minute, as a fixed window.
    #[must_use]
    pub const fn per_minute(n: u64) -> Self {
        Self::per(n, MINUTE)
    }

    /// The preset of this name (`auth`, `sensitive`, `standard`, `relaxed`, `api`, `write`,
    /// `upload`, `ai`, `search`, `export`, `payments`, `media`), as a configuration file gives it.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (_, preset) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(preset())
    }

    /// The units per window.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// The window.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.per
    }

    /// All that is wrong with it: each number is tried beside sound ones.
    pub(crate) fn faults(&self) -> Vec<(&'static str, ConfigErrorKind)> {
        let tried = [
            *self,
            Self { limit: 1, ..*self },
            Self {
                per: MINUTE,
                ..*self
            },
        ];
        let mut faults: Vec<(&'static str, ConfigErrorKind)> = Vec::new();
        for quota in tried {
            if let Err(fault) = quota.algorithm()
                && !faults.iter().any(|(field, _)| *field == fault.0)
            {
                faults.push(fault);
            }
        }
        faults
    }

    /// The one set of rules for quotas. The error names the field that is wrong.
    pub(crate) fn algorithm(&self) -> Result<Algorithm, (&'static str, ConfigErrorKind)> {
        let range = |field, least, most| (field, ConfigErrorKind::OutOfRange { least, most });
        if self.limit == 0 || self.limit > Self::MAX {
            return Err(range("limit", 1, Self::MAX));
        }
        if self.per.is_zero() || self.per > Self::MAX_PER {
            return Err(("per", ConfigErrorKind::Window));
        }
        let per = nanos(self.per);
        match self.shape {
            Shape::Fixed => Ok(Algorithm::Fixed(FixedWindow::new(self.limit, per))),
            Shape::Exact if self.limit > Self::EXACT_MAX => Err(range("limit", 1, Self::EXACT_MAX)),
            Shape::Exact => Ok(Algorithm::Log(ExactLog::new(self.limit, per))),
            Shape::Sliding => Ok(Algorithm::Sliding(SlidingWindow::new(self.limit, per))),
            Shape::Bounded => Ok(Algorithm::Bounded(BoundedWindow::new(self.limit, per))),
            Shape::Gcra { burst } => {
                if self.limit > per {
                    // Below one nanosecond per unit the rate could not be kept.
                    return Err(range("limit", 1, per));
                }
                let units = burst.unwrap_or(self.limit);
                // A full bucket must stay well inside the range of the clock.
                let interval = Gcra::new(self.limit, per, 1).interval();
                let fitting = nanos(Self::MAX_PER).checked_div(interval).unwrap_or(0);
                let most = fitting.min(Self::MAX);
                if units == 0 || units > most {
                    return Err(range("burst", 1, most));
                }
                Ok(Algorithm::Gcra(Gcra::new(self.limit, per, units)))
            }
            Shape::Misused(why) => Err(("algorithm", ConfigErrorKind::Misused(why))),
        }
    }

    /// The quota as shared stores decide it, with another limit if one is given.
    #[cfg(feature = "shared")]
    pub(crate) fn shared_rule(&self, limit: Option<u64>) -> crate::shared::SharedRule {
        use crate::shared::SharedRule;
        let limit = self.limit_with(limit);
        match self.shape {
            Shape::Exact => SharedRule::exact(limit, self.per),
            Shape::Gcra { burst } => SharedRule::gcra(limit, self.per, burst.unwrap_or(limit)),
            Shape::Sliding => SharedRule::sliding(limit, self.per),
            Shape::Bounded => SharedRule::bounded(limit, self.per),
            Shape::Fixed | Shape::Misused(_) => SharedRule::fixed(limit, self.per),
        }
    }

    /// The part of the quota that one of so many nodes may give away by itself, at least one unit.
    #[cfg(feature = "shared")]
    pub(crate) fn divided(mut self, nodes: u64) -> Self {
        let divide = |units: u64| units.checked_div(nodes).unwrap_or(units).max(1);
        self.limit = divide(self.limit);
        if let Shape::Gcra { burst: Some(burst) } = &mut self.shape {
            *burst = divide(*burst);
        }
        self
    }

    /// The limit that applies to a caller, who may have one of their own. An exact log cannot outgrow the
    /// room that was made for it.
    pub(crate) fn limit_with(&self, own: Option<u64>) -> u64 {
        match (self.shape, own) {
            (Shape::Exact, Some(own)) => own.min(self.limit),
            (_, own) => own.unwrap_or(self.limit),
        }
    }

    /// The same quota with another limit, for one caller.
    pub(crate) fn algorithm_for(&self, limit: u64) -> Algorithm {
        let (limit, per) = (self.limit_with(Some(limit)), nanos(self.per));
        match self.shape {
            Shape::Exact => Algorithm::Log(ExactLog::new(limit, per)),
            Shape::Gcra { burst } => Algorithm::Gcra(Gcra::new(limit, per, burst.unwrap_or(limit))),
            Shape::Sliding => Algorithm::Sliding(SlidingWindow::new(limit, per)),
            Shape::Bounded => Algorithm::Bounded(BoundedWindow::new(limit, per)),
            Shape::Fixed | Shape::Misused(_) => Algorithm::Fixed(FixedWindow::new(limit, per)),
        }
    }
}

type Preset = (&'static str, fn() -> Quota);

pub(crate) const PRESETS: [Preset; 12] = [
    ("auth", Quota::auth),
    ("sensitive", Quota::sensitive),
    ("standard", Quota::standard),
    ("relaxed", Quota::relaxed),
    ("api", Quota::api),
    ("write", Quota::write),
    ("upload", Quota::upload),
    ("ai", Quota::ai),
    ("search", Quota::search),
    ("export", Quota::export),
    ("payments", Quota::payments),
    ("media", Quota::media),
];

/// A quota that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Algorithm {
    Fixed(FixedWindow),
    Gcra(Gcra),
    Log(ExactLog),
    Sliding(SlidingWindow),
    Bounded(BoundedWindow),
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
