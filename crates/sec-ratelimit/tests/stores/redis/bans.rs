//! What only a real Redis does to lists of blocks.

use std::net::{IpAddr, Ipv4Addr};

use sec_core::AddrGrouping;
use sec_ratelimit::{BlockChange, BlockStore, SharedBlock};

use super::redis;
use super::server::Server;
use crate::bans::{is_blocked, process, provoke};
use crate::blocks::{soon, until};

/// A snapshot goes back to before a block, and what is written during the outage comes above its number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_a_snapshot_does_not_have_is_written_again() {
    let mut server = Server::start();
    let (here, there) = (process(redis(&server)), process(redis(&server)));
    provoke(&here, "192.0.2.1");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    let () = server.ask(&["SAVE"]);
    provoke(&here, "192.0.2.2");
    until("heard", || async { is_blocked(&there, "192.0.2.2") }).await;
    // So that both have read to above what the snapshot has.
    provoke(&there, "192.0.2.3");
    until("heard", || async { is_blocked(&here, "192.0.2.3") }).await;
    server.kill();
    until("noticed", || async { here.sharing().unwrap().failed > 0 }).await;
    provoke(&here, "192.0.2.4");
    server.restart();
    until("written", || async { here.sharing().unwrap().pending == 0 }).await;
    let newcomer = process(redis(&server));
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        until(client, || async { is_blocked(&newcomer, client) }).await;
    }
}

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

/// Somebody else's records and keys: the exchange went no further than the first of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_list_keeps_nobody_from_the_rest() {
    let server = Server::start();
    let (here, there) = (process(redis(&server)), process(redis(&server)));
    provoke(&here, "192.0.2.1");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    let key = |part: &str| format!("sec:v1:blocks:{{web}}:{part}");
    let (numbers, records) = (key("n"), key("r"));
    let last: String = server.ask(&["HGET", &key("m"), "last"]);
    let digest: Vec<String> = server.ask(&["HKEYS", &records]);
    // Neither a lift of the block that is there, nor a record.
    let far = "9000000000000000";
    for (name, text) in [
        (&*digest[0], format!("{far} lifter")),
        ("no digest", format!("{far} lifted")),
        (
            "0000000000000001000000000000000f",
            format!("{far} {far} 0 0 99999999999 -"),
        ),
        ("0000000000000001000000000000000a", "what?".to_owned()),
    ] {
        let () = server.ask(&["HSET", &records, name, &text]);
        let () = server.ask(&["ZADD", &numbers, &last, name]);
        let () = server.ask(&["ZINCRBY", &numbers, "1", name]);
    }
    provoke(&here, "192.0.2.2");
    until("heard", || async { is_blocked(&there, "192.0.2.2") }).await;
    assert!(is_blocked(&there, "192.0.2.1"));
    let states = [&here, &there].map(|bans| bans.sharing().unwrap());
    // Whoever blocked the first one writes that block anew once they have read what became of its record.
    let unreadable = states.iter().map(|state| state.unreadable).max();
    assert!(unreadable >= Some(4), "{states:?}");
    assert!(states.iter().all(|state| state.failed == 0), "{states:?}");
    // A key of another type, and numbers that are none.
    let () = server.ask(&["SET", &numbers, "mine"]);
    provoke(&here, "192.0.2.3");
    until("heard", || async { is_blocked(&there, "192.0.2.3") }).await;
    let () = server.ask(&["HSET", &key("m"), "last", "many", "begun", "inf"]);
    provoke(&here, "192.0.2.4");
    until("heard", || async { is_blocked(&there, "192.0.2.4") }).await;
}
