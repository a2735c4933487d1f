//! The table without locks under floods of keys and of threads.

use std::sync::Barrier;

use super::packed::Word;
use super::*;
use crate::digest::{Digest, Seed};
use crate::quota::Algorithm;
use crate::{Answer, FixedWindow, Gcra};

const WINDOW: u64 = 4_000_000;

fn key(n: u64) -> Digest {
    let mut hasher = Seed::fixed(0x5eed).hasher();
    hasher.write(&n.to_le_bytes());
    hasher.finish()
}

/// So many rounds or keys, or a few of them under Miri (`scripts/miri`), which takes some hundred times as long.
const fn some(full: u64) -> u64 {
    if cfg!(miri) { full.div_ceil(200) } else { full }
}

struct Tester(FastTable);

impl Tester {
    fn new(keys: usize, rule: Packed) -> Self {
        Self(FastTable::new(keys, rule))
    }

    fn seen(&self, n: u64, now: u64, cost: u64, take: Take) -> Seen {
        let ask = Ask {
            rule: &self.0.base,
            now: ORIGIN + now,
            cost,
            take,
            refundable: true,
        };
        self.0.decide(&self.0.seek(key(n)), &ask)
    }

    /// Takes one unit for a key; whether it was admitted, and whether in the overflow slot.
    fn take(&self, n: u64, now: u64) -> (bool, bool) {
        let seen = self.seen(n, now, 1, Take::IfItFits);
        (seen.answer == Answer::Admit, seen.shared)
    }

    fn remaining(&self, n: u64, now: u64) -> u64 {
        let seen = self.seen(n, now, 0, Take::Never);
        self.0.base.standing(seen.word, ORIGIN + now).remaining
    }
}

fn rules(limit: u64) -> [Packed; 2] {
    [
        Packed::new(&Algorithm::Fixed(FixedWindow::new(limit, WINDOW))).unwrap(),
        Packed::new(&Algorithm::Gcra(Gcra::new(limit, WINDOW, limit))).unwrap(),
    ]
}

/// One after the other, the two ways to take see and leave the same.
#[test]
fn a_take_without_a_refund_is_the_same_take() {
    for rule in rules(3) {
        let [one, other] = [Tester::new(8, rule), Tester::new(8, rule)];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..some(20_000) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (n, now, cost) = (
                random >> 60,
                (random >> 40) % (3 * WINDOW),
                (random >> 32) % 5,
            );
            let seen = one.seen(n, now, cost, Take::IfItFits);
            let left = other.0.take(&other.0.seek(key(n)), ORIGIN + now, cost);
            let [answer, state] = [seen.answer == left.answer, seen.word == left.word];
            assert!(
                answer && state && seen.shared == left.shared,
                "{seen:?} {left:?}"
            );
        }
    }
}

