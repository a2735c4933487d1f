//! The family as a whole. One binary: one link, and what the modules share is compiled once.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that fails should fail loudly"
)]

mod browser;

mod compose;
mod hostile;
mod limits;
mod order;
mod service;

mod support;
