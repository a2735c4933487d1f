//! Refusals that are remembered here, so that a blocked key costs no round trip.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::given::aged;
use super::store::Ask;
use crate::digest::{Digest, Seed};
use crate::{Decision, Refused};

/// The last refusals, a fixed number of slots. A slot holds one key; another that meets it there takes
/// its place, which costs a round trip and nothing else.
pub(super) struct Denials {
    slots: Box<[Mutex<Option<Denial>>]>,
    /// The longest that one is believed, in nanoseconds.
    longest: u64,
    seed: Seed,
    /// When the last of them is over.
    over: AtomicU64,
}

struct Denial {
    key: Key,
    decision: Decision,
    made: u64,
    until: u64,
    /// As it was last told, and when: told again to those who come at nearly the same time.
    told: Option<(u64, Refused)>,
}

/// For so many nanoseconds a refusal is told as it was: its wait is that much too long at most.
const SAME: u64 = 1_000_000;

/// All subjects of a request, with the limits that apply to them and the cost.
pub(super) type Key = [u64; 2];

impl Denials {
    pub(super) fn new(slots: usize, longest: u64) -> Self {
        let slots = std::iter::repeat_with(|| Mutex::new(None)).take(slots);
        Self {
            slots: slots.collect(),
            longest,
            seed: Seed::random(),
            over: AtomicU64::new(0),
        }
    }

    pub(super) fn key(&self, ask: &Ask) -> Key {
        let tiers = ask.tiers.iter();
        self.key_of(ask.cost, tiers.map(|tier| (tier.digest, tier.rule.limit())))
    }

    /// The key of these digests and limits, one per tier.
    pub(super) fn key_of(&self, cost: u64, tiers: impl Iterator<Item = (Digest, u64)>) -> Key {
        let mut hasher = self.seed.hasher();
        hasher.words([cost]);
        for ([low, high], limit) in tiers {
            hasher.words([low, high, limit]);
        }
        hasher.finish()
    }

    /// Whether any may be remembered: as long as none is, nobody needs a key.
    pub(super) fn any(&self, now: u64) -> bool {
        now < self.over.load(Ordering::Relaxed)
    }

    /// The refusal as it stands now, if its wait is not over.
    pub(super) fn find(&self, key: Key, cost: u64, now: u64) -> Option<Refused> {
        let slot = self.slot(key)?.lock();
        let mut slot = slot.unwrap_or_else(PoisonError::into_inner);
        let denial = slot.as_mut()?;
        if denial.key != key || now >= denial.until {
            return None;
        }
        if let Some((at, refused)) = &denial.told
            && now.saturating_sub(*at) < SAME
        {
            return Some(refused.clone());
        }
        let age = now.saturating_sub(denial.made);
        let refused = Refused::unless_allowed(aged(denial.decision.clone(), age), cost).err()?;
        denial.told = Some((now, refused.clone()));
        Some(refused)
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
            let until = now.saturating_add(wait);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Denial {
                key,
                decision: decision.clone(),
                made: now,
                until,
                told: None,
            });
            self.over.fetch_max(until, Ordering::Relaxed);
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
