//! What only a real Redis does to lists of blocks.

use std::net::{IpAddr, Ipv4Addr};

use sec_core::AddrGrouping;
use sec_ratelimit::{BlockChange, BlockStore, SharedBlock};

use super::redis;
use super::server::Server;
use crate::bans::{is_blocked, process, provoke};
use crate::blocks::{soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_brought_again() {
    let server = Server::start();
    let (here, there) = (process(redis(&server)), process(redis(&server)));
    provoke(&here, "192.0.2.1");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    server.ask::<String>(&["SCRIPT", "FLUSH"]);
    provoke(&here, "192.0.2.2");
    until("heard", || async { is_blocked(&there, "192.0.2.2") }).await;
    assert_eq!(here.sharing().unwrap().failed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_a_bounded_list_that_goes_away_by_itself() {
    let server = Server::start();
    let store = redis(&server);
    // As many as a list holds, each of which ends a minute after the one before.
    let most = SharedBlock::MOST as u64;
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (writer..most).step_by(32) {
                    let block = nth(number);
                    store.put("web", &block, soon()).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for number in most..most + 10 {
        let block = nth(number);
        store.put("web", &block, soon()).await.unwrap();
    }
    let keys = server.keys();
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("sec:v1:blocks:{web}:"), "{key}");
        let left: u64 = server.ask(&["PTTL", key]);
        let minutes = left / 60_000;
        assert!(minutes > most && minutes <= most + 20, "{key}: {left}");
    }
    let kept: u64 = server.ask(&["HLEN", "sec:v1:blocks:{web}:r"]);
    assert_eq!(kept, most);
    // Those that would have ended first went.
    let (mut cursor, mut read) = (0, Vec::new());
    loop {
        let changes = store.changes("web", cursor, 1000, soon()).await.unwrap();
        read.extend(changes.entries.iter().map(|change| match change {
            BlockChange::Put(block) => block.digest[0],
            BlockChange::Lifted(digest) => panic!("{digest:?}"),
        }));
        cursor = changes.next;
        if !changes.more {
            break;
        }
    }
    read.sort_unstable();
    assert_eq!(read, (10..most + 10).collect::<Vec<_>>());
}

fn nth(number: u64) -> SharedBlock {
    let minutes = 10 + number;
    let address = IpAddr::V4(Ipv4Addr::from_bits(number as u32));
    SharedBlock {
        digest: [number, 0],
        shown: Some(AddrGrouping::default().group(address)),
        rest: 60_000_000 * minutes,
        memory: 60_000_000 * minutes,
        count: 1,
        manual: false,
        wide: false,
    }
}
