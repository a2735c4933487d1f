//! Blocks for a time: whoever was refused too often is not heard for a while, and longer each time.

mod bans;
mod config;
mod escalate;
#[cfg(feature = "shared")]
mod follow;
mod hook;
#[cfg(feature = "shared")]
mod outbox;
mod refusal;
#[cfg(feature = "shared")]
mod sharing;
mod table;

pub use self::bans::{Bans, Block, BlockError};
pub use self::config::{BanConfig, BanSharingConfig};
pub use self::escalate::Escalate;
#[cfg(feature = "shared")]
pub use self::follow::BanFollower;
pub(crate) use self::hook::Hook;
#[cfg(feature = "shared")]
pub use self::outbox::BanSharingState;
pub use self::refusal::Banned;
#[cfg(feature = "shared")]
pub use self::sharing::BanSharing;

#[cfg(test)]
#[cfg(feature = "shared")]
mod sharing_tests;
#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;
