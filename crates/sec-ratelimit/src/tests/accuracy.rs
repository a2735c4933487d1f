//! How accurate each algorithm is, shown by simulation beside an exact log. The tables in the docs of
//! `Quota` are what these runs give, compared word for word.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::{
    Answer, BoundedState, BoundedWindow, ExactLog, FixedState, FixedWindow, Gcra, GcraState,
    LogState, SlidingState, SlidingWindow,
};

const WINDOW: u64 = 1_000_000;
const LIMIT: u64 = 100;
const WINDOWS: u64 = 400;

/// Whether one unit is admitted at an instant.
type Rule = Box<dyn FnMut(u64) -> bool>;

fn rule<S: Default + 'static>(
    answer: impl Fn(&S, u64) -> Answer + 'static,
    take: impl Fn(&mut S, u64) + 'static,
) -> Rule {
    let mut state = S::default();
    Box::new(move |now| {
        let fits = answer(&state, now) == Answer::Admit;
        if fits {
            take(&mut state, now);
        }
        fits
    })
}

fn exact() -> Rule {
    let log = ExactLog::new(LIMIT, WINDOW);
    rule(
        move |(times, state): &(Vec<u64>, LogState), now| log.answer(&times[..state.len], now, 1),
        move |(times, state), now| {
            times.resize(usize::try_from(LIMIT).unwrap(), 0);
            let _ = log.take(times, state, now, 1);
        },
    )
}

fn fixed() -> Rule {
    let window = FixedWindow::new(LIMIT, WINDOW);
    rule(
        move |state: &FixedState, now| window.answer(*state, now, 1),
        move |state, now| {
            let _ = window.take(state, now, 1);
        },
    )
}

fn sliding() -> Rule {
    let window = SlidingWindow::new(LIMIT, WINDOW);
    rule(
        move |state: &SlidingState, now| window.answer(*state, now, 1),
        move |state, now| {
            let _ = window.take(state, now, 1);
        },
    )
}

fn bounded() -> Rule {
    let window = BoundedWindow::new(LIMIT, WINDOW);
    rule(
        move |state: &BoundedState, now| window.answer(state, now, 1),
        move |state, now| {
            let _ = window.take(state, now, 1);
        },
    )
}

fn bucket(limit: u64, burst: u64) -> Rule {
    let bucket = Gcra::new(limit, WINDOW, burst);
    rule(
        move |state: &GcraState, now| bucket.answer(*state, now, 1),
        move |state, now| {
            let _ = bucket.take(state, now, 1);
        },
    )
}

/// The bounds on what an interval of `d` may hold, beside each rule.
type Bound = fn(u64) -> u64;

