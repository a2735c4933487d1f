//! Blocks that two processes share through a real Redis.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::{Request, Response};
use sec_core::{AddrGrouping, RequestContext};
use sec_ratelimit::{
    BanSharing, Bans, BlockChange, BlockStore, Escalate, Key, Limiter, Quota, RateLimitLayer,
    SharedBlock, Subject,
};
use tower::{Layer, ServiceExt, service_fn};

use super::redis;
use super::server::Server;
use crate::blocks::{soon, until};
use crate::{HOUR, secret};

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// What one process does: blocks of five minutes, then an hour, from the third refusal on.
fn process(server: &Server) -> Bans {
    let sharing = BanSharing::new("web", redis(server), secret());
    let sharing = sharing
        .poll(Duration::from_millis(20))
        .deadline(HOUR / 3600);
    let lengths = [Duration::from_secs(300), HOUR];
    let (bans, follower) = Bans::shared(Escalate::after(3, lengths), sharing).unwrap();
    tokio::spawn(follower.run());
    bans
}

fn is_blocked(bans: &Bans, address: &str) -> bool {
    bans.check(&Subject::of(at(address))).unwrap().is_some()
}

fn provoke(bans: &Bans, address: &str) -> Duration {
    let subject = Subject::of(at(address));
    let block = (0..3).find_map(|_| bans.strike(&subject).unwrap());
    block.unwrap().rest()
}

/// A request to a service with this process's layer.
async fn get(layer: &RateLimitLayer, client: &str) -> u16 {
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let mut request = Request::new(());
    let ctx = RequestContext::builder().client(at(client)).build();
    request.extensions_mut().insert(ctx);
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    response.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_by_one_process_is_refused_by_the_other_until_lifted() {
    let server = Server::start();
    let layers = [(); 2].map(|()| {
        let limiter = Limiter::builder().tier("api", Quota::per(2, HOUR), Key::ip());
        let layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
        layer.ban_with(process(&server))
    });
    let [here, there] = &layers;
    for expected in [200, 200, 429, 429, 429] {
        assert_eq!(get(here, "192.0.2.1").await, expected);
    }
    let listed = || async { !there.bans().unwrap().blocks().is_empty() };
    until("the other process heard", listed).await;
    assert_eq!(
        get(there, "192.0.2.1").await,
        429,
        "its own quota is untouched"
    );
    assert_eq!(get(there, "192.0.2.2").await, 200);
    let subject = Subject::of(at("192.0.2.1"));
    assert!(there.bans().unwrap().unblock(&subject).unwrap());
    let lifted = || async { !is_blocked(here.bans().unwrap(), "192.0.2.1") };
    until("the first process heard of the lift", lifted).await;
    assert_eq!(get(there, "192.0.2.1").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_comes_back_elsewhere_is_blocked_for_longer() {
    let server = Server::start();
    let store = redis(&server);
    let (here, there) = (process(&server), process(&server));
    assert_eq!(provoke(&here, "192.0.2.1"), Duration::from_secs(300));
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    // Its end is brought about by another block that is over soon.
    let changes = store.changes("web", 0, 10, soon()).await.unwrap();
    let BlockChange::Put(block) = changes.entries[0] else {
        panic!("{changes:?}");
    };
    assert_eq!(block.shown.unwrap().to_string(), "192.0.2.1/32");
    let short = SharedBlock {
        rest: 50_000,
        manual: true,
        ..block
    };
    store.put("web", &short, soon()).await.unwrap();
    until("over", || async {
        !is_blocked(&there, "192.0.2.1") && !is_blocked(&here, "192.0.2.1")
    })
    .await;
    assert_eq!(provoke(&there, "192.0.2.1"), HOUR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_store_changes_nothing_here_and_returns_without_anybodys_help() {
    let mut server = Server::start();
    let (here, there) = (process(&server), process(&server));
    provoke(&here, "192.0.2.1");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    server.kill();
    until("noticed", || async {
        here.sharing().unwrap().failed > 0 && there.sharing().unwrap().failed > 0
    })
    .await;
    provoke(&here, "192.0.2.2");
    assert!(is_blocked(&here, "192.0.2.2") && is_blocked(&there, "192.0.2.1"));
    // It comes back with nothing: what it lost is written again, what waited is written at last.
    server.restart();
    let newcomer = process(&server);
    for bans in [&there, &newcomer] {
        for client in ["192.0.2.1", "192.0.2.2"] {
            until(client, || async { is_blocked(bans, client) }).await;
        }
    }
    until("written", || async { here.sharing().unwrap().pending == 0 }).await;
}

/// A snapshot goes back to before a block, and what is written during the outage comes above its number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_a_snapshot_does_not_have_is_written_again() {
    let mut server = Server::start();
    let (here, there) = (process(&server), process(&server));
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
    let newcomer = process(&server);
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        until(client, || async { is_blocked(&newcomer, client) }).await;
    }
}

/// Somebody else's records and keys: the exchange went no further than the first of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_list_keeps_nobody_from_the_rest() {
    let server = Server::start();
    let (here, there) = (process(&server), process(&server));
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
    let state = there.sharing().unwrap();
    assert!(state.unreadable >= 4 && state.failed == 0, "{state:?}");
    // A key of another type, and numbers that are none.
    let () = server.ask(&["SET", &numbers, "mine"]);
    provoke(&here, "192.0.2.3");
    until("heard", || async { is_blocked(&there, "192.0.2.3") }).await;
    let () = server.ask(&["HSET", &key("m"), "last", "many", "begun", "inf"]);
    provoke(&here, "192.0.2.4");
    until("heard", || async { is_blocked(&there, "192.0.2.4") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_store_is_given_up_by_the_deadline_and_heard_again() {
    let server = Server::start();
    let (here, there) = (process(&server), process(&server));
    until("joined", || async {
        there.sharing().unwrap().read.is_some()
    })
    .await;
    server.signal("-STOP");
    provoke(&here, "192.0.2.1");
    until("given up", || async { here.sharing().unwrap().failed > 0 }).await;
    assert!(is_blocked(&here, "192.0.2.1"));
    server.signal("-CONT");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_brought_again() {
    let server = Server::start();
    let (here, there) = (process(&server), process(&server));
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
