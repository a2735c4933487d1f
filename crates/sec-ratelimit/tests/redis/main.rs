//! Shared limits against a real Redis, which the tests start and stop themselves. What any store must
//! do is in `conformance.rs` and runs against the one in memory too.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that fails should fail loudly"
)]

mod conformance;
mod faults;
mod keys;
mod layer;
mod server;

use std::sync::Arc;
use std::time::Duration;

use sec_ratelimit::{
    Fallback, Key, Quota, RedisStore, SharedLimiter, SharedLimiterBuilder, SharedStore, Subject,
};

use self::server::Server;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn secret() -> Vec<u8> {
    vec![7; 32]
}

pub(crate) fn redis(server: &Server) -> Arc<RedisStore> {
    Arc::new(RedisStore::builder(server.url()).build().unwrap())
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
