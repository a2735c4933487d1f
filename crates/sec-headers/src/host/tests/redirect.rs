//! Where redirects lead, read as a browser reads it: crate `url` is a parser by the WHATWG's standard.

use proptest::prelude::*;
use url::Url;

use super::*;

fn decide(guard: &HostGuard, host: &str, path: &str, uri: &str) -> HostDecision {
    decide_by("GET", guard, host, path, uri)
}

fn decide_by(method: &str, guard: &HostGuard, host: &str, path: &str, uri: &str) -> HostDecision {
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(()).unwrap();
    let context = RequestContext::builder()
        .authority(host)
        .unwrap()
        .path(path)
        .build();
    guard.decide((&request).into(), &context)
}

/// The address, for a request that no router has cut.
fn location(guard: &HostGuard, host: &str, target: &str) -> Option<String> {
    match decide(guard, host, target, target) {
        HostDecision::Redirect(redirect) => Some(redirect.location().to_str().unwrap().to_owned()),
        _ => None,
    }
}

fn guard() -> HostGuard {
    HostGuard::new([
        "example.com",
        "*.example.com",
        "localhost:3000",
        "[2001:db8::1]",
    ])
    .unwrap()
    .redirect_to_https(443)
    .unwrap()
}

#[test]
fn path_and_query_arrive_as_they_were() {
    for (target, expected) in [
        ("/", "https://example.com/"),
        ("/a/b?c=d&e=/f?g", "https://example.com/a/b?c=d&e=/f?g"),
        ("/?", "https://example.com/?"),
        (
            "/a%2Fb%00?c=%0d%0a",
            "https://example.com/a%2Fb%00?c=%0d%0a",
        ),
        ("/a;b=c/@d:e", "https://example.com/a;b=c/@d:e"),
        ("/?a[]=1|2", "https://example.com/?a[]=1|2"),
        // Open redirects by path: OWASP Unvalidated Redirects Cheat Sheet, PortSwigger "Open redirection".
        ("//evil.example", "https://example.com//evil.example"),
        (
            "//evil.example/%2e%2e",
            "https://example.com//evil.example/%2e%2e",
        ),
        ("///evil.example", "https://example.com///evil.example"),
        ("/\\evil.example", "https://example.com/%5Cevil.example"),
        (
            "/\\\\evil.example?\\",
            "https://example.com/%5C%5Cevil.example?%5C",
        ),
        ("/@evil.example", "https://example.com/@evil.example"),
        ("/.evil.example", "https://example.com/.evil.example"),
        ("/:1337/", "https://example.com/:1337/"),
        (
            "/https://evil.example",
            "https://example.com/https://evil.example",
        ),
        (
            "/?url=https://evil.example",
            "https://example.com/?url=https://evil.example",
        ),
        ("/é?ü", "https://example.com/%C3%A9?%C3%BC"),
        // About the server as a whole; `https://example.com*` would be another host.
        ("*", "https://example.com/"),
    ] {
        let found = location(&guard(), "example.com", target).unwrap();
        assert_eq!(found, expected, "{target}");
        let url = Url::parse(&found).unwrap();
        assert_eq!(url.host_str(), Some("example.com"), "{target}");
    }
    // What cannot be in a request's target at all.
    for target in ["/a\r\nset-cookie: b=c", "/a\tb", "/a b", "/\0", "/\u{7f}"] {
        assert!(target.parse::<http::Uri>().is_err(), "{target:?}");
    }
}

#[test]
fn the_host_is_the_listed_one_and_the_port_that_of_https() {
    for (host, expected) in [
        ("EXAMPLE.com:80", Some("https://example.com/")),
        ("a.b.example.com", Some("https://a.b.example.com/")),
        ("[2001:DB8:0::1]", Some("https://[2001:db8:0::1]/")),
        // Browsers treat it like https (W3C Secure Contexts §3.1).
        ("localhost:3000", None),
        ("evil.example", None),
        ("example.com:8080", None),
    ] {
        let found = location(&guard(), host, "/");
        assert_eq!(found.as_deref(), expected, "{host}");
    }
    let moved = HostGuard::new(["example.com:8080", "example.com:8443"])
        .unwrap()
        .redirect_to_https(8443)
        .unwrap();
    let found = location(&moved, "example.com:8080", "/a");
    assert_eq!(found.as_deref(), Some("https://example.com:8443/a"));
}

/// Inside of axum's `nest` the request has lost the path's beginning.
#[test]
fn the_original_path_counts() {
    let found = decide(&guard(), "example.com", "/api/items", "/items?page=2");
    let HostDecision::Redirect(redirect) = found else {
        panic!("{found:?}")
    };
    assert_eq!(redirect.location(), "https://example.com/api/items?page=2");
}

