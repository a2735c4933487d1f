//! The sliding and the bounded window beside slow, obviously right models.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sec_core::ManualClock;

use crate::{
    Answer, BoundedState, BoundedWindow, ConfigErrorKind, Key, Limiter, Quota, RateLimitConfig,
    SlidingState, SlidingWindow, Subject, WindowHold,
};

const WINDOW: u64 = 160;

/// Steps of time and costs, dense enough to meet every boundary of windows and sub-windows.
fn trace() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec(
        (prop_oneof![3 => 0..12_u64, 1 => 0..400_u64], 0..4_u64),
        1..120,
    )
}

/// Takes and refunds: a cost of 0 gives one of the takes back, in part.
type Refunds = Vec<(u64, u64, prop::sample::Index, u64)>;

fn refunds() -> impl Strategy<Value = Refunds> {
    vec(
        (
            prop_oneof![3 => 0..12_u64, 1 => 0..200_u64],
            0..4_u64,
            any::<prop::sample::Index>(),
            0..5_u64,
        ),
        1..100,
    )
}

/// All that was ever taken, by window.
#[derive(Default)]
struct SlidingModel(Vec<(u64, u64)>);

impl SlidingModel {
    /// The start of the window that `now` lies in.
    fn window(&self, now: u64) -> u64 {
        match self.0.iter().rev().find(|(_, units)| *units > 0) {
            Some((start, _)) if now < start + WINDOW => *start,
            Some((start, _)) if now < start + 2 * WINDOW => start + WINDOW,
            _ => now,
        }
    }

    fn used(&self, now: u64) -> u64 {
        let start = self.window(now);
        let of = |start: Option<u64>| -> u64 {
            let same = self.0.iter().filter(|(at, _)| Some(*at) == start);
            same.map(|(_, units)| units).sum()
        };
        let weighed = of(start.checked_sub(WINDOW)) * (start + WINDOW - now);
        of(Some(start)) + weighed.div_ceil(WINDOW)
    }
}

/// All that was ever taken, by sub-window.
#[derive(Default)]
struct BoundedModel(Vec<(u64, u64)>);

const STEP: u64 = WINDOW / 16;

impl BoundedModel {
    fn counts(start: u64, now: u64) -> bool {
        // A unit may have come at the very end of its sub-window, which is whole only then.
        now < start + STEP + WINDOW
    }

    fn window(&self, now: u64) -> u64 {
        let mut live = self
            .0
            .iter()
            .filter(|(start, units)| *units > 0 && Self::counts(*start, now));
        live.next_back()
            .map_or(now, |(start, _)| now - (now - start) % STEP)
    }

    fn used(&self, now: u64) -> u64 {
        let live = self.0.iter().filter(|(start, _)| Self::counts(*start, now));
        live.map(|(_, units)| units).sum()
    }
}

