//! What the docs say about allocations, counted.

#![allow(unsafe_code, reason = "a counting allocator is unsafe by its trait")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that overflows or panics fails"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sec_audit::{AuditConfig, AuditTrail, RequestLogLayer};
use sec_core::path::PathRules;
use sec_core::{EventSink, Receipt, RequestContext, SecurityEvent};
use tower::{Layer, Service, service_fn};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = COUNT.with(Cell::get);
    let result = run();
    (COUNT.with(Cell::get) - before, result)
}

#[derive(Debug)]
struct Nowhere;

impl EventSink for Nowhere {
    fn emit(&self, _: SecurityEvent) -> Receipt {
        Receipt::none()
    }
}

/// One request through the layer to the end of its body; the request and the answer are made before the count.
fn run(layer: &RequestLogLayer, path: &str) -> usize {
    let ctx = RequestContext::builder()
        .sink(Arc::new(Nowhere))
        .path(path)
        .build();
    let mut request = Request::new(());
    request.extensions_mut().insert(ctx);
    let response = Response::new(Full::new(Bytes::from_static(b"hello")));
    let mut response = Some(response);
    let inner =
        service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(response.take().unwrap())));
    let inner = Once(Some(inner));
    let mut service = layer.layer(inner);
    let (count, ()) = allocations(|| {
        let mut future = pin!(service.call(request));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
            panic!("not ready")
        };
        let mut body = pin!(response.into_body());
        while let Poll::Ready(Some(_)) = http_body::Body::poll_frame(body.as_mut(), &mut cx) {}
    });
    count
}

/// The layer clones its inner service, and a service that gives an answer away cannot be cloned.
struct Once<S>(Option<S>);

impl<S> Clone for Once<S> {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<S: Service<Request<()>>> Service<Request<()>> for Once<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.as_mut().unwrap().poll_ready(cx)
    }

    fn call(&mut self, request: Request<()>) -> S::Future {
        self.0.as_mut().unwrap().call(request)
    }
}

#[test]
fn a_request_costs_what_the_docs_say() {
    let excluded = RequestLogLayer::new().paths(PathRules::all().exclude("/healthz").unwrap());
    assert_eq!(run(&excluded, "/healthz"), 0, "a path that is left out");
    assert_eq!(
        run(&RequestLogLayer::new().enabled(false), "/"),
        0,
        "switched off"
    );
    assert_eq!(
        run(&RequestLogLayer::new().sample_one_in(0), "/"),
        1,
        "a success that is left out"
    );
    assert_eq!(
        run(&RequestLogLayer::new(), "/"),
        5,
        "a recorded request: observer, map node, three names"
    );
}

#[test]
fn recording_an_event_costs_what_the_docs_say() {
    let trail = AuditTrail::in_memory(&AuditConfig::default()).unwrap();
    let ctx = RequestContext::builder()
        .path("/a")
        .user_agent("curl/8")
        .build();
    // The ring grows now and then: not what is counted here.
    for _ in 0..40 {
        let _ = trail.emit(ctx.event(sec_core::EventKind::LOGIN_FAILURE));
    }
    let event = ctx
        .event(sec_core::EventKind::LOGIN_FAILURE)
        .with_subject("ann");
    let (count, _) = allocations(|| trail.emit(event));
    assert_eq!(
        count, 6,
        "actor, request id, method, path, agent, and the entry"
    );
}

/// Handlers hold these across `.await` on any thread.
#[test]
fn the_faces_of_the_trail_can_be_sent() {
    fn sent<T: Send>(_: T) {}
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let trail = AuditTrail::in_memory(&AuditConfig::default()).unwrap();
    shared(&trail);
    shared(&RequestLogLayer::new());
    sent(trail.query(&sec_audit::AuditQuery::default()));
    sent(
        trail
            .export_by(&sec_audit::ExportQuery::default(), "job")
            .into_response(),
    );
}
