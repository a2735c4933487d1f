//! What a decision costs in allocations, as the layers' documentation promises.
#![allow(unsafe_code, reason = "a counting allocator is unsafe by nature")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use sec_core::{PathRules, RequestContext, RequestView};
use sec_headers::{
    Answer, CacheControl, Cors, CorsVerdict, CrossOriginGuard, CspNonce, HostDecision, HostGuard,
    Scheme, SecHeaders,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get().saturating_add(1)));
        // SAFETY: the caller's promise about `layout` is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get().saturating_add(1)));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<T>(work: impl FnOnce() -> T) -> usize {
    let before = COUNT.with(Cell::get);
    let result = work();
    let after = COUNT.with(Cell::get);
    drop(result);
    after.saturating_sub(before)
}

/// A handler's typical headers.
fn answer() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    headers.insert("content-length", HeaderValue::from_static("12"));
    headers.append("set-cookie", HeaderValue::from_static("a=1"));
    headers
}

#[test]
fn a_static_policy_costs_a_header_map() {
    let policy = SecHeaders::api().build().unwrap();
    // What copying a map of that size and growing it for the handler's headers costs.
    let mut prepared = HeaderMap::new();
    policy.apply(&mut prepared, StatusCode::OK, Scheme::Https, None);
    let map = counted(|| {
        let mut map = prepared.clone();
        map.extend(answer());
        map
    }) - counted(answer);
    let mut headers = answer();
    let cost = counted(|| policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None));
    assert!(cost <= map, "{cost} allocations, a map alone {map}");
    assert!(cost <= 3, "{cost}");
}

#[test]
fn each_header_with_a_nonce_costs_one_more() {
    let fixed = SecHeaders::api().build().unwrap();
    let nonced = SecHeaders::web_app().build().unwrap();
    let both = SecHeaders::web_app()
        .report_to("csp", "/reports")
        .csp_report_only(sec_headers::Csp::strict())
        .build()
        .unwrap();
    let _warm = CspNonce::generate();
    assert_eq!(counted(CspNonce::generate), 0);
    let nonce = CspNonce::generate();
    let cost = |policy: &sec_headers::HeaderPolicy| {
        let mut headers = answer();
        counted(|| policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce)))
    };
    assert_eq!(cost(&nonced) - cost(&fixed), 1);
    assert_eq!(cost(&both) - cost(&fixed), 2);
}

#[test]
fn a_route_and_a_cache_rule_cost_nothing_more() {
    let policy = SecHeaders::api()
        .route("/embed/*", |o| o.dns_prefetch(true))
        .route("/embed/player", |o| o.dns_prefetch(false))
        .named("other", |o| o.dns_prefetch(true))
        .cache("/static/*", CacheControl::immutable_assets())
        .cache("/", CacheControl::images().must_revalidate())
        .build()
        .unwrap();
    let other = policy.named("other").unwrap();
    let plain = SecHeaders::api().build().unwrap();
    let mut headers = answer();
    let floor = counted(|| plain.apply(&mut headers, StatusCode::OK, Scheme::Https, None));
    for path in [
        "/embed/player",
        "/embed/x",
        "/static/app.js",
        "/x",
        "/embed/../x",
        "/%40me",
    ] {
        let look_up = counted(|| (policy.for_path(path), policy.needs_nonce(path)));
        assert_eq!(look_up, 0, "{path}");
        for chosen in [None, Some(&other)] {
            let mut headers = answer();
            let facts = Answer::new(&Method::GET, path, StatusCode::OK)
                .scheme(Scheme::Https)
                .chosen(chosen);
            let cost = counted(|| policy.apply_for(&mut headers, &facts));
            assert!(cost <= floor, "{path}: {cost}, without routes {floor}");
        }
    }
}

