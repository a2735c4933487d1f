//! Refusals that are remembered here, so that a blocked key costs no round trip.

use std::sync::{Mutex, PoisonError};

use super::given::aged;
use super::store::Ask;
use crate::Decision;
use crate::digest::Seed;

/// The last refusals, a fixed number of slots. A slot holds one key; another that meets it there takes
/// its place, which costs a round trip and nothing else.
pub(super) struct Denials {
    slots: Box<[Mutex<Option<Denial>>]>,
    /// The longest that one is believed, in nanoseconds.
    longest: u64,
    seed: Seed,
}

struct Denial {
    key: Key,
    decision: Decision,
    made: u64,
    until: u64,
}

/// All subjects of a request, with the limits that apply to them and the cost.
pub(super) type Key = [u64; 2];

impl Denials {
    pub(super) fn new(slots: usize, longest: u64) -> Self {
        let slots = std::iter::repeat_with(|| Mutex::new(None)).take(slots);
        Self {
            slots: slots.collect(),
            longest,
            seed: Seed::random(),
        }
    }

    pub(super) fn key(&self, ask: &Ask) -> Key {
        let mut hasher = self.seed.hasher();
        hasher.write(&ask.cost.to_le_bytes());
        for tier in &ask.tiers {
            for number in [tier.digest[0], tier.digest[1], tier.rule.limit()] {
                hasher.write(&number.to_le_bytes());
            }
        }
        hasher.finish()
    }

    /// The refusal as it stands now, if its wait is not over.
    pub(super) fn find(&self, key: Key, now: u64) -> Option<Decision> {
        let slot = self.slot(key)?.lock();
        let slot = slot.unwrap_or_else(PoisonError::into_inner);
        let denial = slot.as_ref()?;
        if denial.key != key || now >= denial.until {
            return None;
        }
        let age = now.saturating_sub(denial.made);
        Some(aged(denial.decision.clone(), age))
    }

    /// Remembers a refusal until its longest wait is over: the tier that waits longest refuses until
    /// then, whatever the others do.
    pub(super) fn keep(&self, key: Key, decision: &Decision, now: u64) {
        let wait = match decision.retry_after() {
            Some(wait) => crate::quota::nanos(wait).min(self.longest),
            None if decision.is_allowed() => return,
            None => self.longest,
        };
        if let Some(slot) = self.slot(key) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Denial {
                key,
                decision: decision.clone(),
                made: now,
                until: now.saturating_add(wait),
            });
        }
    }

    /// Something was given back to these subjects.
    pub(super) fn forget(&self, key: Key) {
        if let Some(slot) = self.slot(key) {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.as_ref().is_some_and(|denial| denial.key == key) {
                *slot = None;
            }
        }
    }

    /// A key was reset, which may be what any of them waits for.
    pub(super) fn clear(&self) {
        for slot in &self.slots {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    fn slot(&self, [low, _]: Key) -> Option<&Mutex<Option<Denial>>> {
        let index = low.checked_rem(u64::try_from(self.slots.len()).unwrap_or(u64::MAX))?;
        self.slots.get(usize::try_from(index).ok()?)
    }
}
