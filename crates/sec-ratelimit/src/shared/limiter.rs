//! The limiter that asks a store: several tiers in one decision and one round trip.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, RequestContext, RequestView, Secret};

use super::breaker::Breakers;
use super::denials::Denials;
use super::given::{Frame, degrade};
use super::lease::Leases;
use super::reservation::Held;
use super::store::{Ask, Change, Given, Hold, SharedStore, SharedTier, StoreError, TierGiven};
use super::targets::{Target, Targets, Wanted, askable};
use crate::digest::{Digest, Seed};
use crate::policies::Policies;
use crate::{
    Decision, LimitError, Limiter, Refused, SharedLimiterBuilder, SharedReservation, Statistics,
    Subject, SubjectError, Tier,
};

/// Several tiers, decided together in a store that several processes share: a cost is taken from all
/// of them or from none, in one round trip.
///
/// The functions are those of [`Limiter`], asynchronous. A store that is slow, away or wrong decides
/// nothing: after the [deadline](SharedLimiterBuilder::deadline) the
/// [fallback](SharedLimiterBuilder::on_store_error) does, and the decision is
/// [degraded](Decision::degraded). Such a store is asked again by itself once it answers.
///
/// Clones share everything, the memory of refusals and the breaker included.
///
/// A decision costs a few allocations for the names of its keys, and a round trip; a refusal that is
/// [remembered](SharedLimiterBuilder::remember_refusals) costs no trip.
///
/// ```
/// # #[cfg(feature = "redis")] {
/// use std::{sync::Arc, time::Duration};
/// use sec_ratelimit::{Fallback, Key, Quota, RedisStore, SharedLimiter, Subject};
///
/// # let secret_of_the_deployment = vec![7; 32];
/// let store = RedisStore::builder("redis://127.0.0.1:6379").build()?; // connects when first asked
/// let limiter = SharedLimiter::builder("api", Arc::new(store), secret_of_the_deployment)
///     .tier("service", Quota::gcra(5_000, Duration::from_secs(1)), Key::global())
///     .tier("caller", Quota::per_minute(100), Key::given("caller"))
///     .on_store_error(Fallback::Local { nodes: 3 })
///     .build()?;
///
/// async fn search(limiter: &SharedLimiter, user: &str) -> Result<(), sec_ratelimit::LimitError> {
///     limiter.check([Subject::everyone(), Subject::of(user)], 1).await?;
///     Ok(())
/// }
/// # let _ = search(&limiter, "ada");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SharedLimiter(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) tiers: Vec<Tier>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) policies: Policies,
    pub(super) statistics: Option<Statistics>,
    /// All tiers that are not leased count the same subject, and none of them everyone.
    pub(super) one_subject: bool,
    pub(super) seed: Seed,
    pub(super) store: Arc<dyn SharedStore>,
    pub(super) deadline: Duration,
    pub(super) breakers: Breakers,
    pub(super) denials: Denials,
    /// `None`: no tier is leased.
    pub(super) leases: Option<Leases>,
    pub(super) on_error: OnError,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) enum OnError {
    Open,
    Closed,
    Local(LocalShare),
}

pub(super) struct LocalShare {
    pub(super) limiter: Limiter,
    pub(super) nodes: u64,
}

impl SharedLimiter {
    /// A limiter without tiers yet.
    ///
    /// `name` is part of every key, 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`: limiters of one name
    /// and one secret share their counters. `secret`, at least 32 bytes, is under what subjects are
    /// hashed; all processes need the same one, and a new one starts all counters anew.
    pub fn builder(
        name: impl Into<String>,
        store: Arc<dyn SharedStore>,
        secret: impl Into<Secret<Vec<u8>>>,
    ) -> SharedLimiterBuilder {
        SharedLimiterBuilder::new(name.into(), store, secret.into())
    }

