//! Putting a Postgres store together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::tokio_postgres::config::SslMode;
use deadpool_postgres::tokio_postgres::{Config, NoTls};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};

use super::blocks::Statements;
use super::connections::Connections;
use super::sweep::Sweeper;
use super::{Inner, PostgresStore, call};

/// Builds a [`PostgresStore`].
#[derive(Clone)]
#[must_use = "a store exists once `build` is called"]
pub struct PostgresStoreBuilder {
    source: Source,
    schema: String,
    prefix: String,
    connections: Option<usize>,
    statement_timeout: Option<Duration>,
    connect_within: Duration,
    sweep_every: u32,
}

#[derive(Clone)]
enum Source {
    Url(String),
    Pool(Pool),
}

/// What holds where nothing is set.
pub(super) mod defaults {
    use std::time::Duration;

    pub(in super::super) const SCHEMA: &str = "sec_ratelimit";
    pub(in super::super) const PREFIX: &str = "sec";
    pub(in super::super) const CONNECTIONS: usize = 8;
    pub(in super::super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);
    pub(in super::super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);
    pub(in super::super) const SWEEP_EVERY: u32 = 256;
}

/// A setting of a [`PostgresStore`] that cannot be used.
///
/// `Debug` shows the same line as `Display`, because that is what `main` prints of an error that it returns.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresStoreError {
    /// The address is not one. It is not repeated here, since it may hold a password.
    #[error("url: not an address of a Postgres server ({0})")]
    Url(String),
    /// The address asks for TLS.
    #[error(
        "url: `sslmode` asks for TLS, which `builder` does not bring; \
         give `PostgresStore::with_pool` a pool that has it"
    )]
    Tls,
    /// The schema's name is not one.
    #[error("schema: 1 to 63 of `a-z`, `0-9` and `_`, not beginning with a digit or `pg_`")]
    Schema,
    /// The prefix is not one.
    #[error("prefix: 1 to 64 of the characters `a-z`, `0-9`, `-`, `_`, `.` and `:`")]
    Prefix,
    /// No or too many connections.
    #[error("connections: must be from 1 to 256")]
    Connections,
    /// No or too much time.
    #[error("connect_within: must be longer than zero and at most a minute")]
    ConnectWithin,
    /// Too little or too much time.
    #[error("statement_timeout: must be from 10 milliseconds to a minute")]
    StatementTimeout,
    /// A setting that belongs to the pool, which was given ready-made.
    #[error("{0}: is said by the pool that was given")]
    PoolSays(&'static str),
}

impl PostgresStore {
    /// A store on the server of this address, such as `postgres://user:password@host:5432/database` or
    /// `host=/run/postgresql user=service dbname=service`, **without TLS**: for a server on the same
    /// machine, a socket, or a network that is trusted. Where there is more than one host,
    /// `target_session_attrs=read-write` finds the one that accepts writes, also after a fail-over.
    ///
    /// The store keeps connections of its own, so that a limit is decided also while the service's
    /// other connections are all busy.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(Source::Url(url.into()))
    }

    /// A store on a pool of the host's making (`deadpool-postgres` 0.14), which decides on TLS, certificates
    /// and roles.
    ///
    /// The pool is best a small one for this store alone. Its manager should recycle with
    /// [`RecyclingMethod::Fast`], since another method asks the server before each decision, and its
    /// connections should set `statement_timeout`: 1 s is what [`builder`](Self::builder) sets. A
    /// pooler in between must keep a session's prepared statements (PgBouncer from 1.21 on).
    pub fn with_pool(pool: Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(Source::Pool(pool))
    }
}

impl PostgresStoreBuilder {
    fn new(source: Source) -> Self {
        Self {
            source,
            schema: defaults::SCHEMA.into(),
            prefix: defaults::PREFIX.into(),
            connections: None,
            statement_timeout: None,
            connect_within: defaults::CONNECT_WITHIN,
            sweep_every: defaults::SWEEP_EVERY,
        }
    }

    /// The schema that holds tables and functions. Default: `sec_ratelimit`. It belongs to this store:
    /// nothing else should be in it.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// What all keys begin with. Default: `sec`. Services that share a schema need one each, unless
    /// they are to share their limits.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many connections there are at most, 1 to 256. Default: 8. Each carries one decision at a
    /// time; all processes together must stay below the server's `max_connections`.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// After how long the server cuts a statement off, whatever it waits for. Default: one second; from
    /// 10 ms to a minute. No limiter's deadline can usefully be longer. For a locked key a statement
    /// waits no longer than its own request's deadline in any case.
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    /// How long a connection may take to be made. Default: one second. A request does not wait
    /// beyond its own deadline; the connection is then there for a later one.
    pub fn connect_within(mut self, limit: Duration) -> Self {
        self.connect_within = limit;
        self
    }

