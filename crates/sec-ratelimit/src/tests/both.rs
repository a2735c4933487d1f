//! What a layer does around either kind of limiter.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sec_core::{CollectingSink, EventKind, ManualClock, RequestContext, RequestView};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    Banned, Bans, Escalate, Fallback, Key, Limiter, MemoryStore, Quota, RateLimitLayer,
    SharedLimiter, SharedStore, Statistics, Subject,
};

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
}

fn world() -> World {
    World {
        clock: ManualClock::new(),
        sink: CollectingSink::new(),
    }
}

fn escalate() -> Escalate {
    Escalate::after(3, [HOUR]).capacity(64)
}

fn forbidden(_: &Banned, _: RequestView<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

impl World {
    fn memory(&self, statistics: bool) -> Limiter {
        let limiter = Limiter::builder().capacity(64).statistics(statistics);
        let limiter = limiter.clock(self.clock.clone());
        limiter
            .tier("api", Quota::per(2, HOUR), Key::ip())
            .build()
            .unwrap()
    }

    fn shared(&self, statistics: bool) -> SharedLimiter {
        let store = MemoryStore::with_clock(self.clock.clone());
        SharedLimiter::builder("api", Arc::new(store), vec![7; 32])
            .clock(self.clock.clone())
            .statistics(statistics)
            .tier("api", Quota::per(2, HOUR), Key::ip())
            .build()
            .unwrap()
    }

    fn request(&self, client: &str) -> Request<()> {
        let ctx = RequestContext::builder()
            .client(client.parse::<IpAddr>().unwrap())
            .clock(self.clock.clone())
            .sink(self.sink.clone());
        let mut request = Request::new(());
        request.extensions_mut().insert(ctx.build());
        request
    }
}

/// The status of an answer, through a layer of either type.
macro_rules! get {
    ($world:expr, $layer:expr, $client:expr) => {{
        let service = service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
        });
        let layered = $layer.layer(service);
        let response = layered.oneshot($world.request($client)).await.unwrap();
        response.status().as_u16()
    }};
}

macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod memory {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name!(memory, RateLimitLayer::new, Statistics::of);
            })*
        }

        mod shared {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name!(shared, RateLimitLayer::shared, Statistics::of_shared);
            })*
        }
    };
}

macro_rules! repeated_refusals_block_and_the_hook_answers_whenever_it_was_given {
    ($limiter:ident, $layer:path, $of:path) => {
        for hook_first in [true, false] {
            let world = world();
            let layer = $layer(world.$limiter(false)).unwrap();
            let layer = if hook_first {
                layer.on_ban(forbidden).ban(escalate()).unwrap()
            } else {
                layer.ban(escalate()).unwrap().on_ban(forbidden)
            };
            for expected in [200, 200, 429, 429, 429, 403, 403] {
                assert_eq!(get!(world, layer, "192.0.2.1"), expected);
            }
            assert_eq!(get!(world, layer, "192.0.2.2"), 200);
            assert_eq!(layer.bans().unwrap().blocks().len(), 1);
            let events = world.sink.events();
            for kind in [EventKind::BLOCK_STARTED, EventKind::BLOCKED] {
                assert!(events.iter().any(|event| *event.kind() == kind), "{kind}");
            }
            world.clock.advance(HOUR);
            assert_eq!(get!(world, layer, "192.0.2.1"), 200);
        }
    };
}

macro_rules! layers_share_blocks_that_a_host_sets {
    ($limiter:ident, $layer:path, $of:path) => {
        let world = world();
        let bans = Bans::with_clock(escalate(), world.clock.clone()).unwrap();
        let layer = $layer(world.$limiter(false)).unwrap();
        let layer = layer.ban_with(bans.clone());
        let client = Subject::of("192.0.2.1".parse::<IpAddr>().unwrap());
        bans.block(&client, HOUR).unwrap();
        assert_eq!(get!(world, layer, "192.0.2.1"), 429);
        bans.unblock(&client).unwrap();
        assert_eq!(get!(world, layer, "192.0.2.1"), 200);
    };
}

macro_rules! statistics_count_each_request_once {
    ($limiter:ident, $layer:path, $of:path) => {
        // Of the layer, of the limiter, and both.
        for (of_limiter, given) in [(false, true), (true, false), (true, true)] {
            let world = world();
            let limiter = world.$limiter(of_limiter);
            assert_eq!(limiter.statistics().is_some(), of_limiter);
            let own = limiter.statistics().cloned();
            let mut layer = $layer(limiter.clone()).unwrap();
            let counted = own.unwrap_or_else(|| $of(&limiter));
            if given {
                let shown = counted.clone().show_addresses(true);
                layer = layer.statistics(shown).unwrap();
            }
            for _ in 0..5 {
                get!(world, layer, "192.0.2.1");
            }
            get!(world, layer.clone().shadow(true), "192.0.2.1");
            let [api] = counted.policies().try_into().unwrap();
            let counts = (api.allowed(), api.refused(), api.shadow_refused());
            assert_eq!(counts, (2, 3, 1), "{of_limiter} {given}");
            assert_eq!(api.top()[0].requests(), 6);
            assert_eq!(api.top()[0].address().is_some(), given);
        }
        // Others beside those of the limiter count as well.
        let world = world();
        let limiter = world.$limiter(true);
        let more = $of(&limiter);
        let layer = $layer(limiter.clone()).unwrap();
        let layer = layer.statistics(more.clone()).unwrap();
        get!(world, layer, "192.0.2.1");
        assert_eq!(more.policies()[0].allowed(), 1);
        let own = limiter.statistics().unwrap();
        assert_eq!(own.policies()[0].allowed(), 1);
    };
}

