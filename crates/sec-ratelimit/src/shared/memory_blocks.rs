//! The lists of blocks of one process: what any other store must agree with.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::blocks::{BlockChange, BlockChanges, SharedBlock};
use crate::digest::Digest;

#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<Box<str>, List>);

/// Instants are microseconds.
#[derive(Debug, Default)]
struct List {
    begun: u64,
    last: u64,
    records: HashMap<Digest, Record>,
    by_number: BTreeMap<u64, Digest>,
    /// When each record goes.
    by_end: BTreeSet<(u64, Digest)>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    number: u64,
    kept_until: u64,
    /// `None`: it was lifted. `rest` and `memory` are those of `at`.
    block: Option<SharedBlock>,
    at: u64,
}

impl Lists {
    pub(super) fn put(&mut self, list: &str, block: &SharedBlock, now: u64) {
        let list = self.0.entry(list.into()).or_default();
        list.sweep(now);
        let mut block = SharedBlock {
            memory: block.memory.max(block.rest),
            ..*block
        };
        let old = list.records.get(&block.digest);
        if let Some(old) = old.and_then(|record| record.block_at(now)) {
            let (count, memory) = (old.count.max(block.count), old.memory.max(block.memory));
            if !block.manual && old.rest > 0 && old.rest >= block.rest {
                block = old;
            }
            (block.count, block.memory) = (count, memory);
        }
        if block.memory > 0 {
            list.write(block.digest, Some(block), block.memory, now);
        }
    }

    pub(super) fn lift(&mut self, list: &str, digest: Digest, now: u64) {
        let Some(list) = self.0.get_mut(list) else {
            return;
        };
        list.sweep(now);
        let old = list.records.get(&digest);
        if let Some(old) = old.and_then(|record| record.block_at(now)) {
            list.write(digest, None, old.memory, now);
        }
    }

    pub(super) fn changes(&mut self, list: &str, since: u64, most: u32, now: u64) -> BlockChanges {
        let list = self.0.entry(list.into()).or_default();
        list.sweep(now);
        let lost = since != 0 && (since < list.begun || since > list.last);
        let from = if lost { 0 } else { since };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut rows = list.by_number.range(from.saturating_add(1)..);
        let mut told = BlockChanges {
            next: list.last,
            lost,
            ..BlockChanges::default()
        };
        for (number, digest) in rows.by_ref().take(most) {
            let Some(record) = list.records.get(digest) else {
                continue;
            };
            told.entries.push(match record.block_at(now) {
                Some(block) => BlockChange::Put(block),
                None => BlockChange::Lifted(*digest),
            });
            told.next = *number;
        }
        told.more = rows.next().is_some();
        if !told.more {
            told.next = list.last;
        }
        told
    }
}

impl List {
    fn write(&mut self, digest: Digest, block: Option<SharedBlock>, memory: u64, now: u64) {
        self.remove(digest);
        if self.records.len() >= SharedBlock::MOST
            && let Some((_, first)) = self.by_end.first().copied()
        {
            self.remove(first);
        }
        let number = self.last.saturating_add(1).max(now);
        if self.last == 0 {
            self.begun = number;
        }
        self.last = number;
        let kept_until = now.saturating_add(memory);
        let record = Record {
            number,
            kept_until,
            block,
            at: now,
        };
        self.records.insert(digest, record);
        self.by_number.insert(number, digest);
        self.by_end.insert((kept_until, digest));
    }

    fn remove(&mut self, digest: Digest) {
        if let Some(record) = self.records.remove(&digest) {
            self.by_number.remove(&record.number);
            self.by_end.remove(&(record.kept_until, digest));
        }
    }

    fn sweep(&mut self, now: u64) {
        while let Some(&(end, digest)) = self.by_end.first()
            && end <= now
        {
            self.remove(digest);
        }
    }
}

impl Record {
    /// The block as it stands now, unless it was lifted.
    fn block_at(&self, now: u64) -> Option<SharedBlock> {
        let passed = now.saturating_sub(self.at);
        self.block.map(|block| SharedBlock {
            rest: block.rest.saturating_sub(passed),
            memory: block.memory.saturating_sub(passed),
            ..block
        })
    }
}
