//! What a limiter did, in numbers: per policy, per key, and per route.

mod counters;
mod sketch;
mod spike;

pub use self::counters::{PolicyStatistics, Statistics, TopKey};
pub use self::spike::{Spike, SpikeDetector};

#[cfg(test)]
mod tests;
