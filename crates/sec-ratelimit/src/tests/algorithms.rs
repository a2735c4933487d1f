//! The pure algorithms beside slow, obviously right models.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{
    Answer, ExactLog, FixedState, FixedWindow, Gcra, GcraHold, GcraState, LogState, WindowHold,
};

/// Steps of time and costs, dense enough to meet every boundary of a window of 100.
fn trace() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec(
        (prop_oneof![3 => 0..4_u64, 1 => 0..160_u64], 0..4_u64),
        1..120,
    )
}

/// An exact log with all state in a vector as long as its limit.
struct Log {
    rule: ExactLog,
    times: Vec<u64>,
    state: LogState,
}

impl Log {
    fn new(limit: u64, window: u64) -> Self {
        Self {
            rule: ExactLog::new(limit, window),
            times: vec![0; usize::try_from(limit).unwrap()],
            state: LogState::default(),
        }
    }

    fn entries(&self) -> &[u64] {
        &self.times[..self.state.len]
    }

    fn take(&mut self, now: u64, cost: u64) -> WindowHold {
        self.rule.take(&mut self.times, &mut self.state, now, cost)
    }

    fn give_back(&mut self, now: u64, hold: WindowHold, units: u64) {
        self.rule
            .give_back(&mut self.times, &mut self.state, now, hold, units);
    }

    fn admits(&mut self, now: u64, cost: u64) -> bool {
        let fits = self.rule.answer(self.entries(), now, cost) == Answer::Admit;
        if fits {
            let _ = self.take(now, cost);
        }
        fits
    }
}