fn rules() -> [(&'static str, Rule, Bound); 6] {
    [
        ("exact log", exact(), |_| LIMIT),
        ("fixed window", fixed(), |_| 2 * LIMIT),
        ("sliding counter", sliding(), |d| LIMIT + LIMIT * d / WINDOW),
        ("bucket, burst 100", bucket(100, 100), |d| {
            100 + (d * 100).div_ceil(WINDOW)
        }),
        ("bucket, 80 and burst 20", bucket(80, 20), |d| {
            20 + (d * 80).div_ceil(WINDOW)
        }),
        ("bounded", bounded(), |_| LIMIT),
    ]
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// A geometric gap of this mean, in steps of a thousandth of it: a Poisson process in whole numbers.
    fn gap(&mut self, mean: u64) -> u64 {
        let mut steps = 1;
        while self.below(1_000) > 0 {
            steps += 1;
        }
        steps * mean / 1_000
    }
}

const END: u64 = WINDOWS * WINDOW;

/// Instants by gaps of the random numbers of one seed.
fn by_gaps(seed: u64, mut gap: impl FnMut(&mut Random) -> u64) -> Vec<u64> {
    let mut random = Random(seed);
    let gaps = std::iter::repeat_with(|| gap(&mut random));
    let instants = gaps.scan(0, |now, gap| {
        *now += gap;
        Some(*now)
    });
    instants.take_while(|&now| now < END).collect()
}

fn traces() -> [(&'static str, Vec<u64>); 6] {
    let mean = WINDOW / LIMIT;
    let bursty = by_gaps(3, |random| random.gap(30 * mean));
    let mut random = Random(4);
    let mut bursty: Vec<u64> = bursty
        .iter()
        .flat_map(|start| {
            let length = 1 + random.below(59);
            let burst: Vec<_> = (0..length).map(|_| start + random.below(mean)).collect();
            burst
        })
        .collect();
    bursty.sort_unstable();
    // One opens the window, the rest come at its end and again right behind it, and then as many as
    // each algorithm lets through.
    let border = |start: u64| {
        std::iter::once(start)
            .chain(std::iter::repeat_n(start + WINDOW - 1, 150))
            .chain(std::iter::repeat_n(start + WINDOW, 150))
            .chain((1..WINDOW / 500).map(move |step| start + WINDOW + step * 500))
    };
    let punctual = |start: u64| std::iter::repeat_n(start, usize::try_from(LIMIT).unwrap());
    [
        ("random", by_gaps(1, |random| random.below(2 * mean))),
        ("Poisson", by_gaps(2, |random| random.gap(mean))),
        ("bursty", bursty),
        ("saturating", by_gaps(0, |_| mean / 4)),
        (
            "punctual",
            (0..WINDOWS).flat_map(|n| punctual(n * WINDOW)).collect(),
        ),
        (
            "adversarial",
            (0..WINDOWS / 5)
                .flat_map(|n| border(n * 5 * WINDOW))
                .collect(),
        ),
    ]
}

/// What one rule did with one trace.
struct Outcome {
    admitted: Vec<u64>,
    /// Refused though fewer than the limit were admitted within the last window.
    wrongly: usize,
}

fn run(mut rule: Rule, trace: &[u64]) -> Outcome {
    let mut outcome = Outcome {
        admitted: Vec::new(),
        wrongly: 0,
    };
    let mut last: VecDeque<u64> = VecDeque::new();
    for &now in trace {
        while last.front().is_some_and(|&at| at + WINDOW <= now) {
            last.pop_front();
        }
        if rule(now) {
            last.push_back(now);
            outcome.admitted.push(now);
        } else if last.len() < usize::try_from(LIMIT).unwrap() {
            outcome.wrongly += 1;
        }
    }
    outcome
}

/// The most in any half-open interval of this length.
fn densest(times: &[u64], length: u64) -> u64 {
    let mut from = 0;
    let counts = times.iter().enumerate().map(|(index, &now)| {
        while times[from] + length <= now {
            from += 1;
        }
        index + 1 - from
    });
    counts.max().unwrap_or(0) as u64
}

/// Every bound of the docs, on every trace and over whole windows and parts of one.
#[test]
fn no_algorithm_passes_its_bound_and_the_tables_say_what_was_measured() {
    let traces = traces();
    let mut head = String::from("| |");
    for (name, _) in &traces {
        let _ = write!(head, " {name} |");
    }
    let _ = write!(head, "\n|---|{}\n", "---|".repeat(traces.len()));
    let (mut most, mut share) = (head.clone(), head);
    let exact: Vec<_> = traces
        .iter()
        .map(|(_, trace)| run(self::exact(), trace).admitted.len())
        .collect();
    for index in 0..rules().len() {
        for (column, (trace_name, trace)) in traces.iter().enumerate() {
            let [(name, rule, bound)] = rules()
                .into_iter()
                .skip(index)
                .take(1)
                .collect::<Vec<_>>()
                .try_into()
                .ok()
                .unwrap();
            let outcome = run(rule, trace);
            for part in [1, 2, 4, 16, 100] {
                let (length, held) = (WINDOW / part, densest(&outcome.admitted, WINDOW / part));
                assert!(
                    held <= bound(length),
                    "{name}, {trace_name}: {held} in {length}"
                );
            }
            if column == 0 {
                let _ = write!(most, "| {name} |");
                let _ = write!(share, "| {name} |");
            }
            let _ = write!(most, " {} |", densest(&outcome.admitted, WINDOW));
            let per_mille = |part: usize, of: usize| (part * 1_000 + of / 2) / of;
            let admitted = (outcome.admitted.len() * 100 + exact[column] / 2) / exact[column];
            let wrongly = per_mille(outcome.wrongly, trace.len());
            let _ = write!(
                share,
                " {admitted} % · {}.{} % |",
                wrongly / 10,
                wrongly % 10
            );
        }
        most.push('\n');
        share.push('\n');
    }
    println!("{most}\n{share}");
    let docs = include_str!("../accuracy.md");
    assert!(docs.contains(&most), "the docs do not say this:\n{most}");
    assert!(docs.contains(&share), "the docs do not say this:\n{share}");
}

/// The bounds are not only kept but met: each falls short by no more than the unit that opened the window.
#[test]
fn the_worst_traces_reach_the_bounds() {
    let traces = traces();
    let (_, adversarial) = &traces[5];
    let reached = |rule: Rule| densest(&run(rule, adversarial).admitted, WINDOW);
    assert_eq!(reached(fixed()), 2 * LIMIT - 1);
    assert_eq!(reached(sliding()), 2 * LIMIT - 2);
    assert_eq!(reached(bucket(100, 100)), 2 * LIMIT - 1);
    assert_eq!(reached(bucket(80, 20)), LIMIT - 1);
    assert_eq!(reached(bounded()), LIMIT);
    assert_eq!(reached(exact()), LIMIT);
}
