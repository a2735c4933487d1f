use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, StatusCode};
use proptest::prelude::*;
use sec_core::{CollectingSink, EventKind, FieldFaults, ManualClock, Outcome, RequestContext};
use tower::{Layer, ServiceExt, service_fn};

use super::*;

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

#[test]
fn the_most_specific_entry_decides_and_allowed_wins_a_tie() {
    let list = AddressList::parse(
        "10.1.2.0/24\n192.0.2.0/24\n10.1.2.3\n2001:db8:1::/48\n",
        "10.0.0.0/8 ; SBL1\n10.1.2.128/25\n192.0.2.0/24\n10.1.2.3 # on both\n2001:db8::/32\n::/0\n",
    )
    .unwrap();
    for (address, rule) in [
        ("10.9.9.9", Some(AddressRule::Block)),
        ("10.1.2.4", Some(AddressRule::Allow)),
        ("10.1.2.129", Some(AddressRule::Block)),
        ("10.1.2.3", Some(AddressRule::Allow)),
        ("192.0.2.1", Some(AddressRule::Allow)),
        // The mapped form is the same host.
        ("::ffff:10.9.9.9", Some(AddressRule::Block)),
        ("::ffff:10.1.2.4", Some(AddressRule::Allow)),
        // `::/0` is all of IPv6 and nothing of IPv4.
        ("11.0.0.1", None),
        ("2001:db8:1::1", Some(AddressRule::Allow)),
        ("2001:db8:2::1", Some(AddressRule::Block)),
        ("2a00::1", Some(AddressRule::Block)),
    ] {
        assert_eq!(list.rule(at(address)), rule, "{address}");
    }
    assert_eq!(
        list.deciding(at("10.1.2.200")),
        Some(("10.1.2.128/25".into(), AddressRule::Block))
    );
    assert_eq!(list.deciding(at("11.0.0.1")), None);
    assert_eq!(list.len(), 8);
    let open = AddressList::default();
    assert!(open.is_empty() && open.rule(at("10.0.0.1")).is_none());
}

/// Two texts in the wrong order compile, and serve only those who should not be.
#[test]
fn lists_by_name_say_what_both_texts_together_say() {
    let (allow, block) = ("192.0.2.7\n10.0.0.0/8", "192.0.2.0/24\n10.0.0.0/8");
    let named = AddressList::blocking(block)
        .unwrap()
        .allowing(allow)
        .unwrap();
    let both = AddressList::parse(allow, block).unwrap();
    assert_eq!(named.len(), both.len());
    for address in ["192.0.2.7", "192.0.2.8", "10.0.0.1", "11.0.0.1"] {
        assert_eq!(named.rule(at(address)), both.rule(at(address)), "{address}");
    }
    assert!(named.blocks(at("192.0.2.8")) && !named.blocks(at("192.0.2.7")));
    let wrong = AddressList::default().allowing("10.0.0.0/8\nx");
    assert!(wrong.unwrap_err().to_string().contains("allow"));
}

#[test]
fn mapped_networks_are_ipv4_networks() {
    let list = AddressList::blocking("::ffff:203.0.113.0/120\n").unwrap();
    assert!(list.blocks(at("203.0.113.9")));
    assert!(!list.blocks(at("203.0.114.9")));
}

#[test]
fn every_wrong_line_is_told_with_its_number() {
    let error = AddressList::parse(
        "10.0.0.0/8\nexample.com\n\n",
        "# feed\n10.0.0.1/8\n10.0.0.0/33\n::1/129\n10.0.0.0/+8\n10.0.0.0/\n1.2.3\n2001:db8::/32\n",
    )
    .unwrap_err();
    let seen: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| (fault.rule(), fault.line(), fault.kind()))
        .collect();
    use AddressFaultKind::{Address, HostBits, Prefix};
    assert_eq!(
        seen,
        [
            (AddressRule::Allow, 2, Address),
            (AddressRule::Block, 2, HostBits),
            (AddressRule::Block, 3, Prefix),
            (AddressRule::Block, 4, Prefix),
            (AddressRule::Block, 5, Prefix),
            (AddressRule::Block, 6, Prefix),
            (AddressRule::Block, 7, Address),
        ]
    );
    let shown = error.to_string();
    assert_eq!(shown.lines().count(), 7);
    assert!(shown.starts_with("allow, line 2: \"example.com\" is not an address or network"));
}

#[test]
fn a_section_reports_its_entries() {
    let config: AddressListConfig =
        serde_json::from_str(r#"{"block": ["10.0.0.0/8", "x"], "allow": ["", "10.0.0.1"]}"#)
            .unwrap();
    assert_eq!(
        FieldFaults::of(&config).to_string(),
        "allow[0]: \"\" is not an address or network\nblock[1]: \"x\" is not an address or network"
    );
    assert!(AddressListLayer::from_config(&config).is_err());
    assert!(FieldFaults::of(&AddressListConfig::default()).is_empty());
    assert!(serde_json::from_str::<AddressListConfig>(r#"{"deny": []}"#).is_err());
}

/// What the tree must say, found by looking at every entry.
fn by_scan(entries: &[(Network, AddressRule)], address: IpAddr) -> Option<AddressRule> {
    let host = Network::host(address.to_canonical());
    entries
        .iter()
        .filter(|(network, _)| {
            network.is_v6() == host.is_v6() && host.cut(network.bits()) == *network
        })
        .max_by_key(|(network, rule)| (network.bits(), *rule == AddressRule::Allow))
        .map(|(_, rule)| *rule)
}

/// Few bits vary, so that networks nest, touch and repeat.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (any::<u32>(), 0_u32..28).prop_map(|(bits, shift)| {
            IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | (bits & 0xf) << shift))
        }),
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        (any::<u128>(), 0_u32..120).prop_map(|(bits, shift)| {
            IpAddr::V6(Ipv6Addr::from_bits(
                (0x2001_0db8 << 96) | (bits & 0xff) << shift,
            ))
        }),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ]
}

