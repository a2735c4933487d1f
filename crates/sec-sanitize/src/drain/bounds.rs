//! How much is read on, and for how long.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}
