mod config;
mod entries;
mod forwarded;
mod layer;
mod redirect;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use sec_core::{ClientAddress, ContextLayer, PeerAddr, Scheme};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::*;

/// A context layer and a guard, as a service has them.
struct Stack {
    context: ContextLayer,
    guard: HostGuard,
    peer: &'static str,
}

impl Stack {
    fn new(guard: HostGuard) -> Self {
        Self {
            context: ContextLayer::new().client_address(ClientAddress::peer()),
            guard,
            peer: "203.0.113.9:50000",
        }
    }

    /// The status, and where a redirect leads.
    fn get(&self, uri: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
        let mut request = Request::get(uri).body(()).unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(name, value);
        }
        let peer = self.peer.parse().unwrap();
        request.extensions_mut().insert(PeerAddr(peer));
        let service = ServiceBuilder::new()
            .layer(self.context.clone())
            .layer(HostGuardLayer::new(self.guard.clone()))
            .service(service_fn(|_| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"served"))))
            }));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let response = runtime.block_on(service.oneshot(request)).unwrap();
        let location = response.headers().get(LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    }

    fn host(&self, host: &str) -> u16 {
        self.get("/", &[(HOST.as_str(), host)]).0
    }
}

fn many() -> HostGuard {
    HostGuard::new([
        "Example.COM",
        "*.multitenant.example",
        "localhost:3000",
        "[2001:db8::1]",
        "[2001:db8::1]:8443",
        "192.0.2.1:8080",
        "xn--4ca9at.example",
        "any.example:*",
    ])
    .unwrap()
}

/// What clients write who mean a listed host; in part the legitimate rows of Django's
/// `HostValidationTests`.
#[test]
fn a_listed_host_is_served_however_it_is_spelled() {
    let stack = Stack::new(many());
    for host in [
        "example.com",
        "EXAMPLE.com",
        "example.com:80",
        // RFC 3986 §3.2.3: an empty port is the default one.
        "example.com:",
        "anything.multitenant.example",
        "Any.Thing.multitenant.example:80",
        "xn--4ca9at.example",
        "localhost:3000",
        "192.0.2.1:8080",
        "[2001:db8::1]",
        "[2001:db8::1]:80",
        "[2001:DB8:0:0:0:0:0:1]",
        "[2001:db8::1]:8443",
        "any.example",
        "any.example:80",
        "any.example:65535",
    ] {
        assert_eq!(stack.host(host), 200, "{host}");
    }
    // The absolute form, with which proxies are asked (RFC 9112 §3.2.2).
    let absolute = stack.get("http://example.com/", &[("host", "example.com")]);
    assert_eq!(absolute.0, 200);
}

/// One row per attack or mistake.
#[test]
fn a_host_that_is_not_listed_is_misdirected() {
    let stack = Stack::new(many());
    for (host, why) in [
        // Links in password reset mails: OWASP WSTG-INPV-17, PortSwigger "Password reset poisoning",
        // Django CVE-2012-4520.
        ("evil.example", "the attacker's host"),
        ("example.com.evil.example", "the attacker's sub-domain"),
        ("evil-example.com", "a suffix that is no label"),
        ("notexample.com", "a suffix that is no label"),
        ("www.example.com", "a sub-domain that nobody listed"),
        ("com", "a parent"),
        // A redirect or link to a dead port, kept by a cache: J. Kettle, "Responsible denial of service
        // with web cache poisoning" (2019).
        ("example.com:1337", "a port that nobody listens at"),
        ("example.com:443", "the port of the other scheme"),
        ("example.com:8443", "the port of another entry"),
        ("localhost", "an entry with a port is this port alone"),
        ("localhost:3001", "another port"),
        ("[2001:db8::1]:8444", "another port"),
        // Roles by host: PortSwigger "Host header authentication bypass".
        ("127.0.0.1:3000", "an address is not its name"),
        ("[::1]:3000", "an address is not its name"),
        // Routing by host: PortSwigger "Routing-based SSRF".
        ("192.168.0.1", "an internal address"),
        ("169.254.169.254", "a cloud's metadata service"),
        // Other spellings of an address, in which it could get past a list.
        ("192.0.2.1", "the port is missing"),
        ("3221225985:8080", "192.0.2.1 as one number"),
        ("0xc0000201:8080", "in hexadecimal"),
        ("192.0.513:8080", "in three parts"),
        ("[::ffff:192.0.2.1]:8080", "mapped into IPv6"),
        ("[2001:db8::2]", "another IPv6 address"),
        // A page whose name is re-bound to this address: Django CVE-2016-9014.
        ("rebound.attacker.example:3000", "DNS rebinding"),
        // The wild card is for labels below, not for the apex nor for lookalikes.
        ("multitenant.example", "the apex"),
        ("evilmultitenant.example", "no label boundary"),
        (".multitenant.example", "an empty label"),
        ("a..multitenant.example", "an empty label"),
        ("..multitenant.example", "empty labels"),
        ("a.multitenant.example.evil.example", "below another name"),
        // Another origin to a browser (WHATWG URL §3.1); Django and others take it for the same host.
        ("example.com.", "a trailing dot"),
        ("example.com.:80", "a trailing dot and a port"),
        (
            "a.multitenant.example.",
            "a trailing dot below the wild card",
        ),
        ("*.multitenant.example", "the entry itself is no host"),
    ] {
        let expected = if host.starts_with('*') { 400 } else { 421 };
        assert_eq!(stack.host(host), expected, "{host}: {why}");
    }
    let absolute = stack.get("http://evil.example/", &[("host", "evil.example")]);
    assert_eq!(absolute.0, 421, "the absolute form names it too");
}

