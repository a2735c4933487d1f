//! What a limiter asks of a store that several processes share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::SharedRule;
use crate::Answer;
use crate::digest::Digest;

/// What the functions of a [`SharedStore`] return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of counters that several processes share.
///
/// Each call is one atomic step for all of its tiers, and one round trip: nobody ever sees a part of
/// it. The time is the store's own, so that the clocks of the processes do not matter. What is kept
/// goes away by itself once it says no more than nothing would.
///
/// A future that is dropped (its caller went away, its deadline passed) may have happened or not, and
/// must leave the store usable. `deadline` is the limiter's; nobody waits for an answer after it.
pub trait SharedStore: fmt::Debug + Send + Sync + 'static {
    /// Answers for each tier whether the cost fits, and with `take` takes it from all of them, unless
    /// one refuses.
    fn decide<'a>(&'a self, ask: &'a Ask, take: bool, deadline: Instant) -> StoreFuture<'a, Given>;

    /// Changes what an earlier take took: `holds` is what [`Given`] said of it, one per tier. What
    /// is given back goes to the window that it was taken from, or nowhere.
    fn settle<'a>(
        &'a self,
        ask: &'a Ask,
        holds: &'a [Hold],
        change: Change,
        deadline: Instant,
    ) -> StoreFuture<'a, Given>;

    /// Forgets these keys.
    fn reset<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> StoreFuture<'a, ()>;

    /// How many parts of this store can fail each by itself, such as the servers of a cluster. Read
    /// once, when a limiter is built, which then has a circuit breaker for each: one part's failure
    /// does not keep the others' keys from their store. Default: 1, from 1 to 1024.
    fn parts(&self) -> usize {
        1
    }

    /// The part that this ask concerns, below [`parts`](Self::parts). Called on every request: at
    /// once, and roughly right is enough. Default: 0.
    fn part(&self, _ask: &Ask) -> usize {
        0
    }

    /// What an event calls this part. Default: nothing.
    fn part_name(&self, _part: usize) -> Option<String> {
        None
    }
}

/// Whose counters are asked for, and for how much.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ask {
    /// The limiter's name.
    pub limiter: Arc<str>,
    /// The subject's digest, when all tiers count the same subject: what a store that is spread
    /// over several machines can place them by. `None`: all of the limiter's keys belong together.
    pub subject: Option<Digest>,
    /// One per tier, in their order.
    pub tiers: Vec<SharedTier>,
    /// The units, at most [`Quota::MAX`](crate::Quota::MAX) and one more, which nothing can hold.
    pub cost: u64,
}

/// One tier of an [`Ask`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedTier {
    /// The tier's name, unique within the limiter.
    pub name: Arc<str>,
    /// Whom it counts, as a digest under the limiter's secret.
    pub digest: Digest,
    /// The quota.
    pub rule: SharedRule,
    /// The tier [demands](crate::OnExceed::Demand) instead of refusing: it takes even when
    /// exhausted, but a bucket is left at most empty, and a log or a window of counts at most full.
    pub demands: bool,
}

/// What a store answered, one per tier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "stores outside of this crate make it"
)]
pub struct Given {
    /// In the order of the tiers.
    pub tiers: Vec<TierGiven>,
}

/// How one tier answered and how it stands afterwards. Times are microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "stores outside of this crate make it"
)]
pub struct TierGiven {
    /// Whether the cost fits.
    pub answer: Answer,
    /// What can be taken now.
    pub remaining: u64,
    /// When everything is available again.
    pub reset: u64,
    /// When one more unit is available.
    pub next: u64,
    /// What a refund needs.
    pub hold: Hold,
}

/// What a store must be told to give back a take: numbers of its own, below 2⁵³.
pub type Hold = [u64; 4];

/// What settling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a store must do both, and there is no third"
)]
pub enum Change {
    /// Gives so many units back, at most what was taken.
    GiveBack(u64),
    /// Takes so many units more, even above the limit.
    TakeMore(u64),
}

/// Why a store did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    Deadline,
    /// It is there and has not come to this request: another one held its key for too long, or all connections of
    /// this process were taken. Counts for no
    /// [pause](crate::SharedLimiterBuilder::breaker), which would make a queue an outage.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// It does not do what it is asked: a right, a password or a table is missing. Somebody has to help.
    #[error("the store refused: {0}")]
    Refused(String),
    /// It was not asked, because it failed before: see
    /// [`SharedLimiterBuilder::breaker`](crate::SharedLimiterBuilder::breaker).
    #[error("the store failed before and is given a pause")]
    Paused,
    /// Its answer is an error, or not understood.
    #[error("the store answered wrongly: {0}")]
    Answer(String),
}
