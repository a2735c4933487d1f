//! Limits that several processes share through a store.
//!
//! `store.rs` says what a store is asked, `memory.rs`, `redis/` and `postgres/` answer it. `limiter.rs` asks, with
//! what belongs to any store that can be slow or away: a deadline, a circuit breaker, a fallback,
//! a memory of refusals, and `lease/`, which takes units in batches.

mod blocks;
mod breaker;
mod builder;
mod calls;
mod config;
mod counted;
mod denials;
mod fallback;
mod given;
mod lease;
mod limiter;
mod memory;
mod memory_blocks;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod reservation;
mod rule;
mod service;
mod state;
mod store;
mod stores;
mod targets;

pub use self::blocks::{BlockChange, BlockChanges, BlockStore, SharedBlock};
pub(crate) use self::builder::is_store_name;
pub use self::builder::{Fallback, SharedLimiterBuilder};
pub use self::config::{BreakerConfig, FallbackConfig, RememberConfig, SharedLimitConfig};
pub use self::lease::Lease;
pub use self::limiter::SharedLimiter;
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{
    PostgresMigration, PostgresStore, PostgresStoreBuilder, PostgresStoreConfig, PostgresStoreError,
};
#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, RedisStoreBuilder, RedisStoreConfig, RedisStoreError};
pub use self::reservation::SharedReservation;
pub use self::rule::SharedRule;
pub use self::service::SharedRateLimitFuture;
pub use self::state::StoreState;
pub use self::store::{
    Ask, Change, Given, Hold, SharedStore, SharedTier, StoreError, StoreFuture, TierGiven,
};
pub use self::stores::SharedStores;
