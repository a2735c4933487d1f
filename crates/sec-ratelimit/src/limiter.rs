//! The limiter: several tiers in one decision, as plain functions.

use std::fmt;
use std::sync::{Arc, MutexGuard};

use sec_core::{Clock, RequestContext, RequestView};

use crate::builder::LimiterBuilder;
use crate::decision::{Policy, TierState, Verdict};
use crate::digest::{Digest, Seed};
use crate::key::caller;
use crate::quota::{Algorithm, nanos};
use crate::store::{Hold, Place, Shard, Table};
use crate::tier::Tier;
use crate::{Answer, Decision, LimitError, OnExceed, Refused, Reservation, Subject, SubjectError};

/// How many tiers one decision can hold.
pub(crate) const MAX_TIERS: usize = 8;

/// Several tiers, decided together: a cost is taken from all of them or from none.
///
/// A decision locks the shards of its keys, one per tier and always in the order of the tiers, asks
/// every tier, and takes only if none refuses. So a refusal changes no tier, no one ever sees a
/// part of a take, and threads at the limit admit exactly what is left. It allocates nothing, save for
/// the one allocation that holds a refusal.
///
/// Clones share their state: limits survive the cloning of a router and being layered again.
///
/// # A log-in
///
/// One reservation over three tiers before the password is looked at, returned on success:
///
/// ```
/// use std::{net::IpAddr, time::Duration};
/// use sec_ratelimit::{Key, Limiter, OnExceed, Quota, Subject, Tier};
///
/// let quarter = Duration::from_secs(15 * 60);
/// let log_ins = Limiter::builder()
///     .tier("address", Quota::per(20, quarter), Key::given("address"))
///     .tier("address-account", Quota::auth(), Key::given("address+account"))
///     .with_tier(
///         Tier::new("account", Quota::per(50, Duration::from_secs(3600)), Key::given("account"))
///             .on_exceed(OnExceed::Demand),
///     )
///     .build()?;
///
/// # let client: IpAddr = "203.0.113.7".parse()?; // in a handler: `ctx.client_group()`
/// # let account = "alice";
/// let subjects = [
///     Subject::of(client),
///     Subject::of(client).and(account),
///     Subject::of(account),
/// ];
/// let attempt = log_ins.reserve(&subjects, 1)?; // an error answers 429 and counts nothing
/// if attempt.decision().demands_tier("account") {
///     // many addresses try this account: ask for a proof of work before going on
/// }
/// let right = true; // … Argon2 …
/// if right {
///     attempt.refund();
/// } else {
///     attempt.commit();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Limiter(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
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
    digest: Digest,
    /// The caller's own limit, if any.
    limit: Option<u64>,
}

pub(crate) type Targets = [Option<Target>; MAX_TIERS];
pub(crate) type Holds = [Hold; MAX_TIERS];

impl Limiter {
    /// A limiter without tiers yet.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::new()
    }

    /// Takes `cost` from every tier, or from none. `subjects` has one per tier, in their order.
    ///
    /// # Errors
    ///
    /// [`LimitError::Refused`] when a tier refuses, [`LimitError::Subjects`] when the subjects do
    /// not fit the tiers. Either way nothing was taken.
    pub fn check<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let targets = self.targets(subjects.as_ref())?;
        let (decision, _) = self.0.decide(&targets, cost, true);
        Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)
    }

    /// What [`check`](Self::check) would answer, taking nothing.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subjects do not fit the tiers.
    pub fn peek<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Decision, SubjectError> {
        let targets = self.targets(subjects.as_ref())?;
        Ok(self.0.decide(&targets, cost, false).0)
    }

    /// Takes `cost` like [`check`](Self::check), to be settled once its outcome is known:
    /// [committed](Reservation::commit), committed at its [actual cost](Reservation::commit_actual)
    /// or [returned](Reservation::refund). A reservation that is dropped stays counted.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn reserve<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Reservation, LimitError> {
        let targets = self.targets(subjects.as_ref())?;
        self.reserve_targets(targets, cost)
    }

    /// [`reserve`](Self::reserve) with the keys taken from a request, as the layer does it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and [`LimitError::Missing`] when the request has no context, or
    /// its caller was never resolved and a key or a limit asks for them.
    pub fn reserve_request(
        &self,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Reservation, LimitError> {
        let targets = self.request_targets(request)?;
        self.reserve_targets(targets, cost)
    }

    /// [`peek`](Self::peek) with the keys taken from a request.
    ///
    /// # Errors
    ///
    /// [`LimitError::Missing`], as [`reserve_request`](Self::reserve_request).
    pub fn peek_request(
        &self,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let targets = self.request_targets(request)?;
        Ok(self.0.decide(&targets, cost, false).0)
    }

    fn reserve_targets(&self, targets: Targets, cost: u64) -> Result<Reservation, LimitError> {
        let (decision, holds) = self.0.decide(&targets, cost, true);
        let decision = Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)?;
        Ok(Reservation::new(
            self.0.clone(),
            decision,
            targets,
            holds,
            cost,
        ))
    }

    fn targets(&self, subjects: &[Subject<'_>]) -> Result<Targets, SubjectError> {
        let tiers = self.0.tiers.len();
        if subjects.len() != tiers {
            return Err(SubjectError::Count {
                tiers,
                given: subjects.len(),
            });
        }
        let mut targets = [None; MAX_TIERS];
        for (target, subject) in targets.iter_mut().zip(subjects) {
            *target = Some(Target {
                digest: subject.digest(self.0.seed)?,
                limit: subject.limit(),
            });
        }
        Ok(targets)
    }

    fn request_targets(&self, request: RequestView<'_>) -> Result<Targets, LimitError> {
        let ctx = RequestContext::of(request.extensions).map_err(LimitError::Missing)?;
        let mut targets = [None; MAX_TIERS];
        for (target, TierTable { tier, .. }) in targets.iter_mut().zip(&self.0.tiers) {
            let digest = tier.key.digest(self.0.seed, ctx, request);
            let limit = match &tier.limit_for {
                Some(limit_for) => {
                    let identity = ctx.identity();
                    let caller = caller(&identity).map_err(LimitError::Missing)?;
                    limit_for(caller.map(|principal| &**principal))
                }
                None => None,
            };
            *target = Some(Target {
                digest: digest.map_err(LimitError::Missing)?,
                limit,
            });
        }
        Ok(targets)
    }
}

impl Inner {
    /// The decision: locks in the order of the tiers, asks all, takes from all or none.
    fn decide(&self, targets: &Targets, cost: u64, take: bool) -> (Decision, Holds) {
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
    fn algorithm_for(&self, target: &Target) -> Algorithm {
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

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.tiers.iter().map(|tier| &tier.tier))
            .finish()
    }
}
