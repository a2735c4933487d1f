//! What was found for the last callers, and what is being looked up: a bounded number.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use super::{Coming, Found};

pub(super) struct Cache<K> {
    entries: HashMap<K, Entry>,
    /// What was found, the oldest first, each with the number of its look-up.
    order: VecDeque<(K, u64)>,
    capacity: usize,
    /// How many look-ups run, those included that were forgotten meanwhile.
    under_way: usize,
    next: u64,
}

/// As many look-ups may run at once also where few callers are remembered.
const LEAST_UNDER_WAY: usize = 64;

struct Entry {
    number: u64,
    state: State,
}

enum State {
    Coming(Coming),
    Found { found: Found, until: Duration },
}

pub(super) enum Known {
    Found(Found),
    Coming(Coming),
}

impl<K: Clone + Eq + Hash> Cache<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            capacity,
            under_way: 0,
            next: 0,
        }
    }

    pub(super) fn emptied(&self) -> Self {
        Self::new(self.capacity)
    }

    pub(super) fn get(&self, key: &K, now: Duration) -> Option<Known> {
        match &self.entries.get(key)?.state {
            // Without a sender it was given up, and is begun anew.
            State::Coming(coming) => {
                let lives = coming.has_changed().is_ok();
                lives.then(|| Known::Coming(coming.clone()))
            }
            State::Found { found, until } => (now < *until).then(|| Known::Found(found.clone())),
        }
    }

    /// Remembers that a look-up runs, which nothing pushes out: or one caller's could be begun again and again beside it.
    /// Returns its number, or `None` when too many run.
    pub(super) fn begin(&mut self, key: K, coming: Coming) -> Option<u64> {
        if self.under_way >= self.capacity.max(LEAST_UNDER_WAY) {
            return None;
        }
        self.under_way = self.under_way.saturating_add(1);
        self.next = self.next.wrapping_add(1);
        let number = self.next;
        let state = State::Coming(coming);
        self.entries.insert(key, Entry { number, state });
        Some(number)
    }

    /// Remembers what a look-up found, unless it was forgotten or begun anew meanwhile.
    pub(super) fn found(&mut self, key: &K, number: u64, found: Found, until: Duration) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if entry.number != number {
            return;
        }
        entry.state = State::Found { found, until };
        self.order.push_back((key.clone(), number));
        while self.order.len() > self.capacity {
            let Some((oldest, number)) = self.order.pop_front() else {
                break;
            };
            // It may have been looked up again since.
            self.remove(&oldest, |entry| entry.number == number);
        }
    }

    /// A look-up has ended, whether or not it found anything.
    pub(super) fn end(&mut self, key: &K, number: u64) {
        self.under_way = self.under_way.saturating_sub(1);
        self.remove(key, |entry| {
            entry.number == number && matches!(entry.state, State::Coming(_))
        });
    }

    fn remove(&mut self, key: &K, which: impl FnOnce(&Entry) -> bool) {
        if self.entries.get(key).is_some_and(which) {
            self.entries.remove(key);
        }
    }

    pub(super) fn forget(&mut self, key: &K) {
        self.entries.remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len().max(self.order.len())
    }
}
