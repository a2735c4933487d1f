//! What is known of addresses, and what is to be found out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// An address, and which good bot it claims to be.
pub(super) type Key = (IpAddr, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Verified,
    Spoofed,
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    until: Duration,
    renew: Duration,
}

/// Both parts are bounded.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    capacity: usize,
    queue: VecDeque<Key>,
    /// Queued or being looked up.
    busy: HashSet<Key>,
    most_waiting: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize, most_waiting: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity,
            queue: VecDeque::new(),
            busy: HashSet::new(),
            most_waiting,
        }
    }

    pub(super) fn emptied(&self) -> Self {
        Self::new(self.capacity, self.most_waiting)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What is known now, and whether look-ups wait; this one is queued when little or old is known.
    pub(super) fn look_up(&mut self, key: Key, now: Duration) -> (Option<State>, bool) {
        let entry = self.entries.get(&key).filter(|entry| now < entry.until);
        let state = entry.map(|entry| entry.state);
        let fresh = entry.is_some_and(|entry| now < entry.renew);
        let queue = !fresh && self.queue.len() < self.most_waiting && self.busy.insert(key);
        if queue {
            self.queue.push_back(key);
        }
        (state, !self.queue.is_empty())
    }

    pub(super) fn next(&mut self) -> Option<Key> {
        self.queue.pop_front()
    }

    pub(super) fn done(&mut self, key: Key) {
        self.busy.remove(&key);
    }

    /// Remembers a result. Runs in the background, so that it may look through the table for a place.
    pub(super) fn store(&mut self, key: Key, state: State, now: Duration, keep: Duration) {
        let mut entry = Entry {
            state,
            until: now.saturating_add(keep),
            renew: now.saturating_add(keep.checked_div(2).unwrap_or(keep)),
        };
        if state == State::Failed {
            // A failure says nothing new: what is known counts until it is too old.
            entry.renew = entry.until;
            if let Some(known) = self.entries.get_mut(&key)
                && now < known.until
                && known.state != State::Failed
            {
                known.renew = entry.renew;
                return;
            }
        }
        if !self.entries.contains_key(&key) && self.entries.len() >= self.capacity {
            // What has expired goes first, then what is not verified, so that false claims push no real bot out.
            let rank = |entry: &Entry| {
                let expired = entry.until <= now;
                (!expired, entry.state == State::Verified, entry.until)
            };
            let victim = self.entries.iter().min_by_key(|(_, entry)| rank(entry));
            let Some((victim, least)) = victim.map(|(key, entry)| (*key, rank(entry))) else {
                return;
            };
            if least.0 && least.1 && state != State::Verified {
                return;
            }
            self.entries.remove(&victim);
        }
        self.entries.insert(key, entry);
    }
}
