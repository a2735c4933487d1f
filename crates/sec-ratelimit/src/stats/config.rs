//! Spikes in a configuration file.

use std::time::Duration;

use serde::Deserialize;

use super::spikes::ROUTES;
use super::{SpikeDetector, Spikes};
use crate::ConfigError;

/// What counts as a spike of a route, as the table `spikes` of a limiter's section gives it. An empty table watches
/// with these defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SpikesConfig {
    /// How many times the usual requests of a window make a spike, 2 to 1000. Default: 4.
    pub factor: u64,
    /// The window that requests are counted in. Default: 10 s.
    #[serde(with = "sec_core::duration")]
    pub window: Duration,
    /// How many requests of a window are at least needed. Default: 100.
    pub least: u64,
    /// How many routes are watched, up to [`Spikes::MAX_ROUTES`]. Default: 256.
    pub routes: usize,
}

impl SpikesConfig {
    /// The spikes, for [`RateLimitLayer::spikes`](crate::RateLimitLayer::spikes).
    ///
    /// # Errors
    ///
    /// The first fault, under its name.
    pub fn spikes(&self) -> Result<Spikes, ConfigError> {
        let detector = SpikeDetector::new(self.factor, self.window, self.least)?;
        Spikes::with_routes(detector, self.routes)
    }

    /// All faults at once, taking no memory.
    pub(crate) fn faults(&self) -> Vec<ConfigError> {
        let mut faults = SpikeDetector::faults(self.factor, self.window, self.least);
        faults.extend(Spikes::check_routes(self.routes).err());
        faults
    }
}

impl Default for SpikesConfig {
    fn default() -> Self {
        Self {
            factor: 4,
            window: Duration::from_secs(10),
            least: 100,
            routes: ROUTES,
        }
    }
}