/// What is no host at all, or more than one, does not come as far as the list.
#[test]
fn a_host_that_is_none_is_a_bad_request() {
    let stack = Stack::new(many());
    for host in [
        // Django, HostValidationTests.poisoned_hosts.
        "example.com@evil.tld",
        "example.com:dr.frankenstein@evil.tld",
        "example.com:dr.frankenstein@evil.tld:80",
        "example.com:80/badpath",
        "example.com: recovermypassword.com",
        // User information alone: modelcontextprotocol/typescript-sdk#2489.
        "user@example.com",
        "@example.com",
        // The path that a middleware reads from an address it put together itself: Starlette.
        "evil.test/health?",
        "evil.test/health#",
        // PortSwigger "Password reset poisoning via dangling markup".
        "example.com:'<a href=\"//evil.example/?",
        "example.com evil.example",
        "example.com,evil.example",
        "example.com\\evil.example",
        "ex%61mple.com",
        "",
    ] {
        assert_eq!(stack.host(host), 400, "{host:?}");
    }
    let own = ("host", "example.com");
    let evil = ("host", "evil.example");
    // PortSwigger "Web cache poisoning via ambiguous requests".
    assert_eq!(stack.get("/", &[own, evil]).0, 400);
    assert_eq!(stack.get("/", &[own, own]).0, 400);
    // PortSwigger "SSRF via flawed request parsing"; RFC 9112 §3.2.2 would have the target win.
    assert_eq!(stack.get("http://example.com/", &[evil]).0, 400);
    assert_eq!(stack.get("http://evil.example/", &[own]).0, 400);
    assert_eq!(stack.get("/", &[]).0, 400);
}

/// The port that goes without saying depends on the scheme.
#[test]
fn an_entry_without_port_means_the_default_of_each_scheme() {
    let guard = HostGuard::new(["example.com", "own.example:443", "plain.example:80"]).unwrap();
    let authority = |text, scheme| Authority::parse(text, scheme).unwrap();
    for (scheme, text, listed) in [
        (Scheme::Http, "example.com", true),
        (Scheme::Http, "example.com:80", true),
        (Scheme::Http, "example.com:443", false),
        (Scheme::Https, "example.com", true),
        (Scheme::Https, "example.com:443", true),
        (Scheme::Https, "example.com:80", false),
        (Scheme::Https, "own.example", true),
        (Scheme::Http, "own.example", false),
        (Scheme::Http, "own.example:443", true),
        (Scheme::Http, "plain.example", true),
        (Scheme::Https, "plain.example", false),
    ] {
        let found = guard.lists(scheme, &authority(text, scheme));
        assert_eq!(found, listed, "{scheme}://{text}");
    }
}

#[test]
fn an_excluded_path_goes_without_the_guard_and_a_doubtful_one_does_not() {
    let guard = HostGuard::new(["example.com"]).unwrap();
    let guard = guard.redirect_to_https(443).unwrap();
    let paths = PathRules::all().exclude("/health").unwrap();
    let stack = Stack::new(guard.paths(paths));
    for (path, status) in [
        ("/health", 200),
        ("/health/live", 200),
        ("/healthy", 421),
        ("/", 421),
        ("/health/../admin", 421),
        ("/health/%2e%2e/admin", 421),
        ("/health//admin", 421),
        ("//health", 421),
        ("/%68ealth", 421),
    ] {
        assert_eq!(
            stack.get(path, &[("host", "10.0.0.7:8080")]).0,
            status,
            "{path}"
        );
    }
}
