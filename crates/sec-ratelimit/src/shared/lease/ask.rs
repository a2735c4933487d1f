//! Decisions with leased tiers: from memory, and from the store what memory cannot say.

use std::time::Instant;

use tokio::time::timeout_at;

use super::settle::{Direct, Leased};
use super::slot::{Ended, LeaseKey};
use super::table::{Leases, Taken, Taking};
use crate::quota::nanos;
use crate::shared::store::{Ask, Hold, SharedTier, StoreError, TierGiven};
use crate::shared::targets::Wanted;
use crate::{Answer, Decision, SharedLimiter};

/// A decision, what it holds if it admits, and whether its refusal may be remembered for the request.
pub(in crate::shared) struct Asked {
    pub(in crate::shared) decision: Decision,
    pub(in crate::shared) leased: Leased,
    pub(in crate::shared) remember: bool,
}

enum Found {
    Taken(Taken),
    Refused(LeaseKey, TierGiven),
}

impl SharedLimiter {
    /// Takes from the leases first, and what they do not say from the store.
    pub(in crate::shared) async fn ask_leased(
        &self,
        leases: &Leases,
        wanted: &Wanted,
    ) -> Result<Asked, StoreError> {
        let deadline = self.deadline();
        let keys = leases.keys(wanted);
        let taken = match self.lease(leases, &keys, wanted, deadline).await? {
            Found::Taken(taken) => taken,
            Found::Refused(key, given) => {
                let row = self.row(leases, &keys, wanted, vec![(key.tier, given)]);
                // Remembered with the lease: for its key, and until something comes back to it.
                return self.answered(wanted, row, Leased::default(), false);
            }
        };
        let mut leased = Leased {
            parts: taken.parts,
            ..Leased::default()
        };
        let mut told = Vec::new();
        let mut refused = false;
        for (tier, units) in taken.direct {
            let ask = self.alone(wanted, tier, units);
            match self.decided(&ask, true, deadline).await.and_then(only) {
                Ok(given) => {
                    refused = given.answer != Answer::Admit;
                    told.push((tier, given));
                    if refused {
                        break;
                    }
                    let hold = given.hold;
                    leased.direct.push(Direct { tier, units, hold });
                }
                Err(error) => {
                    self.undo(leases, wanted, leased);
                    return Err(error);
                }
            }
        }
        if let Some((ask, places)) = leases.rest(wanted).filter(|_| !refused) {
            match self.decided(&ask, true, deadline).await {
                Ok(given) if given.tiers.len() == places.len() => {
                    let no = |(tier, given): (&SharedTier, &TierGiven)| {
                        given.answer != Answer::Admit && !tier.demands
                    };
                    refused = ask.tiers.iter().zip(&given.tiers).any(no);
                    leased.rest = given.tiers.iter().map(|tier| tier.hold).collect();
                    told.extend(places.into_iter().zip(given.tiers));
                }
                Ok(_) => {
                    self.undo(leases, wanted, leased);
                    return Err(StoreError::Answer("not one answer per tier".into()));
                }
                Err(error) => {
                    self.undo(leases, wanted, leased);
                    return Err(error);
                }
            }
        }
        if refused {
            self.undo(leases, wanted, std::mem::take(&mut leased));
        }
        let row = self.row(leases, &keys, wanted, told);
        self.answered(wanted, row, leased, true)
    }

    /// How all tiers stand: the store's word, and what is held here beside it.
    pub(in crate::shared) async fn peek_leased(
        &self,
        leases: &Leases,
        wanted: &Wanted,
    ) -> Result<Decision, StoreError> {
        let deadline = self.deadline();
        let keys = leases.keys(wanted);
        let mut told = Vec::new();
        let cost = wanted.ask.cost;
        for key in &keys {
            let held = leases.held(key, self.now());
            let local = if cost > key.limit { 0 } else { held.min(cost) };
            let ask = self.alone(wanted, key.tier, cost.saturating_sub(local));
            match self.decided(&ask, false, deadline).await.and_then(only) {
                Ok(mut given) => {
                    // A batch that comes meanwhile may be counted as the store's still.
                    let held = held.min(leases.held(key, self.now()));
                    given.remaining = given.remaining.saturating_add(held).min(key.limit);
                    told.push((key.tier, given));
                }
                // What is held admits all the same.
                Err(_) if cost > 0 && held >= cost => {}
                Err(error) => return Err(error),
            }
        }
        if let Some((ask, places)) = leases.rest(wanted) {
            let given = self.decided(&ask, false, deadline).await?;
            told.extend(places.into_iter().zip(given.tiers));
        }
        self.framed(wanted, self.row_of(leases, &keys, wanted, told))
    }

