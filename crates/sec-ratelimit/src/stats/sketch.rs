//! The keys asked for most, in bounded memory: the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", 2005).
//!
//! A key without a counter takes over the smallest one and inherits its count as its possible error. After n requests
//! over m counters no count is more than n/m too high, none is too low, and each key of more than n/m
//! requests has a counter.

use sec_core::AddrPrefix;

/// The counters of one part of the keys. Few enough to be searched one by one: their keys fill eight cache lines.
#[derive(Debug)]
pub(super) struct Sketch {
    keys: Box<[u64]>,
    counts: Box<[Counter]>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    pub(super) count: u64,
    pub(super) error: u64,
    pub(super) shown: Option<AddrPrefix>,
}

impl Sketch {
    pub(super) fn new(counters: usize) -> Self {
        Self {
            keys: vec![0; counters].into(),
            counts: vec![Counter::default(); counters].into(),
        }
    }

    pub(super) fn add(&mut self, key: u64, shown: Option<AddrPrefix>) {
        let mut pairs = self.keys.iter().zip(&self.counts);
        let index = pairs
            .position(|(held, counter)| *held == key && counter.count > 0)
            .or_else(|| {
                let counts = self.counts.iter().enumerate();
                Some(counts.min_by_key(|(_, counter)| counter.count)?.0)
            });
        let Some(index) = index else { return };
        let (Some(held), Some(counter)) = (self.keys.get_mut(index), self.counts.get_mut(index))
        else {
            return;
        };
        if *held != key || counter.count == 0 {
            *held = key;
            counter.error = counter.count;
            counter.shown = shown;
        }
        counter.count = counter.count.saturating_add(1);
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = (u64, Counter)> {
        let pairs = self.keys.iter().copied().zip(self.counts.iter().copied());
        pairs.filter(|(_, counter)| counter.count > 0)
    }
}
