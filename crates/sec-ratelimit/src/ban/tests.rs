use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use sec_core::{
    AddrGrouping, CollectingSink, EventKind, FieldFaults, Identity, ManualClock, Outcome, Problem,
    RequestContext, RequestView,
};

use super::*;
use crate::tests::layer::call;
use crate::{Key, Limiter, Quota, RateLimitConfig, RateLimitLayer, Subject};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn thrice() -> Escalate {
    Escalate::after(3, [5 * MINUTE, HOUR]).capacity(1024)
}

fn bans(escalate: Escalate) -> (Bans, Arc<ManualClock>) {
    let clock = ManualClock::new();
    (Bans::with_clock(escalate, clock.clone()).unwrap(), clock)
}

/// The rest of the block, if any.
fn rest(bans: &Bans, address: IpAddr) -> Option<Duration> {
    bans.check(&Subject::of(address)).unwrap().map(|b| b.rest())
}

/// Strikes until a block begins, at most three times.
fn provoke(bans: &Bans, address: IpAddr) -> Option<Banned> {
    (0..3).find_map(|_| bans.strike(&Subject::of(address)).unwrap())
}

#[test]
fn blocks_grow_the_last_repeats_and_a_quiet_time_forgives() {
    let (bans, clock) = bans(thrice());
    let client = at("192.0.2.1");
    for expected in [5 * MINUTE, HOUR, HOUR] {
        let banned = provoke(&bans, client).unwrap();
        assert_eq!(banned.rest(), expected);
        assert_eq!(rest(&bans, client), Some(expected));
        clock.advance(expected - Duration::from_nanos(1));
        assert_eq!(rest(&bans, client), Some(Duration::from_nanos(1)));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(rest(&bans, client), None);
    }
    // Counted from the end of the last block.
    clock.advance(24 * HOUR - Duration::from_nanos(1));
    assert_eq!(provoke(&bans, client).unwrap().rest(), HOUR);
    clock.advance(HOUR + 24 * HOUR);
    let again = provoke(&bans, client).unwrap();
    assert_eq!((again.rest(), again.count()), (5 * MINUTE, 1));
}

#[test]
fn only_refusals_within_the_window_add_up() {
    let (bans, clock) = bans(thrice().within(MINUTE));
    let subject = Subject::of(at("192.0.2.1"));
    for _ in 0..20 {
        assert_eq!(bans.strike(&subject).unwrap(), None);
        clock.advance(MINUTE / 2);
    }
    // Twice in a window at most above; three times now.
    clock.advance(MINUTE);
    assert!(provoke(&bans, at("192.0.2.1")).is_some());
    assert_eq!(rest(&bans, at("192.0.2.2")), None, "nobody else");
}

#[test]
fn a_refusal_on_its_way_when_the_block_began_changes_nothing() {
    let (bans, clock) = bans(thrice());
    let client = at("192.0.2.1");
    provoke(&bans, client).unwrap();
    clock.advance(MINUTE);
    assert_eq!(provoke(&bans, client), None);
    assert_eq!(rest(&bans, client), Some(4 * MINUTE));
}

#[test]
fn blocks_by_hand_are_set_listed_and_lifted() {
    let (bans, clock) = bans(thrice());
    let (alice, client) = (Subject::of("alice"), Subject::of(at("2001:db8::7")));
    bans.block(&alice, HOUR).unwrap();
    bans.block(&client, 2 * HOUR).unwrap();
    provoke(&bans, at("192.0.2.1")).unwrap();
    let listed: Vec<_> = bans
        .blocks()
        .iter()
        .map(|b| (b.address().map(|a| a.to_string()), b.rest(), b.is_manual()))
        .collect();
    assert_eq!(
        listed,
        [
            (Some("2001:db8::/64".into()), 2 * HOUR, true),
            (None, HOUR, true),
            (Some("192.0.2.1/32".into()), 5 * MINUTE, false),
        ]
    );
    assert!(rest(&bans, at("2001:db8::8")).is_some(), "the same /64");
    assert!(!format!("{:?}", bans.blocks()).contains("alice"));

    assert!(bans.unblock(&client).unwrap());
    assert!(!bans.unblock(&client).unwrap());
    assert_eq!(rest(&bans, at("2001:db8::7")), None);
    // Set anew, a block lasts from now.
    clock.advance(HOUR / 2);
    bans.block(&alice, MINUTE).unwrap();
    clock.advance(MINUTE);
    assert_eq!(bans.check(&alice).unwrap(), None);
}

