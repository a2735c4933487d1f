//! What a look-up in an address list costs, beside a scan of the same entries.
#![allow(missing_docs, reason = "a benchmark")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and one that overflows fails"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use sec_ratelimit::{AddressList, SharedAddressList};

/// SplitMix64: the same entries in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const ENTRIES: u64 = 100_000;

fn main() {
    let mut numbers = Numbers(1);
    let mut text = String::new();
    let mut probes = Vec::new();
    // The bits of IPv4, and the upper half of IPv6, with the prefix length: for the scan.
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for index in 0..ENTRIES {
        let number = numbers.next();
        // Half networks of IPv4 from /16 to /32, half of IPv6 from /32 to /64.
        if index % 2 == 0 {
            let bits = 16 + u32::try_from(number >> 32).unwrap_or(0) % 17;
            let network = (number as u32) & (u32::MAX << (32 - bits));
            v4.push((network, bits));
            let _ = writeln!(text, "{}/{bits}", Ipv4Addr::from_bits(network));
            probes.push(IpAddr::V4(Ipv4Addr::from_bits(network | 1)));
        } else {
            let bits = 32 + u32::try_from(number & 31).unwrap_or(0) + 1;
            let high = 0x2000_0000_0000_0000 | (numbers.next() >> 3);
            let network = high & (u64::MAX << (64 - bits));
            v6.push((network, bits));
            let _ = writeln!(
                text,
                "{}/{bits}",
                Ipv6Addr::from_bits(u128::from(network) << 64)
            );
            probes.push(IpAddr::V6(Ipv6Addr::from_bits(
                u128::from(network) << 64 | 1,
            )));
        }
    }
    let misses: Vec<_> = (0..ENTRIES)
        .map(|_| IpAddr::V4(Ipv4Addr::from_bits(numbers.next() as u32)))
        .collect();

    let begun = Instant::now();
    let Ok(list) = AddressList::parse("", &text) else {
        return;
    };
    println!("{} entries read in {:?}", list.len(), begun.elapsed());
    let shared = SharedAddressList::new(list.clone());

    let hit = timed("entries, in random order", &probes, 20, |a| list.blocks(a));
    timed("random IPv4", &misses, 20, |a| list.blocks(a));
    timed("entries, shared", &probes, 20, |a| shared.blocks(a));
    let scan = timed(
        "entries, by a scan",
        &probes[probes.len() - 200..],
        1,
        |address| match address {
            IpAddr::V4(a) => v4
                .iter()
                .any(|(network, bits)| (a.to_bits() ^ network).unbounded_shr(32 - bits) == 0),
            IpAddr::V6(a) => {
                let high = (a.to_bits() >> 64) as u64;
                v6.iter()
                    .any(|(network, bits)| (high ^ network).unbounded_shr(64 - bits) == 0)
            }
        },
    );
    println!("a scan takes {:.0} times as long", scan / hit);
}

fn timed(name: &str, probes: &[IpAddr], rounds: u32, ask: impl Fn(IpAddr) -> bool) -> f64 {
    // The fastest of five: what else runs on the machine only ever adds.
    let mut best = f64::MAX;
    let mut found = 0_usize;
    for _ in 0..5 {
        let begun = Instant::now();
        for _ in 0..rounds {
            found = probes.iter().filter(|a| ask(black_box(**a))).count();
        }
        let each = begun.elapsed().as_nanos() as f64 / f64::from(rounds) / probes.len() as f64;
        best = best.min(each);
    }
    println!("{name:<26} {best:8.1} ns ({found} of {})", probes.len());
    best
}
