//! Finding the server that is the master now.
//!
//! The client library's Sentinel client believes the answers in the order of the list, with time
//! limits of its own: a first sentinel that hangs takes the time of all others. Here all are asked at
//! once.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind, Value, cmd};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::RedisStoreError;
use super::server::{Connected, Server};
use crate::StoreError;

/// Sentinels, and whose address they are asked for.
#[derive(Clone)]
pub(super) struct Sentinel(Arc<Inner>);

struct Inner {
    sentinels: Vec<Server>,
    /// What the sentinels call the master.
    name: String,
    /// The master, at a place that only sentinels know.
    master: Server,
    within: Duration,
}

impl Sentinel {
    /// These sentinels, and the master whose name is the host of this address.
    pub(super) fn new(
        sentinels: Vec<Server>,
        master: Server,
        within: Duration,
    ) -> Result<Self, RedisStoreError> {
        if sentinels.is_empty() {
            return Err(RedisStoreError::Sentinels(
                "there must be at least one".into(),
            ));
        }
        let is_one = |server: &Server| server.host().is_some() && server.database() == 0;
        if !sentinels.iter().all(is_one) {
            let why = "a sentinel has a host and no database";
            return Err(RedisStoreError::Sentinels(why.into()));
        }
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let name = master.host().filter(|name| name.bytes().all(in_name));
        let name = name.map(str::to_owned);
        let name = name.ok_or_else(|| {
            RedisStoreError::Master("its name has letters, digits, `.`, `-` and `_` only".into())
        })?;
        Ok(Self(Arc::new(Inner {
            sentinels,
            name,
            master,
            within,
        })))
    }

    /// A connection to the server that one of the sentinels calls the master, and that does so
    /// itself. After a fail-over not all know of it at once; the first that leads to a master is right.
    pub(super) async fn connect(&self) -> Result<Connected, StoreError> {
        let mut ways = JoinSet::new();
        for index in 0..self.0.sentinels.len() {
            let this = self.clone();
            ways.spawn(async move { this.ask(index).await });
        }
        let first = async {
            let mut last = StoreError::Unreachable("no sentinel answered".into());
            while let Some(way) = ways.join_next().await {
                match way {
                    Ok(Ok(connected)) => return Ok(connected),
                    Ok(Err(error)) => last = error,
                    Err(error) => last = StoreError::Unreachable(error.to_string()),
                }
            }
            Err(last)
        };
        // Dropping the set stops those that are still under way.
        timeout(self.0.within, first)
            .await
            .unwrap_or(Err(StoreError::Deadline))
    }

    async fn ask(&self, index: usize) -> Result<Connected, StoreError> {
        let away = |who: &str, error: RedisError| {
            StoreError::Unreachable(format!("{who} does not answer: {error}"))
        };
        let missing = || StoreError::Unreachable("no such sentinel".into());
        let sentinel = self.0.sentinels.get(index).ok_or_else(missing)?;
        let mut sentinel = sentinel
            .connect()
            .await
            .map_err(|error| away("a sentinel", error))?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.0.name);
        let answer: Option<(String, u16)> = question
            .query_async(&mut sentinel.connection)
            .await
            .map_err(|error| away("a sentinel", error))?;
        let Some((host, port)) = answer else {
            return Err(StoreError::Answer(format!(
                "a sentinel knows no master {:?}",
                self.0.name
            )));
        };
        let master = self.0.master.at(host, port).connect().await;
        let mut master = master.map_err(|error| away("the master", error))?;
        let role: Result<Vec<Value>, _> = cmd("ROLE").query_async(&mut master.connection).await;
        match role {
            Ok(role) if !is_master(&role) => Err(StoreError::Unreachable(
                "the server that a sentinel calls the master is none".into(),
            )),
            Ok(_) => Ok(master),
            // A user who may not ask is told by the first write to a replica.
            Err(error) if is_forbidden(&error) => Ok(master),
            Err(error) => Err(away("the master", error)),
        }
    }
}

fn is_master(role: &[Value]) -> bool {
    match role.first() {
        Some(Value::BulkString(role)) => role == b"master",
        Some(Value::SimpleString(role)) => role == "master",
        _ => false,
    }
}

fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}
