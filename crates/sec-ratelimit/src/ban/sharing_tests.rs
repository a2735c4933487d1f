//! Time is tokio's paused clock and a `ManualClock`: nothing here waits.

mod faults;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sec_core::{AddrGrouping, CollectingSink, ManualClock};

use super::*;
use crate::digest::Digest;
use crate::shared::StoreFuture;
use crate::{
    BlockChange, BlockChanges, BlockStore, Key, MemoryStore, SharedBlock, StoreError, Subject,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A store that can be away, and that can lose everything.
#[derive(Debug)]
struct Store {
    memory: arc_swap::ArcSwap<MemoryStore>,
    away: AtomicBool,
    /// An answer comes this much later than it was made, and each is announced.
    late: AtomicBool,
    answered: tokio::sync::Notify,
}

const LATE: Duration = Duration::from_millis(200);

impl Store {
    fn ask(&self) -> Result<Arc<MemoryStore>, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unreachable("gone".into()));
        }
        Ok(self.memory.load_full())
    }
}

impl BlockStore for Store {
    fn put<'a>(
        &'a self,
        list: &'a str,
        block: &'a SharedBlock,
        by: Instant,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.ask()?.put(list, block, by).await })
    }

    fn lift<'a>(&'a self, list: &'a str, digest: Digest, by: Instant) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.ask()?.lift(list, digest, by).await })
    }

    fn changes<'a>(
        &'a self,
        list: &'a str,
        since: u64,
        most: u32,
        by: Instant,
    ) -> StoreFuture<'a, BlockChanges> {
        Box::pin(async move {
            let changes = self.ask()?.changes(list, since, most, by).await;
            if self.late.load(Ordering::Relaxed) {
                self.answered.notify_one();
                tokio::time::sleep(LATE).await;
            }
            changes
        })
    }
}

struct World {
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    sink: Arc<CollectingSink>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        clock.advance(HOUR);
        Self {
            store: Arc::new(Store {
                memory: arc_swap::ArcSwap::from_pointee(MemoryStore::with_clock(clock.clone())),
                away: AtomicBool::new(false),
                late: AtomicBool::new(false),
                answered: tokio::sync::Notify::new(),
            }),
            clock,
            sink: CollectingSink::new(),
        }
    }

    fn parts(&self, escalate: Escalate) -> (Bans, BanFollower) {
        let sharing = BanSharing::new("web", self.store.clone(), vec![7; 32]);
        let sharing = sharing.clock(self.clock.clone()).sink(self.sink.clone());
        Bans::shared(escalate, sharing).unwrap()
    }

    /// One process.
    fn process(&self) -> Bans {
        let (bans, follower) = self.parts(thrice());
        tokio::spawn(follower.run());
        bans
    }

    fn lose_everything(&self) {
        self.clock.advance(SECOND);
        let empty = MemoryStore::with_clock(self.clock.clone());
        self.store.memory.store(Arc::new(empty));
    }

    fn states(&self) -> Vec<String> {
        let events = self.sink.events();
        let state = events.iter().map(|event| {
            assert_eq!(event.kind().as_str(), "rate_limit_store");
            assert_eq!(event.detail()["blocks"], "web");
            event.detail()["state"].as_str().unwrap().to_owned()
        });
        state.collect()
    }
}

fn thrice() -> Escalate {
    Escalate::after(3, [5 * MINUTE, HOUR, 10 * HOUR]).capacity(1024)
}

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// Lets all tasks exchange what they have: two polls of virtual time, and not at the instant of a third.
async fn exchange() {
    tokio::time::sleep(5 * SECOND / 2).await;
}

fn rest(bans: &Bans, subject: &Subject<'_>) -> Option<Duration> {
    bans.check(subject).unwrap().map(|banned| banned.rest())
}

