//! Counters in one Redis, or a server that speaks its protocol.

mod addresses;
mod lanes;
mod script;
mod sentinel;
mod server;
#[cfg(feature = "redis-tls")]
mod tls;

use std::fmt;
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};

use self::addresses::Addresses;
use self::lanes::{Lanes, Loan, Width};
use self::script::Operation;
#[cfg(feature = "redis-tls")]
use self::tls::TlsSettings;
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
/// count one subject. A limiter with a global tier therefore lives in one slot of a cluster.
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
    addresses: Addresses,
    prefix: String,
    lanes: usize,
    connect_within: Duration,
    #[cfg(feature = "redis-tls")]
    tls: TlsSettings,
}

/// A setting of a [`RedisStore`] that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The address is not one. It is not repeated here, since it may hold a password.
    #[error("url: not an address of a Redis server ({0})")]
    Url(String),
    /// There are no sentinels, or an address is not that of one.
    #[error("sentinels: {0}")]
    Sentinels(String),
    /// What the sentinels call the master is not a name, nor an address with one.
    #[error("master: {0}")]
    Master(String),
    /// An address is `rediss://`, and the crate was built without TLS.
    #[error("`rediss://` needs the feature `redis-tls` of sec-ratelimit")]
    TlsFeature,
    /// The certificates cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
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
    /// A store on the server of this address, such as `redis://user:password@host:6379/0`,
    /// `rediss://host:6379` (over TLS, with the feature `redis-tls`) or `unix:///run/redis.sock`.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Addresses::One(url.into()))
    }

    /// A store on whichever server these sentinels call the master.
    ///
    /// `sentinels` are addresses such as `redis://:password@10.0.0.1:26379`; one that answers is
    /// enough, and all are asked at once, so one that hangs holds up nobody. `master` is the name that
    /// they know, `mymaster`, or an address in which it stands for the host and which says how to
    /// reach the server: `rediss://user:password@mymaster/0`. A bare name is reached over TLS when a
    /// sentinel is. Over TLS the server's certificate must
    /// hold the address that the sentinels give out (see Redis' `resolve-hostnames` and
    /// `announce-hostnames`).
    ///
    /// The master is looked up for each connection that is made. In a fail-over the old ones break,
    /// or are given up at a request's deadline, or answer `READONLY`; the fallback decides until the
    /// sentinels have promoted a replica, and the store returns by itself. What the old master had not
    /// yet passed on is lost, so around a fail-over a key admits at most twice its limit. With
    /// `min-replicas-to-write 1` a master that was cut off from all others stops counting by itself.
    ///
    /// ```
    /// use sec_ratelimit::RedisStore;
    ///
    /// let store = RedisStore::sentinel(
    ///     ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"],
    ///     "redis://limits:password@mymaster",
    /// )
    /// .build()?;
    /// # Ok::<(), sec_ratelimit::RedisStoreError>(())
    /// ```
    pub fn sentinel<U: Into<String>>(
        sentinels: impl IntoIterator<Item = U>,
        master: impl Into<String>,
    ) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Addresses::Sentinel {
            sentinels: sentinels.into_iter().map(Into::into).collect(),
            master: master.into(),
        })
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
    fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            prefix: "sec".into(),
            lanes: 2,
            connect_within: Duration::from_secs(1),
            #[cfg(feature = "redis-tls")]
            tls: TlsSettings::default(),
        }
    }

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
    /// beyond its own deadline; the connection is then there for a later one. Asking the sentinels is
    /// part of it.
    pub fn connect_within(mut self, limit: Duration) -> Self {
        self.connect_within = limit;
        self
    }

    /// Who may vouch for servers of `rediss://` addresses, as certificates in PEM form: the contents
    /// of a CA file. Default: whom the system trusts, read when the store is built.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots = Some(pem.into());
        self
    }

    /// How we prove who we are, which Redis asks for unless it says `tls-auth-clients no`: the
    /// certificate with those between it and the root, and its private key, both in PEM form.
    /// Default: nothing is shown.
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(
        mut self,
        chain: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.client = Some((chain.into(), key.into()));
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
        let width = Width {
            lanes: self.lanes,
            connect_within: self.connect_within,
        };
        let lanes = self.addresses.lanes(
            width,
            #[cfg(feature = "redis-tls")]
            &self.tls,
        )?;
        Ok(RedisStore {
            lanes,
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
            .field("addresses", &"[redacted]")
            .field("prefix", &self.prefix)
            .field("lanes", &self.lanes)
            .field("connect_within", &self.connect_within)
            .finish()
    }
}
