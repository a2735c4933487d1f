//! Shared limits against real servers, which the tests start and stop themselves. What any store must
//! do is in `conformance.rs` and runs against all of them; what is special to one has its folder.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that fails should fail loudly"
)]

#[cfg(any(feature = "postgres", feature = "redis"))]
mod bans;
mod blocks;
mod conformance;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod moments;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod outage;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;
use std::time::Duration;

use sec_ratelimit::{
    Fallback, Key, Quota, SharedLimiter, SharedLimiterBuilder, SharedStore, Subject,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn secret() -> Vec<u8> {
    vec![7; 32]
}

/// A builder whose deadline a busy machine keeps, and which has nobody but the store to ask.
pub(crate) fn patient(store: Arc<dyn SharedStore>) -> SharedLimiterBuilder {
    SharedLimiter::builder("api", store, secret())
        .on_store_error(Fallback::Closed)
        .deadline(Duration::from_secs(10))
        .remember_refusals(0, Duration::ZERO)
}

pub(crate) fn one_tier(store: Arc<dyn SharedStore>, quota: Quota) -> SharedLimiter {
    let limiter = patient(store).tier("user", quota, Key::given("user"));
    limiter.build().unwrap()
}

pub(crate) fn ada() -> [Subject<'static>; 1] {
    [Subject::of("ada")]
}
