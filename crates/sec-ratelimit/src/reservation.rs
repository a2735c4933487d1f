//! A cost that was taken and is not settled yet.

use std::fmt;
use std::sync::Arc;

use crate::Decision;
use crate::tables::{Change, Holds, Tables, Targets};

/// A cost taken from every tier, to be settled once its outcome is known.
///
/// It counts from the moment it is made, so parallel attempts cannot slip through before the first
/// is settled. Settling consumes it: nothing can be given back twice. **Dropped unsettled** (the
/// client went away, the handler failed) **it stays counted.**
///
/// What is given back goes to the window it was taken from. If that window is over, or the bucket has
/// refilled in the meantime, nothing is left to give back: a refund never enlarges a later window.
#[must_use = "dropped unsettled, the reservation stays counted"]
pub struct Reservation {
    tables: Arc<Tables>,
    decision: Decision,
    targets: Targets,
    holds: Holds,
    cost: u64,
}

impl Reservation {
    pub(crate) fn new(
        tables: Arc<Tables>,
        decision: Decision,
        targets: Targets,
        holds: Holds,
        cost: u64,
    ) -> Self {
        Self {
            tables,
            decision,
            targets,
            holds,
            cost,
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
        self.cost
    }

    /// Keeps the cost as it was reserved.
    pub fn commit(self) {}

    /// Settles at what it really cost. Less gives the rest back; more is taken as well, even above
    /// the limit, since the work is done: the key then waits for longer. Returns how the tiers stand
    /// now.
    #[allow(
        clippy::must_use_candidate,
        reason = "settling is what it is called for"
    )]
    pub fn commit_actual(mut self, actual: u64) -> Decision {
        let change = match self.cost.checked_sub(actual) {
            Some(rest) => Change::GiveBack(rest),
            None => Change::TakeMore(actual.saturating_sub(self.cost)),
        };
        self.settle(change)
    }

    /// Gives everything back, in all tiers at once. Returns how they stand now.
    #[allow(
        clippy::must_use_candidate,
        reason = "settling is what it is called for"
    )]
    pub fn refund(mut self) -> Decision {
        self.settle(Change::GiveBack(self.cost))
    }

    fn settle(&mut self, change: Change) -> Decision {
        let Self {
            tables,
            decision,
            targets,
            holds,
            ..
        } = self;
        if !matches!(change, Change::GiveBack(0)) {
            tables.settle(decision, targets, holds, change);
        }
        decision.clone()
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("cost", &self.cost)
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}