proptest! {
    #[test]
    fn the_exact_log_counts_what_lies_in_the_window(trace in trace(), limit in 1..8_u64) {
        let (mut log, mut now) = (Log::new(limit, 100), 0);
        let mut taken: Vec<u64> = Vec::new();
        for (step, cost) in trace {
            now += step;
            let used = taken.iter().filter(|&&time| time + 100 > now).count() as u64;
            prop_assert_eq!(log.rule.standing(log.entries(), now).remaining, limit - used);
            let fits = used + cost <= limit;
            if let Answer::Wait(wait) = log.rule.answer(log.entries(), now, cost) {
                // Waiting that long is enough, and one nanosecond less is not.
                let at = |when| log.rule.answer(log.entries(), when, cost);
                prop_assert_eq!(at(now + wait), Answer::Admit);
                prop_assert_ne!(at(now + wait - 1), Answer::Admit);
            }
            prop_assert_eq!(log.admits(now, cost), fits);
            if fits {
                taken.extend(std::iter::repeat_n(now, usize::try_from(cost).unwrap()));
            }
        }
    }

    #[test]
    fn the_fixed_window_counts_from_its_first_request(trace in trace(), limit in 1..8_u64) {
        let rule = FixedWindow::new(limit, 100);
        let (mut state, mut now) = (FixedState::default(), 0);
        let mut windows: Vec<(u64, Vec<u64>)> = Vec::new();
        for (step, cost) in trace {
            now += step;
            let live = windows.last().filter(|(start, costs)| {
                now < start + 100 && costs.iter().sum::<u64>() > 0
            });
            let used: u64 = live.map_or(0, |(_, costs)| costs.iter().sum());
            let fresh = live.is_none();
            prop_assert_eq!(rule.standing(state, now).remaining, limit - used);
            let fits = used + cost <= limit;
            let answer = rule.answer(state, now, cost);
            prop_assert_eq!(answer == Answer::Admit, fits);
            if let Answer::Wait(wait) = answer {
                prop_assert_eq!(rule.answer(state, now + wait, cost), Answer::Admit);
                prop_assert_ne!(rule.answer(state, now + wait - 1, cost), Answer::Admit);
            }
            if fits {
                let _ = rule.take(&mut state, now, cost);
                match windows.last_mut() {
                    Some((_, costs)) if !fresh => costs.push(cost),
                    _ => windows.push((now, vec![cost])),
                }
            }
        }
    }

    /// A bucket counted in fractions: exact at any rate, and never below zero for what was admitted.
    #[test]
    fn the_bucket_never_exceeds_its_rate_and_loses_less_than_a_nanosecond_per_unit(
        trace in trace(), limit in 1..50_u64, burst in 1..8_u64,
    ) {
        let per = 100;
        let rule = Gcra::new(limit, per, burst);
        let (mut state, mut now) = (GcraState::default(), 0);
        let full = u128::from(burst * per);
        let mut exact = full; // in units of 1/per
        let (mut level, depth) = (0, burst * rule.interval()); // the same bucket in nanoseconds
        for (step, cost) in trace {
            now += step;
            exact = full.min(exact + u128::from(step * limit));
            level = u64::saturating_sub(level, step);
            let fits = cost <= burst && level + cost * rule.interval() <= depth;
            let answer = rule.answer(state, now, cost);
            prop_assert_eq!(answer == Answer::Admit, fits);
            if let Answer::Wait(wait) = answer {
                prop_assert_eq!(rule.answer(state, now + wait, cost), Answer::Admit);
                prop_assert_ne!(rule.answer(state, now + wait - 1, cost), Answer::Admit);
            }
            let standing = rule.standing(state, now);
            prop_assert_eq!(standing.remaining, (depth - level) / rule.interval());
            if fits {
                let _ = rule.take(&mut state, now, cost);
                level += cost * rule.interval();
                let debit = u128::from(cost * per);
                prop_assert!(exact >= debit, "more than {limit} per {per} were admitted");
                exact -= debit;
            }
        }
        prop_assert!(rule.interval() * limit < per + limit);
    }

    /// Never below what the bucket would show had the returned units never been taken.
    #[test]
    fn a_bucket_refund_never_enlarges_a_later_fill(
        trace in vec((prop_oneof![4 => 0..4_u64, 1 => 0..30_u64], 0..3_u64, any::<prop::sample::Index>(), 0..5_u64), 1..80),
    ) {
        let rule = Gcra::new(10, 100, 10);
        let (mut state, mut now) = (GcraState::default(), 0);
        let mut takes: Vec<(u64, u64, Option<GcraHold>)> = Vec::new();
        for (step, cost, which, back) in trace {
            now += step;
            if cost > 0 {
                if rule.answer(state, now, cost) == Answer::Admit {
                    takes.push((now, cost, Some(rule.take(&mut state, now, cost))));
                }
            } else if !takes.is_empty() {
                let index = which.index(takes.len());
                let (_, cost, hold) = &mut takes[index];
                if let Some(hold) = hold.take() {
                    let back = back.min(*cost);
                    rule.give_back(&mut state, now, hold, back);
                    *cost -= back;
                }
            }
            let mut without = GcraState::default();
            for (at, cost, _) in &takes {
                let _ = rule.take(&mut without, *at, *cost);
            }
            prop_assert!(state.tat.max(now) >= without.tat.max(now));
        }
    }

    #[test]
    fn refunds_of_windows_and_logs_leave_what_others_took(
        trace in vec((0..30_u64, 0..4_u64, any::<prop::sample::Index>(), 0..5_u64), 1..80),
    ) {
        let rule = FixedWindow::new(9, 100);
        let (mut state, mut log, mut now) = (FixedState::default(), Log::new(9, 100), 0);
        let mut fixed: Vec<(u64, u64, bool)> = Vec::new();
        let mut exact: Vec<(WindowHold, u64, bool)> = Vec::new();
        for (step, cost, which, back) in trace {
            now += step;
            if cost > 0 {
                if rule.answer(state, now, cost) == Answer::Admit {
                    fixed.push((rule.take(&mut state, now, cost), cost, true));
                }
                if log.rule.answer(log.entries(), now, cost) == Answer::Admit {
                    exact.push((log.take(now, cost), cost, true));
                }
            } else {
                if !fixed.is_empty() {
                    let index = which.index(fixed.len());
                    let (start, cost, open) = &mut fixed[index];
                    let back = back.min(*cost);
                    if std::mem::take(open) {
                        rule.give_back(&mut state, now, *start, back);
                        *cost -= back;
                    }
                }
                if !exact.is_empty() {
                    let index = which.index(exact.len());
                    let (hold, cost, open) = &mut exact[index];
                    let back = back.min(*cost);
                    if std::mem::take(open) {
                        log.give_back(now, *hold, back);
                        *cost -= back;
                    }
                }
            }
            let live = fixed.iter().filter(|(at, ..)| *at == state.start && now < at + 100);
            let in_window: u64 = live.map(|(_, cost, _)| cost).sum();
            prop_assert_eq!(9 - rule.standing(state, now).remaining, in_window);
            let live = exact.iter().filter(|(hold, ..)| now < hold.start + 100);
            let in_log: u64 = live.map(|(_, cost, _)| cost).sum();
            prop_assert_eq!(9 - log.rule.standing(log.entries(), now).remaining, in_log);
        }
    }

    /// Costs settled above the limit push entries out; whoever refunds then makes no room that others use.
    #[test]
    fn a_log_that_was_overfull_never_says_less_than_was_taken(
        trace in vec((0..30_u64, 0..8_u64, any::<prop::sample::Index>(), 0..8_u64, 0..6_u8), 1..80),
    ) {
        let (mut log, mut now) = (Log::new(5, 100), 0);
        let mut open: Vec<(WindowHold, u64)> = Vec::new();
        // When, and how much of it counts.
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let mut overfull = false;
        for (step, cost, which, back, action) in trace {
            now += step;
            match action {
                0 | 1 => {
                    if log.rule.answer(log.entries(), now, cost) == Answer::Admit {
                        let hold = log.take(now, cost);
                        open.push((hold, cost));
                        taken.push((hold.start, cost));
                    }
                }
                2 => {
                    let hold = log.rule.take_saturating(&mut log.times, &mut log.state, now, cost);
                    prop_assert!(hold.taken <= cost);
                    open.push((hold, cost));
                    taken.push((hold.start, hold.taken));
                }
                3 => {
                    overfull |= cost > log.rule.standing(log.entries(), now).remaining;
                    taken.push((log.take(now, cost).start, cost));
                }
                _ if open.is_empty() => {}
                _ => {
                    let (hold, cost) = open.swap_remove(which.index(open.len()));
                    let back = back.min(cost);
                    log.give_back(now, hold, back);
                    let mut left = back.min(hold.taken);
                    for (_, units) in taken.iter_mut().filter(|(at, _)| *at == hold.start) {
                        let less = left.min(*units);
                        (*units, left) = (*units - less, left - less);
                    }
                }
            }
            let live = taken.iter().filter(|(at, _)| now < at + 100);
            let used = live.map(|(_, units)| units).sum::<u64>().min(5);
            let told = 5 - log.rule.standing(log.entries(), now).remaining;
            prop_assert!(told >= used, "{told} instead of {used}");
            prop_assert!(overfull || told == used, "{told} instead of {used}");
        }
    }

    /// A clock stepping back never mints quota: at an earlier instant no state has more to give.
    #[test]
    fn an_earlier_instant_never_has_more(
        trace in trace(), back in 0..300_u64,
    ) {
        let (fixed, bucket) = (FixedWindow::new(5, 100), Gcra::new(5, 100, 5));
        let (mut f, mut g, mut log) = (FixedState::default(), GcraState::default(), Log::new(5, 100));
        let mut now = 0;
        for (step, cost) in trace {
            now += step;
            if fixed.answer(f, now, cost) == Answer::Admit {
                let _ = fixed.take(&mut f, now, cost);
            }
            if bucket.answer(g, now, cost) == Answer::Admit {
                let _ = bucket.take(&mut g, now, cost);
            }
            log.admits(now, cost);
            let earlier = now.saturating_sub(back);
            prop_assert!(fixed.standing(f, earlier).remaining <= fixed.standing(f, now).remaining);
            prop_assert!(bucket.standing(g, earlier).remaining <= bucket.standing(g, now).remaining);
            let (then, here) = (
                log.rule.standing(log.entries(), earlier),
                log.rule.standing(log.entries(), now),
            );
            prop_assert!(then.remaining <= here.remaining);
        }
    }
}

