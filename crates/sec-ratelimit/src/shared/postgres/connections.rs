//! Connections, each with one statement at a time, and what becomes of those that are cut off.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deadpool_postgres::tokio_postgres::error::{DbError, SqlState};
use deadpool_postgres::tokio_postgres::types::{ToSql, Type};
use deadpool_postgres::tokio_postgres::{Error, Row};
use deadpool_postgres::{Client, Pool, PoolError};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::{timeout, timeout_at};

use crate::StoreError;

pub(super) type Parameters = Vec<Box<dyn ToSql + Send + Sync>>;

/// How long a statement may still take to end after its request's deadline. The server cuts it off
/// there itself; one that does not answer even so hangs, and with it its connection.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Connections {
    pool: Pool,
    connect_within: Duration,
    answers: Answers,
}

/// How many statements the server has answered, with an error or without: whether it works while somebody waits.
type Answers = Arc<AtomicU64>;

/// A connection in the hands of one request. It goes back to the pool once its statement has ended, and
/// is closed when it is dropped before: the next statement would wait behind this one.
pub(super) struct Connection {
    client: Option<Client>,
    answers: Answers,
}

/// Why a statement failed, and whether its connection can be used again.
struct Fault {
    error: StoreError,
    in_order: bool,
}

/// A future that goes on in a task of its own when whoever waited for it is gone.
struct Detached<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl Connections {
    pub(super) fn new(pool: Pool, connect_within: Duration) -> Self {
        Self {
            pool,
            connect_within,
            answers: Answers::default(),
        }
    }

    /// A connection that is free, or a new one. A request that stops waiting does not stop it from being
    /// made: or none ever would, where making one takes longer than a deadline.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Connection, StoreError> {
        let pool = self.pool.clone();
        let limit = deadline.checked_add(self.connect_within);
        let limit = limit.unwrap_or(deadline);
        let before = self.answers.load(Ordering::Relaxed);
        let mut got = Detached::new(async move { timeout_at(limit.into(), pool.get()).await });
        // After those who wait for a lock, with a connection each.
        let early = timeout_at(short_of(deadline, 1).into(), &mut got).await;
        let got = match early {
            Ok(got) => got,
            Err(_) if self.answers.load(Ordering::Relaxed) != before => {
                return Err(StoreError::Busy("all connections are taken".into()));
            }
            Err(_) => got.await,
        };
        self.connection(got)
    }

    /// The same, waiting for as long as making one may take, however busy the others are.
    pub(super) async fn get_patiently(&self) -> Result<Connection, StoreError> {
        let pool = self.pool.clone();
        let within = self.connect_within;
        let got = Detached::new(async move { timeout(within, pool.get()).await });
        self.connection(got.await)
    }

    fn connection(
        &self,
        got: Result<Result<Client, PoolError>, Elapsed>,
    ) -> Result<Connection, StoreError> {
        match got {
            Ok(Ok(client)) => Ok(Connection {
                client: Some(client),
                answers: self.answers.clone(),
            }),
            Ok(Err(PoolError::Backend(error))) => Err(Fault::of(error).error),
            Ok(Err(error)) => Err(StoreError::Unreachable(error.to_string())),
            Err(_) => Err(StoreError::Deadline),
        }
    }
}

impl Connection {
    /// Runs one statement, which is prepared once per connection.
    pub(super) async fn query(
        self,
        statement: Arc<str>,
        types: &'static [Type],
        parameters: Parameters,
        deadline: Instant,
    ) -> Result<Vec<Row>, StoreError> {
        let queried = Detached::new(async move {
            let answer = timeout_at(cut_off(deadline), async {
                let client = self.client()?;
                let prepared = client.prepare_typed_cached(&statement, types).await;
                let prepared = prepared.map_err(Fault::of)?;
                let borrowed: Vec<&(dyn ToSql + Sync)> = parameters
                    .iter()
                    .map(|parameter| &**parameter as &(dyn ToSql + Sync))
                    .collect();
                let rows = client.query(&prepared, &borrowed).await;
                rows.map_err(Fault::of)
            });
            let answer = answer.await;
            self.ended(answer)
        });
        queried.await
    }

