//! What the limiter promises, row by row. A row that a peer got wrong names it.

mod accuracy;
mod algorithms;
mod amend;
#[cfg(feature = "shared")]
mod both;
mod challenge;
mod config;
mod config_words;
mod headers;
mod keys;
pub(crate) mod layer;
#[cfg(feature = "shared")]
mod layer_config;
mod log_in;
mod lookup;
mod own_limits;
#[cfg(feature = "shared")]
mod returned;
#[cfg(feature = "shared")]
mod shared_config;
mod stack;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod store_config;
mod tiers;
mod windows;
