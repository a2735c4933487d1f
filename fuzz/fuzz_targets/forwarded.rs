//! The first line of the input is the peer; each further line is a line of the forwarding header.
//!
//! The client is the peer, or an address that the headers name; nobody but a trusted proxy is
//! believed; and what a client writes itself, to the left of its own address, changes nothing.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sec_core::{ClientAddress, Forwarding, TrustedProxies};

const NETWORK: &str = "10.0.0.0/8";

struct Scheme {
    name: HeaderName,
    by_network: ClientAddress,
    by_hops: ClientAddress,
    forged: &'static str,
}

static SCHEMES: LazyLock<[Scheme; 2]> = LazyLock::new(|| {
    let scheme = |forwarding: Forwarding, name: &str, forged| {
        let proxies = TrustedProxies::networks([NETWORK]).unwrap();
        let new = |proxies| ClientAddress::new(forwarding.clone(), proxies).unwrap();
        Scheme {
            name: name.parse().unwrap(),
            by_network: new(proxies.clone()),
            by_hops: new(proxies.hops(2).unwrap()),
            forged,
        }
    };
    [
        scheme(Forwarding::Forwarded, "forwarded", "for=6.6.6.6"),
        scheme(Forwarding::XForwarded, "x-forwarded-for", "6.6.6.6"),
    ]
});

fuzz_target!(|text: &str| {
    let (peer, lines) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(peer) = peer.parse::<IpAddr>().map(|peer| peer.to_canonical()) else {
        return;
    };
    let lines: Vec<&str> = lines.lines().collect();
    let named = || lines.iter().flat_map(|line| addresses(line));
    for scheme in &*SCHEMES {
        let headers = headers(&scheme.name, lines.iter().copied());
        for from in [&scheme.by_network, &scheme.by_hops] {
            let client = from.client(peer, &headers);
            if !is_proxy(peer) {
                assert_eq!(client, peer, "an untrusted peer was believed");
            }
            assert!(client == peer || named().any(|known| known == client));
        }
        let client = scheme.by_network.client(peer, &headers);
        if client != peer && !is_proxy(client) {
            let forged = [scheme.forged].into_iter().chain(lines.iter().copied());
            let forged = self::headers(&scheme.name, forged);
            assert_eq!(scheme.by_network.client(peer, &forged), client);
        }
    }
});

fn headers<'a>(name: &HeaderName, lines: impl Iterator<Item = &'a str>) -> HeaderMap {
    lines
        .filter_map(|line| HeaderValue::from_str(line).ok())
        .map(|line| (name.clone(), line))
        .collect()
}

fn is_proxy(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
}

/// Everything that any reader could take for the address of a node.
fn addresses(line: &str) -> Vec<IpAddr> {
    let plain = line.replace('\\', "");
    let words = plain.split(|c: char| matches!(c, ',' | ';' | '=' | '"') || c.is_whitespace());
    words
        .flat_map(|word| {
            let without_port = word.rsplit_once(':').map_or(word, |(host, _)| host);
            [word, without_port].map(|host| host.trim_matches(['[', ']']).parse::<IpAddr>())
        })
        .flatten()
        .map(|address| address.to_canonical())
        .collect()
}
