//! Lists of blocks, which outlive what counters do not.

use std::time::Instant;

use sec_ratelimit::{BlockChange, BlockStore, PostgresStore, Quota, SharedBlock};

use super::server::{Server, shared};
use super::{builder, made, schema_name};
use crate::blocks::soon;
use crate::{HOUR, ada, one_tier};

pub(super) fn block(count: u32) -> SharedBlock {
    SharedBlock {
        digest: [7, u64::MAX],
        shown: None,
        rest: 3_600_000_000,
        memory: 7_200_000_000,
        count,
        manual: false,
        wide: false,
    }
}

#[tokio::test]
async fn blocks_survive_a_crash_that_empties_the_counters() {
    let mut server = Server::start();
    let store = made(builder(&server)).await;
    let limiter = one_tier(store.clone(), Quota::per(5, HOUR));
    limiter.check(ada(), 5).await.unwrap();
    let block = block(3);
    store.put("web", &block, soon()).await.unwrap();
    let before = store.changes("web", 0, 10, soon()).await.unwrap();

    server.kill();
    server.restart();
    // The connections from before may be found closed.
    let patience = soon();
    while store.changes("web", 0, 10, soon()).await.is_err() {
        assert!(Instant::now() < patience);
    }
    let after = store.changes("web", 0, 10, soon()).await.unwrap();
    assert_eq!((after.next, after.lost), (before.next, false));
    let [BlockChange::Put(kept)] = &*after.entries else {
        panic!("{after:?}");
    };
    assert_eq!((kept.digest, kept.count), (block.digest, 3));
    assert!(kept.rest <= block.rest);
    // The cursor of a reader is still good.
    let rest = store.changes("web", before.next, 10, soon()).await;
    let rest = rest.unwrap();
    assert!(rest.entries.is_empty() && !rest.lost);
    assert_eq!(limiter.peek(ada(), 1).await.unwrap().remaining(), 5);
}

/// With room for three: what would go first by itself makes room, and what is over before that.
#[tokio::test]
async fn a_full_list_lets_go_what_would_go_first() {
    let (server, name) = (shared(), schema_name());
    made(PostgresStore::builder(server.url()).schema(&name)).await;
    let client = server.client().await;
    for (number, hours) in [(1, 5), (2, 2), (3, 9), (4, 7), (3, 1), (5, 4)] {
        let put = format!(
            "SELECT {name}.block_put_1('l', lpad('{number}', 32, '0')::uuid, {hours} * 3600000000, 0, \
             false, false, 1, NULL, 3, 10000)"
        );
        client.batch_execute(&put).await.unwrap();
    }
    let told = format!(
        "SELECT right(digest::text, 1) FROM {name}.block_changes_1('l', 0, 10) \
         WHERE digest IS NOT NULL"
    );
    // Three came again, and again no sooner than it was to go.
    assert_eq!(server.ask(&told).await, ["4", "3", "5"]);
    let held = format!("SELECT held FROM {name}.block_lists");
    assert_eq!(server.ask_number(&held).await, 3);
}