fn entry() -> impl Strategy<Value = (Network, AddressRule)> {
    let rule = prop_oneof![Just(AddressRule::Allow), Just(AddressRule::Block)];
    (address(), 0_u8..=128, rule).prop_map(|(address, bits, rule)| {
        let host = Network::host(address.to_canonical());
        (host.cut(bits.min(host.bits())), rule)
    })
}

proptest! {
    #[test]
    fn the_tree_says_what_a_scan_says(
        entries in prop::collection::vec(entry(), 0..60),
        probes in prop::collection::vec(address(), 1..40),
    ) {
        let list = AddressList::of(
            entries.iter().map(|&(network, rule)| Entry { network, rule }).collect(),
        );
        // Where entries begin and end is where a tree goes wrong.
        let edges = entries.iter().flat_map(|(network, _)| {
            let last = network.prefix() | u128::MAX.checked_shr(network.bits().into()).unwrap_or(0);
            [network.prefix(), last, last.wrapping_add(1), network.prefix().wrapping_sub(1)]
                .map(|bits| if network.is_v6() {
                    IpAddr::V6(Ipv6Addr::from_bits(bits))
                } else {
                    IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32))
                })
        });
        for probe in probes.iter().copied().chain(edges) {
            let expected = by_scan(&entries, probe);
            prop_assert_eq!(list.rule(probe), expected, "{}", probe);
            prop_assert_eq!(list.deciding(probe).map(|(_, rule)| rule), expected);
        }
        let distinct: HashSet<_> = entries.iter().map(|(network, _)| network.to_string()).collect();
        prop_assert_eq!(list.len(), distinct.len());
    }

    #[test]
    fn a_written_network_is_read_back((network, _) in entry()) {
        prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
    }

    #[test]
    fn no_text_breaks_the_parser(text in "[0-9a-f:./ #;\n-]{0,60}|\\PC{0,40}") {
        if let Err(error) = AddressList::parse(&text, &text) {
            prop_assert!(!error.faults().is_empty());
        }
    }
}

#[test]
fn readers_see_the_old_list_or_the_new_one_while_it_is_replaced() {
    // In each list exactly one of the two networks is blocked.
    let lists =
        || ["10.0.0.0/8", "192.0.2.0/24"].map(|block| AddressList::parse("", block).unwrap());
    let [first, _] = lists();
    let shared = SharedAddressList::new(first);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0_u64;
                while !done.load(Ordering::Relaxed) || seen == 0 {
                    let list = shared.current();
                    assert_ne!(list.blocks(at("10.0.0.1")), list.blocks(at("192.0.2.1")));
                    seen += 1;
                }
            });
        }
        for _ in 0..500 {
            for list in lists() {
                shared.replace(list);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(shared.blocks(at("192.0.2.1")));
}

async fn ask(layer: &AddressListLayer, client: &str, sink: Arc<CollectingSink>) -> StatusCode {
    let ctx = RequestContext::builder()
        .client(at(client))
        .clock(ManualClock::new())
        .sink(sink)
        .build();
    let mut request = Request::new(());
    request.extensions_mut().insert(ctx);
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Empty::<bytes::Bytes>::new(),
        ))
    });
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let problem = response.extensions().get::<sec_core::Problem>();
    assert_eq!(
        problem.is_some_and(|p| p.type_uri().ends_with("#address-blocked")),
        response.status() == StatusCode::FORBIDDEN
    );
    response.status()
}

#[tokio::test]
async fn a_blocked_client_is_refused_told_little_and_recorded() {
    let layer = AddressListLayer::new(AddressList::parse("", "203.0.113.0/24").unwrap());
    let sink = CollectingSink::new();
    assert_eq!(
        ask(&layer, "198.51.100.1", sink.clone()).await,
        StatusCode::OK
    );
    assert!(sink.events().is_empty());
    let status = ask(&layer, "203.0.113.9", sink.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let events = sink.events();
    assert_eq!(events[0].kind(), &EventKind::BLOCKED);
    assert_eq!(events[0].detail()["entry"], "203.0.113.0/24");

    layer.lists().replace(AddressList::default());
    assert_eq!(ask(&layer, "203.0.113.9", sink).await, StatusCode::OK);
}

#[tokio::test]
async fn in_shadow_a_blocked_client_passes_and_is_recorded() {
    let list = AddressList::parse("", "203.0.113.0/24").unwrap();
    let sink = CollectingSink::new();
    let layer = AddressListLayer::new(list.clone()).shadow(true);
    assert_eq!(
        ask(&layer, "203.0.113.9", sink.clone()).await,
        StatusCode::OK
    );
    assert_eq!(sink.events()[0].outcome(), Outcome::Pending);
    let off = AddressListLayer::new(list).enabled(false);
    assert_eq!(ask(&off, "203.0.113.9", sink.clone()).await, StatusCode::OK);
    assert_eq!(sink.events().len(), 1);
}
