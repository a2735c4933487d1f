//! The table under floods of keys.

use super::*;
use crate::digest::{Digest, Seed};
use crate::quota::Algorithm;
use crate::{Answer, BoundedWindow, ExactLog, FixedWindow, Gcra, SlidingWindow};

const SEED: u64 = 0x5eed;

/// A key like a hash, reproducible.
fn key(n: u64) -> Digest {
    let mut hasher = Seed::fixed(SEED).hasher();
    hasher.write(&n.to_le_bytes());
    hasher.finish()
}

struct Tester {
    table: Table,
    rule: Algorithm,
}

impl Tester {
    fn new(keys: usize, rule: Algorithm) -> Self {
        Self {
            table: Table::new(keys, rule),
            rule,
        }
    }

    /// Takes one unit for a key; whether it was admitted, and whether in the overflow slot.
    fn take(&self, n: u64, now: u64) -> (bool, bool) {
        let mut shard = self.table.lock(key(n)).unwrap();
        let place = shard.find(key(n), now);
        let admitted = shard.answer(place, &self.rule, now, 1) == Answer::Admit;
        if admitted {
            let _ = shard.take(key(n), place, &self.rule, now, 1, false);
        }
        (admitted, place.overflow)
    }

    fn remaining(&self, n: u64, now: u64) -> u64 {
        let shard = self.table.lock(key(n)).unwrap();
        shard
            .standing(shard.find(key(n), now), &self.rule, now)
            .remaining
    }
}

fn rules(limit: u64) -> [Algorithm; 5] {
    [
        Algorithm::Fixed(FixedWindow::new(limit, 1_000_000)),
        Algorithm::Gcra(Gcra::new(limit, 1_000_000, limit)),
        Algorithm::Log(ExactLog::new(limit, 1_000_000)),
        Algorithm::Sliding(SlidingWindow::new(limit, 1_000_000)),
        Algorithm::Bounded(BoundedWindow::new(limit, 1_000_000)),
    ]
}

/// At full capacity, and with all keys' digests as chance has them.
#[test]
fn every_key_within_the_capacity_has_a_state_of_its_own() {
    for rule in rules(3) {
        for keys in [1, 5, 8, 100, 1_000, 5_000, 65_536] {
            let tester = Tester::new(usize::try_from(keys).unwrap(), rule);
            for round in 0..3 {
                for n in 0..keys {
                    let taken = tester.take(n, round);
                    assert_eq!(taken, (true, false), "{rule:?}, {n} of {keys}, {round}");
                }
            }
            assert!((0..keys).all(|n| tester.take(n, 3) == (false, false)));
        }
    }
}

/// tower_governor kept all 100 000 keys of a flood until `retain_recent` was called by hand
/// (governor#171), and upstash's cache kept 2 000 of 2 000 expired entries.
#[test]
fn spent_keys_make_room_without_any_clean_up() {
    for rule in rules(1) {
        let tester = Tester::new(1_000, rule);
        for generation in 0..5 {
            let now = generation * 2_000_000;
            for n in 0..1_000 {
                let taken = tester.take(generation * 1_000 + n, now);
                assert_eq!(taken, (true, false), "{rule:?} {generation} {n}");
            }
        }
    }
}

/// A flood of keys must not make the table forget one that is at its limit.
#[test]
fn a_key_at_its_limit_is_never_forgotten() {
    for rule in rules(3) {
        let tester = Tester::new(100, rule);
        for n in 0..20 {
            for _ in 0..3 {
                assert!(tester.take(n, 0).0);
            }
        }
        for stranger in 1_000..50_000 {
            let _ = tester.take(stranger, 1);
        }
        for n in 0..20 {
            assert_eq!(tester.take(n, 2), (false, false), "{rule:?} {n}");
        }
    }
}

/// Of keys below their limit, the least used goes first.
#[test]
fn the_least_used_key_makes_room() {
    let tester = Tester::new(16, rules(100)[0]);
    for _ in 0..50 {
        assert!(tester.take(1, 0).0);
    }
    for stranger in 100..10_000 {
        let _ = tester.take(stranger, 1);
    }
    assert_eq!(tester.remaining(1, 2), 50);
}

/// With every slot at its limit new keys share one quota, and nobody's limit is lifted.
#[test]
fn the_overflow_is_one_shared_quota_per_shard() {
    for rule in rules(2) {
        let tester = Tester::new(8, rule); // two buckets, one shard
        let mut own = 0;
        for n in 0..40 {
            let (first, shared) = tester.take(n, 0);
            let (second, _) = tester.take(n, 0);
            own += u64::from(first && second && !shared);
        }
        assert_eq!(own, 16, "{rule:?}");
        let late: Vec<_> = (100..200).map(|n| tester.take(n, 1)).collect();
        assert!(late.iter().all(|taken| *taken == (false, true)), "{rule:?}");
        // When the old ones have expired there is room again.
        assert_eq!(tester.take(500, 2_000_000), (true, false));
    }
}

#[test]
fn the_bytes_are_known_beforehand_and_as_documented() {
    for (rule, per_key) in rules(5).into_iter().zip([60, 60, 120, 72, 264]) {
        let bytes = bytes_for(65_536, &rule);
        assert!((bytes / 65_536).abs_diff(per_key) <= 1, "{bytes}");
    }
    let tester = Tester::new(65_536, rules(5)[2]);
    assert_eq!(tester.table.bytes(), bytes_for(65_536, &tester.rule));
    for stranger in 0..200_000 {
        let _ = tester.take(stranger, stranger);
    }
    assert_eq!(tester.table.bytes(), bytes_for(65_536, &tester.rule));
}

/// A panic of one holder must not close a shard for all others.
#[test]
fn a_poisoned_shard_is_used_on() {
    let tester = Tester::new(1, rules(2)[0]);
    let panicked = std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _shard = tester.table.lock(key(1));
            panic!("while holding the lock");
        });
        holder.join()
    });
    assert!(panicked.is_err());
    assert_eq!(tester.take(1, 0), (true, false));
}