#[test]
fn a_network_is_blocked_by_hand_where_requests_are_looked_up_by_it() {
    let (bans, _) = bans(thrice());
    let network = |v4, v6, address| AddrGrouping::new(v4, v6).unwrap().group(at(address));
    bans.block(&Subject::of(network(24, 64, "203.0.113.0")), HOUR)
        .unwrap();
    bans.block(&Subject::of(network(24, 32, "2001:db8::")), HOUR)
        .unwrap();
    assert!(rest(&bans, at("203.0.113.99")).is_some());
    assert!(rest(&bans, at("2001:db8:ffff::1")).is_some());
    assert_eq!(rest(&bans, at("203.0.114.1")), None);
    assert_eq!(
        bans.block(&Subject::of(network(20, 64, "203.0.113.0")), HOUR),
        Err(BlockError::Network)
    );
}

#[test]
fn a_million_keys_fill_half_of_the_table_at_most_and_hit_nobody_else() {
    let (bans, _) = bans(thrice());
    let ours = at("192.0.2.1");
    provoke(&bans, ours).unwrap();
    // Eight /16 of IPv4, and /64 of IPv6 all over two /32. Who is blocked is not heard, as in the layer.
    let mut heard = 0;
    for index in 0..1_000_000_u32 {
        let key = if index % 2 == 0 {
            IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | (index / 2) & 0x7_ffff))
        } else {
            let net = u128::from(0x2001_0db8 + (index >> 1 & 1)) << 96;
            let host = u128::from(index.wrapping_mul(0x9e37_79b9)) << 64;
            IpAddr::V6(Ipv6Addr::from_bits(net | host))
        };
        if rest(&bans, key).is_none() {
            heard += 1;
            provoke(&bans, key);
        }
        if index % 100_000 == 0 {
            assert!(bans.blocks().len() * 2 <= bans.slots());
        }
    }
    assert!(heard < 100_000, "{heard} of a million keys were heard");
    let blocks = bans.blocks();
    assert!(blocks.len() * 2 <= bans.slots(), "{}", blocks.len());
    // The flood's networks are blocked as a whole, also for addresses never seen.
    let coarse = |bits| {
        blocks
            .iter()
            .filter(move |b| b.address().is_some_and(|a| a.bits() == bits))
    };
    assert!(coarse(24).count() > 0 && coarse(48).count() > 0);
    assert!(rest(&bans, at("10.3.255.254")).is_some());
    // Who was blocked before the flood still is; who took no part is not, and can be.
    assert_eq!(rest(&bans, ours), Some(5 * MINUTE));
    for stranger in ["192.0.2.2", "198.51.100.1", "2001:db7::1", "10.8.0.1"] {
        assert_eq!(rest(&bans, at(stranger)), None, "{stranger}");
    }
    assert!(provoke(&bans, at("198.51.100.1")).is_some());
}

#[test]
fn without_widening_no_block_begins_beyond_the_share() {
    let (bans, clock) = bans(thrice().widen(false));
    for index in 0..20_000_u32 {
        provoke(&bans, IpAddr::V4(Ipv4Addr::from_bits(index << 8)));
    }
    let blocks = bans.blocks();
    assert!(blocks.len() * 4 <= bans.slots() && blocks.len() * 5 > bans.slots());
    assert!(blocks.iter().all(|b| b.address().unwrap().bits() == 32));
    // What has ended makes room, without anybody cleaning up.
    clock.advance(5 * MINUTE);
    assert!(bans.blocks().is_empty());
    for index in 0..100_u32 {
        let fresh = IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 | index));
        assert!(provoke(&bans, fresh).is_some(), "{fresh}");
    }
}

#[test]
fn once_every_block_is_over_nobody_looks_any_more() {
    let (bans, clock) = bans(thrice());
    let clients = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(at);
    for client in clients {
        provoke(&bans, client).unwrap();
    }
    let network = AddrGrouping::new(24, 48).unwrap().group(at("203.0.113.0"));
    bans.block(&Subject::of(network), HOUR).unwrap();
    assert!(bans.unblock(&Subject::of(network)).unwrap());
    clock.advance(5 * MINUTE);
    for client in clients {
        assert!(bans.any_open());
        assert_eq!(rest(&bans, client), None);
    }
    assert!(!bans.any_open());
}