macro_rules! statistics_of_another_limiter_are_an_error {
    ($limiter:ident, $layer:path, $of:path) => {
        let world = world();
        let other = $of(&world.$limiter(false));
        let layer = $layer(world.$limiter(false)).unwrap();
        let error = layer.statistics(other).unwrap_err();
        assert_eq!(error.field(), "statistics");
    };
}

use {
    layers_share_blocks_that_a_host_sets,
    repeated_refusals_block_and_the_hook_answers_whenever_it_was_given,
    statistics_count_each_request_once, statistics_of_another_limiter_are_an_error,
};

both!(
    repeated_refusals_block_and_the_hook_answers_whenever_it_was_given,
    layers_share_blocks_that_a_host_sets,
    statistics_count_each_request_once,
    statistics_of_another_limiter_are_an_error,
);

fn numbers(statistics: Option<&Statistics>) -> (u64, u64) {
    let policies = statistics.unwrap().policies();
    (policies[0].allowed(), policies[0].refused())
}

/// Threads refer to the policies by copies of their own.
#[test]
fn statistics_that_another_thread_made_are_of_this_limiter() {
    let limiter = world().memory(false);
    let mine = Statistics::of(&limiter);
    for _ in 0..3 {
        let here = &limiter;
        let theirs = std::thread::scope(|scope| scope.spawn(|| Statistics::of(here)).join());
        let layer = RateLimitLayer::new(limiter.clone()).unwrap();
        assert!(layer.statistics(theirs.unwrap()).is_ok());
        let ada = [Subject::of("ada")];
        let there = || std::thread::scope(|scope| scope.spawn(|| here.peek(ada, 1)).join());
        mine.record(&there().unwrap().unwrap(), false, None);
    }
    assert_eq!(numbers(Some(&mine)), (3, 0));
}

#[tokio::test]
async fn plain_functions_are_counted_each_once_and_a_peek_is_not() {
    let world = world();
    let ada = || [Subject::of("ada")];
    let limiter = world.memory(true);
    limiter.check(ada(), 1).unwrap();
    limiter.take(ada(), 1).unwrap();
    assert!(limiter.check(ada(), 1).is_err());
    limiter.take(ada(), 1).unwrap();
    assert!(limiter.reserve(ada(), 1).is_err());
    let request = world.request("192.0.2.1");
    limiter
        .reserve_request(RequestView::from(&request), 1)
        .unwrap()
        .refund();
    limiter.peek(ada(), 1).unwrap();
    assert_eq!(numbers(limiter.statistics()), (3, 3));

    let limiter = world.shared(true);
    limiter.check(ada(), 1).await.unwrap();
    limiter.reserve(ada(), 1).await.unwrap().commit();
    // The second refusal is a remembered one.
    for _ in 0..2 {
        assert!(limiter.check(ada(), 1).await.is_err());
    }
    let view = RequestView::from(&request);
    limiter.reserve_request(view, 1).await.unwrap().commit();
    limiter.peek(ada(), 1).await.unwrap();
    assert_eq!(numbers(limiter.statistics()), (3, 2));
}

#[tokio::test]
async fn what_a_fallback_decides_is_counted_and_what_nobody_decides_is_not() {
    let limiter = |fallback| {
        let store: Arc<dyn SharedStore> = Arc::new(Away);
        let limiter = SharedLimiter::builder("api", store, vec![7; 32]);
        let limiter = limiter.on_store_error(fallback).statistics(true);
        limiter
            .tier("api", Quota::per(2, HOUR), Key::given("user"))
            .build()
            .unwrap()
    };
    for (fallback, expected) in [
        (Fallback::Local { nodes: 1 }, (2, 3)),
        (Fallback::Open, (5, 0)),
        (Fallback::Closed, (0, 0)),
    ] {
        let limiter = limiter(fallback);
        for _ in 0..5 {
            let _ = limiter.check([Subject::of("ada")], 1).await;
        }
        assert_eq!(numbers(limiter.statistics()), expected, "{fallback:?}");
    }
}

/// A store that is never there.
#[derive(Debug)]
struct Away;

impl SharedStore for Away {
    fn decide<'a>(
        &'a self,
        _: &'a crate::Ask,
        _: bool,
        _: std::time::Instant,
    ) -> crate::StoreFuture<'a, crate::Given> {
        Box::pin(std::future::ready(Err(away())))
    }

    fn settle<'a>(
        &'a self,
        _: &'a crate::Ask,
        _: &'a [crate::Hold],
        _: crate::Change,
        _: std::time::Instant,
    ) -> crate::StoreFuture<'a, crate::Given> {
        Box::pin(std::future::ready(Err(away())))
    }

    fn reset<'a>(&'a self, _: &'a crate::Ask, _: std::time::Instant) -> crate::StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Err(away())))
    }
}

fn away() -> crate::StoreError {
    crate::StoreError::Unreachable("gone".into())
}
