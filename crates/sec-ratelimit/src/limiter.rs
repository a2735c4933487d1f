//! The limiter: several tiers in one decision, as plain functions.

mod requests;

use std::fmt;
use std::sync::Arc;

use crate::about::About;
use crate::decision::TierState;
use crate::quota::nanos;
use crate::tables::{Tables, Target, Targets};
use crate::{
    Answer, Decision, LimitError, Refused, Reservation, Statistics, Subject, SubjectError,
};

/// Several tiers, decided together: a cost is taken from all of them or from none.
///
/// A decision locks the shards of its keys, one per tier and always in the order of the tiers, asks
/// every tier, and takes only if none refuses. One tier alone, if it is a bucket or a fixed window, needs
/// no lock for a key that it knows: one compare-and-swap takes. So a refusal changes no tier, no one ever sees a
/// part of a take, and threads at the limit admit exactly what is left. It allocates nothing, save for
/// the one allocation that holds a refusal, and three more above three tiers.
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
pub struct Limiter(pub(crate) Arc<Tables>);

impl Limiter {
    /// Takes `cost` from every tier, or from none. `subjects` has one per tier, in their order.
    ///
    /// # Errors
    ///
    /// [`LimitError::Refused`] when a tier refuses, [`LimitError::Subjects`] when the subjects do
    /// not fit the tiers. Either way nothing was taken.
    #[inline]
    pub fn check<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let subjects = subjects.as_ref();
        if let [subject] = subjects
            && self.0.plain
        {
            let target = self.target(subject)?;
            if let Some(state) = self.0.take_alone(&target, cost) {
                let checked = self.checked(state, cost);
                self.count_checked(&checked);
                return checked;
            }
        }
        let targets = self.targets(subjects)?;
        let decision = self.0.decide(&targets, cost, true);
        self.count(&decision);
        Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)
    }

    /// The decision of the only tier.
    #[inline]
    fn checked(&self, only: TierState, cost: u64) -> Result<Decision, LimitError> {
        let refuses = only.refuses();
        let decision = self.0.decision(only);
        if refuses {
            return Err(LimitError::Refused(Refused::new(decision, cost)));
        }
        Ok(decision)
    }

    /// Takes `cost` like [`check`](Self::check), and answers nothing but whether it fitted. The
    /// cheapest form: it never allocates, and where a limiter has one tier, in a table without locks
    /// ([`capacity`](crate::LimiterBuilder::capacity) says which) and not only [demanding](crate::OnExceed::Demand), threads with different keys share
    /// nothing that changes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sec_ratelimit::{Answer, Key, Limiter, Quota, Subject};
    ///
    /// let frames = Limiter::builder()
    ///     .tier("frames", Quota::gcra(50, Duration::from_secs(1)), Key::given("connection"))
    ///     .build()?;
    /// assert_eq!(frames.take([Subject::of(7)], 50), Ok(Answer::Admit));
    /// assert!(matches!(frames.take([Subject::of(7)], 1), Ok(Answer::Wait(nanos)) if nanos <= 30_000_000));
    /// # Ok::<(), sec_ratelimit::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subjects do not fit the tiers; nothing was taken then.
    // Else a subject is written to memory, to be read again at once.
    #[inline(always)]
    pub fn take<'a>(
        &self,
        subjects: impl AsRef<[Subject<'a>]>,
        cost: u64,
    ) -> Result<Answer, SubjectError> {
        let subjects = subjects.as_ref();
        if let ([subject], true, None) = (subjects, self.0.plain, &self.0.statistics)
            && subject.limit().is_none()
        {
            let [key, place] = subject.digest(&self.0.seed)?;
            if let Some(answer) = self.0.answer(key, place, cost) {
                return Ok(answer);
            }
        }
        self.take_from_all(subjects, cost)
    }

    fn take_from_all(&self, subjects: &[Subject<'_>], cost: u64) -> Result<Answer, SubjectError> {
        let targets = self.targets(subjects)?;
        let decision = self.0.decide(&targets, cost, true);
        self.count(&decision);
        Ok(if decision.is_allowed() {
            Answer::Admit
        } else {
            let wait = decision.retry_after();
            wait.map_or(Answer::Never, |wait| Answer::Wait(nanos(wait)))
        })
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
        Ok(self.0.decide(&targets, cost, false))
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
        let reserved = self.reserve_targets(targets, cost);
        self.count_reserved(&reserved);
        reserved
    }

    /// What its functions and layers admitted and refused, if it
    /// [counts](crate::LimiterBuilder::statistics).
    #[must_use]
    pub fn statistics(&self) -> Option<&Statistics> {
        self.0.statistics.as_ref()
    }

    pub(crate) fn about(&self) -> About {
        let tables = &*self.0;
        let tiers = tables.tiers.iter().map(|table| &table.tier);
        let statistics = tables.statistics.as_ref();
        About::new(tiers, tables.time.clock(), &tables.policies, statistics)
    }

    #[inline]
    fn count(&self, decision: &Decision) {
        if let Some(statistics) = &self.0.statistics {
            statistics.record(decision, false, None);
        }
    }

    #[inline]
    fn count_checked(&self, checked: &Result<Decision, LimitError>) {
        match checked {
            Ok(decision) => self.count(decision),
            Err(error) => self.count_refused(error),
        }
    }

    #[inline]
    fn count_reserved(&self, reserved: &Result<Reservation, LimitError>) {
        match reserved {
            Ok(reservation) => self.count(reservation.decision()),
            Err(error) => self.count_refused(error),
        }
    }

    fn count_refused(&self, error: &LimitError) {
        if let LimitError::Refused(refused) = error {
            self.count(refused.decision());
        }
    }

    /// [`reserve`](Self::reserve) for digests that a shared limiter has made.
    #[cfg(feature = "shared")]
    pub(crate) fn reserve_digests(
        &self,
        targets: impl Iterator<Item = (crate::digest::Digest, Option<u64>)>,
        cost: u64,
    ) -> Result<Reservation, LimitError> {
        self.reserve_targets(Self::from_digests(targets), cost)
    }

    /// [`peek`](Self::peek) for digests that a shared limiter has made.
    #[cfg(feature = "shared")]
    pub(crate) fn peek_digests(
        &self,
        targets: impl Iterator<Item = (crate::digest::Digest, Option<u64>)>,
        cost: u64,
    ) -> Decision {
        self.0.decide(&Self::from_digests(targets), cost, false)
    }

    #[cfg(feature = "shared")]
    fn from_digests(
        targets: impl Iterator<Item = (crate::digest::Digest, Option<u64>)>,
    ) -> Targets {
        targets
            .map(|(digest, limit)| Target { digest, limit })
            .collect()
    }

    fn reserve_targets(&self, targets: Targets, cost: u64) -> Result<Reservation, LimitError> {
        let (decision, holds) = self.0.reserve(&targets, cost);
        let decision = Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)?;
        Ok(Reservation::new(
            self.0.clone(),
            decision,
            targets,
            holds,
            cost,
        ))
    }

    pub(crate) fn targets(&self, subjects: &[Subject<'_>]) -> Result<Targets, SubjectError> {
        let tiers = self.0.tiers.len();
        if subjects.len() != tiers {
            return Err(SubjectError::Count {
                tiers,
                given: subjects.len(),
            });
        }
        if let [subject] = subjects {
            return Ok(Targets::from_slice(&[self.target(subject)?]));
        }
        self.targets_by(subjects.iter().map(|subject| self.target(subject)))
    }

    #[inline]
    fn target(&self, subject: &Subject<'_>) -> Result<Target, SubjectError> {
        Ok(Target {
            digest: subject.digest(&self.0.seed)?,
            limit: subject.limit(),
        })
    }

    /// At most one allocation, where collecting does not know beforehand how many there will be.
    fn targets_by<E>(&self, each: impl Iterator<Item = Result<Target, E>>) -> Result<Targets, E> {
        let mut targets = Targets::with_capacity(self.0.tiers.len());
        for target in each {
            targets.push(target?);
        }
        Ok(targets)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.tiers.iter().map(|tier| &tier.tier))
            .finish()
    }
}