/// A hold of before a reset, or of what has expired, has no part in what was pushed out since.
#[test]
fn what_was_pushed_out_is_given_back_by_its_own_holds_only() {
    let reset = |log: &mut Log| log.state = LogState::default();
    let mut log = Log::new(5, 100);
    let before = log.take(10, 5);
    reset(&mut log);
    let (one, other) = (log.take(11, 1), log.take(12, 4));
    let _ = log.take(13, 2);
    log.give_back(14, before, 5);
    assert_eq!((log.state.lost, log.state.since), (2, 11));
    log.give_back(14, other, 3);
    assert_eq!((log.state.lost, log.state.len), (0, 4));
    log.give_back(14, one, 1);
    assert_eq!(log.state.len, 4, "it was pushed out");

    reset(&mut log);
    let (early, late) = (log.take(20, 1), log.take(50, 4));
    let _ = log.take(60, 3);
    log.give_back(120, early, 1);
    assert_eq!(log.state.lost, 3, "nothing of it counts any more");
    // The oldest that is left expires, and all before it has.
    log.give_back(150, late, 4);
    assert_eq!((log.state.lost, log.state.len), (0, 3));
}

/// The documented bounds on the worst trace, L = 100: each is met and not passed.
#[test]
fn the_error_bounds_are_as_documented() {
    const WINDOW: u64 = 1_000_000;
    // One unit opens the window, 99 come at its end and 100 right behind it.
    let worst = || {
        std::iter::once(0)
            .chain(std::iter::repeat_n(WINDOW - 1, 150))
            .chain(std::iter::repeat_n(WINDOW, 150))
            .chain((1..WINDOW / 100).map(|step| WINDOW + step * 100))
    };
    let densest = |mut admit: Box<dyn FnMut(u64) -> bool>| {
        let times: Vec<u64> = worst().filter(|&now| admit(now)).collect();
        let within = |from: u64| {
            let window = from..from + WINDOW;
            times.iter().filter(|time| window.contains(time)).count()
        };
        times.iter().map(|&from| within(from)).max()
    };

    let (rule, mut state) = (FixedWindow::new(100, WINDOW), FixedState::default());
    let fixed = densest(Box::new(move |now| {
        let fits = rule.answer(state, now, 1) == Answer::Admit;
        if fits {
            let _ = rule.take(&mut state, now, 1);
        }
        fits
    }));
    assert_eq!(fixed, Some(199), "2 L, less the one that opened the window");

    let bucket = |burst| {
        let (rule, mut state) = (Gcra::new(100, WINDOW, burst), GcraState::default());
        densest(Box::new(move |now| {
            let fits = rule.answer(state, now, 1) == Answer::Admit;
            if fits {
                let _ = rule.take(&mut state, now, 1);
            }
            fits
        }))
    };
    assert_eq!(bucket(100), Some(199), "B + d / T with B = L");
    assert!(bucket(20) <= Some(120), "B + d / T");

    let mut log = Log::new(100, WINDOW);
    let exact = densest(Box::new(move |now| log.admits(now, 1)));
    assert_eq!(exact, Some(100), "never above L");
}

