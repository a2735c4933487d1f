#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod about;
mod amend;
mod answer;
mod ban;
mod bots;
mod bounded;
mod builder;
mod challenge;
mod clearance;
mod concurrency;
mod config;
mod decision;
mod digest;
mod error;
mod fixed;
mod forward;
mod gcra;
mod headers;
mod key;
mod layer;
mod limiter;
mod lists;
mod log;
mod login;
mod lookup;
mod policies;
mod quota;
mod refused;
mod reservation;
mod service;
mod settings;
#[cfg(feature = "shared")]
mod shared;
mod shed;
mod sliding;
mod stats;
mod store;
mod subject;
mod tables;
mod thread;
mod tier;
mod time;
mod unrouted;

pub use self::answer::{Answer, Standing};
pub use self::ban::{BanConfig, BanSharingConfig, Banned, Bans, Block, BlockError, Escalate};
#[cfg(feature = "shared")]
pub use self::ban::{BanFollower, BanSharing, BanSharingState};
pub use self::bots::{
    BotLayer, BotRefused, BotService, BotVerdict, Bots, BotsConfig, GoodBot, Lookup, OnSpoofed,
    ResolveError, Resolver,
};
pub use self::bounded::{BoundedState, BoundedWindow};
pub use self::builder::LimiterBuilder;
pub use self::challenge::{Challenge, ProofError, ProofOfWork, solve};
pub use self::clearance::{
    ChallengeConfig, ChallengeLayer, ChallengePage, ChallengeService, Challenged, Clearance,
    Demand, SOLUTION_HEADER,
};
pub use self::concurrency::{
    Concurrency, ConcurrencyConfig, ConcurrencyError, ConcurrencyFuture, ConcurrencyLayer,
    ConcurrencyRefused, ConcurrencyService, Permit,
};
pub use self::config::{LeaseConfig, RateLimitConfig, TierConfig};
pub use self::decision::{Decision, TierStanding};
pub use self::error::{ConfigError, ConfigErrorKind};
pub use self::fixed::{FixedState, FixedWindow};
pub use self::gcra::{Gcra, GcraHold, GcraState};
pub use self::headers::Fields;
pub use self::key::{Key, KeyParts, MatchedRoute, PrincipalKey, UNMATCHED};
pub use self::layer::RateLimitLayer;
pub use self::limiter::Limiter;
pub use self::lists::{
    AddressBlocked, AddressFault, AddressFaultKind, AddressList, AddressListConfig,
    AddressListError, AddressListLayer, AddressListService, AddressRule, SharedAddressList,
};
pub use self::log::{ExactLog, LogState};
pub use self::login::{
    LoginAttempt, LoginLimit, LoginLimitConfig, LoginRefusal, LoginTierConfig, Proof,
};
pub use self::lookup::{
    LimitLookup, LimitLookupFuture, LimitLookupLayer, LimitLookupService, Limits, LookupError,
};
pub use self::quota::Quota;
pub use self::refused::{LimitError, Refused};
pub use self::reservation::Reservation;
pub use self::service::{RateLimitFuture, RateLimitService};
#[cfg(feature = "shared")]
pub use self::shared::{
    Ask, BlockChange, BlockChanges, BlockStore, BreakerConfig, Change, Fallback, FallbackConfig,
    Given, Hold, Lease, MemoryStore, RememberConfig, SharedBlock, SharedLimitConfig, SharedLimiter,
    SharedLimiterBuilder, SharedRateLimitFuture, SharedReservation, SharedRule, SharedStore,
    SharedStores, SharedTier, StoreError, StoreFuture, StoreState, TierGiven,
};
#[cfg(feature = "postgres")]
pub use self::shared::{
    PostgresMigration, PostgresStore, PostgresStoreBuilder, PostgresStoreConfig, PostgresStoreError,
};
#[cfg(feature = "redis")]
pub use self::shared::{RedisStore, RedisStoreBuilder, RedisStoreConfig, RedisStoreError};
pub use self::shed::{
    Adaptive, AdaptiveConfig, Overloaded, Priority, Shed, ShedConfig, ShedFuture, ShedLayer,
    ShedPermit, ShedService,
};
pub use self::sliding::{SlidingState, SlidingWindow, WindowHold};
pub use self::stats::{
    PolicyStatistics, Spike, SpikeChange, SpikeDetector, Spikes, SpikesConfig, Statistics, TopKey,
};
pub use self::subject::{Subject, SubjectError, SubjectPart};
pub use self::tier::{OnExceed, Tier};

#[cfg(test)]
mod tests;
