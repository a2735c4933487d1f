//! A cost that was taken from a shared store and is not settled yet.

use std::fmt;

use super::given::degrade;
use super::lease::Leased;
use super::store::{Change, Given, StoreError};
use super::targets::Wanted;
use crate::{Decision, Quota, Reservation, SharedLimiter};

/// A cost taken from every tier of a [`SharedLimiter`], to be settled once its outcome is known: what
/// [`Reservation`] is for a limiter in memory. **Dropped unsettled it stays counted.**
///
/// What the fallback took is settled with the fallback, and what came from a [lease](crate::Lease) with
/// the lease, while it lives.
#[must_use = "dropped unsettled, the reservation stays counted"]
pub struct SharedReservation {
    limiter: SharedLimiter,
    wanted: Box<Wanted>,
    decision: Decision,
    held: Held,
}

/// Where the cost was taken.
pub(super) enum Held {
    Store(Given),
    Leased(Box<Leased>),
    Local(Box<Reservation>),
    Nothing,
}

impl SharedReservation {
    pub(super) fn new(
        limiter: SharedLimiter,
        wanted: Box<Wanted>,
        decision: Decision,
        held: Held,
    ) -> Self {
        Self {
            limiter,
            wanted,
            decision,
            held,
        }
    }

    /// What was decided when the reservation was made.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What was taken.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.wanted.ask.cost
    }

    /// Keeps the cost as it was reserved. Asks the store nothing.
    pub fn commit(self) {}

    /// Settles at what it really cost. Less gives the rest back; more is taken as well, even above
    /// the limit. Returns how the tiers stand now.
    ///
    /// # Errors
    ///
    /// When the store does not answer by the limiter's deadline; the cost then stays counted as it
    /// was reserved, unless the store did it and only its answer was lost.
    pub async fn commit_actual(self, actual: u64) -> Result<Decision, StoreError> {
        let actual = actual.min(Quota::MAX);
        let change = match self.cost().checked_sub(actual) {
            Some(rest) => Change::GiveBack(rest),
            None => Change::TakeMore(actual.saturating_sub(self.cost())),
        };
        self.settle(change).await
    }

    /// Gives everything back, in all tiers at once. Returns how they stand now.
    ///
    /// # Errors
    ///
    /// As [`commit_actual`](Self::commit_actual).
    pub async fn refund(self) -> Result<Decision, StoreError> {
        let all = Change::GiveBack(self.cost());
        self.settle(all).await
    }

    async fn settle(self, change: Change) -> Result<Decision, StoreError> {
        let gives = matches!(change, Change::GiveBack(1..));
        let _forgetting = gives.then(|| Forgetting::new(&self.limiter, &self.wanted));
        match self.held {
            _ if change == Change::GiveBack(0) => Ok(self.decision),
            Held::Store(given) => {
                let holds: Vec<_> = given.tiers.iter().map(|tier| tier.hold).collect();
                self.limiter.settle(&self.wanted, &holds, change).await
            }
            Held::Leased(leased) => match &self.limiter.0.leases {
                Some(leases) => {
                    let settle = self
                        .limiter
                        .settle_leased(leases, &self.wanted, &leased, change);
                    settle.await
                }
                None => Ok(self.decision),
            },
            Held::Local(taken) => {
                let mut decision = match change {
                    Change::GiveBack(units) => {
                        let rest = taken.cost().saturating_sub(units);
                        taken.commit_actual(rest)
                    }
                    Change::TakeMore(units) => {
                        let all = taken.cost().saturating_add(units);
                        taken.commit_actual(all)
                    }
                };
                degrade(&mut decision);
                Ok(decision)
            }
            Held::Nothing => Ok(self.decision),
        }
    }
}

/// Forgets refusals that what is given back contradicts: those from before, and those that were made until the store
/// had it, which nobody else knows, also where the caller goes away meanwhile.
struct Forgetting<'a> {
    limiter: &'a SharedLimiter,
    wanted: &'a Wanted,
}

impl<'a> Forgetting<'a> {
    fn new(limiter: &'a SharedLimiter, wanted: &'a Wanted) -> Self {
        limiter.forget_refusals(wanted);
        Self { limiter, wanted }
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.limiter.forget_refusals(self.wanted);
    }
}

impl fmt::Debug for SharedReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedReservation")
            .field("cost", &self.cost())
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}
