//! What the limiter promises, row by row. A row that a peer got wrong names it.

mod accuracy;
mod algorithms;
mod amend;
#[cfg(feature = "shared")]
mod both;
mod challenge;
mod config;
mod headers;
mod keys;
pub(crate) mod layer;
mod log_in;
mod lookup;
#[cfg(feature = "shared")]
mod returned;
#[cfg(feature = "shared")]
mod shared_config;
mod stack;
mod tiers;
mod windows;
