//! The time of day, made to go only on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sec_core::Clock;

use crate::quota::nanos;

/// A time of day that goes on at least as fast as the monotonic one, whatever the machine's clock is set to: the greatest
/// difference between the two that was seen. So what has expired once has expired for good.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    ahead: AtomicU64,
}

/// One reading of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Since 1970.
    pub(crate) unix: Duration,
    /// Since the clock was made.
    pub(crate) monotonic: Duration,
}

impl Forward {
    pub(crate) fn now(&self, clock: &dyn Clock) -> Moment {
        // In this order a thread that is held up between the two sees a difference too small, which changes nothing.
        let wall = clock.now().duration_since(SystemTime::UNIX_EPOCH);
        let monotonic = clock.monotonic();
        let ahead = nanos(wall.unwrap_or_default().saturating_sub(monotonic));
        let ahead = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        Moment {
            unix: monotonic.saturating_add(Duration::from_nanos(ahead)),
            monotonic,
        }
    }
}