#[test]
fn every_key_within_the_capacity_has_a_state_of_its_own() {
    for rule in rules(3) {
        for keys in [1, 5, 8, 100, some(1_000), some(5_000), some(65_536)] {
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

#[test]
fn spent_keys_make_room_without_any_clean_up() {
    for rule in rules(1) {
        let keys = some(1_000);
        let tester = Tester::new(usize::try_from(keys).unwrap(), rule);
        // More than a slot has tenures.
        for generation in 0..80 {
            let now = generation * 2 * WINDOW;
            for n in 0..keys {
                let taken = tester.take(generation * keys + n, now);
                assert_eq!(taken, (true, false), "{rule:?} {generation} {n}");
            }
        }
    }
}

#[test]
fn a_key_at_its_limit_is_never_forgotten() {
    for rule in rules(3) {
        let tester = Tester::new(100, rule);
        for n in 0..20 {
            for _ in 0..3 {
                assert!(tester.take(n, 0).0);
            }
        }
        for stranger in 1_000..1_000 + some(49_000) {
            let _ = tester.take(stranger, 1);
        }
        for n in 0..20 {
            assert_eq!(tester.take(n, 2), (false, false), "{rule:?} {n}");
        }
    }
}

#[test]
fn the_least_used_key_makes_room() {
    for rule in rules(100) {
        let tester = Tester::new(16, rule);
        for _ in 0..50 {
            assert!(tester.take(1, 0).0);
        }
        for stranger in 100..100 + some(9_900) {
            let _ = tester.take(stranger, 1);
        }
        assert_eq!(tester.remaining(1, 2), 50, "{rule:?}");
    }
}

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
        assert_eq!(tester.take(500, 2 * WINDOW), (true, false));
    }
}

/// A refusal, a look and a cost that never fits take no slot and change none.
#[test]
fn only_what_is_taken_is_written() {
    for rule in rules(2) {
        let tester = Tester::new(8, rule);
        for n in 0..100 {
            assert_eq!(tester.seen(n, 0, 3, Take::IfItFits).answer, Answer::Never);
            assert_eq!(tester.seen(n, 0, 1, Take::Never).answer, Answer::Admit);
        }
        assert!((0..16).all(|n| tester.take(n, 0).0 && tester.take(n, 0).0));
        let full: Vec<_> = (0..16)
            .map(|n| tester.seen(n, 1, 0, Take::Never).word)
            .collect();
        for n in 0..16 {
            for _ in 0..9 {
                assert!(!tester.take(n, 1).0, "{rule:?}");
            }
        }
        let after = (0..16).map(|n| tester.seen(n, 1, 0, Take::Never).word);
        assert!(after.eq(full), "{rule:?}");
    }
}

#[test]
fn the_bytes_are_known_beforehand_and_as_documented() {
    // With the table for what cannot be packed, at one key in 64, another byte.
    for (rule, per_key) in rules(5).into_iter().zip([24, 36]) {
        let bytes = fast_bytes_for(1_000_000, &rule);
        assert!((bytes / 1_000_000).abs_diff(per_key) <= 1, "{bytes}");
        let keys = if cfg!(miri) { 512 } else { 65_536 };
        let tester = Tester::new(keys, rule);
        let documented = fast_bytes_for(keys, &rule);
        assert_eq!(tester.0.bytes(), documented);
        for stranger in 0..some(200_000) {
            let _ = tester.take(stranger, stranger);
        }
        assert_eq!(tester.0.bytes(), documented);
    }
}

/// Four threads ask for the same keys while two others flood the table with new ones.
#[test]
fn threads_at_the_limit_admit_exactly_the_limit_in_a_flood() {
    for rule in rules(50) {
        for round in 0..some(20) {
            let tester = Tester::new(64, rule);
            for key in 0..4 {
                // At nearly the limit, they are not the least used.
                assert!((0..40).all(|_| tester.take(key, 0).0));
            }
            let start = Barrier::new(6);
            let admitted: u64 = std::thread::scope(|scope| {
                let askers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let asked = (0..some(400).max(100)).filter(|n| tester.take(n % 4, 1).0);
                            asked.count() as u64
                        })
                    })
                    .collect();
                for flood in 1..3_u64 {
                    let (start, tester) = (&start, &tester);
                    scope.spawn(move || {
                        start.wait();
                        for n in 0..some(2_000).max(100) {
                            let _ = tester.take(flood * 1_000_000 + n, 1);
                        }
                    });
                }
                askers.into_iter().map(|asker| asker.join().unwrap()).sum()
            });
            assert_eq!(admitted, 40, "{rule:?} {round}");
        }
    }
}

/// Four threads keep every fourth take and return the others. Nothing is minted; a window also loses
/// nothing, and a bucket, which reckons with a refund twice that meets a take, may.
#[test]
fn refunds_of_many_threads_mint_nothing() {
    for rule in rules(200) {
        let mut lost = 0;
        for _ in 0..some(20) {
            let tester = Tester::new(8, rule);
            let start = Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        for n in 0..100 {
                            let seen = tester.seen(1, 5, 1, Take::IfItFits);
                            assert_eq!(seen.answer, Answer::Admit);
                            if n % 4 > 0 {
                                tester
                                    .0
                                    .give_back(&tester.0.base, ORIGIN + 5, &seen.hold, 1);
                            }
                        }
                    });
                }
            });
            lost += 100_u64.checked_sub(tester.remaining(1, 5)).unwrap();
        }
        if let Packed::Fixed { .. } = rule {
            assert_eq!(lost, 0);
        }
        let tester = Tester::new(8, rule);
        let take = || tester.seen(1, 6, 1, Take::IfItFits).hold;
        let holds: Vec<_> = (0..10).map(|_| take()).collect();
        for hold in &holds[5..] {
            tester.0.give_back(&tester.0.base, ORIGIN + 6, hold, 1);
        }
        assert_eq!(tester.remaining(1, 6), 195, "{rule:?}");
    }
}

/// The slot has another key now, or another window.
#[test]
fn a_refund_meets_its_own_state_only() {
    for rule in rules(4) {
        let tester = Tester::new(1, rule);
        let mine = tester.seen(1, 0, 1, Take::IfItFits).hold;
        // Two more keys than there are slots.
        for n in 10..19 {
            assert!((0..3).all(|_| tester.take(n, 1).0), "{rule:?}");
        }
        let before: Vec<_> = (10..19).map(|n| tester.remaining(n, 1)).collect();
        tester.0.give_back(&tester.0.base, ORIGIN + 1, &mine, 1);
        let after = (10..19).map(|n| tester.remaining(n, 1));
        assert!(after.eq(before), "{rule:?}");

        let tester = Tester::new(1, rule);
        let early = tester.seen(1, 0, 2, Take::IfItFits).hold;
        let later = tester.seen(1, 2 * WINDOW, 3, Take::IfItFits);
        assert_eq!(later.answer, Answer::Admit);
        tester
            .0
            .give_back(&tester.0.base, ORIGIN + 2 * WINDOW, &early, 2);
        assert_eq!(tester.remaining(1, 2 * WINDOW), 1, "{rule:?}");
    }
}

