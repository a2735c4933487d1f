//! Counters in Postgres.

mod blocks;
mod builder;
mod call;
mod config;
mod connections;
mod migrate;
mod sweep;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub use self::builder::{PostgresStoreBuilder, PostgresStoreError};
pub use self::config::PostgresStoreConfig;
pub use self::migrate::PostgresMigration;

use self::blocks::Statements;
use self::call::{Call, Operation};
use self::connections::Connections;
use self::sweep::Sweeper;
use super::store::{Ask, Change, Given, Hold, SharedStore, StoreError, StoreFuture};

/// Counters in a Postgres (14 or newer), shared by all processes that use it.
///
/// A decision is one call of one function, whatever the number of tiers: one statement, one round trip,
/// one transaction. It locks its keys, reads the server's clock, decides all tiers and takes from all of
/// them or from none. Nothing is asked twice: after a failure nobody knows whether the units were taken.
///
/// **Before the first decision** the schema has to be there: [`migrate`](Self::migrate) makes it, or
/// whoever runs [`migrations`](Self::migrations); [`migrate_until_done`](Self::migrate_until_done) tries until there is a
/// server. Without it a decision fails with an error that says so,
/// which is a store error like any other: the limiter's [fallback](crate::Fallback) decides.
///
/// # What is lost, and what is not
///
/// Counters are in unlogged tables: a crash of the server, a restore or a fail-over to a replica starts
/// them anew, and in return a decision waits for no disk. A clean restart keeps them. When the server's
/// clock is set back, windows last longer by as much. Blocks ([`BlockStore`](crate::BlockStore)) are in
/// logged tables and survive all three.
///
/// The tables are this store's alone: a row in which somebody else wrote numbers that no limit has is an error of
/// each decision on its key, until it is deleted.
///
/// # What a decision costs
///
/// - On the server about 0.15 ms of one core with one tier and little more for each further one: a row
///   read and written per tier, some 50 bytes of write-ahead log for the commit, no flush. A refusal
///   writes nothing.
/// - **One key, one decision at a time.** A tier that counts everybody is such a key: a few thousand
///   decisions per second at most, however many connections there are, each of which waits for the one
///   before it. Where that is too few, [lease](crate::Lease) the tier that counts everybody.
/// - A connection carries one decision at a time; with all of them busy a request waits for one, as long
///   as its deadline lets it, and is then decided by the fallback; a queue, here or for a key, is
///   [`StoreError::Busy`] and begins no pause. The limiter's [memory of
///   refusals](crate::SharedLimiterBuilder::remember_refusals) spares the server whoever is at the limit.
/// - A key takes 250 to 400 bytes of table and index; an [exact log](crate::ExactLog) 16 more per instant, a
///   [bounded window](crate::BoundedWindow) 250 more.
/// - Each decision that takes uses a transaction id. At 1000 per second the whole server, the service's
///   other tables included, comes to its `autovacuum_freeze_max_age` (200 million by default) every two
///   days or so, and has to be vacuumed. Far beyond that rate the right store is another one.
///
/// What is over is deleted in passing, a few pages at a time and beside the decisions, so the tables grow
/// no larger than what lives and a little more: see [`sweep`](Self::sweep). Autovacuum, which is on
/// unless somebody switched it off, makes their room usable again.
///
/// # Connections
///
/// Connecting happens when the first request needs it: a service starts without its Postgres. A
/// statement waits for a locked key no longer than its request's deadline, and the server cuts it off
/// then, so statements whose requests went away do not pile up. A connection whose statement does
/// not end soon after is closed and never used again.
///
/// All counting happens in functions of the schema, at `READ COMMITTED` whatever the default is: what they
/// lock they read afterwards, so there is nothing that a stricter level could find; locks are taken in
/// one order, so there are no deadlocks. The locks are advisory ones of the database, under 64 bits of a hash.
///
/// ```no_run
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{sync::Arc, time::Duration};
/// use sec_ratelimit::{Fallback, Key, PostgresStore, Quota, SharedLimiter};
///
/// let store = PostgresStore::builder("postgres://service@db.internal/service").build()?;
/// if let Err(error) = store.migrate().await {
///     tracing::warn!(%error, "limits are local until the store is there");
///     let store = store.clone();
///     tokio::spawn(async move { store.migrate_until_done(Duration::from_secs(5)).await });
/// }
/// let limiter = SharedLimiter::builder("api", Arc::new(store), vec![7; 32]) // a secret of the deployment
///     .tier("caller", Quota::per_minute(100), Key::principal().or_ip())
///     .on_store_error(Fallback::Local { nodes: 3 })
///     .build()?;
/// # drop(limiter);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    schema: Box<str>,
    prefix: Box<str>,
    decide: Arc<str>,
    sweeper: Sweeper,
    blocks: Statements,
}

impl PostgresStore {
    async fn run(
        &self,
        ask: &Ask,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Given, StoreError> {
        let call = Call::new(&self.inner.prefix, ask, operation);
        let connection = self.inner.connections.get(deadline).await?;
        let rows = connection
            .query(
                self.inner.decide.clone(),
                call::TYPES,
                call.parameters(deadline),
                deadline,
            )
            .await?;
        self.sweep_in_passing();
        call::read(&rows, &operation, ask.tiers.len())
    }
}

impl SharedStore for PostgresStore {
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
        Box::pin(async move { self.run(ask, Operation::Reset, deadline).await.map(drop) })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.inner.schema)
            .field("prefix", &self.inner.prefix)
            .field("connections", &self.inner.connections)
            .finish_non_exhaustive()
    }
}