/// A refund of one take lowers what another can still get back, or it would be given twice.
#[test]
fn a_bucket_refund_reckons_with_the_refunds_before_it() {
    let rule = Gcra::new(10, 100, 10);
    let mut state = GcraState::default();
    let first = rule.take(&mut state, 0, 1);
    let second = rule.take(&mut state, 0, 1);
    rule.give_back(&mut state, 0, first, 1);
    let _ = rule.take(&mut state, 9, 1);
    // Without the first two the bucket would be full again at 19; by now it has refilled the second.
    rule.give_back(&mut state, 10, second, 1);
    assert_eq!(state.tat, 20);
}

/// A saturated bucket owes at most one full refill, however long it was flooded.
#[test]
fn a_saturating_take_piles_up_no_debt() {
    let rule = Gcra::new(10, 1_000, 5);
    let mut state = GcraState::default();
    for _ in 0..1_000 {
        let _ = rule.take_saturating(&mut state, 7, 1);
    }
    assert_eq!(rule.standing(state, 7).reset, 5 * rule.interval());
    let hold = rule.take_saturating(&mut state, 7, 1);
    assert_eq!(
        hold.weight, 0,
        "nothing was taken, so nothing can be given back"
    );

    let mut log = Log::new(3, 100);
    for now in 0..50 {
        let _ = log.take(now, 1);
    }
    assert_eq!(
        log.entries(),
        [47, 48, 49],
        "the newest push the oldest out"
    );
}
