//! Putting a limiter together.

use std::sync::Arc;

use sec_core::{Clock, SystemClock};

use crate::decision::MAX_TIERS;
use crate::digest::Seed;
use crate::policies::Policies;
use crate::quota::Algorithm;
use crate::store::{FastTable, Packed, Table, bytes_for, fast_bytes_for};
use crate::tables::{Tables, TierTable};
use crate::time::{COARSE_FROM, Time};
use crate::{ConfigError, ConfigErrorKind, Key, Limiter, OnExceed, Quota, Statistics, Tier};

/// Builds a [`Limiter`]: its tiers, its memory and its clock.
#[derive(Clone, Debug)]
#[must_use = "a limiter exists once `build` is called"]
pub struct LimiterBuilder {
    tiers: Vec<Tier>,
    capacity: usize,
    statistics: bool,
    clock: Option<Arc<dyn Clock>>,
}

/// One key in so many may have a limit of its own that cannot be packed.
const OWN_LIMITS: usize = 64;

impl Limiter {
    /// A limiter without tiers yet.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::new()
    }
}

impl LimiterBuilder {
    /// The largest capacity: 2²⁸ keys per tier.
    pub const MAX_CAPACITY: usize = 1 << 28;

    fn new() -> Self {
        Self {
            tiers: Vec::new(),
            capacity: 65_536,
            statistics: false,
            clock: None,
        }
    }

    /// Adds a tier: a name, a quota, and whom it counts.
    pub fn tier(self, name: impl Into<String>, quota: Quota, key: impl Into<Key>) -> Self {
        self.with_tier(Tier::new(name, quota, key))
    }

    /// Adds a tier with settings of its own.
    pub fn with_tier(mut self, tier: Tier) -> Self {
        self.tiers.push(tier);
        self
    }

    /// How many keys each tier remembers at least. Default: 65 536, which is 3.9 MB per tier.
    ///
    /// The memory is taken when the limiter is built and never grows: 60 bytes per key, and twelve
    /// more per unit of an exact quota, 12 more for a sliding one and 204 more for a bounded one. A tier with a [global](Key::global) key takes one slot.
    ///
    /// A limiter of one tier needs less, and no lock for a key that it knows: 26 bytes per key
    /// of a fixed window, 37 of a bucket. Its quota must fit into a word: a bucket that fills within
    /// four years, or a window that is not too short for its limit (from 8 µs at 1 unit, 4.2 ms at a
    /// thousand, 4.3 s at a million) and has no [limit by caller](Tier::limit_for), looked up or not. There, subjects
    /// [limited to](crate::Subject::limited_to) more than sixteen times the window's limit (twice, if
    /// it is that short) are counted apart, with room for one in 64 keys.
    ///
    /// Besides these tables a limiter takes about 7 KB, and 3 KB for each further tier: threads have copies of what all decisions
    /// refer to. The answers to who is refused are written once per copy, which is up to 20 KB per tier more.
    ///
    /// When more keys are live than there is room for, a new one takes the place of the key with the
    /// least used quota near it, whose count is then forgotten; but a key **at its limit is never
    /// forgotten**. Where all are at their limit, new keys share one quota (per tier, and per each of
    /// the table's up to 64 shards) until an old one expires, and their decision is
    /// [degraded](crate::Decision::degraded). So a flood of invented keys can cost accuracy, but
    /// neither memory nor a lock that holds. Too small a capacity makes this happen in ordinary
    /// traffic.
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// Whether the limiter counts what it admits and refuses, for
    /// [`Limiter::statistics`]. Default: false. `check`, `take` and `reserve` are counted, and layers around
    /// it, each request once; a `peek` is not. A `take` then costs as much as a `check`, and each
    /// [what `Statistics` say](crate::Statistics) more.
    pub fn statistics(mut self, count: bool) -> Self {
        self.statistics = count;
        self
    }

