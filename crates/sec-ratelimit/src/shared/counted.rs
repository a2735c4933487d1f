//! What a shared limiter counts of its decisions, and what layers know of it.

use std::sync::Arc;

use crate::about::About;
use crate::decision::Policies;
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

    pub(crate) fn policies(&self) -> (&[Tier], &Arc<Policies>) {
        (&self.0.tiers, &self.0.policies)
    }

    /// Counts what a plain function came to.
    pub(super) fn counted<T>(
        &self,
        taken: Result<T, LimitError>,
        decision: impl Fn(&T) -> &Decision,
    ) -> Result<T, LimitError> {
        if let Some(statistics) = &self.0.statistics {
            match &taken {
                Ok(taken) => statistics.record(decision(taken), false, None),
                Err(LimitError::Refused(no)) => statistics.record(no.decision(), false, None),
                Err(_) => {}
            }
        }
        taken
    }
}
