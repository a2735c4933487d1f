//! Which of a few copies a thread uses of what it would else contend for.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many copies there are: as many threads, those that asked first, share nothing; further ones begin anew.
pub(crate) const COPIES: usize = 16;

/// This thread's copy, below [`COPIES`].
#[inline]
pub(crate) fn copy_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % COPIES);
        }
        mine.get()
    })
}
