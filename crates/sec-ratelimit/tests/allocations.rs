//! How often a decision allocates: never, but once for what holds a refusal.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    unsafe_code,
    reason = "a counting allocator is unsafe by its trait"
)]
#![allow(missing_docs, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use sec_core::RequestContext;
use sec_ratelimit::{
    AddressList, AddressListLayer, Answer, Bans, BotVerdict, Bots, BotsConfig, Clearance,
    Concurrency, ConcurrencyLayer, Escalate, Fields, Key, Limiter, Lookup, MatchedRoute, OnExceed,
    Quota, RateLimitLayer, ResolveError, Resolver, Shed, SpikeDetector, Spikes, Subject, Tier,
};
use tower::{Layer, Service, service_fn};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of the
// thread, whose initialiser is constant and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get().saturating_add(1)));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get).saturating_sub(before)
}

/// Fifty times a check, a peek and a reservation that is returned; what was admitted, refused, allocated.
fn decide<const N: usize>(tiers: [(&str, Quota); N]) -> (usize, usize, usize) {
    let mut builder = Limiter::builder();
    for (name, quota) in tiers {
        builder = builder.tier(name, quota, Key::given("address+account"));
    }
    let account =
        Tier::new("account", Quota::auth(), Key::given("account")).on_exceed(OnExceed::Demand);
    let limiter = builder.with_tier(account).build().unwrap();
    let client: std::net::IpAddr = "2001:db8::1".parse().unwrap();
    let subjects = || {
        let mut subjects = vec![Subject::of(client).and("alice"); N];
        subjects.push(Subject::of("alice"));
        subjects
    };
    let given: Vec<_> = (0..150).map(|_| subjects()).collect();
    let mut given = given.iter();
    let mut subjects = || given.next().unwrap();
    let (mut admitted, mut refused) = (0, 0);
    let count = allocations(|| {
        for _ in 0..50 {
            match limiter.check(subjects(), 1) {
                Ok(_) => admitted += 1,
                Err(_) => refused += 1,
            }
            let _ = limiter.peek(subjects(), 1);
            match limiter.reserve(subjects(), 1) {
                Ok(reservation) => drop(reservation.refund()),
                Err(_) => refused += 1,
            }
        }
    });
    (admitted, refused, count)
}