/// The packing never admits what the plain algorithm refuses, and says nothing else by more than
/// its rounding.
#[test]
fn packed_and_plain_agree_on_a_long_trace() {
    let (limit, window) = (7, 10 * WINDOW);
    let plain = FixedWindow::new(limit, window);
    let packed = Packed::new(&Algorithm::Fixed(plain)).unwrap();
    let tester = Tester::new(1, packed);
    let mut admitted: Vec<u64> = Vec::new();
    let (mut now, mut random) = (0, 0x9e37_79b9_u64);
    let mut ends = 0;
    for _ in 0..some(20_000).max(400) {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        now += (random >> 33) % (window / 8);
        let seen = tester.seen(1, now, 1, Take::IfItFits);
        match seen.answer {
            Answer::Admit => admitted.push(now),
            Answer::Wait(wait) => {
                ends += 1;
                let early = tester.seen(1, now + wait - 1, 1, Take::Never);
                assert!(matches!(early.answer, Answer::Wait(1)));
                let then = tester.seen(1, now + wait, 1, Take::Never);
                assert_eq!(then.answer, Answer::Admit, "told to wait {wait}");
            }
            Answer::Never => panic!("a cost of 1"),
        }
    }
    assert!(ends > 100, "{ends}");
    // No eight admissions begin and end within one window that starts at the first of them.
    let windows = admitted.iter().scan(0_u64, |opens, &at| {
        if at >= *opens {
            *opens = at + window;
        }
        Some(*opens)
    });
    let mut counts = std::collections::BTreeMap::new();
    for end in windows {
        *counts.entry(end).or_insert(0) += 1;
    }
    assert_eq!(counts.values().max(), Some(&limit));
}

/// A step back of the clock mints nothing.
#[test]
fn an_earlier_instant_finds_no_more() {
    for rule in rules(5) {
        let tester = Tester::new(4, rule);
        for now in [10, 500, 900] {
            let _ = tester.seen(1, now, 2, Take::Always);
        }
        assert!(
            (0..900).all(|now| tester.remaining(1, now) == 0),
            "{rule:?}"
        );
    }
}

/// Above what its bits can count nothing is known, so nothing comes back.
#[test]
fn a_count_that_cannot_be_kept_stays_full() {
    let [rule, _] = rules(1);
    let tester = Tester::new(4, rule);
    let hold = tester.seen(1, 0, 1, Take::IfItFits).hold;
    let _ = tester.seen(1, 0, 1_000_000_000, Take::Always);
    tester.0.give_back(&rule, ORIGIN, &hold, 1);
    assert_eq!(tester.remaining(1, 1), 0);
    assert_eq!(tester.remaining(1, 2 * WINDOW), 1);
}

#[test]
fn what_does_not_fit_a_word_is_not_packed() {
    let packs = |algorithm| Packed::new(&algorithm).is_some();
    let fixed = |limit, window| Algorithm::Fixed(FixedWindow::new(limit, window));
    let second = 1_000_000_000;
    assert!(packs(fixed(1_000_000, 5 * second)));
    assert!(
        !packs(fixed(1_000_000, 4 * second)),
        "its rounding would show"
    );
    assert!(packs(fixed(1, 8_192)) && !packs(fixed(1, 8_191)));
    assert!(!packs(fixed(1, HORIZON + 1)));
    assert!(packs(Algorithm::Gcra(Gcra::new(1, HORIZON, 1))));
    assert!(!packs(Algorithm::Gcra(Gcra::new(1, HORIZON, 2))));
    assert!(!packs(Algorithm::Log(crate::ExactLog::new(5, second))));
    // Limits of callers.
    let base = Packed::new(&fixed(10, 60 * second)).unwrap();
    assert!(base.with(&fixed(160, 60 * second)).is_some());
    assert!(base.with(&fixed(100_000, 60 * second)).is_none());
}

#[test]
fn the_tenure_changes_with_the_owner_and_wraps() {
    let mut word = Word(7);
    for tenure in 1..=64 {
        word = word.next_tenure();
        assert!(word.is_empty());
        assert_eq!(word.tenure(), tenure % 64);
    }
}
