//! Counters in Redis, or a server that speaks its protocol.

mod addresses;
mod blocks;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod config;
mod exchange;
mod lanes;
mod script;
mod sentinel;
mod server;
#[cfg(feature = "redis-tls")]
mod tls;
mod width;

use std::fmt;
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Cmd, Value, cmd};

use self::addresses::Addresses;
#[cfg(feature = "redis-cluster")]
use self::cluster::Cluster;
pub use self::config::RedisStoreConfig;
use self::exchange::{Script, exchange};
use self::lanes::Lanes;
use self::script::{Operation, Place};
#[cfg(feature = "redis-tls")]
use self::tls::TlsSettings;
use self::width::Width;
use super::store::{Ask, Change, Given, Hold, SharedStore, StoreError, StoreFuture};

/// Counters in one Redis (6 or newer, or Valkey) or in a cluster of them, shared by all processes that
/// use it.
///
/// A decision is one call of one script, whatever the number of tiers: one round trip, and atomic. The
/// server's clock is the time. Each key carries its own time to live, set in the same step, so what is
/// over goes away by itself. A value is the letter of an algorithm and its numbers as doubles, which cost the
/// server less than digits do. The script is called by its name; a server that does not know it (it was
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
///
/// The keys are this store's alone. What somebody else writes there counts as nothing where it is no state of a counter,
/// and as what it says where it is: one that lies in the future refuses until then, or until
/// [`reset`](crate::SharedLimiter::reset). Of [blocks](crate::BlockStore), records that cannot be read are
/// [passed over](crate::BanSharingState::unreadable). That the server went back to a snapshot is seen by its `run_id`: a role
/// of restricted rights needs `INFO` for it.
#[derive(Debug)]
pub struct RedisStore {
    servers: Servers,
    prefix: String,
}

/// Who answers.
#[derive(Debug)]
enum Servers {
    One(Lanes),
    #[cfg(feature = "redis-cluster")]
    Cluster(Cluster),
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
///
/// `Debug` shows the same line as `Display`, because that is what `main` prints of an error that it returns.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
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
    /// sentinel is. Over TLS the server's certificate must hold the address that the sentinels give
    /// out (see Redis' `resolve-hostnames` and `announce-hostnames`).
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

    /// A store on a Redis Cluster. One of the addresses is enough to find the others, but that one
    /// must be there when the process starts: several, or a name that stands for all, are better.
    ///
    /// Each server of the cluster has its own [lanes](RedisStoreBuilder::lanes), made when the first
    /// key needs them. Discovered servers are reached with the user, password and protocol of the
    /// first address. A decision is one round trip to the master of its keys' slot; replicas are
    /// never asked to count.
    ///
    /// - A *redirection* (`MOVED`, `ASK`) is followed: who redirects has executed nothing. Nothing
    ///   else is repeated, a lost connection in particular not.
    /// - A *server that fails* fails alone: each has a circuit breaker of its own in each limiter, so
    ///   the keys of the others go on. With `cluster-require-full-coverage yes`, Redis' default, the
    ///   others answer `CLUSTERDOWN` themselves until a replica has taken over; `no` keeps them
    ///   counting, which is what limits want.
    /// - After a *fail-over* the slots are looked up again, every half second at the latest while a
    ///   master does not answer. The promoted server is asked at once, it has a fresh breaker. What
    ///   the old master had not yet sent to it is lost: around a fail-over a key admits at most twice
    ///   its limit.
    /// - While a *slot moves* to another server, limiters of one tier follow key by key. Redis refuses
    ///   a call of several keys whose slot is under way (`TRYAGAIN`) unless all of them are at the old
    ///   server or all at the new one, and keys that do not exist yet are nowhere: such a decision has
    ///   taken nothing, counts as a failure of that server, and the fallback makes it.
    /// - Subjects *spread* over the servers by their digests when all tiers of the limiter have the
    ///   same key, such as [`Key::ip`](crate::Key::ip), [`Key::principal`](crate::Key::principal) or
    ///   [`Key::given`](crate::Key::given) of one label. With a tier of another key (a global one, or a
    ///   closure beside any other tier, whose subjects nobody can compare beforehand) the limiter lives
    ///   in one slot, and one server is its ceiling.
    /// - *Permissions*: a user with rules of its own needs `CLUSTER SLOTS` and `ASKING` as well.
    /// - *Clocks* of the servers should agree: a key that moves counts on with the other's clock.
    ///
    /// ```
    /// # #[cfg(feature = "redis-cluster")] {
    /// use sec_ratelimit::RedisStore;
    ///
    /// let store = RedisStore::cluster(["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"])
    ///     .prefix("shop")
    ///     .build()?;
    /// # }
    /// # Ok::<(), sec_ratelimit::RedisStoreError>(())
    /// ```
    #[cfg(feature = "redis-cluster")]
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisStoreBuilder {
        let urls = urls.into_iter().map(Into::into);
        RedisStoreBuilder::new(Addresses::Cluster(urls.collect()))
    }

    async fn run(
        &self,
        ask: &Ask,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Given, StoreError> {
        let keys = script::keys(&self.prefix, ask);
        let call = |script| script::call(&keys, ask, operation, script);
        let answer = self.servers.call(Place::Ask(ask), &call, deadline).await?;
        script::read(&answer, ask.tiers.len())
    }

    async fn forget(&self, ask: &Ask, deadline: Instant) -> Result<(), StoreError> {
        let keys = script::keys(&self.prefix, ask);
        let unlink = |_| {
            let mut unlink = cmd("UNLINK");
            unlink.arg(&keys);
            unlink
        };
        self.servers
            .call(Place::Ask(ask), &unlink, deadline)
            .await
            .map(drop)
    }
}

impl Servers {
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    async fn call(
        &self,
        place: Place<'_>,
        call: &(impl Fn(Script) -> Cmd + Sync),
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        match self {
            Self::One(lanes) => Ok(exchange(lanes, call, false, deadline).await?),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.call(place, call, deadline).await,
        }
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

    /// How many connections to a server carry the requests, 1 to 64. Default: 2. One is enough for tens of
    /// thousands of decisions per second; a second one keeps a lost packet from holding up all.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// How long a connection may take to be made. Default: one second. A request does not wait
    /// beyond its own deadline; the connection is then there for a later one. Asking the sentinels is
    /// part of it, and a cluster's servers have as long to tell who has which slot.
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
        let servers = self.addresses.servers(
            width,
            #[cfg(feature = "redis-tls")]
            &self.tls,
        )?;
        Ok(RedisStore {
            servers,
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

    #[cfg(feature = "redis-cluster")]
    fn parts(&self) -> usize {
        match &self.servers {
            Servers::One(_) => 1,
            Servers::Cluster(_) => cluster::PARTS,
        }
    }

    #[cfg(feature = "redis-cluster")]
    fn part(&self, ask: &Ask) -> usize {
        match &self.servers {
            Servers::One(_) => 0,
            Servers::Cluster(cluster) => cluster.part(ask),
        }
    }

    #[cfg(feature = "redis-cluster")]
    fn part_name(&self, part: usize) -> Option<String> {
        match &self.servers {
            Servers::One(_) => None,
            Servers::Cluster(cluster) => cluster.part_name(part),
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

impl fmt::Debug for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
