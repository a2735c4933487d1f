//! The numbers of each policy.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sec_core::AddrPrefix;

use super::sketch::Sketch;
use crate::digest::Seed;
use crate::policies::{Policies, PolicySet};
use crate::thread::{COPIES, copy_of_this_thread};
use crate::{Decision, Limiter, Tier};

/// How often each policy of a limiter admitted and refused, and its most active keys. Clones share their numbers.
///
/// Recording costs, per policy, one atomic addition to a counter that few threads share, and one short lock to search 64
/// counters of keys. It allocates nothing. The memory is taken at construction: 56 bytes per counter of keys, and 1 KiB,
/// per policy.
///
/// ```
/// # use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer, Statistics};
/// let limiter = Limiter::builder().tier("api", Quota::api(), Key::ip()).build()?;
/// let statistics = Statistics::of(&limiter);
/// let layer = RateLimitLayer::new(limiter)?.statistics(statistics.clone())?;
/// for policy in statistics.policies() {
///     println!("{}: {} refused", policy.name(), policy.refused());
/// }
/// # let _ = layer;
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Statistics {
    limiter: Arc<PolicySet>,
    policies: Arc<[Numbers]>,
    show_addresses: bool,
}

struct Numbers {
    name: Box<str>,
    /// Whether its key is the client's address group.
    by_address: bool,
    counts: [Counts; COPIES],
    top: Box<[Mutex<Sketch>]>,
}

/// On cache lines of its own, so that threads do not wait for one another's.
#[derive(Default)]
#[repr(align(64))]
struct Counts {
    allowed: AtomicU64,
    refused: AtomicU64,
    shadowed: AtomicU64,
}

/// The numbers of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatistics {
    name: Box<str>,
    allowed: u64,
    refused: u64,
    shadowed: u64,
    top: Vec<TopKey>,
}

/// One of the most active keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopKey {
    id: u64,
    address: Option<AddrPrefix>,
    requests: u64,
    error: u64,
}

/// Counters per sketch, and how many sketches a policy has; each key belongs to one of them.
const COUNTERS: usize = 64;
const SKETCHES: usize = 16;

impl Statistics {
    /// Nothing was counted yet.
    #[must_use]
    pub fn of(limiter: &Limiter) -> Self {
        let tiers = limiter.0.tiers.iter().map(|table| &table.tier);
        Self::over(tiers, &limiter.0.policies)
    }

    /// Those of a limiter that asks a store: what this process asked, whoever decided.
    #[cfg(feature = "shared")]
    #[must_use]
    pub fn of_shared(limiter: &crate::SharedLimiter) -> Self {
        let (tiers, policies) = limiter.policies();
        Self::over(tiers.iter(), policies)
    }

