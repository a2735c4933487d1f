//! A few multiplexed connections that all requests share.
//!
//! A pool that lends a connection to one request at a time asks the server whether it still lives
//! before each loan, a second round trip. A multiplexed connection carries any number of requests at
//! once, so each lane takes one from the pool and keeps it until it fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "redis-tls")]
use std::time::Duration;
use std::time::Instant;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::{Connection, Pool};
use tokio::sync::watch;
#[cfg(feature = "redis-tls")]
use tokio::time::timeout;

use super::sentinel::Sentinel;
use super::server::Connected;
#[cfg(feature = "redis-tls")]
use super::server::Server;
#[cfg(feature = "redis-tls")]
use super::tls::Driver;
use crate::StoreError;

pub(super) struct Lanes {
    lanes: Box<[Mutex<Lane>]>,
    next: AtomicUsize,
    source: Source,
}

/// Who makes a lane's connections, each within a time limit.
#[derive(Clone)]
pub(super) enum Source {
    Pool(Pool),
    #[cfg(feature = "redis-tls")]
    Server(Server, Duration),
    /// Asked anew for each connection, so that after a fail-over a lane finds the new master.
    Sentinel(Sentinel),
}

#[derive(Default)]
struct Lane {
    /// Which connection of this lane it is, counted from its first.
    generation: u64,
    connection: Option<Connecting>,
}

/// A connection that exists or is being made; a request that stops waiting does not stop it.
type Connecting = watch::Receiver<Option<Made>>;

type Made = Result<Connected, StoreError>;

/// What stands in a lane: nearly always a connection, for which nobody has to wait.
enum Found {
    Made(Made),
    Connecting(Connecting),
}

/// A lane's connection in the hands of one request.
pub(super) struct Loan<'a> {
    pub(super) connection: MultiplexedConnection,
    #[cfg(feature = "redis-tls")]
    _driver: Option<Driver>,
    lane: Suspect<'a>,
}

/// Gives a lane a new connection when it is dropped after the deadline: what hangs may hang until the
/// kernel gives up, many minutes later. A request that went away earlier says nothing about it.
struct Suspect<'a> {
    lane: &'a Mutex<Lane>,
    generation: u64,
    deadline: Instant,
    trusted: bool,
}

impl Lanes {
    pub(super) fn new(source: Source, count: usize) -> Self {
        let lanes = std::iter::repeat_with(Mutex::default).take(count);
        Self {
            lanes: lanes.collect(),
            next: AtomicUsize::new(0),
            source,
        }
    }

    /// The next lane's connection, made if there is none.
    pub(super) async fn borrow(&self, deadline: Instant) -> Result<Loan<'_>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let lane = turn
            .checked_rem(self.lanes.len())
            .and_then(|index| self.lanes.get(index))
            .ok_or_else(|| StoreError::Unreachable("no lane".into()))?;
        let (found, generation) = self.connection(lane);
        let made = match found {
            Found::Made(made) => Some(made),
            // Waiting in vain for a connection is no fault of it: it may still come for a later request.
            Found::Connecting(mut connecting) => match connecting.wait_for(Option::is_some).await {
                Ok(made) => made.clone(),
                // The runtime on which it was being made is gone.
                Err(_) => None,
            },
        };
        match made {
            Some(Ok(connected)) => Ok(Loan {
                connection: connected.connection,
                #[cfg(feature = "redis-tls")]
                _driver: connected.driver,
                lane: Suspect {
                    lane,
                    generation,
                    deadline,
                    trusted: false,
                },
            }),
            failed => {
                renew(lane, generation);
                Err(match failed {
                    Some(Err(error)) => error,
                    _ => StoreError::Unreachable("the connection was not made".into()),
                })
            }
        }
    }

    fn connection(&self, lane: &Mutex<Lane>) -> (Found, u64) {
        let mut lane = lock(lane);
        let generation = lane.generation;
        if let Some(connecting) = &lane.connection {
            let made = connecting.borrow().clone();
            let found = made.map_or_else(|| Found::Connecting(connecting.clone()), Found::Made);
            return (found, generation);
        }
        let (made, connecting) = watch::channel(None);
        let source = self.source.clone();
        // Ends by itself: every source gives a connection up after its own time limit.
        tokio::spawn(async move {
            let connected = source.connect().await;
            made.send_replace(Some(connected));
        });
        lane.connection = Some(connecting.clone());
        (Found::Connecting(connecting), generation)
    }
}

impl Source {
    async fn connect(&self) -> Result<Connected, StoreError> {
        match self {
            Self::Pool(pool) => match pool.get().await {
                // Out of the pool for good: its lane keeps it, and drops it when it fails.
                Ok(connection) => Ok(Connection::take(connection).into()),
                Err(error) => Err(StoreError::Unreachable(error.to_string())),
            },
            #[cfg(feature = "redis-tls")]
            Self::Server(server, within) => match timeout(*within, server.connect()).await {
                Ok(made) => made.map_err(|error| StoreError::Unreachable(error.to_string())),
                Err(_) => Err(StoreError::Deadline),
            },
            Self::Sentinel(sentinel) => sentinel.connect().await,
        }
    }
}

impl Loan<'_> {
    /// The server answered.
    pub(super) fn answered(mut self) {
        self.lane.trusted = true;
    }

    /// The connection failed: the next request makes a new one.
    pub(super) fn failed(mut self) {
        self.lane.renew();
    }
}

impl Suspect<'_> {
    fn renew(&mut self) {
        self.trusted = true;
        renew(self.lane, self.generation);
    }
}

/// Many requests see one connection fail; the first of them replaces it.
fn renew(lane: &Mutex<Lane>, generation: u64) {
    let mut lane = lock(lane);
    if lane.generation == generation {
        lane.generation = lane.generation.wrapping_add(1);
        lane.connection = None;
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        if !self.trusted && Instant::now() >= self.deadline {
            self.renew();
        }
    }
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes")
            .field("count", &self.lanes.len())
            .finish_non_exhaustive()
    }
}
