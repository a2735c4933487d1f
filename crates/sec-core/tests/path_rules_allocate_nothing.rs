//! The promise of `PathRules`: a decision allocates nothing.
#![allow(unsafe_code, reason = "a counting allocator")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use sec_core::path::PathRules;

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
    let before = COUNT.with(Cell::get);
    let applied = paths.iter().filter(|path| rules.applies(path)).count();
    let after = COUNT.with(Cell::get);
    assert_eq!(applied, 5);
    assert_eq!(after, before);
    drop(vec![0_u8; 8]);
    assert!(
        COUNT.with(Cell::get) > after,
        "the allocator does not count"
    );
}
