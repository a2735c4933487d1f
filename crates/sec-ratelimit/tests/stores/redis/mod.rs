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

pub(crate) use self::server::Server;
use crate::bans::BlockServer;

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

impl BlockServer for Server {
    async fn started() -> Self {
        Self::start()
    }

    fn store(&self) -> Arc<dyn BlockStore> {
        redis(self)
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn hang(&self) {
        self.signal("-STOP");
    }

    fn wake(&self) {
        self.signal("-CONT");
    }
}
