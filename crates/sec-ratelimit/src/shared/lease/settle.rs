//! What a request took by leases goes back, or becomes more.

use std::time::Instant;

use super::ask::only;
use super::slot::Part;
use super::table::Leases;
use crate::shared::store::{Change, Hold, StoreError};
use crate::shared::targets::Wanted;
use crate::{Decision, SharedLimiter};

/// What one request took, from leases and beside them.
#[derive(Debug, Default)]
pub(in crate::shared) struct Leased {
    pub(super) parts: Vec<Part>,
    pub(super) direct: Vec<Direct>,
    /// Of the tiers that are not leased, in their order.
    pub(super) rest: Vec<Hold>,
}

/// Units of a leased tier that were taken from the store for one request.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) tier: usize,
    pub(super) units: u64,
    pub(super) hold: Hold,
}

impl SharedLimiter {
    /// What is given back goes to the batch that it came from while that is the last one and lives, else to
    /// the store's window that it was taken from, or nowhere. More is taken from the lease if it has so much, else from the store.
    pub(in crate::shared) async fn settle_leased(
        &self,
        leases: &Leases,
        wanted: &Wanted,
        leased: &Leased,
        change: Change,
    ) -> Result<Decision, StoreError> {
        let keys = leases.keys(wanted);
        let mut trips = Vec::new();
        for key in &keys {
            match change {
                Change::GiveBack(units) => {
                    trips.append(&mut self.give_back(leases, leased, key.tier, units));
                }
                Change::TakeMore(units) => {
                    if !leases.take_more(key, units, self.now()) {
                        trips.push((key.tier, Hold::default(), change));
                    }
                }
            }
        }
        // Each is tried, whatever becomes of the others.
        let deadline = self.deadline();
        let mut told = Vec::new();
        let mut failed = None;
        for (tier, hold, change) in trips {
            let ask = self.alone(wanted, tier, wanted.ask.cost);
            let holds = [hold];
            let settle = self.settled(&ask, &holds, change, deadline);
            match settle.await.and_then(only) {
                Ok(given) => told.push((tier, given)),
                Err(error) => failed = Some(error),
            }
        }
        if let Some((ask, places)) = leases.rest(wanted) {
            let settle = self.settled(&ask, &leased.rest, change, deadline);
            match settle.await {
                Ok(given) => told.extend(places.into_iter().zip(given.tiers)),
                Err(error) => failed = Some(error),
            }
        }
        if matches!(change, Change::GiveBack(_)) {
            for key in &keys {
                leases.forget_refusal(key);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.framed(wanted, self.row(leases, &keys, wanted, told))
    }

    /// Gives units of one tier back, those that the store was asked for first, and says what is left for the
    /// store to take back.
    fn give_back(
        &self,
        leases: &Leases,
        leased: &Leased,
        tier: usize,
        units: u64,
    ) -> Vec<(usize, Hold, Change)> {
        let mut left = units;
        let mut trips = Vec::new();
        for direct in leased.direct.iter().filter(|direct| direct.tier == tier) {
            let back = left.min(direct.units);
            left = left.saturating_sub(back);
            trips.push((tier, direct.hold, Change::GiveBack(back)));
        }
        let parts = leased.parts.iter().rev();
        for part in parts.filter(|part| part.key.tier == tier) {
            let back = left.min(part.units);
            left = left.saturating_sub(back);
            let kept = leases.give_back(part, back, self.now());
            let rest = back.saturating_sub(kept);
            trips.push((tier, part.hold, Change::GiveBack(rest)));
        }
        trips.retain(|(_, _, change)| *change != Change::GiveBack(0));
        trips
    }

    /// Forgets the counters of a request, here and at the store.
    pub(in crate::shared) async fn reset_leased(
        &self,
        leases: &Leases,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let mut done = Ok(());
        if let Some((ask, _)) = leases.rest(wanted) {
            done = self.forgotten(&ask, deadline).await;
        }
        for key in leases.keys(wanted) {
            let ask = self.alone(wanted, key.tier, 0);
            let reset = self.forgotten(&ask, deadline).await;
            if reset.is_ok() {
                // Last, so that what was taken before the reset is not handed out after it.
                leases.forget(&key);
            }
            done = done.and(reset);
        }
        done
    }

    /// Gives everything back that a refused request took; the store's part in the background.
    pub(super) fn undo(&self, leases: &Leases, wanted: &Wanted, leased: Leased) {
        for key in leases.keys(wanted) {
            let units = wanted.ask.cost;
            for (tier, hold, change) in self.give_back(leases, &leased, key.tier, units) {
                if let Change::GiveBack(units) = change {
                    self.return_later(self.alone(wanted, tier, units), hold, units);
                }
            }
        }
    }
}