/// Waiting that long is enough, and one nanosecond less is not.
fn wait_is_true(answer: impl Fn(u64) -> Answer, now: u64) -> Result<(), TestCaseError> {
    if let Answer::Wait(wait) = answer(now) {
        prop_assert_eq!(answer(now + wait), Answer::Admit);
        prop_assert_ne!(answer(now + wait - 1), Answer::Admit);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_sliding_counter_weighs_the_window_before(trace in trace(), limit in 1..12_u64) {
        let rule = SlidingWindow::new(limit, WINDOW);
        let (mut state, mut model, mut now) = (SlidingState::default(), SlidingModel::default(), 0);
        for (step, cost) in trace {
            now += step;
            let used = model.used(now);
            let standing = rule.standing(state, now);
            prop_assert_eq!(standing.remaining, limit.saturating_sub(used));
            prop_assert_eq!(rule.is_spent(state, now), used == 0);
            prop_assert_eq!(rule.standing(state, now + standing.reset).remaining, limit);
            let answer = |when| rule.answer(state, when, cost);
            wait_is_true(answer, now)?;
            let fits = used + cost <= limit;
            prop_assert_eq!(answer(now) == Answer::Admit, fits);
            if used > 0 {
                let later = rule.standing(state, now + standing.next);
                prop_assert!(later.remaining > standing.remaining);
                prop_assert!(rule.standing(state, now + standing.reset - 1).remaining < limit);
            }
            if fits {
                let window = model.window(now);
                let hold = rule.take(&mut state, now, cost);
                if cost > 0 {
                    prop_assert_eq!(hold.start, window);
                    model.0.push((window, cost));
                }
            }
        }
    }

    #[test]
    fn the_bounded_window_counts_whole_sub_windows(trace in trace(), limit in 1..12_u64) {
        let rule = BoundedWindow::new(limit, WINDOW);
        let (mut state, mut model, mut now) = (BoundedState::default(), BoundedModel::default(), 0);
        for (step, cost) in trace {
            now += step;
            let used = model.used(now);
            let standing = rule.standing(&state, now);
            prop_assert_eq!(standing.remaining, limit - used);
            prop_assert_eq!(rule.is_spent(&state, now), used == 0);
            prop_assert_eq!(rule.standing(&state, now + standing.reset).remaining, limit);
            let answer = |when| rule.answer(&state, when, cost);
            wait_is_true(answer, now)?;
            let fits = used + cost <= limit;
            prop_assert_eq!(answer(now) == Answer::Admit, fits);
            if used > 0 {
                let later = rule.standing(&state, now + standing.next);
                prop_assert!(later.remaining > standing.remaining);
                prop_assert!(rule.standing(&state, now + standing.reset - 1).remaining < limit);
            }
            if fits {
                let window = model.window(now);
                let hold = rule.take(&mut state, now, cost);
                if cost > 0 {
                    prop_assert_eq!(hold.start, window);
                    model.0.push((window, cost));
                }
            }
        }
    }

    /// Whatever the window, also one that sixteen does not divide or that is shorter than sixteen.
    #[test]
    fn no_interval_of_a_bounded_window_ever_holds_more_than_the_limit(
        trace in trace(), limit in 1..12_u64, window in 1..200_u64,
    ) {
        let rule = BoundedWindow::new(limit, window);
        let (mut state, mut now) = (BoundedState::default(), 0);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for (step, cost) in trace {
            now += step;
            if rule.answer(&state, now, cost) == Answer::Admit {
                let _ = rule.take(&mut state, now, cost);
                taken.push((now, cost));
            }
            let last = taken.iter().filter(|(at, _)| at + window > now);
            prop_assert!(last.map(|(_, cost)| cost).sum::<u64>() <= limit);
            // At most a sixteenth longer than an exact log would say.
            let lag = window.div_ceil(16) * 17;
            prop_assert!(rule.is_spent(&state, now + lag));
        }
    }

    #[test]
    fn no_interval_of_a_sliding_counter_holds_more_than_its_bound(
        trace in trace(), limit in 1..12_u64, length in 1..=WINDOW,
    ) {
        let rule = SlidingWindow::new(limit, WINDOW);
        let (mut state, mut now) = (SlidingState::default(), 0);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for (step, cost) in trace {
            now += step;
            if rule.answer(state, now, cost) == Answer::Admit {
                let _ = rule.take(&mut state, now, cost);
                taken.push((now, cost));
            }
            let last = taken.iter().filter(|(at, _)| at + length > now);
            let units = last.map(|(_, cost)| cost).sum::<u64>();
            prop_assert!(units * WINDOW <= limit * (WINDOW + length));
        }
    }

    #[test]
    fn refunds_leave_what_others_took_and_enter_their_own_window_only(trace in refunds()) {
        let (sliding, bounded) = (SlidingWindow::new(9, WINDOW), BoundedWindow::new(9, WINDOW));
        let (mut s, mut b, mut now) = (SlidingState::default(), BoundedState::default(), 0);
        let (mut in_s, mut in_b) = (SlidingModel::default(), BoundedModel::default());
        let (mut holds_s, mut holds_b): (Vec<Option<WindowHold>>, Vec<Option<WindowHold>>) = Default::default();
        for (step, cost, which, back) in trace {
            now += step;
            if cost > 0 {
                if sliding.answer(s, now, cost) == Answer::Admit {
                    let hold = sliding.take(&mut s, now, cost);
                    in_s.0.push((hold.start, cost));
                    holds_s.push(Some(hold));
                }
                if bounded.answer(&b, now, cost) == Answer::Admit {
                    let hold = bounded.take(&mut b, now, cost);
                    in_b.0.push((hold.start, cost));
                    holds_b.push(Some(hold));
                }
            } else {
                if !holds_s.is_empty() {
                    let index = which.index(holds_s.len());
                    if let Some(hold) = holds_s[index].take() {
                        sliding.give_back(&mut s, now, hold, back);
                        in_s.0[index].1 -= back.min(hold.taken);
                    }
                }
                if !holds_b.is_empty() {
                    let index = which.index(holds_b.len());
                    if let Some(hold) = holds_b[index].take() {
                        bounded.give_back(&mut b, now, hold, back);
                        in_b.0[index].1 -= back.min(hold.taken);
                    }
                }
            }
            prop_assert_eq!(9 - sliding.standing(s, now).remaining, in_s.used(now));
            prop_assert_eq!(9 - bounded.standing(&b, now).remaining, in_b.used(now));
        }
    }

    /// A clock stepping back never mints quota: at an earlier instant no state has more to give, and
    /// what is taken there counts at least as long.
    #[test]
    fn an_earlier_instant_never_has_more(trace in trace(), back in 0..500_u64) {
        let (sliding, bounded) = (SlidingWindow::new(5, WINDOW), BoundedWindow::new(5, WINDOW));
        let (mut s, mut b, mut now) = (SlidingState::default(), BoundedState::default(), 0);
        for (step, cost) in trace {
            now += step;
            if sliding.answer(s, now, cost) == Answer::Admit {
                let _ = sliding.take(&mut s, now, cost);
            }
            if bounded.answer(&b, now, cost) == Answer::Admit {
                let _ = bounded.take(&mut b, now, cost);
            }
            let earlier = now.saturating_sub(back);
            prop_assert!(sliding.standing(s, earlier).remaining <= sliding.standing(s, now).remaining);
            prop_assert!(bounded.standing(&b, earlier).remaining <= bounded.standing(&b, now).remaining);
            if bounded.is_spent(&b, now) {
                continue;
            }
            let (mut later, mut stepped) = (b, b);
            let _ = bounded.take(&mut later, now, 1);
            let _ = bounded.take(&mut stepped, earlier, 1);
            prop_assert!(bounded.standing(&stepped, now).remaining <= bounded.standing(&later, now).remaining);
        }
    }
}

/// A flood against a tier that only demands leaves no debt beyond a full window, and a refund of an
/// attempt which found nothing left gives nothing back.
#[test]
fn a_saturating_take_piles_up_no_debt() {
    let sliding = SlidingWindow::new(10, WINDOW);
    let mut state = SlidingState::default();
    let last = (0..1_000)
        .map(|_| sliding.take_saturating(&mut state, 7, 1))
        .last();
    assert_eq!(sliding.standing(state, 7).remaining, 0);
    sliding.give_back(&mut state, 7, last.unwrap(), 1);
    assert_eq!(sliding.standing(state, 7).remaining, 0);
    assert!(sliding.standing(state, 7 + WINDOW + WINDOW / 10).remaining > 0);

    let bounded = BoundedWindow::new(10, WINDOW);
    let mut state = BoundedState::default();
    let last = (0..1_000)
        .map(|_| bounded.take_saturating(&mut state, 7, 1))
        .last();
    assert_eq!(bounded.standing(&state, 7).remaining, 0);
    bounded.give_back(&mut state, 7, last.unwrap(), 1);
    assert_eq!(bounded.standing(&state, 7).remaining, 0);
    assert!(bounded.is_spent(&state, 7 + WINDOW + STEP));
}

/// A slot that another key takes over keeps none of the counts that lie beside it.
#[test]
fn the_next_key_of_a_slot_finds_no_counts_of_the_last() {
    let minute = Duration::from_secs(60);
    for quota in [Quota::sliding(10, minute), Quota::bounded(10, minute)] {
        let clock = ManualClock::new();
        let builder = Limiter::builder().capacity(1).clock(clock.clone());
        let limiter = builder
            .tier("only", quota, Key::given("test"))
            .build()
            .unwrap();
        for minutes in [1, 1, 1] {
            limiter.check([Subject::of("a")], 4).unwrap();
            clock.advance(minutes * minute);
        }
        let fresh = limiter.check([Subject::of("b")], 1).unwrap();
        assert_eq!(fresh.remaining(), 9, "{quota:?}");
    }
}

#[test]
fn both_are_named_in_a_configuration_and_refuse_what_is_not_theirs() {
    let config: RateLimitConfig = serde_json::from_value(serde_json::json!({"tiers": [
        {"name": "a", "algorithm": "sliding", "limit": 7, "per": "1m", "key": "global"},
        {"name": "b", "algorithm": "bounded", "limit": 7, "per": "1m", "key": "global"},
    ]}))
    .unwrap();
    let limiter = config.limiter().unwrap();
    let minute = Duration::from_secs(60);
    let quotas = [Quota::sliding(7, minute), Quota::bounded(7, minute)];
    assert!(
        limiter
            .0
            .tiers
            .iter()
            .map(|tier| tier.tier.quota)
            .eq(quotas)
    );
    for misused in [
        quotas[0].exact(),
        quotas[1].exact(),
        quotas[0].burst(1),
        quotas[1].burst(1),
    ] {
        let (field, kind) = misused.algorithm().unwrap_err();
        assert_eq!(field, "algorithm");
        assert!(matches!(kind, ConfigErrorKind::Misused(_)));
    }
}
