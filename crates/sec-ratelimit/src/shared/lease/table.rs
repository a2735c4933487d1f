//! What this process holds of the leased tiers, in a fixed number of slots under one short lock: what a
//! request takes from several tiers it takes from all of them or from none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::slot::{Batch, Coming, Ended, LeaseKey, Part, Slot};
use crate::shared::store::TierGiven;

pub(in crate::shared) struct Leases {
    terms: Vec<Option<Terms>>,
    /// The longest that a refusal is believed, in nanoseconds.
    memory: u64,
    table: Mutex<Table>,
}

/// A lease that was checked. Times are nanoseconds of the limiter's clock.
#[derive(Clone, Copy, Debug)]
pub(in crate::shared) struct Terms {
    pub(super) units: u64,
    pub(super) life: u64,
    pub(super) renew_below: u64,
    pub(super) keys: usize,
}

/// What a request finds.
pub(super) enum Taking {
    Taken(Taken),
    /// Nothing was taken: a batch is on its way, or is to be fetched by who gets the `start`.
    Short {
        key: LeaseKey,
        need: u64,
        coming: Coming,
        start: Option<Start>,
    },
    /// Nothing was taken: the store has refused it before.
    Refused(LeaseKey, TierGiven),
}

#[derive(Default)]
pub(super) struct Taken {
    pub(super) parts: Vec<Part>,
    /// The tiers which the store must be asked for itself, and for how much.
    pub(super) direct: Vec<(usize, u64)>,
    /// Batches to fetch while this request goes on.
    pub(super) ahead: Vec<Start>,
}

/// The duty to fetch a batch: up to `units`, at least `need`.
pub(super) struct Start {
    pub(super) key: LeaseKey,
    pub(super) units: u64,
    pub(super) need: u64,
    renewal: u64,
    ended: watch::Sender<Option<Ended>>,
}

struct Table {
    /// One row of sets of slots per tier, empty where a tier is not leased.
    tiers: Vec<Box<[Slot]>>,
    /// Numbers grants and renewals.
    next: u64,
}

/// How many slots a key may lie in.
const WAYS: usize = 8;

impl Leases {
    pub(in crate::shared) fn new(terms: Vec<Option<Terms>>, memory: u64) -> Self {
        let row = |terms: &Option<Terms>| {
            let sets = terms.map_or(0, |terms| terms.keys.div_ceil(WAYS));
            let slots = std::iter::repeat_with(Slot::default);
            slots.take(sets.saturating_mul(WAYS)).collect()
        };
        Self {
            table: Mutex::new(Table {
                tiers: terms.iter().map(row).collect(),
                next: 0,
            }),
            memory,
            terms,
        }
    }

    pub(in crate::shared) fn terms(&self, tier: usize) -> Option<Terms> {
        self.terms.get(tier).copied().flatten()
    }

    /// Takes `cost` for every key, or nothing.
    pub(super) fn take(&self, keys: &[LeaseKey], cost: u64, now: u64) -> Taking {
        let mut table = self.lock();
        for key in keys {
            let Some(terms) = self.terms(key.tier) else {
                continue;
            };
            let Some(slot) = table.claim(*key) else {
                continue;
            };
            let held = slot.held(now);
            if is_direct(cost, key, &terms) || held >= cost {
                continue;
            }
            let need = cost.saturating_sub(held);
            if let Some(given) = slot.refusal(need, now) {
                return Taking::Refused(*key, given);
            }
            let coming = slot.renewal.as_ref().map(|(_, coming)| coming.clone());
            let (start, coming) = match coming {
                Some(coming) => (None, coming),
                None => {
                    let units = terms.batch(key).saturating_sub(held);
                    let (start, coming) = table.start(*key, units, need);
                    (Some(start), coming)
                }
            };
            return Taking::Short {
                key: *key,
                need,
                coming,
                start,
            };
        }
        let mut taken = Taken::default();
        for key in keys {
            let Some(terms) = self.terms(key.tier) else {
                continue;
            };
            let Some(slot) = table.find(key) else {
                taken.direct.push((key.tier, cost));
                continue;
            };
            // A cost that can never fit is the store's to refuse as a whole.
            let local = if cost > key.limit {
                0
            } else {
                slot.held(now).min(cost)
            };
            slot.take(local, now, &mut taken.parts);
            if is_direct(cost, key, &terms) {
                taken.direct.push((key.tier, cost.saturating_sub(local)));
            }
            let held = slot.held(now);
            let wanted = slot.ahead && slot.renewal.is_none() && held < terms.below(key);
            if wanted && slot.refusal(1, now).is_none() {
                let units = terms.batch(key).saturating_sub(held);
                taken.ahead.push(table.start(*key, units, 1).0);
            }
        }
        Taking::Taken(taken)
    }

    /// Takes so many units more of a key, if they are here.
    pub(super) fn take_more(&self, key: &LeaseKey, units: u64, now: u64) -> bool {
        let mut table = self.lock();
        match table.find(key) {
            Some(slot) if slot.held(now) >= units => {
                slot.take(units, now, &mut Vec::new());
                true
            }
            _ => false,
        }
    }

