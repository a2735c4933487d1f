//! A real Redis.

mod bans;
#[cfg(feature = "redis-cluster")]
pub(crate) mod cluster;
mod faults;
mod keys;
mod layer;
mod leases;
mod moments;
pub(crate) mod sentinel;
mod server;
#[cfg(feature = "redis-tls")]
pub(crate) mod tls;

use std::sync::Arc;

use sec_ratelimit::{BlockStore, RedisStore, SharedStore};

use self::server::Server;

pub(crate) async fn fixture() -> (Server, Arc<dyn SharedStore>) {
    let server = Server::start();
    let store = redis(&server);
    (server, store)
}

pub(crate) async fn blocks_fixture() -> (Server, Arc<dyn BlockStore>) {
    let server = Server::start();
    let store = redis(&server);
    (server, store)
}

pub(crate) fn redis(server: &Server) -> Arc<RedisStore> {
    Arc::new(RedisStore::builder(server.url()).build().unwrap())
}
