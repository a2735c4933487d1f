//! When a block begins, and how long it lasts.

use std::time::Duration;

use crate::quota::nanos;
use crate::{ConfigError, ConfigErrorKind, Key};

/// When repeated refusals become a block, and how long each block of one key lasts.
///
/// ```
/// # use std::time::Duration;
/// # use sec_ratelimit::{Escalate, Key, Limiter, Quota, RateLimitLayer};
/// let minutes = |n: u64| Duration::from_secs(60 * n);
/// let limiter = Limiter::builder().tier("api", Quota::api(), Key::ip()).build()?;
/// let layer = RateLimitLayer::new(limiter)?
///     .ban(Escalate::after(3, [minutes(5), minutes(60), minutes(24 * 60)]))?;
/// # let _ = layer;
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until they are given to a layer or to `Bans`"]
pub struct Escalate {
    after: u32,
    lengths: Vec<Duration>,
    within: Duration,
    forgive_after: Duration,
    capacity: usize,
    widen: bool,
    pub(super) key: Key,
}

/// The checked form.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) after: u32,
    /// Nanoseconds; not empty.
    lengths: Box<[u64]>,
    pub(super) within: u64,
    pub(super) forgive_after: u64,
    pub(super) capacity: usize,
    pub(super) widen: bool,
}

const MAX_CAPACITY: usize = 1 << 24;
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Escalate {
    /// A block once a key was refused so many times; the first lasts the first length, and so on, and the last
    /// length repeats.
    pub fn after(refusals: u32, lengths: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            after: refusals,
            lengths: lengths.into_iter().collect(),
            within: Duration::from_secs(10 * 60),
            forgive_after: Duration::from_secs(24 * 60 * 60),
            capacity: 65_536,
            widen: true,
            key: Key::ip(),
        }
    }

    /// In what time that many refusals must come, counted from the first of them. Default: 10 min.
    pub fn within(mut self, window: Duration) -> Self {
        self.within = window;
        self
    }

    /// After what time without a refusal or a block the next block is a first one again. Default: one day. It is
    /// at least [`within`](Self::within).
    pub fn forgive_after(mut self, quiet: Duration) -> Self {
        self.forgive_after = quiet;
        self
    }

    /// How many keys are watched. Default: 65 536, which is 5 MB. Rounded up to a multiple of 16.
    ///
    /// The memory is taken at construction and never grows. A key that is blocked is never forgotten to admit a new
    /// one; of those that are only watched, the one with the fewest blocks and refusals goes first.
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// Whether blocks become coarser where their share of the table is used up. Default: true.
    ///
    /// Blocks of single keys hold at most a **quarter** of the table. Beyond it the client's IPv4 /24 or IPv6 /48 is
    /// blocked instead, and beyond three eighths its /16 or /32; all automatic blocks together hold at most **half**
    /// of it. (Where the key is not the address, the client's address group comes before the /24.) So nobody can fill
    /// the table with blocks, and a flood from one network blocks that network, its other users included. A coarse
    /// block starts with the shortest length. Off, refusals beyond the quarter start no block.
    pub fn widen(mut self, widen: bool) -> Self {
        self.widen = widen;
        self
    }

    /// Whom refusals are counted for, and who is blocked. Default: [`Key::ip`].
    pub fn key(mut self, key: impl Into<Key>) -> Self {
        self.key = key.into();
        self
    }

    pub(super) fn rules(&self) -> Result<Rules, ConfigError> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault);
        }
        Ok(Rules {
            after: self.after,
            lengths: self.lengths.iter().map(|length| nanos(*length)).collect(),
            within: nanos(self.within),
            forgive_after: nanos(self.forgive_after.max(self.within)),
            capacity: self.capacity,
            widen: self.widen,
        })
    }

    /// The one set of rules, all faults at once.
    pub(crate) fn faults(&self) -> Vec<ConfigError> {
        let range = |least, most| ConfigErrorKind::OutOfRange { least, most };
        let time = |length: &Duration| !length.is_zero() && *length <= YEAR;
        let lengths = self.lengths.iter().enumerate();
        let wrong = lengths.filter(|(_, length)| !time(length));
        let wrong = wrong.map(|(index, _)| (format!("lengths[{index}]"), ConfigErrorKind::Window));
        let callers = "must tell callers apart, or one of them blocks all";
        let checks = [
            (
                (1..=1_000_000).contains(&self.after),
                "after",
                range(1, 1_000_000),
            ),
            (
                (1..=16).contains(&self.lengths.len()),
                "lengths",
                range(1, 16),
            ),
            (time(&self.within), "within", ConfigErrorKind::Window),
            (
                time(&self.forgive_after),
                "forgive_after",
                ConfigErrorKind::Window,
            ),
            (
                (16..=MAX_CAPACITY).contains(&self.capacity),
                "capacity",
                range(16, MAX_CAPACITY as u64),
            ),
            (
                !self.key.is_shared(),
                "key",
                ConfigErrorKind::Misused(callers),
            ),
        ];
        let checks = checks.into_iter().filter(|(right, ..)| !right);
        let checks = checks.map(|(_, field, kind)| (field.to_owned(), kind));
        checks
            .chain(wrong.take(16))
            .map(|(field, kind)| ConfigError::new(field, kind).below("ban"))
            .collect()
    }
}

/// A length that is shorter by what a clock may be late, and not nothing.
pub(super) fn shorter(length: u64, late: u64) -> u64 {
    length.saturating_sub(late).max(length.min(1))
}

impl Rules {
    /// With lengths that are so many nanoseconds shorter.
    pub(super) fn shorter_by(mut self, late: u64) -> Self {
        for length in &mut self.lengths {
            *length = shorter(*length, late);
        }
        self
    }

    /// How long the next block of a key lasts that was blocked so many times.
    pub(super) fn length(&self, blocks: u32) -> u64 {
        let index = usize::try_from(blocks).unwrap_or(usize::MAX);
        let length = self.lengths.get(index).or(self.lengths.last());
        length.copied().unwrap_or(0)
    }
}
