//! How many requests of one key may be under way at the same time.

mod config;
mod layer;
mod refused;
mod service;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use sec_core::RequestContext;

pub use self::config::ConcurrencyConfig;
pub use self::layer::ConcurrencyLayer;
pub use self::refused::{ConcurrencyError, ConcurrencyRefused};
pub use self::service::{ConcurrencyFuture, ConcurrencyService};
use self::table::{Seat, Seats};
use crate::digest::{Digest, Seed};
use crate::{ConfigError, ConfigErrorKind, Key, LimiterBuilder, Quota, Subject, SubjectError};

/// Limits how many requests (connections, jobs) of one key are under way at once.
///
/// Where a [`Limiter`](crate::Limiter) bounds how often something may begin, this bounds how much of it
/// goes on together: slow downloads, long calls of a language model, exports. It has no window and no
/// error bound: never more than the limit hold a [`Permit`], whatever the number of threads.
///
/// ```
/// use sec_ratelimit::{Concurrency, Subject};
///
/// let exports = Concurrency::new("exports", 2)?;
/// let first = exports.try_acquire(&Subject::of("alice"))?;
/// let second = exports.try_acquire(&Subject::of("alice"))?;
/// assert!(exports.try_acquire(&Subject::of("alice")).is_err());
/// drop(first); // or let it go out of scope: the permit comes back
/// assert!(exports.try_acquire(&Subject::of("alice")).is_ok());
/// # drop(second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Memory is taken at construction and never grows: 48 bytes for each key that can hold permits at the
/// same time. A key takes no room while it holds none. When more keys are busy than there is room for, those
/// without a place share one limit among them until the last of these permits is back, and their
/// permit or refusal is `degraded`; a flood of keys is thus bounded as well, and no key ever exceeds its own
/// limit. Acquiring takes one lock, that of the key's shard, and allocates nothing.
///
/// Clones share their state.
#[derive(Clone)]
pub struct Concurrency(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    limit: u64,
    seats: Seats,
    seed: Seed,
}

/// The right to be under way, given back when it is dropped, exactly once.
#[must_use = "a permit that is dropped is given back at once"]
pub struct Permit {
    inner: Arc<Inner>,
    seat: Seat,
    limit: u64,
    remaining: u64,
}

impl Concurrency {
    /// How many keys can be busy at the same time if nothing else is said: 16 384, which is 0.8 MB.
    pub const DEFAULT_CAPACITY: usize = 16_384;

    /// At most `limit` permits per key at the same time. `name` becomes the policy's name in header fields,
    /// problems and events: 1 to 64 printable ASCII characters.
    ///
    /// # Errors
    ///
    /// An unusable name, or a limit of 0 or above [`Quota::MAX`].
    pub fn new(name: &str, limit: u64) -> Result<Self, ConfigError> {
        Self::with_capacity(name, limit, Self::DEFAULT_CAPACITY)
    }

    /// [`new`](Self::new) with room for so many busy keys, 1 to
    /// [`LimiterBuilder::MAX_CAPACITY`](crate::LimiterBuilder::MAX_CAPACITY).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and a capacity out of its range.
    pub fn with_capacity(name: &str, limit: u64, keys: usize) -> Result<Self, ConfigError> {
        check(name, limit, keys)?;
        Ok(Self(Arc::new(Inner {
            name: name.into(),
            limit,
            seats: Seats::new(keys),
            seed: Seed::random(),
        })))
    }

    /// A permit for this key, if it has one left.
    ///
    /// A subject's [own limit](Subject::limited_to) goes before that of the policy.
    ///
    /// # Errors
    ///
    /// [`ConcurrencyError::Refused`] when as many as are allowed are under way,
    /// [`ConcurrencyError::Subject`] when the subject has too many parts.
    pub fn try_acquire(&self, subject: &Subject<'_>) -> Result<Permit, ConcurrencyError> {
        let digest = subject.digest(&self.0.seed)?;
        let limit = subject.limit().unwrap_or(self.0.limit);
        self.acquire(digest, limit)
            .map_err(ConcurrencyError::Refused)
    }

    /// How many permits of this key are out. Changes nothing.
    ///
    /// Where more keys are in use than there is room for, a key without a place of its own is told how many
    /// all of those have out together: what its next permit would be counted with.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subject has too many parts.
    pub fn in_use(&self, subject: &Subject<'_>) -> Result<u64, SubjectError> {
        Ok(self.0.seats.in_use(subject.digest(&self.0.seed)?))
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many of one key may be under way at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    fn acquire(&self, digest: Digest, limit: u64) -> Result<Permit, ConcurrencyRefused> {
        match self.0.seats.take(digest, limit) {
            Ok((seat, used)) => Ok(Permit {
                inner: self.0.clone(),
                seat,
                limit,
                remaining: limit.saturating_sub(used),
            }),
            Err(degraded) => Err(ConcurrencyRefused::new(
                self.0.name.clone(),
                limit,
                digest,
                degraded,
            )),
        }
    }
}

impl Permit {
    /// How many this key may hold at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many were left to the key when this permit was taken.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether the key had no place of its own and shares its limit with others.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.seat.is_shared()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.inner.seats.give_back(self.seat);
    }
}

/// The one set of rules, for the constructors and for the configuration.
fn check(name: &str, limit: u64, keys: usize) -> Result<(), ConfigError> {
    if !crate::builder::is_name(name) {
        return Err(ConfigError::new("name", ConfigErrorKind::Name));
    }
    let out_of_range = |field, most| {
        let kind = ConfigErrorKind::OutOfRange { least: 1, most };
        Err(ConfigError::new(field, kind))
    };
    if limit == 0 || limit > Quota::MAX {
        return out_of_range("limit", Quota::MAX);
    }
    if keys == 0 || keys > LimiterBuilder::MAX_CAPACITY {
        return out_of_range("capacity", LimiterBuilder::MAX_CAPACITY as u64);
    }
    Ok(())
}

/// A layer cannot make a key which only the caller can give.
fn check_key(key: &Key) -> Result<(), ConfigError> {
    if key.is_given() {
        return Err(ConfigError::new("key", ConfigErrorKind::GivenKey));
    }
    Ok(())
}

/// The context of a request, or what is missing.
fn context(extensions: &Extensions) -> Result<&RequestContext, ConcurrencyError> {
    RequestContext::of(extensions).map_err(ConcurrencyError::Missing)
}

impl fmt::Debug for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrency")
            .field("name", &self.0.name)
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("name", &self.inner.name)
            .field("limit", &self.limit)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
