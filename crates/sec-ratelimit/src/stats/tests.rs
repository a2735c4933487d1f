use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use proptest::prelude::*;
use sec_core::AddrGrouping;

use super::sketch::Sketch;
use super::*;
use crate::{Key, LimitError, Limiter, Quota, Subject};

proptest! {
    #[test]
    fn the_sketch_keeps_its_bounds(
        stream in prop::collection::vec(prop_oneof![0_u64..4, 0_u64..60], 1..400),
        counters in 1_usize..20,
    ) {
        let mut sketch = Sketch::new(counters);
        let mut exact = HashMap::new();
        for &key in &stream {
            sketch.add(key, None);
            *exact.entry(key).or_insert(0_u64) += 1;
        }
        let held: HashMap<_, _> = sketch.counters().collect();
        let bound = stream.len() as u64 / counters as u64;
        prop_assert!(held.len() <= counters);
        prop_assert_eq!(held.values().map(|c| c.count).sum::<u64>(), stream.len() as u64);
        for (key, counter) in &held {
            let truth = exact[key];
            prop_assert!(counter.count >= truth && counter.count - counter.error <= truth);
            prop_assert!(counter.error <= bound);
        }
        for (key, truth) in exact {
            prop_assert!(truth <= bound || held.contains_key(&key), "{} of {}", key, truth);
        }
    }
}

fn limiter() -> Limiter {
    Limiter::builder()
        .tier("address", Quota::per_minute(5), Key::ip())
        .tier("wide", Quota::per_minute(1000), Key::global())
        .build()
        .unwrap()
}

#[test]
fn policies_count_what_they_admit_and_refuse_and_show_what_they_may() {
    let limiter = limiter();
    let statistics = Statistics::of(&limiter);
    let shown = statistics.clone().show_addresses(true);
    let ask = |statistics: &Statistics, client: &str, shadow| {
        let group = AddrGrouping::default().group(client.parse().unwrap());
        let subjects = [Subject::of(group), Subject::everyone()];
        let decision = match limiter.check(&subjects, 1) {
            Ok(decision) => decision,
            Err(LimitError::Refused(refused)) => refused.decision().clone(),
            Err(other) => panic!("{other}"),
        };
        statistics.record(&decision, shadow, Some(group));
    };
    for round in 0..9 {
        ask(&shown, "192.0.2.1", round >= 7);
    }
    ask(&statistics, "2001:db8::1", false);
    let [address, wide] = statistics.policies().try_into().unwrap();
    assert_eq!((address.name(), wide.name()), ("address", "wide"));
    assert_eq!(
        (
            address.allowed(),
            address.refused(),
            address.shadow_refused()
        ),
        (6, 2, 2)
    );
    // A refusal is that of the policy which refused.
    assert_eq!(
        (wide.allowed(), wide.refused(), wide.shadow_refused()),
        (6, 0, 0)
    );
    let seen: Vec<_> = address
        .top()
        .iter()
        .map(|key| {
            (
                key.address().map(|a| a.to_string()),
                key.requests(),
                key.error(),
            )
        })
        .collect();
    assert_eq!(seen, [(Some("192.0.2.1/32".into()), 9, 0), (None, 1, 0)]);
    assert_eq!(wide.top().len(), 1);
}

/// Where one quota is decided without a lock, keys are kept under a permutation, which can be undone: an identity that is
/// shown must not be what it gave. It is the one that clients are told.
#[test]
fn an_identity_that_is_shown_does_not_give_the_address_away() {
    let quick = Limiter::builder()
        .tier("address", Quota::per_minute(5), Key::ip())
        .build()
        .unwrap();
    let shown = |limiter: &Limiter, subjects: &[Subject<'_>]| {
        let statistics = Statistics::of(limiter);
        let decision = limiter.check(subjects, 1).unwrap();
        statistics.record(&decision, false, None);
        let mut headers = http::HeaderMap::new();
        crate::Fields::IETF
            .with_partition()
            .write(&decision, &mut headers);
        let field = headers["ratelimit"].to_str().unwrap();
        let told = field.split(":").nth(1).unwrap().to_owned();
        let id = statistics.policies()[0].top()[0].id();
        let as_told = base64::engine::general_purpose::STANDARD.encode(id.to_be_bytes());
        assert_eq!(as_told, told);
        (id, decision.tiers[0].partition)
    };
    let address = |n: u8| Subject::of(std::net::IpAddr::from([192, 0, 2, n]));
    let (one, kept) = shown(&quick, &[address(1)]);
    assert_ne!(one, kept, "as it is kept");
    let (again, _) = shown(&quick, &[address(1)]);
    let (other, _) = shown(&quick, &[address(2)]);
    assert_eq!(one, again);
    assert_ne!(one, other);
    // Full digests need no veil.
    let (id, kept) = shown(&limiter(), &[address(1), Subject::everyone()]);
    assert_eq!(id, kept);
}

#[test]
fn threads_lose_no_count() {
    let limiter = limiter();
    let statistics = Statistics::of(&limiter);
    let subjects = [Subject::of("a"), Subject::everyone()];
    let decision = limiter.check(&subjects, 1).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..500).for_each(|_| statistics.record(&decision, false, None)));
        }
    });
    let policies = statistics.policies();
    assert!(policies.iter().all(|p| p.allowed() == 10_000));
    assert_eq!(policies[0].top()[0].requests(), 10_000);
}

/// Requests per window of ten seconds, and in which windows a spike is told.
fn spikes(windows: &[u64]) -> Vec<usize> {
    let mut detector = SpikeDetector::new(3, Duration::from_secs(10), 20).unwrap();
    let mut told = Vec::new();
    for (index, requests) in windows.iter().enumerate() {
        let now = Duration::from_secs(10 * index as u64);
        for _ in 0..*requests {
            told.extend(detector.observe(now).map(|_| index));
        }
    }
    told
}

#[test]
fn a_spike_is_told_once_per_window_and_only_above_the_usual() {
    assert_eq!(spikes(&[500]), [0_usize; 0], "nothing to compare with");
    assert_eq!(spikes(&[1, 19, 19]), [0_usize; 0], "below the least");
    assert_eq!(spikes(&[10, 10, 30, 10]), [0_usize; 0]);
    assert_eq!(spikes(&[10, 10, 31, 10]), [2]);
    assert_eq!(spikes(&[10, 500, 500, 500]), [1, 2, 3], "no habit yet");
    // What lasts becomes usual.
    let lasting = spikes(&[[10; 5].as_slice(), &[100; 40]].concat());
    assert!(
        lasting.contains(&5) && *lasting.last().unwrap() < 25,
        "{lasting:?}"
    );
    // What has been quiet for long is new.
    let quiet = [[100; 5].as_slice(), &[0; 60], &[100]].concat();
    assert_eq!(spikes(&quiet), [65]);
}

#[test]
fn a_spike_tells_how_much_and_settings_are_checked() {
    let second = Duration::from_secs(1);
    let mut detector = SpikeDetector::new(2, second, 1).unwrap();
    for _ in 0..8 {
        assert_eq!(detector.observe(Duration::ZERO), None);
    }
    let spike = (0..20).find_map(|_| detector.observe(second)).unwrap();
    assert_eq!((spike.requests(), spike.usual()), (17, 8));
    for (factor, window, least, field) in [
        (1, second, 1, "factor"),
        (2, Duration::ZERO, 1, "window"),
        (2, second, 0, "least"),
    ] {
        let error = SpikeDetector::new(factor, window, least).unwrap_err();
        assert_eq!(error.field(), field);
    }
}
