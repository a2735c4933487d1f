//! What was found for the last callers, and what is being looked up: a bounded number.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use super::{Coming, Found};

pub(super) struct Cache<K> {
    entries: HashMap<K, Entry>,
    /// The oldest first, each with the number of the look-up that put it there.
    order: VecDeque<(K, u64)>,
    capacity: usize,
    next: u64,
}

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

    /// Remembers that a look-up runs. Returns its number.
    pub(super) fn begin(&mut self, key: K, coming: Coming) -> u64 {
        self.next = self.next.wrapping_add(1);
        let number = self.next;
        self.order.push_back((key.clone(), number));
        let state = State::Coming(coming);
        self.entries.insert(key, Entry { number, state });
        while self.order.len() > self.capacity {
            let Some((oldest, number)) = self.order.pop_front() else {
                break;
            };
            // It may have been looked up again since.
            if self
                .entries
                .get(&oldest)
                .is_some_and(|it| it.number == number)
            {
                self.entries.remove(&oldest);
            }
        }
        number
    }

    /// Remembers what a look-up found, unless it was forgotten or begun anew meanwhile.
    pub(super) fn end(&mut self, key: &K, number: u64, found: Found, until: Duration) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.number == number
        {
            entry.state = State::Found { found, until };
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
