//! The tiers of a limiter as its decisions know them, and how threads refer to them.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use sec_core::Problem;

use crate::digest::Seed;
use crate::refused;
use crate::thread::{COPIES, copy_of_this_thread};

/// The policies of a limiter, once per group of threads: counting references to one and the same, threads
/// would wait for one another's cache line at every decision.
#[derive(Clone)]
pub(crate) struct Policies(Arc<[Arc<PolicySet>; COPIES]>);

/// What the decisions of a limiter refer to; on cache lines of its own, with its count.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct PolicySet {
    /// The same in all copies, and in those of no other limiter.
    id: u64,
    each: Box<[Policy]>,
    /// What is answered where one of them alone is used up, written at the first refusal.
    refusals: OnceLock<Box<[Problem]>>,
    /// `RateLimit-Policy` where no key has a limit of its own and none is told.
    pub(crate) field: Option<HeaderValue>,
    /// What partition keys are told under, where the identities in a `TierState` must not leave.
    pub(crate) veil: Option<Seed>,
}

/// What does not change from request to request.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: Box<str>,
    /// The name as a String of a structured field, up to what remains in `RateLimit`.
    pub(crate) remaining: Box<str>,
    /// What events call the key.
    pub(crate) key: Box<str>,
    /// The units per window, where a key has no limit of its own.
    pub(crate) quota: u64,
    pub(crate) window: Duration,
    pub(crate) demanding_only: bool,
}

impl Policies {
    pub(crate) fn new(each: impl Iterator<Item = Policy>, veil: Option<Seed>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let each: Box<[Policy]> = each.collect();
        let copy = || PolicySet {
            id,
            // A clone would share its bytes, and their count.
            field: crate::headers::policies(&each),
            refusals: OnceLock::new(),
            each: each.clone(),
            veil,
        };
        Self(Arc::new(std::array::from_fn(|_| Arc::new(copy()))))
    }

    /// For a decision of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> Arc<PolicySet> {
        let [first, ..] = &*self.0;
        self.0.get(copy_of_this_thread()).unwrap_or(first).clone()
    }
}

impl PolicySet {
    /// What is answered where this policy alone is used up, without the time to wait.
    pub(crate) fn refusal(&self, index: usize) -> Option<&Problem> {
        let refusal = |policy: &Policy| refused::exhausted([&*policy.name]).prepared();
        let refusals = self
            .refusals
            .get_or_init(|| self.iter().map(refusal).collect());
        refusals.get(index)
    }

    /// Whether both are of one limiter.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Deref for PolicySet {
    type Target = [Policy];

    fn deref(&self) -> &[Policy] {
        &self.each
    }
}
