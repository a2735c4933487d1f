use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sec_core::Scheme;

use super::own;
use crate::{Answer, CacheControl, Csp, CspNonce, HeaderPolicy, Precedence, SecHeaders};

const ASSET: &str = "public, max-age=31536000, immutable";

fn rules(headers: SecHeaders) -> SecHeaders {
    headers
        .cache("/static/*", CacheControl::immutable_assets())
        .cache("/static/me/*", CacheControl::no_store())
        .cache("/images/*", CacheControl::images())
        .cache("/api/*", CacheControl::no_store())
        .cache("/feed", CacheControl::private(Duration::from_secs(60)))
}

fn cached(
    policy: &HeaderPolicy,
    answer: &Answer<'_>,
    mine: &[(&'static str, &'static str)],
) -> Option<String> {
    let mut headers = own(mine);
    policy.apply_for(&mut headers, answer);
    assert!(headers.get_all(CACHE_CONTROL).iter().count() <= 1);
    let value = headers.get(CACHE_CONTROL)?;
    Some(value.to_str().unwrap().to_owned())
}

fn get(path: &str) -> Answer<'_> {
    Answer::new(&Method::GET, path, StatusCode::OK).scheme(Scheme::Https)
}

const CSS: (&str, &str) = ("content-type", "text/css");

#[test]
fn each_path_has_the_value_of_its_longest_rule() {
    let policy = rules(SecHeaders::web_app()).build().unwrap();
    for (path, expected) in [
        ("/static/app.3f9c1e.js", Some(ASSET)),
        ("/static", Some(ASSET)),
        ("/static/me/photo.png", Some("no-store")),
        ("/images/a.png", Some("public, max-age=86400")),
        ("/api/orders", Some("no-store")),
        ("/feed", Some("private, max-age=60")),
        ("/staticx", None),
        ("/", None),
    ] {
        assert_eq!(
            cached(&policy, &get(path), &[CSS]).as_deref(),
            expected,
            "{path}"
        );
    }
    let api = rules(SecHeaders::api()).build().unwrap();
    assert_eq!(cached(&api, &get("/static/a.js"), &[CSS]).unwrap(), ASSET);
    assert_eq!(cached(&api, &get("/other"), &[CSS]).unwrap(), "no-store");
    let none = SecHeaders::web_app().build().unwrap();
    assert_eq!(cached(&none, &get("/a/../b"), &[CSS]), None);
}

#[test]
fn only_the_resource_itself_is_kept() {
    let policy = rules(SecHeaders::api()).build().unwrap();
    for (method, status, kept) in [
        (Method::GET, 200, true),
        (Method::HEAD, 200, true),
        (Method::GET, 203, true),
        (Method::GET, 206, true),
        (Method::GET, 304, true),
        // Nothing that a cache would put in the place of the resource.
        (Method::GET, 201, false),
        (Method::GET, 204, false),
        (Method::GET, 301, false),
        (Method::GET, 302, false),
        (Method::GET, 308, false),
        (Method::GET, 400, false),
        (Method::GET, 401, false),
        (Method::GET, 403, false),
        // A deployment that is half done answers 404 for an asset that is there a minute later.
        (Method::GET, 404, false),
        (Method::GET, 410, false),
        (Method::GET, 416, false),
        (Method::GET, 429, false),
        (Method::GET, 500, false),
        (Method::GET, 503, false),
        (Method::POST, 200, false),
        (Method::PUT, 200, false),
        (Method::DELETE, 200, false),
        (Method::OPTIONS, 200, false),
        (Method::TRACE, 200, false),
    ] {
        for (path, value) in [("/static/a.js", ASSET), ("/feed", "private, max-age=60")] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer::new(&method, path, status).scheme(Scheme::Https);
            let expected = if kept { value } else { "no-store" };
            let found = cached(&policy, &answer, &[CSS]).unwrap();
            assert_eq!(found, expected, "{method} {status} {path}");
        }
        let answer = Answer::new(&method, "/api/x", StatusCode::from_u16(status).unwrap());
        assert_eq!(cached(&policy, &answer, &[CSS]).unwrap(), "no-store");
    }
}

#[test]
fn what_is_for_one_is_not_shared() {
    let policy = rules(SecHeaders::web_app()).build().unwrap();
    for (mine, shared) in [
        (vec![CSS], true),
        (vec![CSS, ("vary", "Accept-Encoding")], true),
        (vec![CSS, ("set-cookie", "a=1")], false),
        (vec![CSS, ("vary", "*")], false),
        (vec![CSS, ("vary", "Accept"), ("vary", "Cookie, *")], false),
    ] {
        let found = cached(&policy, &get("/images/a"), &mine).unwrap();
        let expected = if shared {
            "public, max-age=86400"
        } else {
            "no-store"
        };
        assert_eq!(found, expected, "{mine:?}");
        let own = cached(&policy, &get("/feed"), &mine).unwrap();
        assert_eq!(own, "private, max-age=60", "{mine:?}");
    }
    let authorized = get("/images/a").authorized(true);
    assert_eq!(cached(&policy, &authorized, &[CSS]).unwrap(), "no-store");

    for (name, value) in [("set-cookie", "a=1"), ("vary", "Accept, *")] {
        let adds = rules(SecHeaders::web_app())
            .header(name.parse().unwrap(), HeaderValue::from_static(value));
        let adds = adds.build().unwrap();
        let found = cached(&adds, &get("/images/a"), &[CSS]).unwrap();
        assert_eq!(found, "no-store", "{name}");
    }
}

