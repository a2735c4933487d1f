//! Where a limiter takes its time from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, CoarseClock};

use crate::quota::nanos;
use crate::store::{HORIZON, ORIGIN};

/// A clock, and what it showed when the limiter was built.
pub(crate) struct Time {
    source: Source,
    origin: u64,
}

enum Source {
    Coarse(CoarseClock),
    Given(Arc<dyn Clock>),
}

/// From this window on a tick of the coarse clock, at most 10 ms, is a hundredth of it or less.
pub(crate) const COARSE_FROM: Duration = Duration::from_secs(1);

impl Time {
    pub(crate) fn coarse() -> Self {
        Self {
            source: Source::Coarse(CoarseClock::new()),
            origin: 0,
        }
    }

    pub(crate) fn of(clock: Arc<dyn Clock>) -> Self {
        Self {
            origin: nanos(clock.monotonic()),
            source: Source::Given(clock),
        }
    }

    /// The clock's own reading.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        match &self.source {
            Source::Coarse(clock) => clock.nanos(),
            Source::Given(clock) => nanos(clock.monotonic()),
        }
    }

    /// As packed states count it; `None` once it is too late for them.
    #[inline]
    pub(crate) fn packed(&self) -> Option<u64> {
        let since = self.nanos().saturating_sub(self.origin);
        let now = since.saturating_add(ORIGIN);
        (now < HORIZON).then_some(now)
    }

    /// For what keeps its own time beside the limiter.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match &self.source {
            Source::Coarse(clock) => Arc::new(*clock),
            Source::Given(clock) => clock.clone(),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Coarse(_) => "the coarse clock",
            Source::Given(_) => "the given clock",
        })
    }
}
