//! Whom a request concerns, before anything is asked.

use super::store::Ask;
use crate::Quota;
use crate::decision::{MAX_TIERS, PerTier};
use crate::digest::Digest;

/// Whom each tier counts: on the stack, since a remembered refusal needs no more than this.
#[derive(Default)]
pub(super) struct Targets {
    rows: [Target; MAX_TIERS],
    count: usize,
}

/// A subject, with a limit of its own if it has one.
pub(super) type Target = (Digest, Option<u64>);

impl Targets {
    /// A limiter has no more tiers than there is room for.
    #[inline]
    pub(super) fn push(&mut self, target: Target) {
        if let Some(row) = self.rows.get_mut(self.count) {
            *row = target;
            self.count = self.count.saturating_add(1);
        }
    }

    #[inline]
    pub(super) fn rows(&self) -> &[Target] {
        self.rows.get(..self.count).unwrap_or_default()
    }
}

/// As much as a store is asked for: what is above can never fit either.
#[inline]
pub(super) fn askable(cost: u64) -> u64 {
    cost.min(Quota::MAX.saturating_add(1))
}

/// Whom a request concerns, taken from it before anything is waited for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) ask: Ask,
    pub(super) quotas: PerTier<u64>,
    pub(super) limits: PerTier<Option<u64>>,
}

impl Wanted {
    pub(super) fn targets(&self) -> impl Iterator<Item = Target> + '_ {
        let targets = self.ask.tiers.iter().zip(&self.limits);
        targets.map(|(tier, limit)| (tier.digest, *limit))
    }
}
