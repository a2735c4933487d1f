//! What a limiter did, in numbers: per policy, per key, and per route.

mod config;
mod counters;
mod hook;
mod sketch;
mod spike;
mod spikes;

pub use self::config::SpikesConfig;
pub use self::counters::{PolicyStatistics, Statistics, TopKey};
pub use self::spike::{Spike, SpikeDetector};
pub use self::spikes::{SpikeChange, Spikes};

#[cfg(test)]
mod spikes_tests;
#[cfg(test)]
mod tests;