    /// Takes from all leases, waiting for batches where they are short.
    async fn lease(
        &self,
        leases: &Leases,
        keys: &[LeaseKey],
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<Found, StoreError> {
        loop {
            match leases.take(keys, wanted.ask.cost, self.now()) {
                Taking::Taken(mut taken) => {
                    for start in taken.ahead.drain(..) {
                        self.fetch(wanted, start);
                    }
                    return Ok(Found::Taken(taken));
                }
                Taking::Refused(key, given) => return Ok(Found::Refused(key, given)),
                Taking::Short {
                    key,
                    need,
                    mut coming,
                    start,
                } => {
                    if let Some(start) = start {
                        self.fetch(wanted, start);
                    }
                    let ended = coming.wait_for(Option::is_some);
                    let ended = match timeout_at(deadline.into(), ended).await {
                        Ok(Ok(ended)) => ended.clone(),
                        // The runtime on which it was being fetched is gone.
                        Ok(Err(_)) => None,
                        Err(_) => return Err(StoreError::Deadline),
                    };
                    match ended {
                        Some(Ended::Refused { need: most, given }) if most == need => {
                            return Ok(Found::Refused(key, given));
                        }
                        // Another may have taken what came, or was refused more than is needed here.
                        Some(Ended::Granted | Ended::Refused { .. }) => {}
                        Some(Ended::Failed(error)) => return Err(error),
                        None => {
                            return Err(StoreError::Unreachable(
                                "the batch was not fetched".into(),
                            ));
                        }
                    }
                }
            }
        }
    }

    /// A request for one leased tier: its keys stand by themselves.
    pub(super) fn alone(&self, wanted: &Wanted, tier: usize, cost: u64) -> Ask {
        let global = self.0.tiers.get(tier).is_some_and(|t| t.key.is_global());
        let tiers: Vec<_> = wanted.ask.tiers.get(tier).cloned().into_iter().collect();
        let digest = tiers.first().map(|tier| tier.digest);
        Ask {
            limiter: self.0.name.clone(),
            subject: digest.filter(|_| !global),
            tiers,
            cost,
        }
    }

    /// How all tiers stand: by what the store told just now, with what is held beside it; else as
    /// [`row_of`](Self::row_of).
    pub(super) fn row(
        &self,
        leases: &Leases,
        keys: &[LeaseKey],
        wanted: &Wanted,
        mut told: Vec<(usize, TierGiven)>,
    ) -> Vec<TierGiven> {
        for (tier, given) in &mut told {
            if let Some(key) = keys.iter().find(|key| key.tier == *tier) {
                let held = leases.held(key, self.now());
                given.remaining = given.remaining.saturating_add(held).min(key.limit);
            }
        }
        self.row_of(leases, keys, wanted, told)
    }

    /// How all tiers stand: as told; else by what is known here, and those which nobody was asked about as if
    /// untouched.
    fn row_of(
        &self,
        leases: &Leases,
        keys: &[LeaseKey],
        wanted: &Wanted,
        told: Vec<(usize, TierGiven)>,
    ) -> Vec<TierGiven> {
        let untouched = |tier: &SharedTier| TierGiven {
            answer: Answer::Admit,
            remaining: tier.rule.limit(),
            reset: 0,
            next: 0,
            hold: Hold::default(),
        };
        let mut row: Vec<_> = wanted.ask.tiers.iter().map(untouched).collect();
        let now = self.now();
        let here = keys
            .iter()
            .filter_map(|key| Some((key.tier, leases.standing(key, now)?)));
        for (tier, given) in here.chain(told) {
            if let Some(place) = row.get_mut(tier) {
                *place = given;
            }
        }
        row
    }

    pub(super) fn now(&self) -> u64 {
        nanos(self.0.clock.monotonic())
    }

    fn answered(
        &self,
        wanted: &Wanted,
        row: Vec<TierGiven>,
        leased: Leased,
        remember: bool,
    ) -> Result<Asked, StoreError> {
        Ok(Asked {
            decision: self.framed(wanted, row)?,
            leased,
            remember,
        })
    }
}

impl Leases {
    /// The leased tiers of a request.
    pub(super) fn keys(&self, wanted: &Wanted) -> Vec<LeaseKey> {
        let tiers = wanted.ask.tiers.iter().enumerate();
        let leased = tiers.filter(|(tier, _)| self.terms(*tier).is_some());
        let key = |(tier, asked): (usize, &SharedTier)| LeaseKey {
            tier,
            digest: asked.digest,
            limit: asked.rule.limit(),
        };
        leased.map(key).collect()
    }

    /// What the store is asked about in one round trip, and which tiers that are.
    pub(in crate::shared) fn rest(&self, wanted: &Wanted) -> Option<(Ask, Vec<usize>)> {
        let tiers = wanted.ask.tiers.iter().enumerate();
        let rest = tiers.filter(|(tier, _)| self.terms(*tier).is_none());
        let (places, tiers): (Vec<_>, Vec<_>) = rest.map(|(tier, it)| (tier, it.clone())).unzip();
        (!places.is_empty()).then(|| {
            let ask = Ask {
                limiter: wanted.ask.limiter.clone(),
                subject: wanted.ask.subject,
                tiers,
                cost: wanted.ask.cost,
            };
            (ask, places)
        })
    }
}

/// The one answer to a request for one tier.
pub(super) fn only(given: crate::Given) -> Result<TierGiven, StoreError> {
    match *given.tiers {
        [only] => Ok(only),
        _ => Err(StoreError::Answer("not one answer per tier".into())),
    }
}