    /// Puts units back into the batch that they came from, if it lives and none was asked for since: what
    /// was handed out long ago and comes back now would be more than the one batch that may be held.
    /// Returns how many.
    pub(super) fn give_back(&self, part: &Part, units: u64, now: u64) -> u64 {
        let mut table = self.lock();
        let slot = table.find(&part.key);
        let Some(slot) = slot.filter(|slot| slot.renewal.is_none()) else {
            return 0;
        };
        slot.put_back(part, units, now)
    }

    /// A batch has come. Returns its number; `None` if nobody wants it any more.
    pub(super) fn granted(&self, start: &Start, batch: &Batch) -> Option<u64> {
        let life = self.terms(start.key.tier)?.life;
        let mut table = self.lock();
        let number = table.number();
        let slot = table.renewed(start)?;
        slot.put(number, batch, life);
        drop(table);
        start.ended.send_replace(Some(Ended::Granted));
        Some(number)
    }

    /// No batch has come.
    pub(super) fn not_granted(&self, start: &Start, ended: Ended, now: u64) {
        let mut table = self.lock();
        if let Some(slot) = table.renewed(start) {
            slot.ahead = false;
            if let Ended::Refused { need, given } = ended {
                slot.refuse(need, given, now, self.memory);
            }
        }
        drop(table);
        start.ended.send_replace(Some(ended));
    }

    /// Ends the life of a batch. Returns what is left of it.
    pub(super) fn end(&self, key: &LeaseKey, number: u64) -> u64 {
        let mut table = self.lock();
        let Some(slot) = table.find(key) else {
            return 0;
        };
        slot.end(number)
    }

    /// Forgets a key: its units are nobody's.
    pub(super) fn forget(&self, key: &LeaseKey) {
        if let Some(slot) = self.lock().find(key) {
            *slot = Slot::default();
        }
    }

    /// Something was given back to a key, here or at the store.
    pub(super) fn forget_refusal(&self, key: &LeaseKey) {
        if let Some(slot) = self.lock().find(key) {
            slot.forget_refusal();
        }
    }

    /// How many units of a key are here.
    pub(super) fn held(&self, key: &LeaseKey, now: u64) -> u64 {
        self.lock().find(key).map_or(0, |slot| slot.held(now))
    }

    /// How a key stands: by the last word of the store, and with what is here.
    pub(super) fn standing(&self, key: &LeaseKey, now: u64) -> Option<TierGiven> {
        let mut table = self.lock();
        let slot = table.find(key)?;
        slot.standing(now)
    }

    /// The most that is held of any key.
    #[cfg(test)]
    pub(super) fn most_held(&self, now: u64) -> u64 {
        let table = self.lock();
        let slots = table.tiers.iter().flatten();
        slots.map(|slot| slot.held(now)).max().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terms {
    /// The batch of a key, whose own limit may be smaller.
    fn batch(&self, key: &LeaseKey) -> u64 {
        self.units.min(key.limit)
    }

    fn below(&self, key: &LeaseKey) -> u64 {
        self.renew_below.min(self.batch(key))
    }
}

/// What no batch can hold, and what costs nothing.
fn is_direct(cost: u64, key: &LeaseKey, terms: &Terms) -> bool {
    cost == 0 || cost > terms.batch(key)
}

impl Table {
    fn set(&mut self, key: &LeaseKey) -> Option<&mut [Slot]> {
        let row = self.tiers.get_mut(key.tier)?;
        let sets = u64::try_from(row.len().checked_div(WAYS)?).ok()?;
        let [low, _] = key.digest;
        let set = usize::try_from(low.checked_rem(sets)?).ok()?;
        row.chunks_exact_mut(WAYS).nth(set)
    }

    fn find(&mut self, key: &LeaseKey) -> Option<&mut Slot> {
        let mut slots = self.set(key)?.iter_mut();
        slots.find(|slot| slot.key.as_ref() == Some(key))
    }

    /// The key's slot, or one that nobody needs.
    fn claim(&mut self, key: LeaseKey) -> Option<&mut Slot> {
        let slots = self.set(&key)?;
        let own = slots.iter().position(|slot| slot.key == Some(key));
        let index = own.or_else(|| slots.iter().position(Slot::is_free))?;
        let slot = slots.get_mut(index)?;
        if own.is_none() {
            slot.give_to(key);
        }
        Some(slot)
    }

    fn start(&mut self, key: LeaseKey, units: u64, need: u64) -> (Start, Coming) {
        let number = self.number();
        let (ended, coming) = watch::channel(None);
        if let Some(slot) = self.find(&key) {
            slot.renewal = Some((number, coming.clone()));
        }
        let start = Start {
            key,
            units,
            need,
            renewal: number,
            ended,
        };
        (start, coming)
    }

    /// The slot that waits for this renewal, which is over.
    fn renewed(&mut self, start: &Start) -> Option<&mut Slot> {
        let slot = self.find(&start.key)?;
        slot.renewal
            .take_if(|(number, _)| *number == start.renewal)?;
        Some(slot)
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}
