mod attacks;
mod build;
mod config;
mod layer;
mod lookup;
mod properties;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderName, Request};
use sec_core::Scheme;

use super::*;
use crate::FaultKind;

const APP: &str = "https://app.example";
const SITE: &str = "sec-fetch-site";

/// `https://api.example/data`.
fn context() -> RequestContext {
    context_at(Scheme::Https, "api.example", "/data")
}

fn context_at(scheme: Scheme, authority: &str, path: &str) -> RequestContext {
    RequestContext::builder()
        .scheme(scheme)
        .authority(authority)
        .unwrap()
        .path(path)
        .tenant("acme")
        .build()
}

fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap()
}

fn decide(cors: &Cors, headers: &[(&str, &str)]) -> CorsVerdict {
    cors.decide((&request("GET", headers)).into(), &context())
}

/// `Ok(true)`: allowed; `Ok(false)`: passes without a grant.
fn short(verdict: CorsVerdict) -> Result<bool, CorsReason> {
    match verdict {
        CorsVerdict::Allowed(_) => Ok(true),
        CorsVerdict::Own | CorsVerdict::Outside => Ok(false),
        CorsVerdict::Refused(refusal) => Err(refusal.reason()),
    }
}

fn listed(origins: &[&str]) -> CorsBuilder {
    Cors::builder().origins(origins)
}

/// The headers of a handler's answer that had `Vary: Accept`.
fn answer(cors: &Cors, headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(VARY, HeaderValue::from_static("Accept"));
    cors.apply(&mut map, &decide(cors, headers));
    map
}

fn preflight(cors: &Cors, headers: &[(&str, &str)]) -> HeaderMap {
    let request = request("OPTIONS", headers);
    let verdict = cors.decide((&request).into(), &context());
    let mut map = HeaderMap::new();
    cors.apply_preflight(&mut map, request.headers(), &verdict);
    map
}

fn text(map: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> = map
        .get_all(name)
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect();
    values.join(", ")
}

const ASKED: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";

/// The rules of requirement H6, and of the Fetch standard, "CORS protocol".
#[test]
fn who_asks_decides() {
    use CorsReason::{Malformed, NotListed, Null, Repeated};
    let cors = listed(&[APP, "https://*.tenants.example"]).build().unwrap();
    const OWN: &str = "https://api.example";
    type Row = (
        &'static [(&'static str, &'static str)],
        Result<bool, CorsReason>,
    );
    let rows: [Row; 26] = [
        (&[], Ok(false)),
        (&[("origin", "")], Ok(false)),
        (&[(SITE, "cross-site")], Ok(false)),
        (&[("origin", APP)], Ok(true)),
        (&[("origin", APP), (SITE, "cross-site")], Ok(true)),
        (&[("origin", "HTTPS://App.Example:443")], Ok(true)),
        (&[("origin", "https://a.tenants.example")], Ok(true)),
        (&[("origin", "https://b.a.tenants.example")], Ok(true)),
        // Same-origin requests always pass.
        (&[("origin", OWN)], Ok(false)),
        (&[("origin", "https://API.example:443")], Ok(false)),
        (&[("origin", OWN), (SITE, "same-origin")], Ok(false)),
        (
            &[("origin", "https://b.example"), (SITE, "same-origin")],
            Ok(false),
        ),
        (
            &[("origin", "chrome-extension://abc"), (SITE, "none")],
            Ok(false),
        ),
        // A form post under `Referrer-Policy: no-referrer`.
        (&[("origin", "null"), (SITE, "same-origin")], Ok(false)),
        (&[("origin", "null")], Err(Null)),
        (&[("origin", "null"), (SITE, "cross-site")], Err(Null)),
        (&[("origin", "null"), (SITE, "same-site")], Err(Null)),
        // What is no same-origin request.
        (&[("origin", "http://api.example")], Err(NotListed)),
        (&[("origin", "https://api.example:8443")], Err(NotListed)),
        (
            &[("origin", "https://b.example"), (SITE, "same-site")],
            Err(NotListed),
        ),
        (
            &[("origin", "https://b.example"), (SITE, "Same-Origin")],
            Err(NotListed),
        ),
        (
            &[
                ("origin", "https://b.example"),
                (SITE, "none"),
                (SITE, "none"),
            ],
            Err(NotListed),
        ),
        (&[("origin", APP), ("origin", APP)], Err(Repeated)),
        (&[("origin", ""), ("origin", APP)], Err(Repeated)),
        (&[("origin", "https://u@app.example")], Err(Malformed)),
        (
            &[("origin", "https://app.example@b.example")],
            Err(Malformed),
        ),
    ];
    for (headers, expected) in rows {
        assert_eq!(short(decide(&cors, headers)), expected, "{headers:?}");
    }
    let request = Request::builder()
        .header(
            "origin",
            HeaderValue::from_bytes(b"https://app.example\xff").unwrap(),
        )
        .body(())
        .unwrap();
    let verdict = cors.decide((&request).into(), &context());
    assert_eq!(short(verdict), Err(Malformed));
}