#[test]
fn an_exclude_is_of_the_original_path_too() {
    let paths = PathRules::all().exclude("/health").unwrap();
    let guard = guard().paths(paths);
    for (path, cut, passes) in [
        ("/health/live", "/live", true),
        ("/api/health", "/health", false),
    ] {
        let passed = decide(&guard, "10.0.0.7:8080", path, cut) == HostDecision::Pass;
        assert_eq!(passed, passes, "{path}");
    }
}

#[test]
fn a_certificate_challenge_stays_on_http() {
    let token = "/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    for (path, passes) in [
        (token, true),
        ("/.well-known/acme-challenge/", false),
        ("/.well-known/acme-challenge", false),
        ("/.well-known/acme-challenge/a/b", false),
        ("/.well-known/acme-challenge/../../admin", false),
        ("/.well-known/acme-challenge/..%2f..%2fadmin", false),
        ("/.well-known/acme-challenge/a.b", false),
        ("/.well-known//acme-challenge/a", false),
        ("/x/.well-known/acme-challenge/a", false),
        ("/.well-known/change-password", false),
    ] {
        let passed = decide(&guard(), "example.com", path, path) == HostDecision::Pass;
        assert_eq!(passed, passes, "{path}");
    }
    // RFC 8555 §8.3: it is fetched by GET; nothing else is sent there in the clear.
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"] {
        let fetches = matches!(method, "GET" | "HEAD");
        let found = decide_by(method, &guard(), "example.com", token, token);
        assert_eq!(found == HostDecision::Pass, fetches, "{method} {found:?}");
        let strict = HostGuard::new(["example.com"]).unwrap();
        let strict = strict.refuse_unsafe_over_http(true);
        let found = decide_by(method, &strict, "example.com", token, token);
        let served = fetches || method == "OPTIONS";
        assert_eq!(found == HostDecision::Pass, served, "{method} {found:?}");
    }
    // A router's own path that only looks like one.
    let nested = decide(&guard(), "example.com", &format!("/files{token}"), token);
    assert!(matches!(nested, HostDecision::Redirect(_)), "{nested:?}");
    // The host is checked all the same.
    let other = decide(&guard(), "evil.example", token, token);
    assert!(matches!(other, HostDecision::Refuse(_)), "{other:?}");
}

proptest! {
    /// Whatever is asked for, the answer leads to the host that was named, and that one is listed.
    #[test]
    fn a_redirect_leads_to_a_listed_host(
        host in "([a-z0-9_-]{0,8}\\.){0,3}(example\\.com|evil\\.example|example\\.com\\.evil\\.example)(:[0-9]{1,5})?",
        path in "/[/\\\\@:.%?#a-z0-9é;=&\"{}|]{0,24}",
        query in "[/\\\\@:.%?a-z0-9é;=&'|]{0,24}",
    ) {
        let guard = guard();
        let target = format!("{path}?{query}");
        let parsed = (target.parse::<http::Uri>(), Authority::parse(&host, Scheme::Http));
        if let (Ok(uri), Ok(authority)) = parsed {
            let context = RequestContext::builder().authority(&host).unwrap().path(&target).build();
            let request = Request::get(uri).body(()).unwrap();
            let decision = guard.decide((&request).into(), &context);
            // The list, said in another way.
            let (name, port) = host.split_once(':').unwrap_or((&host, "80"));
            let labels: Vec<&str> = name.split('.').collect();
            let listed = port.parse() == Ok(80_u16)
                && labels.ends_with(&["example", "com"])
                && !labels.contains(&"");
            match decision {
                HostDecision::Redirect(redirect) => {
                    prop_assert!(listed);
                    let text = redirect.location().to_str().unwrap();
                    let url = Url::parse(text).unwrap();
                    prop_assert_eq!(url.scheme(), "https");
                    prop_assert_eq!(url.host_str(), Some(authority.host()));
                    prop_assert_eq!(url.port(), None);
                    prop_assert_eq!(url.username(), "");
                    prop_assert_eq!(url.password(), None);
                    prop_assert_eq!(url.fragment(), None);
                    // Read by a second parser, path and query are those that were asked for.
                    let read: http::Uri = text.parse().unwrap();
                    prop_assert_eq!(read.host(), Some(authority.host()));
                }
                HostDecision::Refuse(refusal) => {
                    prop_assert!(!listed);
                    prop_assert_eq!(refusal.reason(), HostReason::NotListed);
                }
                HostDecision::Pass => prop_assert!(false, "served over http"),
            }
        }
    }
}
