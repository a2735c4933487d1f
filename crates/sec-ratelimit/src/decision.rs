//! What a limiter decided, tier by tier.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::Standing;
use crate::policies::{Policy, PolicySet};

/// How many tiers one decision can hold.
pub(crate) const MAX_TIERS: usize = 8;

/// One value per tier; without an allocation for as many tiers as most limiters have.
pub(crate) type PerTier<T> = SmallVec<[T; 3]>;

/// What a limiter decided about one request. [`RateLimitLayer`](crate::RateLimitLayer) puts it into
/// the extensions of the request and of the response.
///
/// `limit`, `remaining`, `reset` and `tier` speak of the strictest tier: the one that refused, and
/// waits longest, or else the one with the least remaining. Tiers which only
/// [demand](crate::OnExceed::Demand) are not among them.
///
/// Making one allocates nothing for up to three tiers, and its clone costs one reference count; above
/// three, each is one allocation.
pub struct Decision {
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) tiers: PerTier<TierState>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TierState {
    pub(crate) standing: Standing,
    /// The limit that applied: the quota's or the caller's own.
    pub(crate) quota: u64,
    /// Tells one key from another, within the process.
    pub(crate) partition: u64,
    pub(crate) verdict: Verdict,
    pub(crate) marks: Marks,
}

/// What else is to be known of a tier, as a whole word: a state is copied often, and a processor that reads
/// at once what was just written byte by byte waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks(u64);

impl Marks {
    const DEMANDING: u64 = 1;
    const SHARED: u64 = 2;

    #[inline]
    pub(crate) fn demanding(demands: bool) -> Self {
        Self(u64::from(demands).wrapping_mul(Self::DEMANDING))
    }

    /// Counted together with other keys, or by a fallback.
    #[inline]
    pub(crate) fn shared_if(self, shared: bool) -> Self {
        Self(self.0 | u64::from(shared).wrapping_mul(Self::SHARED))
    }
}

impl TierState {
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        !self.demands_only() && self.verdict != Verdict::Admitted
    }

    #[inline]
    pub(crate) fn demands_only(&self) -> bool {
        self.marks.0 & Marks::DEMANDING != 0
    }

    fn is_shared(&self) -> bool {
        self.marks.0 & Marks::SHARED != 0
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    #[default]
    Admitted,
    /// Exhausted, for this many nanoseconds.
    Exhausted(u64),
    /// The cost can never fit.
    Impossible,
}

/// How one tier stands after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStanding<'a> {
    /// The tier's name.
    pub name: &'a str,
    /// The units per window that applied to this key.
    pub quota: u64,
    /// The window.
    pub window: Duration,
    /// What can be taken now.
    pub remaining: u64,
    /// When everything is available again.
    pub reset: Duration,
    /// When one more unit is available.
    pub next: Duration,
    /// Whether this tier is exhausted.
    pub exhausted: bool,
}

impl Decision {
    /// Whether no tier refuses.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refusing().next().is_none()
    }

    /// The most that the strictest tier admits at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.strictest().map_or(0, |(_, tier)| tier.standing.limit)
    }

    /// What can be taken now.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.strictest()
            .map_or(0, |(_, tier)| tier.standing.remaining)
    }

    /// When the strictest tier is untouched again.
    #[must_use]
    pub fn reset(&self) -> Duration {
        Duration::from_nanos(self.strictest().map_or(0, |(_, tier)| tier.standing.reset))
    }

    /// The strictest tier's name; empty when all tiers only demand.
    #[must_use]
    pub fn tier(&self) -> &str {
        self.strictest().map_or("", |(policy, _)| &policy.name)
    }

    /// How long until what was refused could be admitted: the longest wait among the tiers that
    /// refused. `None` when nothing was refused, and when waiting cannot help because the cost is
    /// above what a tier can ever admit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let mut longest = None;
        for (_, tier) in self.refusing() {
            match tier.verdict {
                Verdict::Exhausted(wait) => longest = longest.max(Some(wait)),
                Verdict::Impossible => return None,
                Verdict::Admitted => {}
            }
        }
        longest.map(Duration::from_nanos)
    }

    /// Whether the cost is above what a tier can ever admit.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        self.refusing()
            .any(|(_, tier)| tier.verdict == Verdict::Impossible)
    }

    /// The tiers that refused, in their order.
    pub fn violated(&self) -> impl Iterator<Item = &str> {
        self.refusing().map(|(policy, _)| &*policy.name)
    }

    /// The index of the tier that refused, if no other did.
    pub(crate) fn only_violated(&self) -> Option<usize> {
        let mut refusing = self.tiers.iter().enumerate();
        let mut next = || refusing.find(|(_, tier)| tier.refuses());
        let (index, _) = next()?;
        next().is_none().then_some(index)
    }

    /// The exhausted tiers that [demand](crate::OnExceed::Demand) more instead of refusing.
    pub fn demands(&self) -> impl Iterator<Item = &str> {
        self.each()
            .filter(|(_, tier)| tier.demands_only() && tier.verdict != Verdict::Admitted)
            .map(|(policy, _)| &*policy.name)
    }

    /// Whether this tier demands more.
    #[must_use]
    pub fn demands_tier(&self, name: &str) -> bool {
        self.demands().any(|tier| tier == name)
    }

    /// Whether a tier had no room for this key and counted it together with others (see
    /// [`LimiterBuilder::capacity`](crate::LimiterBuilder::capacity)), or the shared store did not
    /// answer and its fallback decided.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.each().any(|(_, tier)| tier.is_shared())
    }

    /// All tiers in their order, those which only demand included.
    pub fn tiers(&self) -> impl Iterator<Item = TierStanding<'_>> {
        self.each().map(|(policy, tier)| TierStanding {
            name: &policy.name,
            quota: tier.quota,
            window: policy.window,
            remaining: tier.standing.remaining,
            reset: Duration::from_nanos(tier.standing.reset),
            next: Duration::from_nanos(tier.standing.next),
            exhausted: tier.verdict != Verdict::Admitted,
        })
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (&Policy, &TierState)> {
        self.policies.iter().zip(&self.tiers)
    }

    pub(crate) fn refusing(&self) -> impl Iterator<Item = (&Policy, &TierState)> {
        self.each().filter(|(_, tier)| tier.refuses())
    }

    pub(crate) fn strictest(&self) -> Option<(&Policy, &TierState)> {
        self.each()
            .filter(|(_, tier)| !tier.demands_only())
            .min_by_key(|(_, tier)| {
                let wait = match tier.verdict {
                    Verdict::Impossible => u64::MAX,
                    Verdict::Exhausted(wait) => wait,
                    Verdict::Admitted => 0,
                };
                (
                    std::cmp::Reverse(wait),
                    tier.standing.remaining,
                    std::cmp::Reverse(tier.standing.reset),
                )
            })
    }
}

impl Clone for Decision {
    /// In one copy, which the derived one would do tier by tier.
    fn clone(&self) -> Self {
        Self {
            policies: self.policies.clone(),
            tiers: PerTier::from_slice(&self.tiers),
        }
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("allowed", &self.is_allowed())
            .field("tier", &self.tier())
            .field("remaining", &self.remaining())
            .field("retry_after", &self.retry_after())
            .field("degraded", &self.degraded())
            .finish_non_exhaustive()
    }
}