#[test]
fn a_decision_allocates_nothing_and_a_refusal_once() {
    let minute = Duration::from_secs(60);
    let (exact, bucket) = (
        ("exact", Quota::auth()),
        ("bucket", Quota::gcra(50, minute)),
    );
    let window = ("window", Quota::per(20, minute));
    let sliding = ("sliding", Quota::sliding(50, minute));
    let bounded = ("bounded", Quota::bounded(50, minute));
    assert_eq!(decide([exact, bucket]), (5, 91, 91));
    assert_eq!(decide([window, exact]), (5, 91, 91));
    assert_eq!(decide([sliding, bounded]), (50, 1, 1));
    // Above three tiers one for the keys and one for the decision, one for what a refund of something
    // taken would need, and one for the decision's copy when a reservation is settled.
    let many = [window, exact, bucket, sliding, bounded];
    let (checks, peeks, reserves, made) = (50, 50, 50, 4);
    let above = 2 * (checks + peeks + reserves) + (5 + made) + made;
    assert_eq!(decide(many), (5, 91, 91 + above));
    // The counter itself counts.
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

/// With one tier alone, which decides without a lock.
#[test]
fn a_decision_of_one_tier_allocates_nothing_and_a_refusal_once() {
    for quota in [Quota::api(), Quota::gcra(100, Duration::from_secs(60))] {
        let limiter = Limiter::builder().tier("api", quota, Key::given("user"));
        let limiter = limiter.build().unwrap();
        let admitted = allocations(|| {
            for _ in 0..100 {
                assert!(limiter.check([Subject::of("ada")], 1).is_ok());
            }
        });
        let refused = allocations(|| {
            for _ in 0..10 {
                assert!(limiter.check([Subject::of("ada")], 1).is_err());
                assert_ne!(limiter.take([Subject::of("ada")], 1), Ok(Answer::Admit));
            }
        });
        assert_eq!((admitted, refused), (0, 10), "{quota:?}");
    }
}

/// Keys that are never seen again, over tables for a thousand. They take no memory, and whoever is blocked or at a
/// limit stays so. tower_governor kept a key for each until `retain_recent` was called (governor#171), upstash's
/// cache kept 2 000 of 2 000 expired entries.
fn flood(tiers: usize, keys: u64) {
    let hour = Duration::from_secs(3600);
    let mut builder = Limiter::builder().capacity(1_000);
    for name in ["one", "two"].into_iter().take(tiers) {
        builder = builder.tier(name, Quota::per(3, hour), Key::given("key"));
    }
    let limiter = builder.build().unwrap();
    let bans = Bans::new(Escalate::after(3, [hour]).capacity(1_000)).unwrap();
    let of = |key: u64| [const { Subject::everyone() }; 2].map(|subject| subject.and(key));
    let take = |key| limiter.take(of(key).get(..tiers).unwrap(), 1).unwrap();
    for key in 0..20 {
        bans.block(&Subject::of(key), hour).unwrap();
        let admitted = (0..9).filter(|_| take(key) == Answer::Admit);
        assert_eq!(admitted.count(), 3, "{key}");
    }
    let mut admitted = 0;
    let count = allocations(|| {
        for key in 1_000..1_000 + keys {
            admitted += u64::from(take(key) == Answer::Admit);
            assert!(bans.strike(&Subject::of(key)).unwrap().is_none(), "{key}");
        }
    });
    assert_eq!((admitted, count), (keys, 0));
    for key in 0..20 {
        assert_ne!(take(key), Answer::Admit, "{key} was forgotten");
        let banned = bans.check(&Subject::of(key)).unwrap();
        assert!(banned.is_some(), "{key} is blocked no longer");
    }
}

/// Ten million: `cargo test --release --test allocations`. Without optimisation they would take half a minute.
const FLOOD: u64 = if cfg!(debug_assertions) {
    100_000
} else {
    10_000_000
};

/// In the table without locks.
#[test]
fn a_flood_of_keys_takes_no_memory_and_undoes_nothing() {
    flood(1, FLOOD);
}

/// In the one with locks, which a second tier needs.
#[test]
fn a_flood_of_keys_of_two_tiers_takes_no_memory_and_undoes_nothing() {
    flood(2, FLOOD / 10);
}

struct NoBody;

#[test]
fn the_layer_allocates_as_documented() {
    // One admitted request, its own making not counted.
    let through = |fields| {
        let limiter = Limiter::builder()
            .tier("api", Quota::api(), Key::ip())
            .tier("burst", Quota::gcra(50, Duration::from_secs(1)), Key::ip())
            .build()
            .unwrap();
        let layer = RateLimitLayer::new(limiter).unwrap().headers(fields);
        let mut service = layer.layer(service_fn(|_: Request<()>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(NoBody)))
        }));
        let mut request = Request::new(());
        let ctx = RequestContext::builder().build();
        request.extensions_mut().insert(ctx);
        let mut polled = None;
        let count = allocations(|| {
            let mut response = pin!(service.call(request));
            let mut cx = Context::from_waker(Waker::noop());
            polled = Some(response.as_mut().poll(&mut cx));
        });
        assert!(matches!(polled, Some(Poll::Ready(Ok(_)))));
        count
    };
    assert_eq!(through(Fields::NONE), 4);
    assert_eq!(through(Fields::IETF), 4 + 4);
    assert_eq!(through(Fields::IETF.and(Fields::LEGACY)), 4 + 4 + 6);
}

