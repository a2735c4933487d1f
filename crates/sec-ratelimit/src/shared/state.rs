//! How a store stands, as its limiter sees it.

use std::time::Duration;

use super::StoreError;
use crate::SharedLimiter;

/// How a [part](crate::SharedStore::parts) of a store stands, as a limiter of this process sees it. For a health
/// page: a limiter decides also while its store is away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreState {
    /// What the store calls this part; `None` for a store of one.
    pub part: Option<String>,
    /// How many requests in a row failed, up to as many as [begin a pause](crate::SharedLimiterBuilder::breaker).
    pub failures: u32,
    /// For how long it has been away, on the limiter's clock; `None` while it is asked.
    pub away: Option<Duration>,
    /// How many requests did not ask it since it is away.
    pub unasked: u64,
    /// Its last failure since it is away. For operators: it may name hosts.
    pub error: Option<StoreError>,
}

impl StoreState {
    /// Whether requests ask it. While they do not, the [fallback](crate::Fallback) decides, and one of them probes after
    /// each pause.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.away.is_none()
    }
}

impl SharedLimiter {
    /// How the store stands, one entry per [part](crate::SharedStore::parts). Asks nothing of it: what is said is how
    /// the last requests of this process fared.
    ///
    /// ```
    /// # fn page(limiter: &sec_ratelimit::SharedLimiter) -> bool {
    /// let healthy = limiter.store_state().iter().all(|part| part.is_asked());
    /// # healthy
    /// # }
    /// ```
    #[must_use]
    pub fn store_state(&self) -> Vec<StoreState> {
        self.0.breakers.states()
    }
}