    pub(crate) fn over<'a>(tiers: impl Iterator<Item = &'a Tier>, policies: &Policies) -> Self {
        let tiers = tiers.map(|tier| Numbers {
            name: tier.name.as_str().into(),
            by_address: tier.key.is_ip(),
            counts: Default::default(),
            top: (0..SKETCHES)
                .map(|_| Mutex::new(Sketch::new(COUNTERS)))
                .collect(),
        });
        Self {
            limiter: policies.mine(),
            policies: tiers.collect(),
            show_addresses: false,
        }
    }

    /// Whether the most active keys of policies by address are kept as addresses. Default: false, a keyed hash is kept.
    /// Addresses are personal data.
    #[must_use]
    pub fn show_addresses(mut self, show: bool) -> Self {
        self.show_addresses = show;
        self
    }

    /// Counts a decision, as the layer does. `shadow`: a refusal was only reported. `client`: whose address is shown,
    /// if it may be.
    ///
    /// An admission counts for every policy, a refusal for those that refused. A decision of a limiter with other
    /// policies is not counted.
    pub fn record(&self, decision: &Decision, shadow: bool, client: Option<AddrPrefix>) {
        if !self.is_of(&decision.policies) && !self.has_the_names_of(decision) {
            return;
        }
        let allowed = decision.is_allowed();
        let shard = copy_of_this_thread();
        for (numbers, (policy, tier)) in self.policies.iter().zip(decision.each()) {
            if !allowed && !decision.violated().any(|name| *name == *policy.name) {
                continue;
            }
            if let Some(counts) = numbers.counts.get(shard) {
                let counter = match (allowed, shadow) {
                    (true, _) => &counts.allowed,
                    (false, false) => &counts.refused,
                    (false, true) => &counts.shadowed,
                };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            let sketch = usize::try_from(tier.partition >> 60).unwrap_or(0);
            if let Some(sketch) = numbers.top.get(sketch) {
                let shown = client.filter(|_| self.show_addresses && numbers.by_address);
                let mut sketch = sketch.lock().unwrap_or_else(PoisonError::into_inner);
                sketch.add(tier.partition, shown);
            }
        }
    }

    /// Whether they were made of the limiter with these policies.
    pub(crate) fn is_of(&self, policies: &PolicySet) -> bool {
        self.limiter.is(policies)
    }

    /// Whether these are the same numbers.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policies, &other.policies)
    }

    /// The fallback of a shared limiter decides for it, under its names.
    fn has_the_names_of(&self, decision: &Decision) -> bool {
        let theirs = decision.policies.iter().map(|policy| &policy.name);
        self.policies.iter().map(|numbers| &numbers.name).eq(theirs)
    }

    /// The numbers of this moment, in the order of the policies.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicyStatistics> {
        let veil = self.limiter.veil;
        let policies = self.policies.iter();
        policies.map(|numbers| numbers.read(veil)).collect()
    }
}

impl Numbers {
    fn read(&self, veil: Option<Seed>) -> PolicyStatistics {
        let sum = |of: fn(&Counts) -> &AtomicU64| {
            let counts = self.counts.iter().map(of);
            counts.fold(0_u64, |sum, n| sum.wrapping_add(n.load(Ordering::Relaxed)))
        };
        let mut top = Vec::new();
        for sketch in &self.top {
            let sketch = sketch.lock().unwrap_or_else(PoisonError::into_inner);
            top.extend(sketch.counters().map(|(id, counter)| TopKey {
                id: veil.map_or(id, |veil| veil.veil(id)),
                address: counter.shown,
                requests: counter.count,
                error: counter.error,
            }));
        }
        top.sort_by_key(|key| std::cmp::Reverse(key.requests));
        PolicyStatistics {
            name: self.name.clone(),
            allowed: sum(|counts| &counts.allowed),
            refused: sum(|counts| &counts.refused),
            shadowed: sum(|counts| &counts.shadowed),
            top,
        }
    }
}

impl PolicyStatistics {
    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests were admitted.
    #[must_use]
    pub const fn allowed(&self) -> u64 {
        self.allowed
    }

    /// How many requests this policy refused.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// How many it would have refused, had the layer not been in shadow mode.
    #[must_use]
    pub const fn shadow_refused(&self) -> u64 {
        self.shadowed
    }

    /// The most active keys, the most active first, at most 1 024.
    ///
    /// Keys are spread over 16 sketches of 64 counters. Of a sketch's n requests, no count is more than n/64 too high
    /// and none too low, and each key of more than n/64 requests is among them.
    #[must_use]
    pub fn top(&self) -> &[TopKey] {
        &self.top
    }
}

impl TopKey {
    /// A keyed hash of the key, from which neither the key nor its place in the table can be told: the same for one key
    /// and policy as long as the process lives, and the partition key of
    /// [`Fields::with_partition`](crate::Fields::with_partition).
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The address group, where it may be [shown](Statistics::show_addresses).
    #[must_use]
    pub const fn address(&self) -> Option<AddrPrefix> {
        self.address
    }

    /// How many requests it made, at most.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// By how much that may be too high.
    #[must_use]
    pub const fn error(&self) -> u64 {
        self.error
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.policies.iter().map(|numbers| &numbers.name);
        f.debug_list().entries(names).finish()
    }
}
