//! One key's units: the batches that are here, the one on its way, and the store's last word.

use tokio::sync::watch;

use crate::Answer;
use crate::digest::Digest;
use crate::shared::store::{Hold, StoreError, TierGiven};

#[derive(Default)]
pub(super) struct Slot {
    pub(super) key: Option<LeaseKey>,
    /// The oldest first.
    grants: Vec<Grant>,
    /// The fetching of a batch, and its number.
    pub(super) renewal: Option<(u64, Coming)>,
    /// The last word of the store, and when it was.
    told: Option<(TierGiven, u64)>,
    refused: Option<Refusal>,
    /// Whether fetching ahead makes sense: not after it failed, until a request needs it.
    pub(super) ahead: bool,
}

struct Grant {
    number: u64,
    left: u64,
    size: u64,
    until: u64,
    hold: Hold,
}

struct Refusal {
    need: u64,
    given: TierGiven,
    made: u64,
    until: u64,
}

/// Whose units of which tier. A subject with another limit is leased apart, since what was taken under
/// one limit must not be handed out under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaseKey {
    pub(super) tier: usize,
    pub(super) digest: Digest,
    pub(super) limit: u64,
}

/// Units that one request has from one batch.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) key: LeaseKey,
    pub(super) units: u64,
    /// What the store needs to take them back.
    pub(super) hold: Hold,
    grant: u64,
}

/// A batch as the store gave it.
pub(super) struct Batch {
    pub(super) units: u64,
    pub(super) given: TierGiven,
    /// When it was asked for.
    pub(super) sent: u64,
}

/// A batch that is on its way.
pub(super) type Coming = watch::Receiver<Option<Ended>>;

/// How the fetching of a batch ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    Granted,
    Refused { need: u64, given: TierGiven },
    Failed(StoreError),
}

/// How many batches a slot remembers, the used up ones included.
const BATCHES: usize = 8;

impl Slot {
    /// Forgets whose slot it was.
    pub(super) fn give_to(&mut self, key: LeaseKey) {
        let mut grants = std::mem::take(&mut self.grants);
        grants.clear();
        *self = Self {
            key: Some(key),
            grants,
            ..Self::default()
        };
    }

    pub(super) fn held(&self, now: u64) -> u64 {
        let live = self.grants.iter().filter(|grant| grant.until > now);
        live.fold(0, |sum, grant| sum.saturating_add(grant.left))
    }

    /// Takes what is there, from the oldest batch first.
    pub(super) fn take(&mut self, units: u64, now: u64, parts: &mut Vec<Part>) {
        let Some(key) = self.key else { return };
        let mut left = units;
        for grant in self.grants.iter_mut().filter(|grant| grant.until > now) {
            let units = left.min(grant.left);
            if units > 0 {
                grant.left = grant.left.saturating_sub(units);
                left = left.saturating_sub(units);
                parts.push(Part {
                    key,
                    units,
                    hold: grant.hold,
                    grant: grant.number,
                });
            }
        }
    }

    pub(super) fn put(&mut self, number: u64, batch: &Batch, life: u64) {
        if self.grants.len() >= BATCHES {
            self.grants.retain(|grant| grant.left > 0);
        }
        self.grants.push(Grant {
            number,
            left: batch.units,
            size: batch.units,
            until: batch.sent.saturating_add(life),
            hold: batch.given.hold,
        });
        self.told = Some((batch.given, batch.sent));
        self.refused = None;
        self.ahead = true;
    }

    /// Puts units back into the newest batch, if they are of it and it lives. Returns how many.
    pub(super) fn put_back(&mut self, part: &Part, units: u64, now: u64) -> u64 {
        match self.grants.last_mut() {
            Some(grant) if grant.number == part.grant && grant.until > now => {
                let back = units.min(grant.size.saturating_sub(grant.left));
                grant.left = grant.left.saturating_add(back);
                back
            }
            _ => 0,
        }
    }

    /// Takes a batch out. Returns what is left of it.
    pub(super) fn end(&mut self, number: u64) -> u64 {
        let mut grants = self.grants.iter();
        let ended = grants.position(|grant| grant.number == number);
        ended.map_or(0, |index| self.grants.remove(index).left)
    }

    /// Remembers a refusal, for as long as it waits and no longer than `memory`.
    pub(super) fn refuse(&mut self, need: u64, given: TierGiven, now: u64, memory: u64) {
        let wait = match given.answer {
            Answer::Wait(micros) => micros.saturating_mul(1000).min(memory),
            Answer::Admit | Answer::Never => 0,
        };
        self.told = Some((given, now));
        self.refused = Some(Refusal {
            need,
            given,
            made: now,
            until: now.saturating_add(wait),
        });
    }

    /// By the last word of the store, and with what is here.
    pub(super) fn standing(&self, now: u64) -> Option<TierGiven> {
        let (told, at) = self.told?;
        let remaining = told.remaining.saturating_add(self.held(now));
        Some(TierGiven {
            answer: Answer::Admit,
            remaining: remaining.min(self.key?.limit),
            hold: Hold::default(),
            ..aged(told, now.saturating_sub(at))
        })
    }

    /// Something was given back.
    pub(super) fn forget_refusal(&mut self) {
        self.refused = None;
    }

    pub(super) fn refusal(&self, need: u64, now: u64) -> Option<TierGiven> {
        let refusal = self.refused.as_ref()?;
        if refusal.need != need || now >= refusal.until {
            return None;
        }
        Some(aged(refusal.given, now.saturating_sub(refusal.made)))
    }

    /// Nothing is here or on its way. What is given back to a batch that is used up goes to the store then.
    pub(super) fn is_free(&self) -> bool {
        self.renewal.is_none() && self.grants.iter().all(|grant| grant.left == 0)
    }
}

/// What the store told, as it stands so many nanoseconds later.
fn aged(mut given: TierGiven, nanos: u64) -> TierGiven {
    let by = nanos.checked_div(1000).unwrap_or(0);
    if let Answer::Wait(wait) = &mut given.answer {
        *wait = wait.saturating_sub(by).max(1);
    }
    given.reset = given.reset.saturating_sub(by);
    given.next = given.next.saturating_sub(by);
    given
}
