//! A real Redis.

mod faults;
mod keys;
mod layer;
mod leases;
mod server;

use std::sync::Arc;

use sec_ratelimit::{RedisStore, SharedStore};

use self::server::Server;

pub(crate) async fn fixture() -> (Server, Arc<dyn SharedStore>) {
    let server = Server::start();
    let store = redis(&server);
    (server, store)
}

pub(crate) fn redis(server: &Server) -> Arc<RedisStore> {
    Arc::new(RedisStore::builder(server.url()).build().unwrap())
}