#[test]
fn paths_outside_are_left_alone() {
    let paths = PathRules::all().exclude("/hook").unwrap();
    let cors = listed(&[APP, "https://b.example"])
        .paths(paths)
        .build()
        .unwrap();
    let verdict = |path: &str| {
        let request = request("POST", &[("origin", "https://evil.example")]);
        cors.decide(
            (&request).into(),
            &context_at(Scheme::Https, "api.example", path),
        )
    };
    assert_eq!(verdict("/hook/x"), CorsVerdict::Outside);
    for path in ["/", "/hook/../data", "/hook%2f..%2fdata", "//hook"] {
        assert!(matches!(verdict(path), CorsVerdict::Refused(_)), "{path}");
    }
    let mut map = HeaderMap::new();
    map.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    cors.apply(&mut map, &CorsVerdict::Outside);
    assert_eq!(map.len(), 1);
    assert_eq!(map[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

/// Fetch standard, "CORS protocol and HTTP caches": an answer that is the same for all says so always,
/// any other says `Vary: Origin` always.
#[test]
fn caches_are_told_what_an_answer_depends_on() {
    let everybody = "https://evil.example";
    // origins, credentials, who asks, Access-Control-Allow-Origin, Vary
    let one: &[&str] = &[APP];
    let two: &[&str] = &[APP, "https://b.example"];
    let same: &[&str] = &[APP, "HTTPS://APP.example:443"];
    let pattern: &[&str] = &["https://*.example"];
    assert!(listed(pattern).build().is_err());
    let pattern_two: &[&str] = &["https://*.tenants.example"];
    let sub = "https://a.tenants.example";
    for (origins, credentials, origin, allowed, vary) in [
        (one, false, "", APP, "Accept"),
        (one, false, APP, APP, "Accept"),
        (one, false, everybody, APP, "Accept"),
        (same, false, "", APP, "Accept"),
        (one, true, "", "", "Accept, Origin"),
        (one, true, APP, APP, "Accept, Origin"),
        (one, true, everybody, "", "Accept, Origin"),
        (two, false, "", "", "Accept, Origin"),
        (two, false, APP, APP, "Accept, Origin"),
        (two, true, everybody, "", "Accept, Origin"),
        (two, false, "https://api.example", "", "Accept, Origin"),
        (pattern_two, false, "", "", "Accept, Origin"),
        (pattern_two, false, sub, sub, "Accept, Origin"),
        (pattern_two, false, everybody, "", "Accept, Origin"),
        (&[], false, everybody, "", "Accept"),
    ] {
        let cors = listed(origins).credentials(credentials).build().unwrap();
        let map = answer(&cors, &[("origin", origin)]);
        let case = format!("{origins:?} {credentials} {origin}");
        assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{case}");
        assert_eq!(text(&map, &VARY), vary, "{case}");
        let trusted = credentials && !allowed.is_empty();
        assert_eq!(
            map.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS),
            trusted,
            "{case}"
        );
    }
    let any = Cors::builder()
        .any_origin(true)
        .expose(["*"])
        .build()
        .unwrap();
    for headers in [&[][..], &[("origin", everybody)], &[("origin", "null")]] {
        let map = answer(&any, headers);
        assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert_eq!(text(&map, &ACCESS_CONTROL_EXPOSE_HEADERS), "*");
        assert_eq!(text(&map, &VARY), "Accept");
    }
    let dynamic = listed(&[APP]).build().unwrap().with_dynamic_origins();
    let map = answer(&dynamic, &[]);
    assert_eq!(text(&map, &VARY), "Accept, Origin");
    assert!(!map.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

/// tower-http's vary_set_by_inner_service and include_custom_permissive_to_vary_set_by_inner_service:
/// the handler's stays; and no name twice.
#[test]
fn vary_is_added_to_and_says_nothing_twice() {
    let cors = listed(&[APP, "https://b.example"]).build().unwrap();
    for (lines, expected) in [
        (
            &["accept, accept-encoding"][..],
            "accept, accept-encoding, Origin",
        ),
        (&["accept", "ORIGIN"], "accept, ORIGIN"),
        (&["accept,origin , x"], "accept,origin , x"),
        (&["*"], "*"),
        (&["x-origin"], "x-origin, Origin"),
        (&[], "Origin"),
    ] {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(VARY, HeaderValue::from_static(line));
        }
        cors.apply(&mut map, &CorsVerdict::Own);
        cors.apply(&mut map, &CorsVerdict::Own);
        assert_eq!(text(&map, &VARY), expected);
    }
}

#[test]
fn the_handlers_own_grants_are_taken_off() {
    let cors = listed(&[APP, "https://b.example"]).build().unwrap();
    let granted = || {
        let mut map = HeaderMap::new();
        for name in [
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-allow-methods",
            "access-control-allow-headers",
            "access-control-allow-private-network",
            "access-control-expose-headers",
            "access-control-max-age",
        ] {
            map.append(name, HeaderValue::from_static("*"));
            map.append(name, HeaderValue::from_static("true"));
        }
        map.insert("timing-allow-origin", HeaderValue::from_static("*"));
        map
    };
    let mut refused = granted();
    cors.apply(
        &mut refused,
        &decide(&cors, &[("origin", "https://evil.example")]),
    );
    assert_eq!(refused.len(), 2, "{refused:?}");
    let mut allowed = granted();
    cors.apply(&mut allowed, &decide(&cors, &[("origin", APP)]));
    assert_eq!(text(&allowed, &ACCESS_CONTROL_ALLOW_ORIGIN), APP);
    assert_eq!(allowed.len(), 3, "{allowed:?}");
    let mut preflight = granted();
    cors.apply_preflight(&mut preflight, &HeaderMap::new(), &CorsVerdict::Own);
    assert!(!preflight.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

/// rs/cors: TestAllowedMethod, TestDisallowedMethod, TestAllowedHeader, TestDisallowedHeader,
/// TestAllowedCredentials, TestExposedHeader. What they hold against the request, the browser holds
/// against the list (Fetch standard, "CORS-preflight fetch", step 7).
#[test]
fn a_preflight_is_told_the_lists() {
    let cors = listed(&[APP])
        .methods([Method::PUT, Method::DELETE])
        .headers(["X-Header-1", "x-header-2"])
        .expose(["X-Header-1", "x-header-2"])
        .credentials(true)
        .build()
        .unwrap();
    for (method, headers) in [("PUT", "x-header-2"), ("PATCH", "x-header-3, x-header-1")] {
        let asked = [("origin", APP), (ASKED, method), (ASKED_HEADERS, headers)];
        let map = preflight(&cors, &asked);
        assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_ORIGIN), APP);
        assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_METHODS), "PUT, DELETE");
        assert_eq!(
            text(&map, &ACCESS_CONTROL_ALLOW_HEADERS),
            "X-Header-1, x-header-2"
        );
        assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_CREDENTIALS), "true");
        assert_eq!(text(&map, &ACCESS_CONTROL_MAX_AGE), "86400");
        assert!(!map.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        assert_eq!(text(&map, &VARY), vary);
    }
    let map = answer(&cors, &[("origin", APP)]);
    assert_eq!(
        text(&map, &ACCESS_CONTROL_EXPOSE_HEADERS),
        "X-Header-1, x-header-2"
    );
    assert!(!map.contains_key(ACCESS_CONTROL_ALLOW_METHODS));
    assert!(!map.contains_key(ACCESS_CONTROL_MAX_AGE));

    // Nobody else learns anything, credentials least of all.
    let denied = preflight(&cors, &[("origin", "https://evil.example"), (ASKED, "PUT")]);
    assert_eq!(denied.len(), 3, "{denied:?}");
    assert!(denied.keys().all(|name| name == VARY));

    let plain = Cors::builder()
        .any_origin(true)
        .max_age(None)
        .build()
        .unwrap();
    let map = preflight(&plain, &[("origin", APP), (ASKED, "PUT")]);
    assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_METHODS), "GET, HEAD, POST");
    assert!(!map.contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
    assert!(!map.contains_key(ACCESS_CONTROL_MAX_AGE));
    let vary = "Access-Control-Request-Method, Access-Control-Request-Headers";
    assert_eq!(text(&map, &VARY), vary);
}

