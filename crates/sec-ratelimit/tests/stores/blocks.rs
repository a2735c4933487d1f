//! What every store of blocks must do: each test runs against memory and against each store outside of
//! the process, as in `conformance.rs`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sec_core::{AddrGrouping, AddrPrefix};
use sec_ratelimit::{BlockChange, BlockChanges, BlockStore, MemoryStore, SharedBlock};

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        /// All tests of this file against the store that `$fixture` starts.
        macro_rules! blocks_against {
            ($store:ident, $fixture:path) => {
                mod $store {
                    $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let (_server, store) = $fixture().await;
                        super::$name(store).await;
                    })*
                }
            };
        }
    };
}

suite!(
    a_list_that_does_not_exist_is_empty,
    a_reader_is_told_of_what_changed_once_and_in_order,
    a_long_list_is_told_in_parts,
    an_automatic_block_never_shortens_and_one_by_hand_replaces,
    a_lift_is_told_and_forgets,
    an_ended_block_is_remembered_then_gone,
    a_list_that_begins_after_what_was_read_is_lost,
    lists_share_nothing_whatever_their_names,
    writers_at_once_get_numbers_of_their_own,
);

blocks_against!(memory, crate::blocks::memory_fixture);
#[cfg(feature = "postgres")]
blocks_against!(postgres, crate::postgres::blocks_fixture);
#[cfg(feature = "redis")]
blocks_against!(redis, crate::redis::blocks_fixture);
#[cfg(feature = "redis-cluster")]
blocks_against!(redis_cluster, crate::redis::cluster::blocks_fixture);

type Store = Arc<dyn BlockStore>;

const HOUR: u64 = 3_600_000_000;
const LIST: &str = "web";