    /// Takes `cost` from every tier, or from none. `subjects` has one per tier, in their order.
    ///
    /// # Errors
    ///
    /// As [`Limiter::check`], and [`LimitError::Store`] when the store does not answer and the
    /// limiter is [closed](crate::Fallback::Closed) then.
    pub async fn check<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let wanted = self.unless_remembered(subjects.as_ref(), cost)?;
        let taken = self.taken(&wanted).await.map(|(decision, _)| decision);
        self.count(&taken, |decision| decision);
        taken
    }

    /// What [`check`](Self::check) would answer, taking nothing.
    ///
    /// # Errors
    ///
    /// [`LimitError::Subjects`], and [`LimitError::Store`] as [`check`](Self::check).
    pub async fn peek<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let wanted = self.wanted(subjects.as_ref(), cost)?;
        let peeked = match &self.0.leases {
            None => self.ask(&wanted, false).await.map(|(decision, _)| decision),
            Some(leases) => self.peek_leased(leases, &wanted).await,
        };
        match peeked {
            Ok(decision) => Ok(decision),
            Err(error) => match &self.0.on_error {
                OnError::Open => Ok(self.frame(&wanted).unasked()),
                OnError::Closed => Err(LimitError::Store(error)),
                OnError::Local(local) => {
                    let mut decision = local.limiter.peek_digests(local.targets(&wanted), cost);
                    degrade(&mut decision);
                    Ok(decision)
                }
            },
        }
    }

    /// Takes `cost` like [`check`](Self::check), to be settled once its outcome is known. A
    /// reservation that is dropped stays counted.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub async fn reserve<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<SharedReservation, LimitError> {
        let wanted = self.unless_remembered(subjects.as_ref(), cost)?;
        let taken = self.take(wanted).await;
        self.count(&taken, SharedReservation::decision);
        taken
    }

    /// [`reserve`](Self::reserve) with the keys taken from a request, at once: the future borrows
    /// nothing of it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and [`LimitError::Missing`] as [`Limiter::reserve_request`].
    pub fn reserve_request(
        &self,
        request: RequestView<'_>,
        cost: u64,
    ) -> impl Future<Output = Result<SharedReservation, LimitError>> + Send + use<> {
        let taken = self.reserve_uncounted(request, cost);
        let limiter = self.clone();
        async move {
            let taken = taken.await;
            limiter.count(&taken, SharedReservation::decision);
            taken
        }
    }

    /// [`reserve_request`](Self::reserve_request) for who counts it himself.
    pub(crate) fn reserve_uncounted(
        &self,
        request: RequestView<'_>,
        cost: u64,
    ) -> impl Future<Output = Result<SharedReservation, LimitError>> + Send + use<> {
        let wanted = self.request_unless_remembered(request, cost);
        let limiter = self.clone();
        async move { limiter.take(wanted?).await }
    }

    /// Forgets these subjects' counters in every tier, a shared one such as a global one included,
    /// for all processes at once. The others believe a refusal that they
    /// [remember](SharedLimiterBuilder::remember_refusals), and hand out what they have
    /// [leased](crate::Lease), for as long as they are told to.
    ///
    /// # Errors
    ///
    /// [`LimitError::Subjects`], and [`LimitError::Store`] whatever the fallback: nothing was
    /// forgotten then.
    pub async fn reset<'a>(&self, subjects: impl AsRef<[Subject<'a>]>) -> Result<(), LimitError> {
        let wanted = self.wanted(subjects.as_ref(), 0)?;
        let deadline = self.deadline();
        let reset = match &self.0.leases {
            None => self.forgotten(&wanted.ask, deadline).await,
            Some(leases) => self.reset_leased(leases, &wanted, deadline).await,
        };
        self.0.denials.clear();
        reset.map_err(LimitError::Store)
    }

    /// What the store is to be asked, if it has to be. Here a remembered refusal ends, on the stack; what asks a
    /// store need not be moved from one future into the next.
    fn unless_remembered(
        &self,
        subjects: &[Subject<'_>],
        cost: u64,
    ) -> Result<Box<Wanted>, LimitError> {
        let mut targets = Targets::default();
        self.targets(subjects, &mut targets)?;
        match self.0.denials.find(targets.rows(), askable(cost)) {
            None => Ok(Box::new(self.asked(&targets, cost)?)),
            Some(refused) => {
                self.count_one(refused.decision());
                Err(LimitError::Refused(refused))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn remembers(&self, subjects: &[Subject<'_>], cost: u64) -> bool {
        matches!(
            self.unless_remembered(subjects, cost),
            Err(LimitError::Refused(_))
        )
    }

    fn request_unless_remembered(
        &self,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Box<Wanted>, LimitError> {
        let mut targets = Targets::default();
        self.request_targets(request, &mut targets)?;
        match self.0.denials.find(targets.rows(), askable(cost)) {
            None => Ok(Box::new(self.asked(&targets, cost)?)),
            Some(refused) => Err(LimitError::Refused(refused)),
        }
    }

    async fn take(&self, wanted: Box<Wanted>) -> Result<SharedReservation, LimitError> {
        let (decision, held) = self.taken(&wanted).await?;
        let limiter = self.clone();
        Ok(SharedReservation::new(limiter, wanted, decision, held))
    }

    async fn taken(&self, wanted: &Wanted) -> Result<(Decision, Held), LimitError> {
        let cost = wanted.ask.cost;
        let marks = self.0.denials.marks(wanted.targets());
        let asked = match &self.0.leases {
            None => self
                .ask(wanted, true)
                .await
                .map(|(decision, given)| (decision, Held::Store(given), true)),
            Some(leases) => self.ask_leased(leases, wanted).await.map(|asked| {
                let held = Held::Leased(Box::new(asked.leased));
                (asked.decision, held, asked.remember)
            }),
        };
        let (decision, held) = match asked {
            Ok((decision, held, remember)) => {
                if remember && !decision.is_allowed() {
                    let denials = &self.0.denials;
                    denials.keep(wanted.targets(), cost, &marks, &decision);
                }
                (decision, held)
            }
            Err(error) => match &self.0.on_error {
                OnError::Open => (self.frame(wanted).unasked(), Held::Nothing),
                OnError::Closed => return Err(LimitError::Store(error)),
                OnError::Local(local) => {
                    let taken = local.limiter.reserve_digests(local.targets(wanted), cost);
                    let (mut decision, held) = match taken {
                        Ok(taken) => (taken.decision().clone(), Held::Local(Box::new(taken))),
                        Err(LimitError::Refused(no)) => (no.decision().clone(), Held::Nothing),
                        Err(fault) => return Err(fault),
                    };
                    degrade(&mut decision);
                    (decision, held)
                }
            },
        };
        let decision = Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)?;
        Ok((decision, held))
    }

    async fn ask(&self, wanted: &Wanted, take: bool) -> Result<(Decision, Given), StoreError> {
        let deadline = self.deadline();
        let given = self.decided(&wanted.ask, take, deadline).await?;
        Ok((self.frame(wanted).decision(&given)?, given))
    }

    /// Something is given back to the subjects of a request.
    pub(super) fn forget_refusals(&self, wanted: &Wanted) {
        let tiers = wanted.ask.tiers.iter();
        self.0.denials.returned(tiers.map(|tier| &tier.digest));
    }

    pub(super) async fn settle(
        &self,
        wanted: &Wanted,
        holds: &[Hold],
        change: Change,
    ) -> Result<Decision, StoreError> {
        let deadline = self.deadline();
        let given = self.settled(&wanted.ask, holds, change, deadline);
        let given = given.await?;
        self.frame(wanted).decision(&given)
    }

    fn frame<'a>(&'a self, wanted: &'a Wanted) -> Frame<'a> {
        Frame {
            policies: &self.0.policies,
            quotas: &wanted.quotas,
            ask: &wanted.ask,
        }
    }

    /// The decision of a row of answers, one per tier.
    pub(super) fn framed(
        &self,
        wanted: &Wanted,
        tiers: Vec<TierGiven>,
    ) -> Result<Decision, StoreError> {
        self.frame(wanted).decision(&Given { tiers })
    }

    fn wanted(&self, subjects: &[Subject<'_>], cost: u64) -> Result<Wanted, SubjectError> {
        let mut targets = Targets::default();
        self.targets(subjects, &mut targets)?;
        self.asked(&targets, cost)
    }

    #[inline]
    fn targets(&self, subjects: &[Subject<'_>], targets: &mut Targets) -> Result<(), SubjectError> {
        let tiers = self.0.tiers.len();
        if subjects.len() != tiers {
            return Err(SubjectError::Count {
                tiers,
                given: subjects.len(),
            });
        }
        for subject in subjects {
            targets.push((subject.digest(&self.0.seed)?, subject.limit()));
        }
        Ok(())
    }

    fn request_targets(
        &self,
        request: RequestView<'_>,
        targets: &mut Targets,
    ) -> Result<(), LimitError> {
        let ctx = RequestContext::of(request.extensions).map_err(LimitError::Missing)?;
        for tier in &self.0.tiers {
            let digest = tier.key.digest(self.0.seed, ctx, request);
            let limit = tier.limit_of(ctx, request).map_err(LimitError::Missing)?;
            targets.push((digest.map_err(LimitError::Missing)?, limit));
        }
        Ok(())
    }

    fn asked(&self, targets: &Targets, cost: u64) -> Result<Wanted, SubjectError> {
        let targets = targets.rows();
        let leased = |tier| self.0.leases.as_ref().and_then(|leases| leases.terms(tier));
        let rest = targets.iter().enumerate();
        let mut rest = rest.filter(|(tier, _)| leased(*tier).is_none());
        let first = rest.next().map(|(_, (digest, _))| *digest);
        let apart = rest.any(|(_, (digest, _))| Some(*digest) != first);
        if self.0.one_subject && apart {
            return Err(SubjectError::Apart);
        }
        let tiers = self.0.tiers.iter().zip(&self.0.names).zip(targets);
        let tiers = tiers.map(|((tier, name), &(digest, limit))| SharedTier {
            name: name.clone(),
            digest,
            rule: tier.quota.shared_rule(limit),
            demands: tier.on_exceed == crate::OnExceed::Demand,
        });
        let quota = |(tier, (_, limit)): (&Tier, &Target)| tier.quota.limit_with(*limit);
        Ok(Wanted {
            ask: Ask {
                limiter: self.0.name.clone(),
                subject: first.filter(|_| self.0.one_subject),
                tiers: tiers.collect(),
                cost: askable(cost),
            },
            quotas: self.0.tiers.iter().zip(targets).map(quota).collect(),
            limits: targets.iter().map(|(_, limit)| *limit).collect(),
        })
    }
}

impl From<Inner> for SharedLimiter {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl LocalShare {
    fn targets<'a>(
        &'a self,
        wanted: &'a Wanted,
    ) -> impl Iterator<Item = (Digest, Option<u64>)> + 'a {
        let share = |limit: u64| match limit {
            0 | u64::MAX => limit,
            _ => limit.checked_div(self.nodes).unwrap_or(limit).max(1),
        };
        let targets = wanted.targets();
        targets.map(move |(digest, limit)| (digest, limit.map(share)))
    }
}

impl fmt::Debug for SharedLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimiter")
            .field("name", &self.0.name)
            .field("tiers", &self.0.tiers)
            .field("store", &self.0.store)
            .field("breakers", &self.0.breakers)
            .finish_non_exhaustive()
    }
}
