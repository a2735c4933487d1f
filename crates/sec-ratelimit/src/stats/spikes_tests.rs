use std::sync::Arc;
use std::time::Duration;

use http::Request;
use sec_core::{CollectingSink, EventKind, ManualClock, Outcome, RequestContext, SecurityEvent};

use super::*;
use crate::tests::layer::call;
use crate::{Escalate, Key, Limiter, MatchedRoute, Quota, RateLimitLayer, UNMATCHED};

const WINDOW: Duration = Duration::from_secs(10);

fn detector() -> SpikeDetector {
    SpikeDetector::new(3, WINDOW, 20).unwrap()
}

/// Observes so many requests in the window of this number.
fn flood(spikes: &Spikes, route: &str, window: u32, requests: usize) -> Vec<SpikeChange> {
    let changes = (0..requests).filter_map(|_| spikes.observe(route, WINDOW * window));
    changes.collect()
}

fn began(changes: &[SpikeChange]) -> bool {
    matches!(changes, [SpikeChange::Began(_)])
}

#[test]
fn a_spike_begins_once_however_long_it_lasts_and_is_over_after_a_quiet_window() {
    let spikes = Spikes::new(detector());
    assert_eq!(flood(&spikes, "/a", 0, 10), []);
    let first = flood(&spikes, "/a", 1, 500);
    assert!(began(&first), "{first:?}");
    for window in 2..4 {
        assert_eq!(flood(&spikes, "/a", window, 500), []);
    }
    assert_eq!(flood(&spikes, "/a", 4, 10), [], "the window is not over");
    assert_eq!(flood(&spikes, "/a", 5, 1), [SpikeChange::Over(4 * WINDOW)]);
    assert_eq!(flood(&spikes, "/a", 6, 10), []);
    // The next one is told again.
    assert!(began(&flood(&spikes, "/a", 7, 500)));
    // A window in which nothing came is quiet as well.
    assert_eq!(flood(&spikes, "/a", 9, 1), [SpikeChange::Over(2 * WINDOW)]);
}

#[test]
fn a_route_that_nobody_asks_for_any_more_is_settled_by_the_others() {
    let spikes = Spikes::new(detector());
    let settled = |window: u32| {
        let mut told = Vec::new();
        let now = WINDOW * window + Duration::from_secs(1);
        spikes.settle(now, |route, change| told.push((route.to_owned(), change)));
        told
    };
    flood(&spikes, "/a", 0, 10);
    flood(&spikes, "/b", 0, 10);
    assert!(began(&flood(&spikes, "/a", 1, 500)));
    assert_eq!(settled(1), []);
    assert_eq!(settled(2), [], "the spike's own window");
    let lasted = 2 * WINDOW + Duration::from_secs(1);
    assert_eq!(settled(3), [("/a".to_owned(), SpikeChange::Over(lasted))]);
    assert_eq!(settled(3), []);
    assert_eq!(settled(4), []);
}

#[test]
fn the_memory_is_bounded_and_further_routes_are_one() {
    let spikes = Spikes::with_routes(detector(), 8).unwrap();
    let routes: Vec<_> = (0..1000).map(|index| format!("/r{index}")).collect();
    for route in &routes {
        assert_eq!(flood(&spikes, route, 0, 1), []);
    }
    // Eight have a place. The others had 992 requests together, and so have no spike now.
    let told = |requests| {
        let changes = routes
            .iter()
            .map(|route| flood(&spikes, route, 1, requests));
        changes.filter(|changes| !changes.is_empty()).count()
    };
    assert_eq!(told(2), 0);
    assert_eq!(told(25), 8 + 1);
    // A name that is no template is cut, at a border of characters.
    let long = "é".repeat(100_000);
    assert_eq!(flood(&Spikes::new(detector()), &long, 0, 1), []);
    let error = Spikes::with_routes(detector(), 0).unwrap_err();
    assert_eq!(error.field(), "routes");
}

#[test]
fn threads_lose_no_request_and_tell_a_spike_once() {
    let spikes = Spikes::new(SpikeDetector::new(2, WINDOW, 1000).unwrap());
    flood(&spikes, "/a", 0, 1);
    let told: usize = std::thread::scope(|scope| {
        let work = || flood(&spikes, "/a", 1, 250).len();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(told, 1, "at the thousandth");
}

struct World {
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
    layer: RateLimitLayer,
}

impl World {
    fn new() -> Self {
        let (clock, sink) = (ManualClock::new(), CollectingSink::new());
        let limiter = Limiter::builder().clock(clock.clone());
        let limiter = limiter.tier("api", Quota::per(5, WINDOW), Key::ip());
        let layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
        let layer = layer.ban(Escalate::after(3, [360 * WINDOW])).unwrap();
        Self {
            clock,
            sink,
            layer: layer.spikes(Spikes::new(detector())),
        }
    }

    async fn ask(&self, route: Option<&str>, path: &str, times: usize) {
        for _ in 0..times {
            let ctx = RequestContext::builder()
                .clock(self.clock.clone())
                .sink(self.sink.clone());
            let mut request = Request::builder().uri(path).body(()).unwrap();
            request.extensions_mut().insert(ctx.path(path).build());
            if let Some(route) = route {
                MatchedRoute::set(&mut request, route);
            }
            call(&self.layer, request).await;
        }
    }

    fn told(&self) -> Vec<SecurityEvent> {
        let kinds = [EventKind::SPIKE_STARTED, EventKind::SPIKE_ENDED];
        let mut events = self.sink.events();
        events.retain(|event| kinds.contains(event.kind()));
        events
    }
}

#[tokio::test]
async fn the_layer_counts_all_requests_of_a_route_and_emits_one_event_for_begin_and_end() {
    let world = World::new();
    world.ask(Some("/items/{id}"), "/items/1", 10).await;
    world.clock.advance(WINDOW);
    // Most are refused, and then blocked: they count all the same.
    world.ask(Some("/items/{id}"), "/items/2", 100).await;
    let events = world.told();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(*event.kind(), EventKind::SPIKE_STARTED);
    assert_eq!(event.entity(), Some(("route", "/items/{id}")));
    assert_eq!(event.client(), None, "it is about the route");
    assert_eq!(event.outcome(), Outcome::Pending);
    assert_eq!(
        (&event.detail()["requests"], &event.detail()["usual"]),
        (&31.into(), &10.into())
    );
    // Another route, two windows later, closes it.
    world.clock.advance(2 * WINDOW);
    world.ask(Some("/other"), "/other", 1).await;
    let events = world.told();
    assert_eq!(events.len(), 2);
    assert_eq!(*events[1].kind(), EventKind::SPIKE_ENDED);
    assert_eq!(events[1].entity(), Some(("route", "/items/{id}")));
    assert_eq!(events[1].detail()["seconds"], 20);
}

#[tokio::test]
async fn what_matched_no_route_is_one_whatever_its_path() {
    let world = World::new();
    world.ask(None, "/first", 1).await;
    world.clock.advance(WINDOW);
    for index in 0..40 {
        world.ask(None, &format!("/scan/{index}"), 1).await;
    }
    let events = world.told();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].entity(), Some(("route", UNMATCHED)));
}