#[test]
fn threads_strike_exactly_once_each() {
    let (bans, _) = bans(Escalate::after(4000, [HOUR]));
    let subject = Subject::of(at("192.0.2.1"));
    let started: usize = std::thread::scope(|scope| {
        let strike = || {
            let mine = || bans.strike(&subject).unwrap().is_some();
            (0..1000).filter(|_| mine()).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(strike)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(started, 1, "the four thousandth");
    assert_eq!(bans.blocks().len(), 1);
}

#[test]
fn settings_are_checked() {
    let kind = |escalate| Bans::new(escalate).unwrap_err();
    let day = 24 * HOUR;
    for (escalate, field) in [
        (Escalate::after(0, [HOUR]), "ban.after"),
        (Escalate::after(1, []), "ban.lengths"),
        (Escalate::after(1, [HOUR, Duration::ZERO]), "ban.lengths[1]"),
        (Escalate::after(1, [1000 * day]), "ban.lengths[0]"),
        (thrice().within(Duration::ZERO), "ban.within"),
        (thrice().forgive_after(Duration::ZERO), "ban.forgive_after"),
        (thrice().capacity(0), "ban.capacity"),
        (thrice().key(Key::global()), "ban.key"),
        (thrice().key(Key::route().and(Key::role())), "ban.key"),
    ] {
        assert_eq!(kind(escalate).field(), field);
    }
    let section = r#"{"tiers": [{"name": "a", "preset": "api"}], "ban": {"after": 0}}"#;
    let config: RateLimitConfig = serde_json::from_str(section).unwrap();
    let faults = FieldFaults::of(&config).to_string();
    assert_eq!(faults, "ban.after: must be from 1 to 1000000");
    assert!(config.layer().is_err());
    let good = section.replace('0', "3");
    let config: RateLimitConfig = serde_json::from_str(&good).unwrap();
    assert!(config.layer().unwrap().bans().is_some());
}

struct World {
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
}

impl World {
    fn new() -> Self {
        Self {
            clock: ManualClock::new(),
            sink: CollectingSink::new(),
        }
    }

    fn layer(&self, key: Key) -> RateLimitLayer {
        let limiter = Limiter::builder().clock(self.clock.clone());
        let limiter = limiter.tier("api", Quota::per_minute(1), key);
        let layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
        layer.ban(thrice()).unwrap()
    }

    async fn get(&self, layer: &RateLimitLayer, client: &str) -> Response<Bytes> {
        let ctx = RequestContext::builder()
            .client(at(client))
            .clock(self.clock.clone())
            .sink(self.sink.clone())
            .build();
        ctx.identify(Identity::Anonymous);
        let mut request = Request::new(());
        request.extensions_mut().insert(ctx);
        call(layer, request).await
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.sink
            .events()
            .iter()
            .map(|e| e.kind().clone())
            .collect()
    }
}

fn is_block(response: &Response<Bytes>) -> bool {
    let problem = response.extensions().get::<Problem>();
    problem.is_some_and(|problem| problem.type_uri().ends_with("#blocked"))
}

#[tokio::test]
async fn the_third_refusal_blocks_and_a_blocked_request_changes_no_quota() {
    let world = World::new();
    let layer = world.layer(Key::ip());
    assert_eq!(
        world.get(&layer, "192.0.2.1").await.status(),
        StatusCode::OK
    );
    for _ in 0..3 {
        assert!(!is_block(&world.get(&layer, "192.0.2.1").await));
    }
    // The quota is back after a minute; the block is not over.
    world.clock.advance(MINUTE + Duration::from_millis(500));
    let blocked = world.get(&layer, "192.0.2.1").await;
    assert_eq!(blocked.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(is_block(&blocked));
    assert_eq!(blocked.headers()[RETRY_AFTER], "240");
    assert!(!blocked.headers().contains_key("ratelimit"));
    assert_eq!(
        world.get(&layer, "192.0.2.2").await.status(),
        StatusCode::OK
    );
    world.clock.advance(4 * MINUTE);
    let served = world.get(&layer, "192.0.2.1").await;
    assert_eq!(served.status(), StatusCode::OK);
    assert_eq!(served.headers()["seen"], "0", "only this request counts");
    let kinds = world.kinds();
    for kind in [
        EventKind::BLOCK_STARTED,
        EventKind::BLOCKED,
        EventKind::BLOCK_ENDED,
    ] {
        assert_eq!(kinds.iter().filter(|k| **k == kind).count(), 1, "{kind}");
    }
    let events = world.sink.events();
    let started = events
        .iter()
        .find(|e| *e.kind() == EventKind::BLOCK_STARTED);
    assert_eq!(started.unwrap().entity(), Some(("address", "192.0.2.1/32")));
    assert_eq!(started.unwrap().detail()["seconds"], 300);
}

#[tokio::test]
async fn the_layer_counts_what_it_decides_and_not_who_is_blocked() {
    let world = World::new();
    let clock = world.clock.clone();
    let limiter = Limiter::builder()
        .clock(clock)
        .tier("api", Quota::per_minute(2), Key::ip());
    let limiter = limiter.build().unwrap();
    let statistics = crate::Statistics::of(&limiter);
    let layer = RateLimitLayer::new(limiter).unwrap().ban(thrice()).unwrap();
    let layer = layer.statistics(statistics.clone()).unwrap();
    for _ in 0..10 {
        world.get(&layer, "192.0.2.1").await;
    }
    let api = &statistics.policies()[0];
    assert_eq!(
        (api.allowed(), api.refused(), api.shadow_refused()),
        (2, 3, 0)
    );
}

#[tokio::test]
async fn what_others_exhaust_blocks_nobody() {
    for key in [Key::global(), Key::route()] {
        let world = World::new();
        let layer = world.layer(key);
        for _ in 0..20 {
            assert!(!is_block(&world.get(&layer, "192.0.2.1").await));
        }
        assert!(layer.bans().unwrap().blocks().is_empty());
    }
}

#[tokio::test]
async fn in_shadow_a_block_is_reported_and_passes() {
    let world = World::new();
    let layer = world.layer(Key::ip()).shadow(true);
    for _ in 0..6 {
        assert_eq!(
            world.get(&layer, "192.0.2.1").await.status(),
            StatusCode::OK
        );
    }
    let events = world.sink.events();
    for kind in [EventKind::BLOCK_STARTED, EventKind::BLOCKED] {
        let event = events.iter().find(|e| *e.kind() == kind).unwrap();
        assert_eq!(event.outcome(), Outcome::Pending);
    }
}

#[tokio::test]
async fn a_hook_answers_and_a_host_lifts() {
    let world = World::new();
    let layer = world
        .layer(Key::ip())
        .on_ban(|_: &Banned, _: RequestView<'_>| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        });
    for _ in 0..4 {
        world.get(&layer, "192.0.2.1").await;
    }
    let status = world.get(&layer, "192.0.2.1").await.status();
    assert_eq!(status, StatusCode::FORBIDDEN);
    let bans = layer.bans().unwrap();
    assert!(bans.unblock(&Subject::of(at("192.0.2.1"))).unwrap());
    let status = world.get(&layer, "192.0.2.1").await.status();
    assert_eq!(
        status,
        StatusCode::TOO_MANY_REQUESTS,
        "the quota's own answer"
    );
}

#[tokio::test]
async fn a_key_of_an_account_blocks_the_account_from_everywhere() {
    let world = World::new();
    let (bans, _) = bans(thrice().key(Key::header(http::header::AUTHORIZATION)));
    let subject = Subject::of("Bearer x");
    bans.block(&subject, HOUR).unwrap();
    let limiter = Limiter::builder().tier("api", Quota::api(), Key::ip());
    let layer = RateLimitLayer::new(limiter.build().unwrap())
        .unwrap()
        .ban_with(bans.clone());
    let ask = async |token: &'static str, client: &str| {
        let ctx = RequestContext::builder()
            .client(at(client))
            .sink(world.sink.clone())
            .build();
        let mut request = Request::builder()
            .header("authorization", token)
            .body(())
            .unwrap();
        request.extensions_mut().insert(ctx);
        is_block(&call(&layer, request).await)
    };
    assert!(ask("Bearer x", "192.0.2.1").await);
    assert!(ask("Bearer x", "198.51.100.1").await);
    assert!(!ask("Bearer y", "192.0.2.1").await);
    // An address is found beside the account.
    bans.block(&Subject::of(at("192.0.2.9")), HOUR).unwrap();
    assert!(ask("Bearer y", "192.0.2.9").await);
}
