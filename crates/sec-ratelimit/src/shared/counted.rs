//! What a shared limiter counts of its decisions, and what layers know of it.

use crate::about::About;
use crate::policies::Policies;
use crate::{Decision, LimitError, SharedLimiter, Statistics, Tier};

impl SharedLimiter {
    /// What its functions and layers admitted and refused in this process, if it
    /// [counts](crate::SharedLimiterBuilder::statistics).
    #[must_use]
    pub fn statistics(&self) -> Option<&Statistics> {
        self.0.statistics.as_ref()
    }

    pub(crate) fn about(&self) -> About {
        let (tiers, policies) = self.policies();
        About::new(
            tiers.iter(),
            self.0.clock.clone(),
            policies,
            self.statistics(),
        )
    }

    pub(crate) fn policies(&self) -> (&[Tier], &Policies) {
        (&self.0.tiers, &self.0.policies)
    }

    /// Counts what a plain function came to.
    pub(super) fn count<T>(
        &self,
        taken: &Result<T, LimitError>,
        decision: impl Fn(&T) -> &Decision,
    ) {
        match taken {
            Ok(taken) => self.count_one(decision(taken)),
            Err(LimitError::Refused(no)) => self.count_one(no.decision()),
            Err(_) => {}
        }
    }

    #[inline]
    pub(super) fn count_one(&self, decision: &Decision) {
        if let Some(statistics) = &self.0.statistics {
            statistics.record(decision, false, None);
        }
    }
}
