//! Counters in one Redis, or a server that speaks its protocol.

mod config;
mod lanes;
mod script;

use std::fmt;
use std::time::{Duration, Instant};

use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd,
};
use deadpool_redis::{Manager, Pool, Runtime};

pub use self::config::RedisStoreConfig;
use self::lanes::{Lanes, Loan};
use self::script::Operation;
use super::store::{Ask, Change, Given, Hold, SharedStore, StoreError, StoreFuture};

/// Counters in one Redis (6 or newer, or Valkey), shared by all processes that use it.
///
/// A decision is one call of one script, whatever the number of tiers: one round trip, and atomic. The
/// server's clock is the time. Each key carries its own time to live, set in the same step, so what is
/// over goes away by itself. The script is called by its name; a server that does not know it (it was
/// restarted, or its scripts were flushed) is sent the whole script, **the only retry there is**: after
/// any other failure nobody knows whether the units were taken, and asking again could take them twice.
///
/// Keys are `prefix:v1:{limiter}:tier:digest`. The digest is 128 bits under the limiter's secret, so
/// nothing a client sends can reach a key, and nobody can read whom it counts. All keys of a decision
/// share one hash tag, the limiter's name, or that name and the subject's digest when all tiers
/// count one subject. A limiter with a global tier therefore lives in one slot of a cluster, unless that
/// tier is [leased](crate::Lease): the others are then placed by their one subject.
///
/// Connecting happens when the first request needs it: a service starts without its Redis. A few
/// multiplexed connections carry all requests; one that fails, or that does not answer by a request's
/// deadline, is replaced.
///
/// What Redis loses is lost: a restart without persistence, a fail-over, or an eviction under
/// `maxmemory` starts counters anew. Give limits an instance with `maxmemory-policy noeviction`, or
/// one of the `volatile` policies. When the server's clock is set back, windows last longer by as much.
#[derive(Debug)]
pub struct RedisStore {
    lanes: Lanes,
    prefix: String,
}

/// Builds a [`RedisStore`].
#[derive(Clone)]
#[must_use = "a store exists once `build` is called"]
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    lanes: usize,
    connect_within: Duration,
}

/// A setting of a [`RedisStore`] that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The address is not one. It is not repeated here, since it may hold a password.
    #[error("url: not an address of a Redis server ({0})")]
    Url(String),
    /// The prefix is not one.
    #[error("prefix: 1 to 64 of the characters `a-z`, `0-9`, `-`, `_`, `.` and `:`")]
    Prefix,
    /// No or too many lanes.
    #[error("lanes: must be from 1 to 64")]
    Lanes,
    /// No or too much time.
    #[error("connect_within: must be longer than zero and at most a minute")]
    ConnectWithin,
}

impl RedisStore {
    /// A store on the server of this address, such as `redis://user:password@host:6379/0` or
    /// `unix:///run/redis.sock`.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder {
            url: url.into(),
            prefix: "sec".into(),
            lanes: 2,
            connect_within: Duration::from_secs(1),
        }
    }

    async fn run(
        &self,
        ask: &Ask,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Given, StoreError> {
        let keys = script::keys(&self.prefix, ask);
        let mut loan = self.lanes.borrow(deadline).await?;
        let by_name = script::call(&keys, ask, operation, true);
        let mut answer = by_name.query_async(&mut loan.connection).await;
        if answer.as_ref().is_err_and(is_unknown_script) {
            let whole = script::call(&keys, ask, operation, false);
            answer = whole.query_async(&mut loan.connection).await;
        }
        script::read(settled(loan, answer)?, ask.tiers.len())
    }

    async fn forget(&self, ask: &Ask, deadline: Instant) -> Result<(), StoreError> {
        let mut unlink: Cmd = cmd("UNLINK");
        unlink.arg(script::keys(&self.prefix, ask));
        let mut loan = self.lanes.borrow(deadline).await?;
        let answer = unlink.query_async(&mut loan.connection).await;
        settled(loan, answer).map(drop)
    }
}

impl RedisStoreBuilder {
    /// What all keys begin with. Default: `sec`. Services that share a server need one each, unless
    /// they are to share their limits. No braces: they would change where a cluster puts a key.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many connections carry the requests, 1 to 64. Default: 2. One is enough for tens of
    /// thousands of decisions per second; a second one keeps a lost packet from holding up all.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// How long a connection may take to be made. Default: one second. A request does not wait
    /// beyond its own deadline; the connection is then there for a later one.
    pub fn connect_within(mut self, limit: Duration) -> Self {
        self.connect_within = limit;
        self
    }

    /// Builds the store. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`RedisStoreError`] names the setting that cannot be used.
    pub fn build(self) -> Result<RedisStore, RedisStoreError> {
        let usable = |b: u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b':')
        };
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(usable) {
            return Err(RedisStoreError::Prefix);
        }
        if !(1..=64).contains(&self.lanes) {
            return Err(RedisStoreError::Lanes);
        }
        if self.connect_within.is_zero() || self.connect_within > Duration::from_secs(60) {
            return Err(RedisStoreError::ConnectWithin);
        }
        // Answers have the deadline of the limiter, which is shorter than any that stands here.
        let connections = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_within))
            .set_response_timeout(None);
        let manager = Manager::new_with_config(self.url, connections)
            .map_err(|error| RedisStoreError::Url(error.category().into()))?;
        // A lane takes its connection out for good, which frees its place: so many are being made at
        // once, and none is ever lent twice.
        let pool = Pool::builder(manager)
            .max_size(self.lanes)
            .create_timeout(Some(self.connect_within))
            .wait_timeout(Some(self.connect_within))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| RedisStoreError::Url(error.to_string()))?;
        Ok(RedisStore {
            lanes: Lanes::new(pool, self.lanes),
            prefix: self.prefix,
        })
    }
}

impl SharedStore for RedisStore {
    fn decide<'a>(&'a self, ask: &'a Ask, take: bool, deadline: Instant) -> StoreFuture<'a, Given> {
        let operation = if take {
            Operation::Take
        } else {
            Operation::Peek
        };
        Box::pin(self.run(ask, operation, deadline))
    }

    fn settle<'a>(
        &'a self,
        ask: &'a Ask,
        holds: &'a [Hold],
        change: Change,
        deadline: Instant,
    ) -> StoreFuture<'a, Given> {
        Box::pin(self.run(ask, Operation::Settle(holds, change), deadline))
    }

    fn reset<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> StoreFuture<'a, ()> {
        Box::pin(self.forget(ask, deadline))
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Hands the connection back, or has it replaced.
fn settled(loan: Loan<'_>, answer: Result<Value, RedisError>) -> Result<Value, StoreError> {
    match answer {
        Ok(value) => {
            loan.answered();
            Ok(value)
        }
        // A replica after a fail-over, or one that still loads: another connection may find better.
        Err(error) if error.is_unrecoverable_error() || error.is_io_error() => {
            loan.failed();
            Err(StoreError::Unreachable(error.to_string()))
        }
        Err(error) => {
            let read_only = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
            if read_only {
                loan.failed();
            } else {
                loan.answered();
            }
            Err(StoreError::Answer(error.to_string()))
        }
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("url", &"[redacted]")
            .field("prefix", &self.prefix)
            .field("lanes", &self.lanes)
            .field("connect_within", &self.connect_within)
            .finish()
    }
}
