//! Blocks for a time: whoever was refused too often is not heard for a while, and longer each time.

mod bans;
mod config;
mod escalate;
mod hook;
mod refusal;
mod table;

pub use self::bans::{Bans, Block, BlockError};
pub use self::config::BanConfig;
pub use self::escalate::Escalate;
pub(crate) use self::hook::Hook;
pub use self::refusal::Banned;

#[cfg(test)]
mod tests;
