//! The family's documentation, compiled: every Rust block in these pages is a test.

#![forbid(unsafe_code)]

#[doc = include_str!("../README.md")]
pub mod readme {}

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("threat-model.md")]
pub mod threat_model {}

#[doc = include_str!("features.md")]
pub mod features {}

/// How several processes count together.
pub mod guides {
    #[doc = include_str!("guides/limits-that-processes-share.md")]
    pub mod limits_that_processes_share {}
}
