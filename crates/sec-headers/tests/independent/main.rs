//! What the builders write, read by parsers that others wrote: the crate `content-security-policy` for
//! policies, `sfv` for structured fields. Any input is an error at construction, or it reads back to
//! exactly what was said; and the decisions that follow are those of a slow, plain model.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails should fail loudly"
)]

mod decisions;
mod hostile;
mod inputs;
mod model;
mod read_back;
mod structured;
