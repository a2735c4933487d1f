//! The tables of all tiers, and what is decided under their locks.

use std::sync::{Arc, MutexGuard};

use sec_core::Clock;

use crate::decision::{MAX_TIERS, Policy, TierState, Verdict};
use crate::digest::{Digest, Seed};
use crate::quota::{Algorithm, nanos};
use crate::store::{Hold, Place, Shard, Table};
use crate::tier::Tier;
use crate::{Answer, Decision, OnExceed};

/// What the clones of a [`Limiter`](crate::Limiter) and its reservations share.
pub(crate) struct Tables {
    pub(crate) tiers: Box<[TierTable]>,
    pub(crate) policies: Arc<[Policy]>,
    pub(crate) seed: Seed,
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) struct TierTable {
    pub(crate) tier: Tier,
    pub(crate) algorithm: Algorithm,
    pub(crate) table: Table,
}

/// One tier's key and quota for one request.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) digest: Digest,
    /// The caller's own limit, if any.
    pub(crate) limit: Option<u64>,
}

pub(crate) type Targets = [Option<Target>; MAX_TIERS];
pub(crate) type Holds = [Hold; MAX_TIERS];

impl Tables {
    /// The decision: locks in the order of the tiers, asks all, takes from all or none.
    pub(crate) fn decide(&self, targets: &Targets, cost: u64, take: bool) -> (Decision, Holds) {
        let mut decision = Decision {
            policies: self.policies.clone(),
            tiers: [TierState::default(); MAX_TIERS],
        };
        let mut holds = Holds::default();
        let mut locked: [Option<(MutexGuard<'_, Shard>, Place)>; MAX_TIERS] =
            [const { None }; MAX_TIERS];
        let tiers = || self.tiers.iter().zip(targets.iter().flatten());

        let mut shards: [Option<MutexGuard<'_, Shard>>; MAX_TIERS] = [const { None }; MAX_TIERS];
        for (shard, (tier, target)) in shards.iter_mut().zip(tiers()) {
            *shard = tier.table.lock(target.digest);
        }
        // Read under the locks, so that every shard sees its instants in order.
        let now = nanos(self.clock.monotonic());

        let mut refused = false;
        for (((shard, locked), state), (tier, target)) in shards
            .into_iter()
            .zip(&mut locked)
            .zip(&mut decision.tiers)
            .zip(tiers())
        {
            let Some(shard) = shard else { continue };
            let algorithm = tier.algorithm_for(target);
            let place = shard.find(target.digest, now);
            *state = tier.state(target);
            state.shared = place.overflow;
            state.verdict = match shard.answer(place, &algorithm, now, cost) {
                Answer::Admit => Verdict::Admitted,
                Answer::Wait(wait) => Verdict::Exhausted(wait),
                Answer::Never => Verdict::Impossible,
            };
            state.standing = shard.standing(place, &algorithm, now);
            refused |= state.verdict != Verdict::Admitted && !state.demanding_only;
            *locked = Some((shard, place));
        }
        if refused || !take {
            return (decision, holds);
        }
        for (((locked, state), hold), (tier, target)) in locked
            .iter_mut()
            .zip(&mut decision.tiers)
            .zip(&mut holds)
            .zip(tiers())
        {
            let Some((shard, place)) = locked else {
                continue;
            };
            let algorithm = tier.algorithm_for(target);
            *hold = shard.take(
                target.digest,
                *place,
                &algorithm,
                now,
                cost,
                state.demanding_only,
            );
            state.standing = shard.standing(Shard::place_of(*hold), &algorithm, now);
        }
        (decision, holds)
    }

    /// Changes what a reservation took, in all tiers under their locks, and tells how they stand.
    pub(crate) fn settle(
        &self,
        decision: &mut Decision,
        targets: &Targets,
        holds: &Holds,
        change: Change,
    ) {
        let mut shards: [Option<MutexGuard<'_, Shard>>; MAX_TIERS] = [const { None }; MAX_TIERS];
        let tiers = || self.tiers.iter().zip(targets.iter().flatten());
        for (shard, (tier, target)) in shards.iter_mut().zip(tiers()) {
            *shard = tier.table.lock(target.digest);
        }
        let now = nanos(self.clock.monotonic());
        for (((shard, state), hold), (tier, target)) in shards
            .iter_mut()
            .zip(&mut decision.tiers)
            .zip(holds)
            .zip(tiers())
        {
            let Some(shard) = shard else { continue };
            let algorithm = tier.algorithm_for(target);
            match change {
                Change::GiveBack(units) => shard.give_back(&algorithm, now, *hold, units),
                Change::TakeMore(units) => {
                    let place = shard.find(target.digest, now);
                    let saturating = state.demanding_only;
                    let _ = shard.take(target.digest, place, &algorithm, now, units, saturating);
                }
            }
            let place = shard.find(target.digest, now);
            state.standing = shard.standing(place, &algorithm, now);
        }
    }
}

/// What settling a reservation does to its tiers.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    GiveBack(u64),
    TakeMore(u64),
}

impl TierTable {
    pub(crate) fn algorithm_for(&self, target: &Target) -> Algorithm {
        match target.limit {
            Some(limit) => self.tier.quota.algorithm_for(limit),
            None => self.algorithm,
        }
    }

    fn state(&self, target: &Target) -> TierState {
        let [low, high] = target.digest;
        TierState {
            quota: target.limit.unwrap_or(self.tier.quota.limit()),
            // Neither half of the digest, which also chooses the slot, can be told from it.
            partition: low ^ high.rotate_left(32),
            demanding_only: self.tier.on_exceed == OnExceed::Demand,
            ..TierState::default()
        }
    }
}
