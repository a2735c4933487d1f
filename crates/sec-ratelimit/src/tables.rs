//! The tables of all tiers, and what is decided under their locks.

use std::sync::{Arc, MutexGuard};

use sec_core::Clock;

use crate::decision::{MAX_TIERS, Policy, TierState, Verdict};
use crate::digest::{Digest, Seed};
use crate::quota::{Algorithm, nanos};
use crate::store::{
    Ask, FastTable, HORIZON, Hold, ORIGIN, Packed, Place, Seen, Shard, Table, Take,
};
use crate::tier::Tier;
use crate::{Answer, Decision, OnExceed, Standing, Statistics};

/// What the clones of a [`Limiter`](crate::Limiter) and its reservations share.
pub(crate) struct Tables {
    pub(crate) tiers: Box<[TierTable]>,
    pub(crate) policies: Arc<[Policy]>,
    pub(crate) statistics: Option<Statistics>,
    pub(crate) seed: Seed,
    pub(crate) clock: Arc<dyn Clock>,
    /// The clock's reading when the limiter was built.
    pub(crate) origin: u64,
}

pub(crate) struct TierTable {
    pub(crate) tier: Tier,
    pub(crate) algorithm: Algorithm,
    pub(crate) table: Table,
    /// For a limiter of one tier whose quota can be packed. The other table then keeps what cannot:
    /// callers whose own limit is too large for the packing.
    pub(crate) fast: Option<FastTable>,
}

/// The only tier, and how it counts one request without a lock.
pub(crate) struct Lane<'a> {
    tier: &'a TierTable,
    table: &'a FastTable,
    rule: Packed,
    now: u64,
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
    /// The answer alone, where one tier decides without a lock.
    #[inline]
    pub(crate) fn answer(&self, target: &Target, cost: u64) -> Option<Answer> {
        let lane = self.lane(target)?;
        let demanding_only = lane.tier.demands();
        let seen = lane.take(target, cost, true, false);
        Some(if demanding_only {
            Answer::Admit
        } else {
            seen.answer
        })
    }

    pub(crate) fn lane(&self, target: &Target) -> Option<Lane<'_>> {
        let tier = self.tiers.first()?;
        let table = tier.fast.as_ref()?;
        let rule = match target.limit {
            None => table.base,
            Some(limit) => table.base.with(&tier.tier.quota.algorithm_for(limit))?,
        };
        let now = nanos(self.clock.monotonic());
        let now = now.saturating_sub(self.origin).saturating_add(ORIGIN);
        (now < HORIZON).then_some(Lane {
            tier,
            table,
            rule,
            now,
        })
    }

    fn undecided(&self) -> Decision {
        Decision {
            policies: self.policies.clone(),
            tiers: [TierState::default(); MAX_TIERS],
        }
    }

    /// The decision of all tiers.
    pub(crate) fn decide(&self, targets: &Targets, cost: u64, take: bool) -> (Decision, Holds) {
        if let [Some(target), ..] = targets
            && let Some(lane) = self.lane(target)
        {
            let seen = lane.take(target, cost, take, true);
            let mut decision = self.undecided();
            let mut holds = Holds::default();
            let ([state, ..], [hold, ..]) = (&mut decision.tiers, &mut holds);
            *state = lane.state(target, &seen);
            *hold = seen.hold;
            return (decision, holds);
        }
        self.decide_locked(targets, cost, take)
    }

    /// Locks in the order of the tiers, asks all, takes from all or none.
    fn decide_locked(&self, targets: &Targets, cost: u64, take: bool) -> (Decision, Holds) {
        let mut decision = self.undecided();
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
            state.verdict = shard.answer(place, &algorithm, now, cost).into();
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
        if let ([Some(target), ..], [hold, ..], [state, ..]) = (targets, holds, &mut decision.tiers)
            && hold.fast
        {
            if let Some(lane) = self.lane(target) {
                state.standing = lane.settle(target, hold, change);
            }
            return;
        }
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

impl Lane<'_> {
    pub(crate) fn overwrite(&self, target: &Target, used: u64) -> bool {
        self.table
            .overwrite(target.digest, &self.rule, self.now, used)
    }

    fn take(&self, target: &Target, cost: u64, take: bool, refundable: bool) -> Seen {
        let take = match (take, self.tier.demands()) {
            (false, _) => Take::Never,
            (true, false) => Take::IfItFits,
            (true, true) => Take::Saturating,
        };
        self.ask(target, cost, take, refundable)
    }

    fn ask(&self, target: &Target, cost: u64, take: Take, refundable: bool) -> Seen {
        let ask = Ask {
            rule: &self.rule,
            now: self.now,
            cost,
            take,
            refundable,
        };
        self.table.decide(target.digest, &ask)
    }

    fn state(&self, target: &Target, seen: &Seen) -> TierState {
        TierState {
            standing: self.rule.standing(seen.word, self.now),
            verdict: seen.answer.into(),
            shared: seen.shared,
            ..self.tier.state(target)
        }
    }

    fn settle(&self, target: &Target, hold: &Hold, change: Change) -> Standing {
        match change {
            Change::GiveBack(units) => {
                self.table.give_back(&self.rule, self.now, hold, units);
            }
            Change::TakeMore(units) => {
                let take = if self.tier.demands() {
                    Take::Saturating
                } else {
                    Take::Always
                };
                let _ = self.ask(target, units, take, false);
            }
        }
        let seen = self.ask(target, 0, Take::Never, false);
        self.rule.standing(seen.word, self.now)
    }
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Admit => Self::Admitted,
            Answer::Wait(wait) => Self::Exhausted(wait),
            Answer::Never => Self::Impossible,
        }
    }
}

impl TierTable {
    fn demands(&self) -> bool {
        self.tier.on_exceed == OnExceed::Demand
    }

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
            demanding_only: self.demands(),
            ..TierState::default()
        }
    }
}
