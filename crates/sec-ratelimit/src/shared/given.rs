//! From a store's answer to a decision.

use super::store::{Ask, Given, SharedTier, StoreError, TierGiven};
use crate::decision::{Marks, TierState, Verdict};
use crate::digest::id;
use crate::policies::Policies;
use crate::{Answer, Decision, Standing};

/// What a decision needs to know of its tiers beside the store's answer.
pub(super) struct Frame<'a> {
    pub(super) policies: &'a Policies,
    /// The units per window, one per tier.
    pub(super) quotas: &'a [u64],
    pub(super) ask: &'a Ask,
}

impl Frame<'_> {
    pub(super) fn decision(&self, given: &Given) -> Result<Decision, StoreError> {
        if given.tiers.len() != self.ask.tiers.len() {
            return Err(StoreError::Answer("not one answer per tier".into()));
        }
        Ok(self.with(|index, state| {
            if let Some(tier) = given.tiers.get(index) {
                state.verdict = verdict(tier.answer);
                state.standing = standing(tier, state.standing.limit);
            }
        }))
    }

    /// A decision that admits without having asked.
    pub(super) fn unasked(&self) -> Decision {
        self.with(|_, state| {
            state.standing.remaining = state.standing.limit;
            state.marks = state.marks.shared_if(true);
        })
    }

    fn with(&self, fill: impl Fn(usize, &mut TierState)) -> Decision {
        let asked = self.ask.tiers.iter().zip(self.quotas);
        let state = |(index, (tier, quota)): (usize, (&SharedTier, &u64))| {
            let mut state = TierState {
                quota: *quota,
                partition: id(tier.digest),
                marks: Marks::demanding(tier.demands),
                standing: Standing {
                    limit: tier.rule.limit(),
                    ..Standing::default()
                },
                ..TierState::default()
            };
            fill(index, &mut state);
            state
        };
        Decision {
            policies: self.policies.mine(),
            tiers: asked.enumerate().map(state).collect(),
        }
    }
}

/// Marks a decision that a fallback made.
pub(super) fn degrade(decision: &mut Decision) {
    for tier in &mut decision.tiers {
        tier.marks = tier.marks.shared_if(true);
    }
}

/// The refusal as it stands so many nanoseconds later.
pub(super) fn aged(mut decision: Decision, by: u64) -> Decision {
    for tier in &mut decision.tiers {
        if let Verdict::Exhausted(wait) = &mut tier.verdict {
            *wait = wait.saturating_sub(by).max(1);
        }
        tier.standing.reset = tier.standing.reset.saturating_sub(by);
        tier.standing.next = tier.standing.next.saturating_sub(by);
    }
    decision
}

fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Admit => Verdict::Admitted,
        Answer::Wait(wait) => Verdict::Exhausted(wait.saturating_mul(1000)),
        Answer::Never => Verdict::Impossible,
    }
}

fn standing(tier: &TierGiven, limit: u64) -> Standing {
    Standing {
        limit,
        remaining: tier.remaining,
        reset: tier.reset.saturating_mul(1000),
        next: tier.next.saturating_mul(1000),
    }
}
