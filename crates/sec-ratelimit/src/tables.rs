//! The tables of all tiers, and what is decided under their locks.

use std::sync::MutexGuard;

use sec_core::{RequestContext, RequestView};

use crate::decision::{MAX_TIERS, Marks, PerTier, TierState, Verdict};
use crate::digest::{Digest, Seed, id};
use crate::policies::Policies;
use crate::quota::Algorithm;
use crate::store::{Ask, FastTable, Hold, Packed, Place, Seen, Shard, Table, Take};
use crate::tier::Tier;
use crate::time::Time;
use crate::{Answer, Decision, LimitError, OnExceed, Standing, Statistics};

/// What the clones of a [`Limiter`](crate::Limiter) and its reservations share.
pub(crate) struct Tables {
    pub(crate) tiers: Box<[TierTable]>,
    pub(crate) policies: Policies,
    pub(crate) statistics: Option<Statistics>,
    pub(crate) seed: Seed,
    pub(crate) time: Time,
    /// For a limiter of one tier whose quota can be packed. The tier's own table then keeps what cannot:
    /// callers whose own limit is too large for the packing.
    pub(crate) fast: Option<FastTable>,
    /// Whether that table decides, and a tier that refuses.
    pub(crate) plain: bool,
}

pub(crate) struct TierTable {
    pub(crate) tier: Tier,
    pub(crate) algorithm: Algorithm,
    pub(crate) table: Table,
}

/// The only tier, and how it counts one request without a lock.
pub(crate) struct Lane<'a> {
    tier: &'a TierTable,
    table: &'a FastTable,
    /// For a caller's own limit.
    own: Option<Packed>,
    now: u64,
}

/// One tier's key and quota for one request.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) digest: Digest,
    /// The caller's own limit, if any.
    pub(crate) limit: Option<u64>,
}

pub(crate) type Targets = PerTier<Target>;
pub(crate) type Holds = PerTier<Hold>;

impl Tables {
    /// The answer alone, in a [plain](Self::plain) limiter.
    pub(crate) fn answer(&self, key: u64, place: u64, cost: u64) -> Option<Answer> {
        let table = self.fast.as_ref()?;
        // Memory is asked before the clock, so that its answer is there or under way afterwards.
        let sought = table.seek([key, place]);
        let now = self.time.packed()?;
        Some(self.time.outside(table.take(&sought, now, cost).answer))
    }

    /// How the only tier stands after a take, in a [plain](Self::plain) limiter for a key without a limit
    /// of its own; `None` otherwise.
    #[inline]
    pub(crate) fn take_alone(&self, target: &Target, cost: u64) -> Option<TierState> {
        if !self.plain || target.limit.is_some() {
            return None;
        }
        let (tier, table) = self.alone()?;
        let sought = table.seek(target.digest);
        let now = self.time.packed()?;
        let left = table.take(&sought, now, cost);
        Some(TierState {
            standing: table.base.standing(left.word, now),
            verdict: self.time.outside(left.answer).into(),
            ..tier.state(target, left.shared)
        })
    }

    /// The only tier, and its table without locks.
    #[inline]
    fn alone(&self) -> Option<(&TierTable, &FastTable)> {
        Some((self.tiers.first()?, self.fast.as_ref()?))
    }

