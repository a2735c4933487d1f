//! What the table without locks is built on: the standard library's, or loom's when its test explores
//! the interleavings (`RUSTFLAGS="--cfg sec_loom" cargo test -p sec-ratelimit --lib loom`).

#[cfg(not(all(test, sec_loom)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(all(test, sec_loom))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
