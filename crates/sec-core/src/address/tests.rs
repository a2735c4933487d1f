//! The client's address under attack (R4).

use std::net::IpAddr;
use std::num::NonZeroU8;

use http::{HeaderMap, HeaderName};

use super::*;

const PROXY: &str = "10.0.0.1";

fn resolver(forwarding: Forwarding) -> ClientAddress {
    let proxies = TrustedProxies::networks(["10.0.0.0/8", "2001:db8:ffff::/48"]).unwrap();
    ClientAddress::new(forwarding, proxies).unwrap()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            *name,
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn client(from: &ClientAddress, peer: &str, lines: &[(&'static str, &str)]) -> String {
    from.client(peer.parse().unwrap(), &headers(lines))
        .to_string()
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    let from = resolver(Forwarding::XForwarded);
    const XFF: &str = "x-forwarded-for";
    for (lines, expected) in [
        (&[][..], PROXY),
        (&[(XFF, "198.51.100.4")], "198.51.100.4"),
        // tower_governor's SmartIp believes the left-most: rotating it admitted 1000 of 1000 at limit 1.
        (&[(XFF, "1.2.3.4, 198.51.100.4")], "198.51.100.4"),
        (&[(XFF, "1.2.3.4, 198.51.100.4, 10.3.3.3")], "198.51.100.4"),
        (
            &[(XFF, "1.2.3.4"), (XFF, "198.51.100.4"), (XFF, "10.3.3.3")],
            "198.51.100.4",
        ),
        (&[(XFF, "10.9.9.9, 10.8.8.8")], "10.9.9.9"),
        (&[(XFF, "198.51.100.4:51234")], "198.51.100.4"),
        (&[(XFF, "[2001:db8::7]:443")], "2001:db8::7"),
        (&[(XFF, "::ffff:198.51.100.4")], "198.51.100.4"),
        (&[(XFF, "1.2.3.4, unknown")], PROXY),
        (&[(XFF, "1.2.3.4, ' OR 1=1, 10.2.2.2")], "10.2.2.2"),
        (&[(XFF, "1.2.3.4,")], PROXY),
        (&[(XFF, "1.2.3.4"), (XFF, "\u{e9}")], PROXY),
    ] {
        assert_eq!(client(&from, PROXY, lines), expected, "{lines:?}");
    }
}

#[test]
fn a_peer_that_is_not_trusted_is_the_client() {
    let lines = [
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4;proto=https;host=evil.test"),
        ("cf-connecting-ip", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.test"),
    ];
    for forwarding in [
        Forwarding::XForwarded,
        Forwarding::Forwarded,
        Forwarding::Header(HeaderName::from_static("cf-connecting-ip")),
    ] {
        let headers = headers(&lines);
        let resolved = resolver(forwarding).resolve("192.0.2.9".parse().unwrap(), &headers);
        assert_eq!(resolved.client.to_string(), "192.0.2.9");
        assert_eq!(
            (resolved.scheme, resolved.host, resolved.trusted_peer),
            (None, None, false)
        );
    }
}

/// As a header's name each of these would never be found, and every client would have the proxy's address.
#[test]
fn a_name_that_is_almost_a_scheme_is_refused() {
    for (name, meant) in [
        ("xforwarded", "`x-forwarded`"),
        ("X-Forwared", "`x-forwarded`"),
        ("x_forwarded", "`x-forwarded`"),
        ("x-forward", "`x-forwarded`"),
        ("x-forwarded-for", "`x-forwarded`"),
        ("X_Forwarded_For", "`x-forwarded`"),
        ("x-forwardedfor", "`x-forwarded`"),
        ("x-forwarded-proto", "`x-forwarded`"),
        ("x-forwarded-host", "`x-forwarded`"),
        ("forwarder", "`forwarded`"),
        ("Forward", "`forwarded`"),
        ("non", "`none`"),
        ("no", "`none`"),
        ("x forwarded", "x-forwarded"),
        ("a b", "neither none"),
    ] {
        let error = name.parse::<Forwarding>().unwrap_err();
        assert!(error.to_string().contains(meant), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    for (name, expected) in [
        ("None", Forwarding::None),
        ("X-Forwarded", Forwarding::XForwarded),
        ("FORWARDED", Forwarding::Forwarded),
    ] {
        assert_eq!(name.parse(), Ok(expected));
    }
    for name in [
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "fly-client-ip",
        "fastly-client-ip",
    ] {
        assert_eq!(name.parse(), Ok(Forwarding::Header(name.parse().unwrap())));
    }
    for list in ["x-forwarded-for", "forwarded", "x-forwarded-host"] {
        let header = Forwarding::Header(HeaderName::from_static(list));
        let proxies = TrustedProxies::networks(["10.0.0.0/8"]).unwrap();
        let error = ClientAddress::new(header, proxies).unwrap_err();
        assert_eq!(error, ProxyError::List(list.to_owned()));
    }
}

#[test]
fn only_the_chosen_scheme_is_read() {
    let lines = headers(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "x.test"),
        ("forwarded", "for=2.2.2.2"),
        ("x-real-ip", "3.3.3.3"),
    ]);
    let peer: IpAddr = PROXY.parse().unwrap();
    let forwarded = resolver(Forwarding::Forwarded).resolve(peer, &lines);
    assert_eq!(
        (forwarded.client.to_string().as_str(), forwarded.scheme),
        ("2.2.2.2", None)
    );
    assert_eq!(forwarded.host, None);
    let named = resolver("X-Real-IP".parse().unwrap()).resolve(peer, &lines);
    assert_eq!(
        (named.client.to_string().as_str(), named.scheme),
        ("3.3.3.3", None)
    );
    let x = resolver(Forwarding::XForwarded).resolve(peer, &lines);
    assert_eq!(
        (x.client.to_string().as_str(), x.scheme),
        ("1.1.1.1", Some(Scheme::Https))
    );
    assert_eq!(x.host.as_deref(), Some("x.test"));
}

#[test]
fn forwarded_gives_the_scheme_and_host_of_the_clients_own_hop() {
    let from = resolver(Forwarding::Forwarded);
    let lines = headers(&[
        (
            "forwarded",
            "for=6.6.6.6;proto=http;host=evil.test, for=\"198.51.100.4:99\";proto=https;host=a.test",
        ),
        ("forwarded", "for=10.2.2.2;proto=http;host=internal"),
    ]);
    let resolved = from.resolve(PROXY.parse().unwrap(), &lines);
    assert_eq!(resolved.client.to_string(), "198.51.100.4");
    assert_eq!(resolved.scheme, Some(Scheme::Https));
    assert_eq!(resolved.host.as_deref(), Some("a.test"));
    for line in [
        "for=_hidden",
        "for=unknown;proto=https",
        "for=\"unclosed",
        "for=1.2.3.4;for=2.3.4.5",
    ] {
        assert_eq!(
            client(&from, PROXY, &[("forwarded", line)]),
            PROXY,
            "{line}"
        );
    }
}

#[test]
fn a_single_value_header_is_single() {
    let from = resolver("cf-connecting-ip".parse().unwrap());
    const CF: &str = "cf-connecting-ip";
    assert_eq!(
        client(&from, PROXY, &[(CF, "198.51.100.4")]),
        "198.51.100.4"
    );
    assert_eq!(
        client(&from, PROXY, &[(CF, "1.1.1.1"), (CF, "2.2.2.2")]),
        PROXY
    );
    assert_eq!(client(&from, PROXY, &[(CF, "1.1.1.1, 2.2.2.2")]), PROXY);
    assert_eq!(client(&from, PROXY, &[]), PROXY);
}

#[test]
fn a_hop_count_never_reaches_past_the_list() {
    let proxies = TrustedProxies::networks(["10.0.0.0/8"])
        .unwrap()
        .hops(2)
        .unwrap();
    let from = ClientAddress::new(Forwarding::XForwarded, proxies).unwrap();
    const XFF: &str = "x-forwarded-for";
    assert_eq!(
        client(&from, PROXY, &[(XFF, "6.6.6.6, 198.51.100.4, 203.0.113.1")]),
        "198.51.100.4"
    );
    assert_eq!(client(&from, PROXY, &[(XFF, "6.6.6.6")]), PROXY);
    assert_eq!(
        client(&from, "192.0.2.9", &[(XFF, "6.6.6.6, 7.7.7.7")]),
        "192.0.2.9"
    );
    let any = TrustedProxies::any_peer(NonZeroU8::MIN);
    let from = ClientAddress::new(Forwarding::XForwarded, any).unwrap();
    assert_eq!(
        client(&from, "192.0.2.9", &[(XFF, "6.6.6.6, 7.7.7.7")]),
        "7.7.7.7"
    );
}

#[test]
fn half_a_configuration_is_an_error() {
    let somebody = TrustedProxies::networks(["10.0.0.1"]).unwrap();
    assert!(ClientAddress::new(Forwarding::XForwarded, TrustedProxies::none()).is_err());
    assert!(ClientAddress::new(Forwarding::None, somebody).is_err());
    assert!(TrustedProxies::networks(["10.0.0.0/33"]).is_err());
    assert!(TrustedProxies::networks(["proxy.internal"]).is_err());
    assert!(TrustedProxies::none().hops(0).is_err());
    assert!("bad header name".parse::<Forwarding>().is_err());
    assert_eq!("X-Forwarded".parse(), Ok(Forwarding::XForwarded));
}

#[test]
fn what_main_returns_says_what_is_wrong() {
    fn same(error: impl std::error::Error) {
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    same(AddrGrouping::new(33, 64).unwrap_err());
    same(TrustedProxies::networks(["x"]).unwrap_err());
    same(crate::duration::parse("15").unwrap_err());
    same(
        crate::EventKind::custom("A b", crate::Severity::Low, crate::Outcome::Success).unwrap_err(),
    );
    same("loud".parse::<crate::Severity>().unwrap_err());
}
