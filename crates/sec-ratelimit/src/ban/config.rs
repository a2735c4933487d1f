//! Blocks in a configuration file.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Escalate;

/// Blocks after repeated refusals, as the table `ban` of a limiter's section gives them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BanConfig {
    /// After how many refusals of one key a block begins. Default: 10.
    pub after: u32,
    /// The lengths of its blocks, such as `["5m", "1h"]`; the last repeats. Default: 5 min, 1 h, one day.
    #[serde(deserialize_with = "durations")]
    pub lengths: Vec<Duration>,
    /// In what time that many refusals must come. Default: 10 min.
    #[serde(with = "sec_core::duration")]
    pub within: Duration,
    /// After what quiet time the next block is a first one again. Default: one day.
    #[serde(with = "sec_core::duration")]
    pub forgive_after: Duration,
    /// How many keys are watched. Default: 65 536.
    pub capacity: usize,
    /// Whether blocks become coarser where their share of the table is used up. Default: true.
    pub widen: bool,
}

impl BanConfig {
    /// The settings, for what only code can add.
    pub fn escalate(&self) -> Escalate {
        Escalate::after(self.after, self.lengths.iter().copied())
            .within(self.within)
            .forgive_after(self.forgive_after)
            .capacity(self.capacity)
            .widen(self.widen)
    }
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            after: 10,
            lengths: [300, 3600, 86_400].map(Duration::from_secs).into(),
            within: Duration::from_secs(600),
            forgive_after: Duration::from_secs(86_400),
            capacity: 65_536,
            widen: true,
        }
    }
}

/// Each as text or as whole seconds.
fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Length(#[serde(with = "sec_core::duration")] Duration);
    let lengths = Vec::<Length>::deserialize(deserializer)?;
    Ok(lengths.into_iter().map(|Length(length)| length).collect())
}