    /// Where the time comes from. Default: the system's monotonic clock. The windows never look at
    /// the time of day, so setting the machine's clock changes nothing.
    ///
    /// A limiter of one tier in a table without locks whose window is a second or longer reads the
    /// [coarse clock](sec_core::CoarseClock) by default: what happens within one tick, at most 10 ms,
    /// counts as having happened at its start. Measured from outside, a window may hence be shorter,
    /// or a bucket's interval `d` longer, by one tick. Give
    /// [`SystemClock`](sec_core::SystemClock) where a hundredth of a second matters; reading it takes
    /// longer than all else that such a decision does.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The bytes that the tables of the limiter will take.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn memory(&self) -> Result<usize, ConfigError> {
        let algorithms = self.algorithms()?;
        Ok(self
            .tiers
            .iter()
            .zip(&algorithms)
            .map(|(tier, algorithm)| {
                let (keys, packed) = self.rooms(tier, algorithm);
                let fast = packed.map_or(0, |packed| fast_bytes_for(self.keys(tier), &packed));
                bytes_for(keys, algorithm).saturating_add(fast)
            })
            .fold(0, usize::saturating_add))
    }

    /// Builds the limiter and takes its memory.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the tier and the field when there is no tier or more than eight, a name
    /// is unusable or taken, or a number is outside of its range.
    pub fn build(self) -> Result<Limiter, ConfigError> {
        let algorithms = self.algorithms()?;
        let mut fast = None;
        let mut tables = Vec::with_capacity(self.tiers.len());
        for (tier, algorithm) in self.tiers.iter().zip(&algorithms) {
            let (keys, packed) = self.rooms(tier, algorithm);
            // There is one only where the tier is the only one.
            fast = packed.map(|packed| FastTable::new(self.keys(tier), packed));
            tables.push(Table::new(keys, *algorithm));
        }
        let unlocked = fast.is_some();
        // Digests of the one never leave the process, unless they are veiled.
        let (seed, veil) = if unlocked {
            let seed = Seed::quick();
            (seed, Some(seed))
        } else {
            (Seed::random(), None)
        };
        let long = self
            .tiers
            .iter()
            .all(|tier| tier.quota.window() >= COARSE_FROM);
        let time = match self.clock {
            Some(clock) => Time::of(clock),
            None if unlocked && long => Time::coarse(),
            None => Time::of(SystemClock::shared()),
        };
        let policies = Policies::new(self.tiers.iter().map(Tier::policy), veil);
        let statistics = self
            .statistics
            .then(|| Statistics::over(self.tiers.iter(), &policies));
        let refuses = |tier: &Tier| tier.on_exceed == OnExceed::Refuse;
        let plain = unlocked && self.tiers.iter().all(refuses);
        let tiers = self.tiers.into_iter().zip(algorithms).zip(tables);
        Ok(Limiter(Arc::new(Tables {
            tiers: tiers
                .map(|((tier, algorithm), table)| TierTable {
                    tier,
                    algorithm,
                    table,
                })
                .collect(),
            fast,
            plain,
            policies,
            statistics,
            seed,
            time,
        })))
    }

    /// All that is wrong beside the quotas, taking no memory.
    pub(crate) fn faults(capacity: usize, names: &[&str]) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut add = |field: String, kind| faults.push(ConfigError::new(field, kind));
        if names.is_empty() {
            add("tiers".into(), ConfigErrorKind::NoTiers);
        }
        if names.len() > MAX_TIERS {
            let most = MAX_TIERS;
            add("tiers".into(), ConfigErrorKind::TooManyTiers { most });
        }
        if !is_capacity(capacity) {
            add("capacity".into(), out_of_capacity());
        }
        for (index, name) in names.iter().enumerate() {
            let field = format!("tiers[{index}].name");
            if !is_name(name) {
                add(field, ConfigErrorKind::Name);
            } else if names.iter().take(index).any(|other| other == name) {
                add(field, ConfigErrorKind::Duplicate);
            }
        }
        faults
    }

    /// Checks everything, and gives the tiers' algorithms.
    fn algorithms(&self) -> Result<Vec<Algorithm>, ConfigError> {
        let fault = |field: String, kind| Err(ConfigError::new(field, kind));
        let names: Vec<_> = self.tiers.iter().map(|tier| tier.name.as_str()).collect();
        if let Some(fault) = Self::faults(self.capacity, &names).into_iter().next() {
            return Err(fault);
        }
        let mut algorithms = Vec::with_capacity(self.tiers.len());
        for (index, tier) in self.tiers.iter().enumerate() {
            let field = |name: &str| format!("tiers[{index}].{name}");
            if !tier.capacity.is_none_or(is_capacity) {
                return fault(field("capacity"), out_of_capacity());
            }
            match tier.quota.algorithm() {
                Ok(algorithm) => algorithms.push(algorithm),
                Err((name, kind)) => return fault(field(name), kind),
            }
        }
        Ok(algorithms)
    }

    /// The keys of the table with locks, and what the one without holds if the limiter has it.
    fn rooms(&self, tier: &Tier, algorithm: &Algorithm) -> (usize, Option<Packed>) {
        let keys = self.keys(tier);
        let fixed = matches!(algorithm, Algorithm::Fixed(_));
        // Nobody knows how large a window's limit the closure answers; a bucket's always fits.
        let known = !fixed || !tier.has_own_limits();
        let packed = Packed::new(algorithm).filter(|_| known && self.tiers.len() == 1);
        let locked = match packed {
            Some(_) => (keys / OWN_LIMITS).max(1),
            None => keys,
        };
        (locked, packed)
    }

    fn keys(&self, tier: &Tier) -> usize {
        if tier.key.is_global() {
            1
        } else {
            tier.capacity.unwrap_or(self.capacity)
        }
    }
}

fn is_capacity(keys: usize) -> bool {
    (1..=LimiterBuilder::MAX_CAPACITY).contains(&keys)
}

fn out_of_capacity() -> ConfigErrorKind {
    ConfigErrorKind::OutOfRange {
        least: 1,
        most: LimiterBuilder::MAX_CAPACITY as u64,
    }
}

/// Whether a header field's String can carry the name as it is.
pub(crate) fn is_name(name: &str) -> bool {
    let printable = |b: u8| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\';
    (1..=64).contains(&name.len()) && name.bytes().all(printable)
}
