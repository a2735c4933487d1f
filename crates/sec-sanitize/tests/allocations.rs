//! The allocation promises of the README, counted.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Write;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sec_core::PathRules;
use sec_sanitize::{ErrorLayer, HtmlPolicy, escape};
use tower::{Service, service_fn};
use tower_layer::Layer;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get().wrapping_add(1)));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = COUNT.get();
    let result = work();
    (COUNT.get().wrapping_sub(before), result)
}

#[test]
fn text_without_markup_costs_one_copy_or_none() {
    let policy = HtmlPolicy::comment();
    let text = "No markup, \"quotes\", and ünïcödé.";
    assert_eq!(counted(|| policy.clean(text).unwrap()).0, 1);
    let owned = text.to_owned();
    assert_eq!(counted(move || policy.clean_string(owned).unwrap()).0, 0);
    // The named policies are built once.
    assert_eq!(counted(HtmlPolicy::comment).0, 0);
}

#[test]
fn escaping_allocates_nothing() {
    struct Sink(usize);
    impl Write for Sink {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.saturating_add(text.len());
            Ok(())
        }
    }
    let text = "<a href=\"x\">&amp; 'é'\u{2028}</a>";
    let (count, ()) = counted(|| {
        let mut sink = Sink(0);
        write!(sink, "{}", escape::html(text)).unwrap();
        write!(sink, "{}", escape::js_string(text)).unwrap();
        write!(sink, "{}", escape::url_component(text)).unwrap();
        assert!(sink.0 > text.len());
    });
    assert_eq!(count, 0);
}

#[test]
fn an_answer_that_passes_costs_nothing() {
    let inner = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
    });
    let paths = PathRules::all().exclude("/grpc").unwrap();
    let mut service = ErrorLayer::new().paths(paths).layer(inner);
    let request = Request::new(());
    let (count, answer) = counted(|| {
        let mut cx = Context::from_waker(Waker::noop());
        let mut future = std::pin::pin!(service.call(request));
        future.as_mut().poll(&mut cx)
    });
    assert!(matches!(answer, Poll::Ready(Ok(ref answer)) if answer.status() == 200));
    assert_eq!(count, 0);
}
