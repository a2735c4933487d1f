//! Whose word counts for host and scheme.

use sec_core::{Forwarding, TrustedProxies};

use super::*;

fn guard() -> HostGuard {
    HostGuard::new(["example.com"])
        .unwrap()
        .redirect_to_https(443)
        .unwrap()
}

fn behind_a_proxy() -> Stack {
    let proxies = TrustedProxies::networks(["10.0.0.0/8"]).unwrap();
    let address = ClientAddress::new(Forwarding::XForwarded, proxies).unwrap();
    Stack {
        context: ContextLayer::new().client_address(address),
        peer: "10.0.0.1:40000",
        ..Stack::new(guard())
    }
}

const OWN: (&str, &str) = ("host", "example.com");
const EVIL: (&str, &str) = ("host", "evil.example");

/// PortSwigger "HTTP Host header attacks", the override headers; "Practical web cache poisoning" for
/// `X-Forwarded-Scheme` and its like.
#[test]
fn a_header_that_anybody_can_write_changes_nothing() {
    let without = Stack::new(guard());
    let from_elsewhere = Stack {
        peer: "203.0.113.9:50000",
        ..behind_a_proxy()
    };
    for stack in [&without, &from_elsewhere] {
        for forged in [
            ("x-forwarded-host", "example.com"),
            ("x-host", "example.com"),
            ("x-forwarded-server", "example.com"),
            ("x-http-host-override", "example.com"),
            ("x-original-host", "example.com"),
            ("forwarded", "for=192.0.2.1;host=example.com;proto=https"),
        ] {
            assert_eq!(stack.get("/", &[EVIL, forged]).0, 421, "{forged:?}");
        }
        for forged in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-port", "1337"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-scheme", "https"),
            ("x-forwarded-ssl", "on"),
            ("front-end-https", "on"),
            ("x-original-url", "//evil.example/"),
            ("x-rewrite-url", "//evil.example/"),
            ("forwarded", "for=192.0.2.1;host=evil.example;proto=https"),
        ] {
            let answer = stack.get("/a?b=c", &[OWN, forged]);
            let expected = (308, Some("https://example.com/a?b=c".to_owned()));
            assert_eq!(answer, expected, "{forged:?}");
        }
    }
}

#[test]
fn a_trusted_proxy_says_which_scheme_and_host_the_client_used() {
    let stack = behind_a_proxy();
    let https = ("x-forwarded-proto", "https");
    let http = ("x-forwarded-proto", "http");
    let own = ("x-forwarded-host", "example.com");
    let evil = ("x-forwarded-host", "evil.example");
    let internal = ("host", "app.internal:8080");
    let to_own = Some("https://example.com/".to_owned());
    for (headers, expected) in [
        (&[OWN, https][..], (200, None)),
        (&[OWN, http], (308, to_own.clone())),
        (&[OWN], (308, to_own.clone())),
        (&[internal, own, https], (200, None)),
        (&[internal, own, http], (308, to_own)),
        (&[internal, https], (421, None)),
        // A proxy that passes on what the client wrote.
        (&[OWN, evil, https], (421, None)),
        (&[OWN, evil, http], (421, None)),
    ] {
        assert_eq!(stack.get("/", headers), expected, "{headers:?}");
    }
}