#[test]
fn mirrored_is_only_what_a_browser_would_ask() {
    let cors = listed(&[APP])
        .mirror_methods()
        .mirror_headers()
        .credentials(true);
    let cors = cors.build().unwrap();
    let long = "x-a,".repeat(1024) + "x-b";
    for (method, headers, methods, names) in [
        ("PATCH", "authorization,x-a", "PATCH", "authorization,x-a"),
        ("M-SEARCH", "x-a, \tx-b", "M-SEARCH", "x-a, \tx-b"),
        ("GET, PUT", "x-a,,x-b", "", ""),
        ("*", "*", "", ""),
        ("P(T", "x-a; x-b", "", ""),
        ("", "", "", ""),
        ("GET", "x-a, *", "GET", ""),
        ("GET", &long, "GET", ""),
    ] {
        let map = preflight(
            &cors,
            &[("origin", APP), (ASKED, method), (ASKED_HEADERS, headers)],
        );
        assert_eq!(
            text(&map, &ACCESS_CONTROL_ALLOW_METHODS),
            methods,
            "{method}"
        );
        assert_eq!(
            text(&map, &ACCESS_CONTROL_ALLOW_HEADERS),
            names,
            "{headers}"
        );
    }
    let twice = [
        ("origin", APP),
        (ASKED_HEADERS, "x-a"),
        (ASKED_HEADERS, "x-b"),
    ];
    let map = preflight(&cors, &twice);
    assert!(!map.contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
}

#[test]
fn a_private_network_is_opened_on_request_alone() {
    let name = "access-control-allow-private-network";
    let asks = ("access-control-request-private-network", "true");
    let open = listed(&[APP, "https://b.example"])
        .private_network(true)
        .build()
        .unwrap();
    let shut = listed(&[APP]).build().unwrap();
    let base = [("origin", APP), (ASKED, "GET")];
    let with = [base[0], base[1], asks];
    assert_eq!(preflight(&open, &with)[name], "true");
    assert!(text(&preflight(&open, &base), &VARY).ends_with("Request-Private-Network"));
    assert!(!preflight(&open, &base).contains_key(name));
    assert!(!preflight(&shut, &with).contains_key(name));
    let evil = [("origin", "https://evil.example"), base[1], asks];
    assert!(!preflight(&open, &evil).contains_key(name));
}

#[test]
fn a_preflight_has_three_marks() {
    for (method, headers, expected) in [
        ("OPTIONS", &[("origin", APP), (ASKED, "PUT")][..], true),
        ("OPTIONS", &[("origin", APP)], false),
        ("OPTIONS", &[(ASKED, "PUT")], false),
        ("OPTIONS", &[], false),
        ("GET", &[("origin", APP), (ASKED, "PUT")], false),
    ] {
        let request = request(method, headers);
        assert_eq!(
            Cors::is_preflight((&request).into()),
            expected,
            "{method} {headers:?}"
        );
    }
}