#[test]
fn the_guard_costs_nothing_where_it_lets_pass() {
    let guard = CrossOriginGuard::new()
        .trust("https://accounts.example")
        .unwrap()
        .paths(PathRules::all().exclude("/hook").unwrap());
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .authority("example.com")
        .unwrap()
        .build();
    for (method, name, value) in [
        ("GET", "origin", "https://attacker.example"),
        ("POST", "sec-fetch-site", "same-origin"),
        ("POST", "origin", "https://EXAMPLE.com:443"),
        ("POST", "origin", "https://accounts.example"),
        ("POST", "accept", "*/*"),
    ] {
        let request = Request::builder()
            .method(method)
            .header(name, value)
            .body(())
            .unwrap();
        let view = RequestView::from(&request);
        let mut passed = false;
        let cost = counted(|| passed = guard.verify(view, &context).is_ok());
        assert!(passed, "{method} {name} {value}");
        assert_eq!(cost, 0, "{method} {name} {value}");
    }
}

#[test]
fn a_host_that_is_served_costs_nothing() {
    let guard = HostGuard::new([
        "example.com",
        "*.example.com",
        "[2001:db8::1]",
        "localhost:*",
    ])
    .unwrap()
    .redirect_to_https(443)
    .unwrap()
    .paths(PathRules::all().exclude("/health").unwrap());
    for (scheme, host, path) in [
        (Scheme::Https, "example.com", "/"),
        (Scheme::Https, "EXAMPLE.com:443", "/a"),
        (Scheme::Https, "a.b.example.com", "/"),
        (Scheme::Https, "[2001:DB8:0::1]", "/"),
        (Scheme::Http, "localhost:3000", "/"),
        (Scheme::Http, "10.0.0.7:8080", "/health"),
        (
            Scheme::Http,
            "example.com",
            "/.well-known/acme-challenge/token",
        ),
    ] {
        let context = RequestContext::builder()
            .scheme(scheme)
            .authority(host)
            .unwrap()
            .path(path)
            .build();
        let request = Request::get(path).body(()).unwrap();
        let mut passed = false;
        let cost = counted(|| {
            passed = guard.decide(RequestView::from(&request), &context) == HostDecision::Pass;
        });
        assert!(passed, "{scheme}://{host}{path}");
        assert_eq!(cost, 0, "{scheme}://{host}{path}");
    }
    let context = RequestContext::builder()
        .authority("example.com")
        .unwrap()
        .build();
    let request = Request::get("/a?b=c").body(()).unwrap();
    let decide = || guard.decide(RequestView::from(&request), &context);
    assert!(matches!(decide(), HostDecision::Redirect(_)));
    // The text, and what shares it as a header's value.
    assert!(counted(decide) <= 3);
}

#[test]
fn cors_costs_at_most_what_its_headers_do() {
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .authority("api.example")
        .unwrap()
        .build();
    let single = Cors::builder().origin("https://app.example");
    let many = single.clone().origin("https://*.tenants.example");
    let (single, many) = (single.build().unwrap(), many.build().unwrap());
    let mut room = HeaderMap::with_capacity(32);
    for (cors, origin, allowed) in [
        (&single, "", true),
        (&single, "https://app.example", true),
        (&many, "", false),
        (&many, "https://api.example", false),
        (&many, "https://app.example", true),
        (&many, "https://a.tenants.example", true),
    ] {
        let mut request = Request::builder();
        if !origin.is_empty() {
            request = request.header("origin", HeaderValue::from_str(origin).unwrap());
        }
        let request = request.body(()).unwrap();
        // A server's header values share one buffer; a value made by hand does from its first clone.
        let _warm = request.headers().clone();
        let view = RequestView::from(&request);
        let mut verdict = CorsVerdict::Outside;
        let cost = counted(|| verdict = cors.decide(view, &context));
        assert_eq!(cost, 0, "decision for {origin:?}");
        room.clear();
        assert_eq!(
            counted(|| cors.apply(&mut room, &verdict)),
            0,
            "answer to {origin:?}"
        );
        assert_eq!(room.contains_key("access-control-allow-origin"), allowed);
    }
    // A handler's map has to grow for one entry, as for any other header.
    let verdict = CorsVerdict::Own;
    let mut headers = answer();
    let one = counted(|| headers.append("vary", HeaderValue::from_static("Origin")));
    let mut headers = answer();
    let cost = counted(|| many.apply(&mut headers, &verdict));
    assert!(cost <= one, "{cost} allocations, one entry alone {one}");
}
