//! The end of a block is told also where its key does not come back.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use sec_core::{CollectingSink, EventKind, ManualClock, RequestContext};

use super::*;
use crate::tests::layer::call;
use crate::{Key, Limiter, Quota, RateLimitLayer, Subject};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

struct World {
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
    layer: RateLimitLayer,
    bans: Bans,
}

fn world(capacity: usize) -> World {
    let (clock, sink) = (ManualClock::new(), CollectingSink::new());
    let limiter = Limiter::builder().clock(clock.clone());
    let limiter = limiter.tier("api", Quota::per(1_000_000, HOUR), Key::ip());
    let escalate = Escalate::after(3, [HOUR]).capacity(capacity);
    let bans = Bans::with_clock(escalate, clock.clone()).unwrap();
    let layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
    World {
        layer: layer.ban_with(bans.clone()),
        clock,
        sink,
        bans,
    }
}

fn client(index: u32) -> Subject<'static> {
    Subject::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | index << 8)))
}

impl World {
    fn context(&self, coalesce: Duration) -> RequestContext {
        RequestContext::builder()
            .client(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
            .clock(self.clock.clone())
            .sink(self.sink.clone())
            .coalesce(coalesce)
            .build()
    }

    /// Requests of one client who was never blocked.
    async fn ask(&self, ctx: &RequestContext, times: usize) {
        for _ in 0..times {
            let mut request = Request::new(());
            request.extensions_mut().insert(ctx.clone());
            call(&self.layer, request).await;
        }
    }

    /// The addresses and counts of what has ended.
    fn ended(&self) -> Vec<(String, u64)> {
        let events = self.sink.events();
        let ended = events.iter().map(|event| {
            assert_eq!(*event.kind(), EventKind::BLOCK_ENDED);
            assert_eq!(event.client(), None, "it is not about who asks");
            let (name, address) = event.entity().unwrap();
            assert_eq!(name, "address");
            (address.to_owned(), event.count())
        });
        ended.collect()
    }
}

#[tokio::test]
async fn an_end_is_told_though_its_key_does_not_come_back() {
    let world = world(1024);
    let ctx = world.context(Duration::ZERO);
    for (index, length) in [(1, HOUR), (2, HOUR), (3, 2 * HOUR)] {
        world.bans.block(&client(index), length).unwrap();
    }
    world.ask(&ctx, 100).await;
    assert!(world.ended().is_empty());
    world.clock.advance(HOUR);
    // A table of 1024 keys is looked through in as many steps of 64 at most.
    world.ask(&ctx, 16).await;
    let mut ended = world.ended();
    ended.sort();
    let expected = ["10.0.1.0/32", "10.0.2.0/32"].map(|address| (address.to_owned(), 1));
    assert_eq!(ended, expected);
    // One more, set while a round runs, and one that was lifted, which is no end.
    world.bans.block(&client(4), HOUR / 2).unwrap();
    world.bans.block(&client(5), HOUR / 2).unwrap();
    world.bans.unblock(&client(5)).unwrap();
    world.clock.advance(HOUR / 2);
    world.ask(&ctx, 40).await;
    assert_eq!(world.ended()[2..], [("10.0.4.0/32".to_owned(), 1)]);
    world.clock.advance(HOUR / 2);
    world.ask(&ctx, 40).await;
    assert_eq!(world.ended()[3..], [("10.0.3.0/32".to_owned(), 1)]);
    // Nobody looks any more.
    assert!(!world.bans.any_open());
}

#[tokio::test]
async fn the_ends_of_a_flood_are_all_told_as_one_event_with_a_count() {
    let world = world(4096);
    let ctx = world.context(10 * SECOND);
    for index in 0..500 {
        world.bans.block(&client(index), HOUR).unwrap();
    }
    world.clock.advance(HOUR);
    world.ask(&ctx, 400).await;
    assert!(!world.bans.any_open());
    world.clock.advance(10 * SECOND);
    world.ask(&ctx, 1).await;
    // The sweep of the context's layer closes its windows; here their owner's end does.
    drop(ctx);
    let counts: Vec<_> = world.ended().iter().map(|(_, count)| *count).collect();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), 500);
}

#[test]
fn threads_that_sweep_at_once_close_each_block_once() {
    let world = world(4096);
    for index in 0..800 {
        world.bans.block(&client(index), HOUR).unwrap();
    }
    world.clock.advance(HOUR);
    let told: usize = std::thread::scope(|scope| {
        let sweep = || (0..2000).map(|_| world.bans.ended().count()).sum::<usize>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(sweep)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(told, 800);
    assert!(!world.bans.any_open());
}