    /// After how many decisions of this process one of them is followed by a little clean-up, in a task of
    /// its own. Default: 256; 0 for never, where somebody else calls [`PostgresStore::sweep`].
    pub fn sweep_every(mut self, decisions: u32) -> Self {
        self.sweep_every = decisions;
        self
    }

    /// Builds the store. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`PostgresStoreError`] names the setting that cannot be used.
    pub fn build(self) -> Result<PostgresStore, PostgresStoreError> {
        if !is_schema(&self.schema) {
            return Err(PostgresStoreError::Schema);
        }
        let in_prefix = |b: u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b':')
        };
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(in_prefix) {
            return Err(PostgresStoreError::Prefix);
        }
        if self.connect_within.is_zero() || self.connect_within > Duration::from_secs(60) {
            return Err(PostgresStoreError::ConnectWithin);
        }
        let pool = match &self.source {
            Source::Pool(_) if self.connections.is_some() => {
                return Err(PostgresStoreError::PoolSays("connections"));
            }
            Source::Pool(_) if self.statement_timeout.is_some() => {
                return Err(PostgresStoreError::PoolSays("statement_timeout"));
            }
            Source::Pool(pool) => pool.clone(),
            Source::Url(url) => self.pool(url)?,
        };
        let schema = format!("\"{}\"", self.schema);
        Ok(PostgresStore {
            inner: Arc::new(Inner {
                connections: Connections::new(pool, self.connect_within),
                decide: call::statement(&schema).into(),
                sweeper: Sweeper::new(&schema, self.sweep_every),
                blocks: Statements::new(&schema),
                schema: schema.into(),
                prefix: self.prefix.into(),
            }),
        })
    }

    fn pool(&self, url: &str) -> Result<Pool, PostgresStoreError> {
        let connections = self.connections.unwrap_or(defaults::CONNECTIONS);
        if !(1..=256).contains(&connections) {
            return Err(PostgresStoreError::Connections);
        }
        let timeout = self.statement_timeout;
        let timeout = timeout.unwrap_or(defaults::STATEMENT_TIMEOUT);
        if timeout < Duration::from_millis(10) || timeout > Duration::from_secs(60) {
            return Err(PostgresStoreError::StatementTimeout);
        }
        let mut config: Config = url.parse().map_err(wrong_url)?;
        if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
            return Err(PostgresStoreError::Tls);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(PostgresStoreError::Url("it names no host".into()));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.connect_within);
        }
        if config.get_application_name().is_none() {
            config.application_name("sec-ratelimit");
        }
        // The kernel's own two hours, unless the address says otherwise: a connection that a firewall
        // forgot should be found out before a request finds it.
        if config.get_keepalives_idle() == Duration::from_secs(2 * 60 * 60) {
            config.keepalives_idle(Duration::from_secs(60));
        }
        let mut options = config.get_options().unwrap_or_default().to_owned();
        options.push_str(&format!(
            " -c default_transaction_isolation=read\\ committed -c statement_timeout={}",
            timeout.as_millis()
        ));
        config.options(options.trim_start());
        // Whether a connection still lives is found out by using it, and costs no round trip before.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(connections)
            .build()
            .map_err(|error| PostgresStoreError::Url(error.to_string()))
    }
}

/// A name that needs no quotes, which it is given nevertheless.
fn is_schema(name: &str) -> bool {
    let usable = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=63).contains(&name.len())
        && name.bytes().all(usable)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("pg_")
}

/// Only the name of an option is repeated: anything else that the parser quotes may be part of a password.
fn wrong_url(error: deadpool_postgres::tokio_postgres::Error) -> PostgresStoreError {
    let why = std::error::Error::source(&error).map(ToString::to_string);
    match why {
        Some(why) if why == "invalid value for option `sslmode`" => PostgresStoreError::Tls,
        Some(why) if why.starts_with("invalid value for option `") => PostgresStoreError::Url(why),
        _ => PostgresStoreError::Url("it cannot be read".into()),
    }
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("url", &"[redacted]")
            .field("schema", &self.schema)
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("connect_within", &self.connect_within)
            .field("sweep_every", &self.sweep_every)
            .finish()
    }
}

impl fmt::Debug for PostgresStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