    /// Runs statements without parameters, in one transaction.
    pub(super) async fn execute(
        self,
        statements: String,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let executed = Detached::new(async move {
            let answer = timeout_at(cut_off(deadline), async {
                let executed = self.client()?.batch_execute(&statements).await;
                executed.map_err(Fault::of)
            });
            let answer = answer.await;
            self.ended(answer)
        });
        executed.await
    }

    fn client(&self) -> Result<&Client, Fault> {
        self.client.as_ref().ok_or(Fault {
            error: StoreError::Unreachable("the connection is closed".into()),
            in_order: false,
        })
    }

    fn ended<T>(mut self, answer: Result<Result<T, Fault>, Elapsed>) -> Result<T, StoreError> {
        let answer = answer.unwrap_or(Err(Fault {
            error: StoreError::Deadline,
            in_order: false,
        }));
        if answer
            .as_ref()
            .map_or_else(|fault| fault.in_order, |_| true)
        {
            self.answers.fetch_add(1, Ordering::Relaxed);
            drop(self.client.take()); // into the pool
        }
        answer.map_err(|fault| fault.error)
    }
}

/// All of the time until the deadline but so many eighths: a queue has to say so before its caller gives up, who would
/// take it for a server that does not answer.
pub(super) fn short_of(deadline: Instant, eighths: u32) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    let eighth = left.checked_div(8).unwrap_or_default();
    let short = eighth.saturating_mul(eighths);
    deadline.checked_sub(short).unwrap_or(deadline)
}

fn cut_off(deadline: Instant) -> tokio::time::Instant {
    deadline.checked_add(GRACE).unwrap_or(deadline).into()
}

impl<T: Send + 'static> Detached<T> {
    fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending; // it has answered before, and nobody may ask again
        };
        let answer = future.as_mut().poll(cx);
        if answer.is_ready() {
            self.0 = None;
        }
        answer
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // It ends by itself: all that is run so has a time limit of its own.
        if let Some(rest) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { drop(rest.await) });
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Client::take(client));
        }
    }
}

impl Fault {
    /// What the server's answer means for the limiter.
    fn of(error: Error) -> Self {
        let Some(answer) = error.as_db_error() else {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            return Self {
                error: StoreError::Unreachable(why.unwrap_or_else(|| error.to_string())),
                in_order: false,
            };
        };
        Self {
            error: meaning(answer),
            in_order: !is_elsewhere(answer),
        }
    }
}

fn meaning(answer: &DbError) -> StoreError {
    let (code, message) = (answer.code(), answer.message());
    if *code == SqlState::QUERY_CANCELED {
        return StoreError::Deadline;
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return StoreError::Busy("others hold what is asked for".into());
    }
    let unmade = [
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    if unmade.contains(code) {
        return StoreError::Refused(format!(
            "{message}: call `PostgresStore::migrate` once, or run what `PostgresStore::migrations` says"
        ));
    }
    let lacking = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_CATALOG_NAME,
    ];
    // 28: who asks is not let in.
    if lacking.contains(code) || code.code().starts_with("28") {
        return StoreError::Refused(format!("{message} ({})", code.code()));
    }
    if is_elsewhere(answer) {
        return StoreError::Unreachable(message.to_owned());
    }
    StoreError::Answer(format!("{message} ({})", code.code()))
}

/// A server that shuts down, a replica, a pooler that lost the session: another connection may find better.
fn is_elsewhere(error: &DbError) -> bool {
    let code = error.code();
    code.code().starts_with("08")
        || code.code().starts_with("57P")
        || [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::INVALID_SQL_STATEMENT_NAME,
        ]
        .contains(code)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("Connections")
            .field("open", &status.size)
            .field("most", &status.max_size)
            .finish_non_exhaustive()
    }
}
