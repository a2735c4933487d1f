//! Every interleaving of two or three threads: `RUSTFLAGS="--cfg sec_loom" cargo test -p
//! sec-ratelimit --lib loom`.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::quota::Algorithm;
use crate::{Answer, FixedWindow};

/// One bucket: eight slots. The first half of a digest is the fingerprint.
fn table(limit: u64) -> Arc<FastTable> {
    let rule = Algorithm::Fixed(FixedWindow::new(limit, 1 << 20));
    Arc::new(FastTable::new(1, Packed::new(&rule).unwrap()))
}

fn take(table: &FastTable, key: u64) -> Seen {
    let ask = Ask {
        rule: &table.base,
        now: ORIGIN,
        cost: 1,
        take: Take::IfItFits,
        refundable: true,
    };
    table.decide(&table.seek([key, 0]), &ask)
}

/// The same without what a refund needs.
fn take_for_good(table: &FastTable, key: u64) -> Left {
    table.take(&table.seek([key, 0]), ORIGIN, 1)
}

fn remaining(table: &FastTable, key: u64) -> u64 {
    let ask = Ask {
        rule: &table.base,
        now: ORIGIN,
        cost: 0,
        take: Take::Never,
        refundable: true,
    };
    let seen = table.decide(&table.seek([key, 0]), &ask);
    table.base.standing(seen.word, ORIGIN).remaining
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.max_branches = 50_000;
    model.check(check);
}

/// Two threads bring the same new key: one slot, and one unit left for one of them.
#[test]
fn loom_a_new_key_gets_one_slot() {
    model(|| {
        let table = table(1);
        let other = table.clone();
        let thread = thread::spawn(move || take_for_good(&other, 1).answer == Answer::Admit);
        let mine = take(&table, 1).answer == Answer::Admit;
        assert!(mine ^ thread.join().unwrap());
    });
}

/// A known key takes its last unit while a new one looks for room in a table where all others are at
/// their limit: either the key is forgotten before, and begins anew, or it is at its limit and
/// stays. What one takes never counts for the other.
#[test]
fn loom_an_eviction_does_not_race_a_take() {
    model(|| {
        let table = table(2);
        for key in 10..17 {
            let _ = (take(&table, key), take(&table, key));
        }
        let _ = take(&table, 1); // the eighth slot, below its limit
        let other = table.clone();
        let thread = thread::spawn(move || take_for_good(&other, 1));
        let new = take(&table, 2);
        let old = thread.join().unwrap();
        assert_eq!(new.answer, Answer::Admit);
        assert_eq!(old.answer, Answer::Admit);
        // One of them is in the slot, the other shares the overflow, or the slot changed hands back.
        match (old.shared, new.shared) {
            // The old key took its last unit first; the new one found no room.
            (false, true) => assert_eq!(remaining(&table, 1), 0),
            // The new key had the slot first, and may have lost it to the old one again.
            (false, false) => {
                let (one, two) = (remaining(&table, 1), remaining(&table, 2));
                assert!((one, two) == (1, 2) || (one, two) == (2, 1), "{one} {two}");
            }
            shared => panic!("{shared:?}"),
        }
        assert!((10..17).all(|key| remaining(&table, key) == 0));
    });
}

/// A refund races the hand-over of its slot: it meets its own state or none.
#[test]
fn loom_a_refund_does_not_enter_another_keys_state() {
    model(|| {
        let table = table(4);
        for key in 10..17 {
            for _ in 0..4 {
                let _ = take(&table, key);
            }
        }
        let hold = take(&table, 1).hold;
        let other = table.clone();
        let thread = thread::spawn(move || other.give_back(&other.base, ORIGIN, &hold, 1));
        let new = take(&table, 2);
        thread.join().unwrap();
        assert_eq!((new.answer, new.shared), (Answer::Admit, false));
        assert_eq!(remaining(&table, 2), 3);
    });
}

/// A look at a key while its slot goes to another: the answer is the key's own, old or fresh.
#[test]
fn loom_a_refusal_reads_its_own_state() {
    model(|| {
        let table = table(2);
        for key in 10..17 {
            let _ = (take(&table, key), take(&table, key));
        }
        let _ = take(&table, 1);
        let other = table.clone();
        let thread = thread::spawn(move || {
            let _ = (take(&other, 2), take(&other, 2));
        });
        assert!(remaining(&table, 1) > 0, "the new key's state was read");
        thread.join().unwrap();
    });
}