async fn memory_fixture() -> ((), Store) {
    ((), Arc::new(MemoryStore::new()))
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn block(number: u64, rest: u64) -> SharedBlock {
    SharedBlock {
        digest: [number, u64::MAX - number],
        shown: None,
        rest,
        memory: rest + HOUR,
        count: 1,
        manual: false,
        wide: false,
    }
}

fn network(address: &str, v4: u8, v6: u8) -> AddrPrefix {
    let grouping = AddrGrouping::new(v4, v6).unwrap();
    grouping.group(address.parse().unwrap())
}

async fn put(store: &Store, block: SharedBlock) {
    store.put(LIST, &block, soon()).await.unwrap();
}

async fn since(store: &Store, since: u64) -> BlockChanges {
    store.changes(LIST, since, 100, soon()).await.unwrap()
}

/// The blocks told of, by the first half of their digests; `None` where they were lifted.
fn told(changes: &BlockChanges) -> Vec<(u64, Option<SharedBlock>)> {
    let entries = changes.entries.iter().map(|entry| match entry {
        BlockChange::Put(block) => (block.digest[0], Some(*block)),
        BlockChange::Lifted([number, _]) => (*number, None),
    });
    entries.collect()
}

fn numbers(changes: &BlockChanges) -> Vec<u64> {
    told(changes).iter().map(|(number, _)| *number).collect()
}

/// Waits for what the store's clock must bring, with a deadline that only a fault reaches.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut reached: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached().await {
        assert!(Instant::now() < deadline, "not reached: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_list_that_does_not_exist_is_empty(store: Store) {
    let changes = since(&store, 0).await;
    assert_eq!((changes.entries.len(), changes.next), (0, 0));
    assert!(!changes.more && !changes.lost);
    store.lift(LIST, [1, 2], soon()).await.unwrap();
    assert_eq!(since(&store, 0).await, changes, "a lift of nobody");
}

async fn a_reader_is_told_of_what_changed_once_and_in_order(store: Store) {
    let shown = SharedBlock {
        shown: Some(network("2001:db8:1::", 32, 48)),
        count: 7,
        manual: true,
        wide: true,
        ..block(u64::MAX, HOUR)
    };
    put(&store, block(1, HOUR)).await;
    put(&store, shown).await;
    put(&store, block(3, 2 * HOUR)).await;
    put(&store, block(1, 3 * HOUR)).await;
    let changes = since(&store, 0).await;
    assert_eq!(numbers(&changes), [u64::MAX, 3, 1]);
    assert!(!changes.more && !changes.lost && changes.next > 0);
    let Some((_, Some(first))) = told(&changes).first().copied() else {
        panic!("{changes:?}");
    };
    let near = |left: u64, all: u64| left <= all && left > all - HOUR / 60;
    assert!(near(first.rest, HOUR) && near(first.memory, 2 * HOUR));
    assert_eq!(
        SharedBlock {
            rest: shown.rest,
            memory: shown.memory,
            ..first
        },
        shown
    );

    let next = since(&store, changes.next).await;
    assert_eq!((next.entries.len(), next.next), (0, changes.next));
    put(
        &store,
        SharedBlock {
            shown: Some(network("192.0.2.7", 32, 64)),
            ..block(4, HOUR)
        },
    )
    .await;
    let next = since(&store, changes.next).await;
    assert_eq!(numbers(&next), [4]);
    assert!(next.next > changes.next && !next.lost);
    let address = told(&next)[0].1.unwrap().shown.unwrap();
    assert_eq!(address, network("192.0.2.7", 32, 64));
}

async fn a_long_list_is_told_in_parts(store: Store) {
    for number in 0..25 {
        put(&store, block(number, HOUR)).await;
    }
    let (mut cursor, mut seen, mut parts) = (0, Vec::new(), 0);
    loop {
        let changes = store.changes(LIST, cursor, 10, soon()).await.unwrap();
        seen.extend(numbers(&changes));
        (cursor, parts) = (changes.next, parts + 1);
        if !changes.more {
            break;
        }
    }
    assert_eq!((seen, parts), ((0..25).collect(), 3));
    assert!(since(&store, cursor).await.entries.is_empty());
}

async fn an_automatic_block_never_shortens_and_one_by_hand_replaces(store: Store) {
    let only = |changes: BlockChanges| {
        assert_eq!(changes.entries.len(), 1);
        told(&changes)[0].1.unwrap()
    };
    put(&store, block(1, 3 * HOUR)).await;
    let shorter = SharedBlock {
        count: 4,
        memory: 9 * HOUR,
        ..block(1, HOUR)
    };
    put(&store, shorter).await;
    let kept = only(since(&store, 0).await);
    assert!(kept.rest > 2 * HOUR && kept.memory > 8 * HOUR && kept.count == 4);
    let by_hand = SharedBlock {
        manual: true,
        ..block(1, HOUR)
    };
    put(&store, by_hand).await;
    let replaced = only(since(&store, 0).await);
    assert!(replaced.rest <= HOUR && replaced.manual && replaced.count == 4);
    put(&store, block(1, 2 * HOUR)).await;
    let longer = only(since(&store, 0).await);
    assert!(longer.rest > HOUR && !longer.manual);
}

async fn a_lift_is_told_and_forgets(store: Store) {
    put(
        &store,
        SharedBlock {
            count: 5,
            ..block(1, HOUR)
        },
    )
    .await;
    put(&store, block(2, HOUR)).await;
    let before = since(&store, 0).await.next;
    store.lift(LIST, block(1, 0).digest, soon()).await.unwrap();
    let lifted = since(&store, before).await;
    assert_eq!(told(&lifted), [(1, None)]);
    // Once is enough.
    store.lift(LIST, block(1, 0).digest, soon()).await.unwrap();
    assert_eq!(since(&store, lifted.next).await.entries, []);
    put(&store, block(1, HOUR)).await;
    let again = since(&store, lifted.next).await;
    assert_eq!(told(&again)[0].1.unwrap().count, 1);
}

async fn an_ended_block_is_remembered_then_gone(store: Store) {
    let short = |memory| SharedBlock {
        memory,
        count: 3,
        ..block(memory, 30_000)
    };
    put(&store, short(HOUR)).await;
    put(&store, short(30_000)).await;
    let store = &store;
    until("the short one is gone", || async {
        numbers(&since(store, 0).await) == [HOUR]
    })
    .await;
    let over = told(&since(store, 0).await)[0].1.unwrap();
    assert_eq!((over.rest, over.count), (0, 3));
    // An ended block is no reason to keep its time.
    put(store, block(HOUR, 10)).await;
    let again = told(&since(store, 0).await)[0].1.unwrap();
    assert!(again.rest <= 10 && again.count == 3);
}

async fn a_list_that_begins_after_what_was_read_is_lost(store: Store) {
    // No list of this name has it.
    assert!(since(&store, 5).await.lost);
    put(&store, block(1, HOUR)).await;
    // It began after what the reader knows.
    let earlier = since(&store, 1).await;
    assert!(earlier.lost);
    assert_eq!(numbers(&earlier), [1]);
    assert!(!since(&store, earlier.next).await.lost);
    // The reader knows of more than there is.
    let later = since(&store, earlier.next + HOUR).await;
    assert!(later.lost && later.next == earlier.next);
    assert_eq!(numbers(&later), [1]);
}

async fn lists_share_nothing_whatever_their_names(store: Store) {
    let names = ["a", "b", "a.b", "A"];
    for (number, name) in names.iter().enumerate() {
        let block = block(number as u64, HOUR);
        store.put(name, &block, soon()).await.unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        let changes = store.changes(name, 0, 10, soon()).await.unwrap();
        assert_eq!(numbers(&changes), [number as u64], "{name}");
    }
}

async fn writers_at_once_get_numbers_of_their_own(store: Store) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..20 {
                    put(&store, block(100 * writer + number, HOUR)).await;
                }
            })
        })
        .collect();
    // A reader who follows while they write misses nothing.
    let (mut cursor, mut seen) = (0, Vec::new());
    let mut read = async || {
        let changes = store.changes(LIST, cursor, 7, soon()).await.unwrap();
        assert!(!changes.lost && changes.next >= cursor);
        cursor = changes.next;
        seen.extend(numbers(&changes));
        changes.more
    };
    while writers.iter().any(|writer| !writer.is_finished()) {
        read().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    while read().await {}
    seen.sort_unstable();
    let all: Vec<u64> = (0..8)
        .flat_map(|w| (0..20).map(move |n| 100 * w + n))
        .collect();
    assert_eq!(seen, all);
}
