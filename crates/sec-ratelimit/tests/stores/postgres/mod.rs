//! A real Postgres.

mod blocks;
mod faults;
mod moments;
mod schema;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sec_ratelimit::{BlockStore, PostgresStore, PostgresStoreBuilder, SharedStore};

use self::server::{Server, shared};
use crate::bans::BlockServer;

pub(crate) async fn fixture() -> (Arc<Server>, Arc<dyn SharedStore>) {
    let server = shared();
    let store = made(builder(&server)).await;
    (server, store)
}

pub(crate) async fn blocks_fixture() -> (Arc<Server>, Arc<dyn BlockStore>) {
    let server = shared();
    let store = made(builder(&server)).await;
    (server, store)
}

/// A store in a schema that nobody else uses.
fn builder(server: &Server) -> PostgresStoreBuilder {
    PostgresStore::builder(server.url()).schema(schema_name())
}

fn schema_name() -> String {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    format!("limits_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
}

async fn made(builder: PostgresStoreBuilder) -> Arc<PostgresStore> {
    let store = Arc::new(builder.build().unwrap());
    store.migrate().await.unwrap();
    store
}

/// A server of a test's own, with lists of blocks.
pub(crate) struct BlocksOfItsOwn(Server);

impl BlockServer for BlocksOfItsOwn {
    async fn started() -> Self {
        let server = Server::start();
        made(PostgresStore::builder(server.url())).await;
        Self(server)
    }

    fn store(&self) -> Arc<dyn BlockStore> {
        let store = PostgresStore::builder(self.0.url()).connections(2);
        Arc::new(store.build().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    fn hang(&self) {
        self.0.signal_all("-STOP");
    }

    fn wake(&self) {
        self.0.signal_all("-CONT");
    }
}