/// Blocks, an address list, statistics and spikes cost a request no allocation, nor does what begins a block.
#[test]
fn bans_lists_statistics_and_spikes_add_no_allocation() {
    let hour = Duration::from_secs(3600);
    let address = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
    let escalate = Escalate::after(3, [hour]);
    #[cfg(not(feature = "shared"))]
    let bans = Bans::new(escalate).unwrap();
    // What begins is then also queued for the store.
    #[cfg(feature = "shared")]
    let (bans, _follower) = {
        let store = std::sync::Arc::new(sec_ratelimit::MemoryStore::new());
        let sharing = sec_ratelimit::BanSharing::new("web", store, vec![7; 32]);
        let sharing = sharing.sink(sec_core::CollectingSink::new());
        Bans::shared(escalate, sharing).unwrap()
    };
    // With the first one it is told that nobody follows here.
    for other in 1..100 {
        bans.block(&Subject::of(address(other)), hour).unwrap();
    }
    // The second of two requests of a route; the first may make room for it.
    let through = |guarded: bool| {
        let limiter = Limiter::builder().statistics(guarded);
        let limiter = limiter.tier("api", Quota::api(), Key::ip());
        let mut layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
        let mut list = AddressList::default();
        if guarded {
            let detector = SpikeDetector::new(2, Duration::from_secs(10), 100).unwrap();
            layer = layer.ban_with(bans.clone()).spikes(Spikes::new(detector));
            list = AddressList::parse("203.0.113.7", "203.0.113.0/24\n2001:db8::/32").unwrap();
        }
        let listed = AddressListLayer::new(list).enabled(guarded);
        let layer = layer.headers(Fields::NONE);
        let mut service = listed.layer(layer.layer(service_fn(|_: Request<()>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(NoBody)))
        })));
        let mut last = 0;
        for _ in 0..2 {
            let mut request = Request::new(());
            let ctx = RequestContext::builder().client(address(200)).build();
            request.extensions_mut().insert(ctx);
            MatchedRoute::set(&mut request, "/items/{id}");
            last = allocations(|| {
                let mut response = pin!(service.call(request));
                let mut cx = Context::from_waker(Waker::noop());
                let polled = response.as_mut().poll(&mut cx);
                assert!(matches!(polled, Poll::Ready(Ok(_))));
            });
        }
        last
    };
    let bare = through(false);
    assert_eq!((bare, through(true)), (4, bare));

    let mut begun = 0;
    let count = allocations(|| {
        for _ in 0..10 {
            let subject = Subject::of(address(201));
            begun += usize::from(bans.strike(&subject).unwrap().is_some());
            let _ = bans.check(&subject);
        }
    });
    assert_eq!((begun, count), (1, 0));
}

struct NoDns;

impl Resolver for NoDns {
    fn names(&self, _: std::net::IpAddr) -> Lookup<'_, String> {
        Box::pin(async { Err(ResolveError::Failed) })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> Lookup<'a, std::net::IpAddr> {
        Box::pin(async { Err(ResolveError::Failed) })
    }
}

#[test]
fn permits_clearances_and_verdicts_allocate_nothing() {
    let shed = Shed::new(1).unwrap();
    let count = allocations(|| {
        let permit = shed.try_acquire().unwrap();
        assert!(shed.try_acquire().is_err());
        drop(permit);
    });
    assert_eq!(count, 0, "a permit and a refusal");

    let ctx = RequestContext::builder().user_agent("Mozilla/5.0").build();
    let clearance = Clearance::new(1).unwrap();
    let challenge = clearance.challenge(&ctx, 0);
    let solution = format!("{}:{}", challenge.token(), challenge.solve());
    let cookie = clearance.redeem(&ctx, &solution).unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    let request = Request::builder().header("cookie", cookie).body(());
    let request = request.unwrap();
    let count = allocations(|| assert!(clearance.is_cleared(&ctx, request.headers())));
    assert_eq!(count, 0, "a clearance");

    let config: BotsConfig = serde_json::from_str(r#"{"bad": ["badbot"]}"#).unwrap();
    let bots = Bots::new(&config, NoDns).unwrap();
    let bad = RequestContext::builder().user_agent("BadBot/1").build();
    let count = allocations(|| {
        assert_eq!(bots.classify(&ctx), BotVerdict::Unclaimed);
        assert!(matches!(bots.classify(&bad), BotVerdict::Bad(_)));
    });
    assert_eq!(count, 0, "verdicts");
}

/// Nothing for a permit or its refusal; in the layer one box for what watches the body, and the fields.
#[test]
fn a_permit_allocates_nothing_and_its_layer_once_beside_the_fields() {
    let limit = Concurrency::new("exports", 2).unwrap();
    let mut refused = 0;
    let count = allocations(|| {
        for _ in 0..50 {
            let subject = || Subject::of("alice");
            let _both = [limit.try_acquire(&subject()), limit.try_acquire(&subject())];
            refused += usize::from(limit.try_acquire(&subject()).is_err());
        }
    });
    assert_eq!((refused, count), (50, 0));

    let through = |headers| {
        let layer = ConcurrencyLayer::new(limit.clone(), Key::ip()).unwrap();
        let mut service = layer.headers(headers).layer(service_fn(|_: Request<()>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(NoBody)))
        }));
        let mut request = Request::new(());
        let ctx = RequestContext::builder().build();
        request.extensions_mut().insert(ctx);
        let mut polled = None;
        let count = allocations(|| {
            let mut response = pin!(service.call(request));
            let mut cx = Context::from_waker(Waker::noop());
            polled = Some(response.as_mut().poll(&mut cx));
        });
        assert!(matches!(polled, Some(Poll::Ready(Ok(_)))));
        count
    };
    assert_eq!(through(false), 1);
    assert_eq!(through(true), 1 + 6);
}
