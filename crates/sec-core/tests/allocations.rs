//! What the documentation says about allocations, counted.
#![allow(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a counting allocator in a test"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use sec_core::path::{PathMap, PathRules};
use sec_core::{ContextLayer, PeerAddr, RequestContext};
use tower::{Layer, Service, service_fn};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get().saturating_add(1)));
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is ours.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_decision_allocates_nothing() {
    let rules = PathRules::from_lists(["/api", "/@me"], ["/api/health", "/static"]).unwrap();
    let paths = [
        "/api/x",
        "/%40me",
        "/static/x",
        "/static/../x",
        "/caf%C3%A9",
        "/%zz",
        "*",
    ];
    let (applied, allocations) =
        counted(|| paths.iter().filter(|path| rules.applies(path)).count());
    assert_eq!((applied, allocations), (5, 0));
    let (_, allocations) = counted(|| drop(vec![0_u8; 8]));
    assert_eq!(allocations, 1, "the allocator does not count");
}

#[test]
fn a_look_up_by_prefix_allocates_nothing() {
    let mut map = PathMap::new();
    for rule in ["/", "/static", "/static/users", "/@me"] {
        map.insert(rule, rule).unwrap();
    }
    let paths = ["/static/x", "/static/users/7", "/x", "/%40me", "/a/../b"];
    let (found, allocations) =
        counted(|| paths.iter().filter(|path| map.get(path).is_some()).count());
    assert_eq!((found, allocations), (3, 0));
}

#[test]
fn a_request_costs_eight_small_allocations() {
    let seen = |request: Request<()>| {
        assert!(RequestContext::get(request.extensions()).is_some());
        ready(Ok::<_, Infallible>(Response::new(())))
    };
    let mut service = ContextLayer::new().layer(service_fn(seen));
    let mut request = || {
        let mut request = Request::get("/comments")
            .header("host", "example.com")
            .body(())
            .unwrap();
        request
            .headers_mut()
            .insert("user-agent", "Mozilla/5.0".parse().unwrap());
        // Hosts put the peer's address here, so the map of extensions exists already.
        request
            .extensions_mut()
            .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 1))));
        let (future, allocations) = counted(|| service.call(std::mem::take(&mut request)));
        let answer = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answer, Poll::Ready(Ok(_))));
        allocations
    };
    request();
    assert_eq!(request(), 8);
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNT.with(Cell::get);
    let result = work();
    (result, COUNT.with(Cell::get) - before)
}