    #[inline]
    pub(crate) fn lane(&self, target: &Target) -> Option<Lane<'_>> {
        let (tier, table) = self.alone()?;
        let own = match target.limit {
            None => None,
            Some(limit) => Some(table.base.with(&tier.tier.quota.algorithm_for(limit))?),
        };
        let now = self.time.packed()?;
        Some(Lane {
            tier,
            table,
            own,
            now,
        })
    }

    /// The decision of all tiers, for who never gives back.
    #[inline]
    pub(crate) fn decide(&self, targets: &Targets, cost: u64, take: bool) -> Decision {
        if let [target] = &**targets
            && let Some(lane) = self.lane(target)
        {
            let seen = lane.seen(target, cost, take, false);
            return self.decision(lane.state(target, &seen, &self.time));
        }
        self.decide_locked(targets, cost, take).0
    }

    /// The decision of all tiers, and what a refund needs.
    #[inline]
    pub(crate) fn reserve(&self, targets: &Targets, cost: u64) -> (Decision, Holds) {
        if let [target] = &**targets
            && let Some(lane) = self.lane(target)
        {
            let seen = lane.seen(target, cost, true, true);
            let decision = self.decision(lane.state(target, &seen, &self.time));
            return (decision, Holds::from_slice(&[seen.hold]));
        }
        self.decide_locked(targets, cost, true)
    }

    #[inline]
    pub(crate) fn decision(&self, only: TierState) -> Decision {
        Decision {
            policies: self.policies.mine(),
            tiers: PerTier::from_slice(&[only]),
        }
    }

    fn lock(&self, targets: &Targets) -> [Option<MutexGuard<'_, Shard>>; MAX_TIERS] {
        let mut shards = [const { None }; MAX_TIERS];
        for (shard, (tier, target)) in shards.iter_mut().zip(self.tiers.iter().zip(targets)) {
            *shard = tier.table.lock(target.digest);
        }
        shards
    }

    /// Locks in the order of the tiers, asks all, takes from all or none.
    fn decide_locked(&self, targets: &Targets, cost: u64, take: bool) -> (Decision, Holds) {
        let tiers = || self.tiers.iter().zip(targets);
        let shards = self.lock(targets);
        // Read under the locks, so that every shard sees its instants in order.
        let now = self.time.nanos();

        let mut refused = false;
        let mut locked: [Option<(MutexGuard<'_, Shard>, Place)>; MAX_TIERS] =
            [const { None }; MAX_TIERS];
        let mut decision = Decision {
            policies: self.policies.mine(),
            tiers: PerTier::with_capacity(targets.len()),
        };
        for ((shard, locked), (tier, target)) in shards.into_iter().zip(&mut locked).zip(tiers()) {
            let mut state = tier.state(target, false);
            *locked = shard.map(|shard| {
                let algorithm = tier.algorithm_for(target);
                let place = shard.find(target.digest, now);
                state.marks = state.marks.shared_if(place.overflow);
                let answer = shard.answer(place, &algorithm, now, cost);
                state.verdict = self.time.outside(answer).into();
                state.standing = shard.standing(place, &algorithm, now);
                (shard, place)
            });
            refused |= state.refuses();
            decision.tiers.push(state);
        }
        if refused || !take {
            return (decision, Holds::new());
        }
        let mut holds = Holds::with_capacity(targets.len());
        for ((locked, state), (tier, target)) in
            locked.iter_mut().zip(&mut decision.tiers).zip(tiers())
        {
            let Some((shard, place)) = locked else {
                holds.push(Hold::default());
                continue;
            };
            let algorithm = tier.algorithm_for(target);
            let hold = shard.take(
                target.digest,
                *place,
                &algorithm,
                now,
                cost,
                state.demands_only(),
            );
            state.standing = shard.standing(Shard::place_of(hold), &algorithm, now);
            holds.push(hold);
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
        if let ([target], [hold], [state]) = (&**targets, &**holds, &mut *decision.tiers)
            && hold.fast
        {
            if let Some(lane) = self.lane(target) {
                state.standing = lane.settle(target, hold, change);
            }
            return;
        }
        let tiers = || self.tiers.iter().zip(targets);
        let mut shards = self.lock(targets);
        let now = self.time.nanos();
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
                    let saturating = state.demands_only();
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
            .overwrite(target.digest, self.rule(), self.now, used)
    }

    #[inline]
    fn rule(&self) -> &Packed {
        self.own.as_ref().unwrap_or(&self.table.base)
    }

    /// Asks, and takes if told so.
    #[inline]
    fn seen(&self, target: &Target, cost: u64, take: bool, refundable: bool) -> Seen {
        let take = if take { self.tier.takes() } else { Take::Never };
        let sought = self.table.seek(target.digest);
        self.table
            .decide(&sought, &self.ask(cost, take, refundable))
    }

    #[inline]
    fn ask(&self, cost: u64, take: Take, refundable: bool) -> Ask<'_> {
        Ask {
            rule: self.rule(),
            now: self.now,
            cost,
            take,
            refundable,
        }
    }

    #[inline]
    fn state(&self, target: &Target, seen: &Seen, time: &Time) -> TierState {
        TierState {
            standing: self.rule().standing(seen.word, self.now),
            verdict: time.outside(seen.answer).into(),
            ..self.tier.state(target, seen.shared)
        }
    }

    fn settle(&self, target: &Target, hold: &Hold, change: Change) -> Standing {
        match change {
            Change::GiveBack(units) => {
                self.table.give_back(self.rule(), self.now, hold, units);
            }
            Change::TakeMore(units) => {
                let take = if self.tier.demands() {
                    Take::Saturating
                } else {
                    Take::Always
                };
                let sought = self.table.seek(target.digest);
                let _ = self.table.decide(&sought, &self.ask(units, take, false));
            }
        }
        let seen = self.seen(target, 0, false, false);
        self.rule().standing(seen.word, self.now)
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
    #[inline]
    fn takes(&self) -> Take {
        if self.demands() {
            Take::Saturating
        } else {
            Take::IfItFits
        }
    }

    fn demands(&self) -> bool {
        self.tier.on_exceed == OnExceed::Demand
    }

    pub(crate) fn algorithm_for(&self, target: &Target) -> Algorithm {
        match target.limit {
            Some(limit) => self.tier.quota.algorithm_for(limit),
            None => self.algorithm,
        }
    }

    /// Whom a request concerns here, and the limit that applies to them.
    #[inline]
    pub(crate) fn target(
        &self,
        seed: Seed,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Target, LimitError> {
        let tier = &self.tier;
        let digest = tier.key.digest(seed, ctx, request);
        let digest = digest.map_err(LimitError::Missing)?;
        let limit = tier.limit_of(ctx, request).map_err(LimitError::Missing)?;
        Ok(Target { digest, limit })
    }

    #[inline]
    fn state(&self, target: &Target, shared: bool) -> TierState {
        TierState {
            quota: self.tier.quota.limit_with(target.limit),
            partition: id(target.digest),
            marks: Marks::demanding(self.demands()).shared_if(shared),
            ..TierState::default()
        }
    }
}