#[test]
fn a_page_with_a_nonce_is_not_kept() {
    let policy = rules(SecHeaders::web_app()).build().unwrap();
    let nonce = CspNonce::generate();
    let page = get("/static/index.html").nonce(Some(&nonce));
    assert_eq!(
        cached(&policy, &page, &[("content-type", "text/html")]).unwrap(),
        "no-store"
    );
    assert_eq!(cached(&policy, &page, &[CSS]).unwrap(), ASSET);
    // A 304 that would put a public page's value onto one that was rendered with a nonce.
    let unchanged = Answer::new(&Method::GET, "/static/x", StatusCode::NOT_MODIFIED);
    assert_eq!(cached(&policy, &unchanged, &[]), None);
    assert_eq!(cached(&policy, &unchanged, &[CSS]).unwrap(), ASSET);
    let never = Answer::new(&Method::GET, "/api/x", StatusCode::NOT_MODIFIED);
    assert_eq!(cached(&policy, &never, &[]).unwrap(), "no-store");
    let mut headers = HeaderMap::new();
    policy.apply_for(&mut headers, &unchanged);
    assert!(!headers.contains_key(CONTENT_SECURITY_POLICY));
    let fixed = rules(SecHeaders::web_app().csp(Csp::api()))
        .build()
        .unwrap();
    assert_eq!(cached(&fixed, &unchanged, &[]).unwrap(), ASSET);
}

/// The table of doubtful forms is in `routes`; here they lose what the rule allows.
#[test]
fn a_doubtful_path_is_not_kept() {
    for (headers, name) in [
        (SecHeaders::web_app(), "web_app"),
        (SecHeaders::none(), "none"),
    ] {
        let policy = headers
            .cache("/", CacheControl::images())
            .cache("/@me", CacheControl::no_store())
            .build()
            .unwrap();
        for (path, kept) in [
            ("/x", true),
            ("/@me", false),
            ("/%40me", false),
            ("/x/../@me", false),
            ("/x//me", false),
            ("/%40me%2f", false),
            ("*", false),
        ] {
            let expected = if kept {
                "public, max-age=86400"
            } else {
                "no-store"
            };
            let found = cached(&policy, &get(path), &[CSS]).unwrap();
            assert_eq!(found, expected, "{name} {path}");
        }
    }
}

#[test]
fn a_handlers_own_value_wins_or_loses_by_the_precedence() {
    let mine = [
        CSS,
        ("cache-control", "public"),
        ("cache-control", "max-age=5"),
    ];
    let handler = rules(SecHeaders::web_app()).build().unwrap();
    let mut headers = own(&mine);
    handler.apply_for(&mut headers, &get("/api/x"));
    let kept: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
    assert_eq!(kept, ["public", "max-age=5"]);
    let all = rules(SecHeaders::web_app()).precedence(Precedence::Policy);
    let one = rules(SecHeaders::web_app()).precedence_for(CACHE_CONTROL, Precedence::Policy);
    for policy in [all, one] {
        let policy = policy.build().unwrap();
        for (path, expected) in [
            ("/api/x", "no-store"),
            ("/static/x", ASSET),
            ("/static/../x", "no-store"),
        ] {
            assert_eq!(
                cached(&policy, &get(path), &mine).unwrap(),
                expected,
                "{path}"
            );
        }
        let mut headers = own(&mine);
        policy.apply_for(&mut headers, &get("/elsewhere"));
        assert_eq!(headers[CACHE_CONTROL], "public", "no rule is for it");
    }
}

#[test]
fn what_a_route_or_a_handler_says_itself_goes_first() {
    let policy = SecHeaders::web_app()
        .cache("/", CacheControl::images())
        .cache("/account/logo", CacheControl::immutable_assets())
        .route("/account", |o| o.no_store())
        .route("/plain", |o| o.nosniff())
        .named("secret", |o| o.no_store())
        .named("other", |o| o.nosniff())
        .build()
        .unwrap();
    for (path, expected) in [
        ("/x", "public, max-age=86400"),
        ("/plain", "public, max-age=86400"),
        ("/account", "no-store"),
        ("/account/orders", "no-store"),
        ("/account/logo/a.png", ASSET),
    ] {
        assert_eq!(
            cached(&policy, &get(path), &[CSS]).unwrap(),
            expected,
            "{path}"
        );
    }
    let secret = policy.named("secret").unwrap();
    let other = policy.named("other").unwrap();
    let api = SecHeaders::api().build().unwrap();
    for (choice, expected) in [
        (&secret, "no-store"),
        (&api, "no-store"),
        (&other, "public, max-age=86400"),
    ] {
        let answer = get("/x").chosen(Some(choice));
        assert_eq!(cached(&policy, &answer, &[CSS]).unwrap(), expected);
    }
    // The whole set's `no_store` gives way to a rule, the route's own does not.
    let policy = SecHeaders::api()
        .cache("/", CacheControl::images())
        .route("/account", |o| o.no_store())
        .route("/plain", |o| o.dns_prefetch(true))
        .named("plain", |o| o.dns_prefetch(true))
        .build()
        .unwrap();
    let plain = policy.named("plain").unwrap();
    for answer in [get("/plain"), get("/x").chosen(Some(&plain))] {
        let found = cached(&policy, &answer, &[CSS]).unwrap();
        assert_eq!(
            found, "public, max-age=86400",
            "it only inherits `no_store`"
        );
    }
    assert_eq!(
        cached(&policy, &get("/x"), &[CSS]).unwrap(),
        "public, max-age=86400"
    );
    assert_eq!(
        cached(&policy, &get("/account"), &[CSS]).unwrap(),
        "no-store"
    );
}