fn provoke(bans: &Bans, address: IpAddr) -> Option<Banned> {
    (0..3).find_map(|_| bans.strike(&Subject::of(address)).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_block_a_widened_one_and_one_by_hand_reach_the_others_and_so_do_lifts() {
    let world = World::new();
    let (here, there) = (world.process(), world.process());
    let (client, alice) = (Subject::of(at("192.0.2.1")), Subject::of("alice"));
    let network = AddrGrouping::new(24, 48).unwrap().group(at("203.0.113.0"));
    provoke(&here, at("192.0.2.1")).unwrap();
    here.block(&alice, HOUR).unwrap();
    here.block(&Subject::of(network), 2 * HOUR).unwrap();
    assert_eq!(rest(&there, &client), None);
    exchange().await;
    assert_eq!(rest(&there, &client), Some(5 * MINUTE));
    assert_eq!(rest(&there, &alice), Some(HOUR));
    assert_eq!(
        rest(&there, &Subject::of(at("203.0.113.99"))),
        Some(2 * HOUR)
    );
    assert_eq!(there.blocks(), here.blocks());
    // An operator shortens, on the other process.
    there.block(&alice, MINUTE).unwrap();
    there.unblock(&client).unwrap();
    there.unblock(&Subject::of(network)).unwrap();
    exchange().await;
    assert_eq!(rest(&here, &alice), Some(MINUTE));
    assert_eq!(rest(&here, &client), None);
    assert_eq!(rest(&here, &Subject::of(at("203.0.113.99"))), None);
    assert_eq!(there.blocks(), here.blocks());
}

#[tokio::test(start_paused = true)]
async fn the_next_block_grows_wherever_it_begins_also_in_a_process_started_later() {
    let world = World::new();
    let (here, there) = (world.process(), world.process());
    let client = at("192.0.2.1");
    assert_eq!(provoke(&here, client).unwrap().count(), 1);
    exchange().await;
    world.clock.advance(6 * MINUTE);
    let second = provoke(&there, client).unwrap();
    assert_eq!((second.rest(), second.count()), (HOUR, 2));
    exchange().await;
    world.clock.advance(2 * HOUR);
    let later = world.process();
    exchange().await;
    assert_eq!(rest(&later, &Subject::of(client)), None);
    let third = provoke(&later, client).unwrap();
    assert_eq!((third.rest(), third.count()), (10 * HOUR, 3));
    // Forgiven everywhere after a quiet day.
    exchange().await;
    world.clock.advance(35 * HOUR);
    let last = world.process();
    exchange().await;
    for bans in [here, there, later, last] {
        assert_eq!(provoke(&bans, client).unwrap().count(), 1);
        bans.unblock(&Subject::of(client)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_joins_late_forgives_when_the_others_do() {
    let world = World::new();
    let client = at("192.0.2.1");
    let here = world.process();
    for address in ["192.0.2.1", "192.0.2.2"].map(at) {
        provoke(&here, address).unwrap();
    }
    exchange().await;
    world.clock.advance(5 * MINUTE + 23 * HOUR);
    let late = world.process();
    exchange().await;
    assert_eq!(provoke(&late, at("192.0.2.2")).unwrap().count(), 2);
    world.clock.advance(HOUR);
    assert_eq!(provoke(&late, client).unwrap().count(), 1);
}

/// What others said of a key before, and what is done here while their answer is on its way: the latter holds.
#[tokio::test(start_paused = true)]
async fn more_blocks_than_the_queue_holds_all_arrive() {
    let world = World::new();
    let large = || Escalate::after(1, [HOUR]).capacity(16_384).widen(false);
    let (here, follower) = world.parts(large());
    let (there, other) = world.parts(large());
    world.store.away.store(true, Ordering::Relaxed);
    tokio::spawn(follower.run());
    tokio::spawn(other.run());
    for index in 0..3000_u32 {
        let client = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | index << 8));
        here.strike(&Subject::of(client)).unwrap().unwrap();
    }
    world.store.away.store(false, Ordering::Relaxed);
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(there.blocks().len(), 3000);
    assert_eq!(here.sharing().unwrap().pending, 0);
}

/// A hostile million: as many keys as one process can be made to block, on a table that is smaller elsewhere.
#[tokio::test(start_paused = true)]
async fn blocks_of_others_take_no_more_than_their_share() {
    let world = World::new();
    let (here, follower) = world.parts(Escalate::after(1, [HOUR]).capacity(65_536));
    tokio::spawn(follower.run());
    let there = world.process();
    let ours = Subject::of(at("192.0.2.1"));
    provoke(&there, at("192.0.2.1")).unwrap();
    for index in 0..1_000_000_u32 {
        let client = IpAddr::V4(Ipv4Addr::from_bits(
            0x0a00_0000 | index.wrapping_mul(97) & 0xff_ffff,
        ));
        let _ = here.strike(&Subject::of(client)).unwrap();
    }
    tokio::time::sleep(5 * SECOND).await;
    let blocks = there.blocks().len();
    assert!(blocks * 2 <= there.slots(), "{blocks} of {}", there.slots());
    assert!(there.sharing().unwrap().unheard > 0);
    assert_eq!(rest(&there, &ours), Some(5 * MINUTE));
    let memory = world.store.memory.load_full();
    let kept = memory.changes("web", 0, u32::MAX, Instant::now());
    assert!(kept.await.unwrap().entries.len() <= SharedBlock::MOST);
}

#[tokio::test(start_paused = true)]
async fn lists_secrets_and_keys_that_are_no_address_stay_apart() {
    let world = World::new();
    let join = |list: &str, secret: u8| {
        let sharing = BanSharing::new(list, world.store.clone(), vec![secret; 32]);
        let (bans, follower) = Bans::shared(
            thrice().key(Key::header(http::header::AUTHORIZATION)),
            sharing,
        )
        .unwrap();
        tokio::spawn(follower.run());
        bans
    };
    let (one, same, list, secret) = (join("a", 1), join("a", 1), join("b", 1), join("a", 2));
    let token = Subject::of("Bearer hush");
    one.block(&token, HOUR).unwrap();
    exchange().await;
    assert!(rest(&same, &token).is_some());
    assert_eq!(same.blocks()[0].address(), None);
    assert_eq!(same.blocks()[0].id(), one.blocks()[0].id());
    assert_eq!(rest(&list, &token), None);
    assert_eq!(rest(&secret, &token), None, "another digest");
    let kept = format!("{:?}", world.store);
    assert!(!kept.contains("hush"), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_forgotten_is_loud() {
    let world = World::new();
    let (bans, follower) = world.parts(thrice());
    // Kept, but never spawned: the first block says so, once.
    for client in ["192.0.2.1", "192.0.2.2"] {
        provoke(&bans, at(client)).unwrap();
    }
    assert_eq!(world.states(), ["not running"]);
    assert!(!bans.sharing().unwrap().running);
    // Dropped: at once.
    drop(follower);
    assert_eq!(world.states(), ["not running"; 2]);
    // With the blocks themselves there is nobody to miss it.
    let (bans, follower) = world.parts(thrice());
    drop(bans);
    drop(follower);
    assert_eq!(world.states().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_clone_and_writes_what_waits() {
    let world = World::new();
    let (bans, follower) = world.parts(thrice());
    let task = tokio::spawn(follower.run());
    exchange().await;
    let clone = bans.clone();
    drop(bans);
    tokio::time::sleep(MINUTE).await;
    assert!(!task.is_finished(), "a clone lives");
    provoke(&clone, at("192.0.2.1")).unwrap();
    drop(clone);
    task.await.unwrap();
    let there = world.process();
    exchange().await;
    assert!(rest(&there, &Subject::of(at("192.0.2.1"))).is_some());
    // Also from within a pause.
    world.store.away.store(true, Ordering::Relaxed);
    let (bans, follower) = world.parts(thrice());
    let task = tokio::spawn(follower.run());
    exchange().await;
    drop(bans);
    task.await.unwrap();
}

#[test]
fn settings_are_checked() {
    let sharing = |list: &str, secret: usize| {
        BanSharing::new(list, Arc::new(MemoryStore::new()), vec![0; secret])
    };
    let good = || sharing("web", 32);
    for (sharing, field) in [
        (sharing("", 32), "list"),
        (sharing("a{b", 32), "list"),
        (sharing("web", 31), "secret"),
        (good().poll(Duration::from_millis(9)), "poll"),
        (good().poll(2 * MINUTE), "poll"),
        (good().deadline(Duration::ZERO), "deadline"),
    ] {
        assert_eq!(Bans::shared(thrice(), sharing).unwrap_err().field(), field);
    }
    let never = Bans::shared(Escalate::after(0, [HOUR]), good()).unwrap_err();
    assert_eq!(never.field(), "ban.after");
    assert!(!format!("{:?}", good()).contains("secret"));
}
