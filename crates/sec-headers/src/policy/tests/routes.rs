use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE, VARY, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sec_core::Scheme;

use super::own;
use crate::{
    Answer, CacheControl, Csp, CspNonce, Fault, FrameOptions, HeaderPolicy, Hsts, Precedence,
    ReferrerPolicy, ResourcePolicy, SecHeaders, SiteData, Source, names,
};

fn partner() -> Source {
    Source::host("https://partner.example").unwrap()
}

/// What `GET path` over https is answered with, beside the handler's own headers.
fn answered(policy: &HeaderPolicy, path: &str, mine: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = own(mine);
    let answer = Answer::new(&Method::GET, path, StatusCode::OK).scheme(Scheme::Https);
    policy.apply_for(&mut headers, &answer);
    headers
}

fn chosen(policy: &HeaderPolicy, path: &str, choice: &HeaderPolicy) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let answer = Answer::new(&Method::GET, path, StatusCode::OK)
        .scheme(Scheme::Https)
        .chosen(Some(choice));
    policy.apply_for(&mut headers, &answer);
    headers
}

fn framed_by(headers: &HeaderMap) -> &str {
    let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    let (_, rest) = csp.split_once("frame-ancestors ").unwrap();
    rest.split(';').next().unwrap()
}

#[test]
fn a_route_has_its_own_set_and_the_rest_keeps_the_first() {
    let policy = SecHeaders::web_app()
        .route("/embed/*", |o| o.frame_ancestors([partner()]))
        .build()
        .unwrap();
    for path in ["/embed", "/embed/", "/embed/player"] {
        let headers = answered(&policy, path, &[]);
        assert_eq!(framed_by(&headers), "https://partner.example", "{path}");
        assert!(!headers.contains_key(X_FRAME_OPTIONS), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
    for path in ["/", "/embedded", "/x/embed", "/EMBED"] {
        let headers = answered(&policy, path, &[]);
        assert_eq!(framed_by(&headers), "'none'", "{path}");
        assert_eq!(headers[X_FRAME_OPTIONS], "DENY", "{path}");
    }
    let base = answered(&policy, "/", &[]);
    let mut plain = HeaderMap::new();
    policy.apply(&mut plain, StatusCode::OK, Scheme::Https, None);
    assert_eq!(base, plain, "`apply` is the set of all paths");
    let mut by_hand = HeaderMap::new();
    let route = policy.for_path("/embed/player");
    route.apply(&mut by_hand, StatusCode::OK, Scheme::Https, None);
    assert_eq!(by_hand, answered(&policy, "/embed/player", &[]));
}

/// One row per way in which a weaker set could be got for another path, or another set missed.
#[test]
fn a_doubtful_path_never_has_an_override() {
    let policy = SecHeaders::web_app()
        .route("/embed/*", |o| o.frame_ancestors([partner()]))
        .route("/", |o| o.without(CONTENT_SECURITY_POLICY))
        .route("/@me", |o| o.frame_options(FrameOptions::SameOrigin))
        .build()
        .unwrap();
    assert_eq!(
        framed_by(&answered(&policy, "/embed/x", &[])),
        "https://partner.example"
    );
    for (path, source) in [
        (
            "/embed/../admin",
            "CVE-2025-47910: Go CrossOriginProtection, a bypass pattern after cleaning",
        ),
        ("/embed//admin", "CVE-2025-47910: slashes that collapse"),
        ("/embed/./admin", "RFC 3986 §5.2.4"),
        ("/embed/..", "RFC 3986 §5.2.4, at the end"),
        ("//embed/x", "RFC 3986 §4.2, a network-path reference"),
        ("/embed/%2e%2e/admin", "CVE-2021-41773: Apache httpd"),
        ("/embed/%252e%252e/admin", "CVE-2021-42013: decoded twice"),
        ("/embed%2fadmin", "CVE-2016-9879: an encoded slash"),
        ("/embed/..%5cadmin", "CVE-2007-0450: a backslash"),
        ("/embed\\..\\admin", "WHATWG URL: a backslash is a slash"),
        ("/embed/..;/admin", "CVE-2020-5902: path parameters"),
        ("/embed/%00", "a control character"),
        ("/%65mbed/x", "RFC 3986 §6.2.2.2"),
        ("/embed/%c0%af/admin", "CVE-2008-2938: overlong UTF-8"),
        ("/embed/%", "RFC 3986 §2.1: malformed"),
        ("*", "RFC 9112 §3.2.4: OPTIONS *"),
        ("", "RFC 9112 §3.2.3: authority form"),
        ("/%40me", "another encoding of a longer prefix"),
    ] {
        let headers = answered(&policy, path, &[]);
        assert_eq!(framed_by(&headers), "'none'", "{path:?} ({source})");
        assert_eq!(headers[X_FRAME_OPTIONS], "DENY", "{path:?} ({source})");
        let whole = policy.for_path(path);
        assert!(std::ptr::eq(whole, &policy), "{path:?} ({source})");
    }
}

#[test]
fn the_longest_prefix_counts_and_sees_what_was_said_after_it() {
    let both = |turned: bool| {
        let long = |headers: SecHeaders| {
            headers.route("/a/b", |o| o.referrer_policy(ReferrerPolicy::Origin))
        };
        let short = |headers: SecHeaders| {
            headers.route("/a/*", |o| o.referrer_policy(ReferrerPolicy::UnsafeUrl))
        };
        let headers = match turned {
            true => long(short(SecHeaders::web_app())),
            false => short(long(SecHeaders::web_app())),
        };
        // Said last, and still in every override.
        headers.hsts(Hsts::years(2)).build().unwrap()
    };
    for turned in [false, true] {
        for (path, referrer) in [
            ("/a", "unsafe-url"),
            ("/a/bc", "unsafe-url"),
            ("/a/b/c", "origin"),
            ("/", "strict-origin-when-cross-origin"),
        ] {
            let headers = answered(&both(turned), path, &[]);
            assert_eq!(headers[REFERRER_POLICY], referrer, "{path}");
            assert_eq!(headers["strict-transport-security"], "max-age=63072000");
        }
    }
}

#[test]
fn a_handler_chooses_a_named_set_or_a_whole_policy() {
    let policy = SecHeaders::web_app()
        .named("print", |o| o.frame_options(FrameOptions::SameOrigin))
        .route("/embed", |o| o.without(X_FRAME_OPTIONS))
        .build()
        .unwrap();
    let print = policy.named("print").unwrap();
    for path in ["/", "/embed", "/a/../b"] {
        let headers = chosen(&policy, path, &print);
        assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN", "{path}");
    }
    assert!(!answered(&policy, "/embed", &[]).contains_key(X_FRAME_OPTIONS));
    let whole = SecHeaders::none()
        .resource_policy(ResourcePolicy::CrossOrigin)
        .route("/", |o| o.nosniff())
        .build()
        .unwrap();
    let headers = chosen(&policy, "/embed", &whole);
    assert_eq!(headers.len(), 1, "its own routes do not count: {headers:?}");
    assert_eq!(headers[names::CROSS_ORIGIN_RESOURCE_POLICY], "cross-origin");

    let error = policy.named("prinnt").unwrap_err().to_string();
    assert!(
        error.contains("\"prinnt\"") && error.contains("[print]"),
        "{error}"
    );
    assert!(print.named("print").is_err());
}

#[test]
fn where_the_policy_wins_only_its_own_sets_can_be_chosen() {
    let headers = SecHeaders::web_app()
        .precedence(Precedence::Policy)
        .named("print", |o| o.frame_options(FrameOptions::SameOrigin))
        .route("/free", |o| o.precedence(Precedence::Handler));
    let policy = headers.build().unwrap();
    let foreign = SecHeaders::none().build().unwrap();
    assert_eq!(chosen(&policy, "/", &foreign), answered(&policy, "/", &[]));
    assert!(chosen(&policy, "/free", &foreign).is_empty());
    let print = policy.named("print").unwrap();
    assert_eq!(chosen(&policy, "/", &print)[X_FRAME_OPTIONS], "SAMEORIGIN");
    let again = headers.build().unwrap().named("print").unwrap();
    assert_eq!(chosen(&policy, "/", &again)[X_FRAME_OPTIONS], "DENY");
}

#[test]
fn precedence_and_added_headers_hold_inside_an_override() {
    let policy = SecHeaders::web_app()
        .header(VARY, HeaderValue::from_static("Cookie"))
        .route("/strict", |o| {
            o.precedence_for(X_FRAME_OPTIONS, Precedence::Policy)
                .header(SET_COOKIE, HeaderValue::from_static("c=3"))
                .without(REFERRER_POLICY)
        })
        .build()
        .unwrap();
    let mine = [
        ("x-frame-options", "SAMEORIGIN"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("vary", "Accept"),
        ("server", "x"),
    ];
    let strict = answered(&policy, "/strict", &mine);
    let all = |headers: &HeaderMap, name| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(all(&strict, X_FRAME_OPTIONS), ["DENY"]);
    assert_eq!(all(&strict, SET_COOKIE), ["a=1", "b=2", "c=3"]);
    assert_eq!(all(&strict, VARY), ["Accept", "Cookie"]);
    assert!(!strict.contains_key(REFERRER_POLICY));
    assert!(!strict.contains_key("server"));
    let base = answered(&policy, "/", &mine);
    assert_eq!(all(&base, X_FRAME_OPTIONS), ["SAMEORIGIN"]);
    assert_eq!(all(&base, SET_COOKIE), ["a=1", "b=2"]);
}

#[test]
fn the_policy_on_trial_is_told_the_same_about_frames() {
    let partner = || Source::host("https://partner.example").unwrap();
    for (trial, expected) in [
        (Csp::api(), "frame-ancestors https://partner.example"),
        (Csp::empty().img_src([Source::SelfOrigin]), "img-src 'self'"),
    ] {
        let policy = SecHeaders::web_app()
            .report_to("csp", "/reports")
            .csp_report_only(trial)
            .frame_ancestors([partner()])
            .build()
            .unwrap();
        let mut headers = HeaderMap::new();
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
        let trial = headers["content-security-policy-report-only"]
            .to_str()
            .unwrap();
        assert!(trial.contains(expected), "{trial}");
        assert_eq!(
            trial.contains("frame-ancestors"),
            expected.contains("frame-ancestors")
        );
    }
}

#[test]
fn old_browsers_are_told_the_same_about_frames() {
    for (sources, options) in [
        (vec![], Some("DENY")),
        (vec![Source::None], Some("DENY")),
        (vec![Source::SelfOrigin], Some("SAMEORIGIN")),
        (vec![partner()], None),
        (vec![Source::SelfOrigin, partner()], None),
    ] {
        let headers = SecHeaders::web_app().frame_ancestors(sources.clone());
        let headers = answered(&headers.build().unwrap(), "/", &[]);
        let said = headers
            .get(X_FRAME_OPTIONS)
            .map(|value| value.to_str().unwrap());
        assert_eq!(said, options, "{sources:?}");
    }
    let alone = SecHeaders::none().frame_ancestors([partner()]).build();
    let alone = answered(&alone.unwrap(), "/", &[]);
    assert_eq!(
        alone[CONTENT_SECURITY_POLICY],
        "frame-ancestors https://partner.example"
    );
}

#[test]
fn every_fault_of_every_override_is_told_once() {
    let error = SecHeaders::web_app()
        .edit_csp(|csp| csp.img_src([Source::None, Source::SelfOrigin]))
        .route("/embed/*", |o| {
            o.edit_csp(|csp| csp.directive("frame-ancestors", ["self"]))
        })
        .route("/embed/", |o| o)
        .route("embed", |o| o)
        .route("/nested", |o| o.route("/x", |o| o))
        .named("", |o| o)
        .named("a", |o| o.clear_site_data([]))
        .named("a", |o| o.cache("/", CacheControl::no_store()))
        .cache("/static/*", CacheControl::immutable_assets())
        .cache("/static", CacheControl::images())
        .cache("/x/*/y", CacheControl::images())
        .cache("/bad", CacheControl::no_store().immutable())
        .route("/both", |o| o.no_store())
        .cache("/both", CacheControl::images())
        .build()
        .unwrap_err();
    let mut fields: Vec<_> = error.faults().iter().map(Fault::field).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "cache \"/bad\"",
            "cache \"/both\"",
            "cache \"/static\"",
            "cache \"/x/*/y\"",
            "csp.img-src",
            "named \"\"",
            "named \"a\"",
            "named \"a\"",
            "named \"a\".clear_site_data",
            "route \"/embed/\"",
            "route \"/embed/*\".csp.frame-ancestors",
            "route \"/nested\"",
            "route \"embed\"",
        ]
    );
}

#[test]
fn a_nonce_is_needed_where_a_reachable_set_has_one() {
    let by_route = SecHeaders::api()
        .route("/pages", |o| o.csp(crate::Csp::web_app()))
        .build()
        .unwrap();
    assert!(by_route.needs_nonce("/pages/1"));
    assert!(!by_route.needs_nonce("/api"));
    assert!(!by_route.needs_nonce("/pages/../api"));
    let without = SecHeaders::web_app()
        .route("/api", |o| o.csp(crate::Csp::api()))
        .build()
        .unwrap();
    assert!(without.needs_nonce("/") && !without.needs_nonce("/api"));
    let by_name = SecHeaders::api()
        .named("page", |o| o.csp(crate::Csp::web_app()))
        .build()
        .unwrap();
    assert!(by_name.needs_nonce("/api") && !by_name.uses_nonce());
    let nonce = CspNonce::generate();
    let page = by_name.named("page").unwrap();
    let mut headers = HeaderMap::new();
    let answer = Answer::new(&Method::GET, "/", StatusCode::OK)
        .nonce(Some(&nonce))
        .chosen(Some(&page));
    by_name.apply_for(&mut headers, &answer);
    let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(csp.contains(nonce.as_str()), "{csp}");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[test]
fn a_log_out_clears_where_browsers_listen() {
    let data = [SiteData::Cache, SiteData::Cookies, SiteData::Storage];
    let policy = SecHeaders::web_app()
        .route("/logout", move |o| o.clear_site_data(data))
        .route("/kept", move |o| {
            o.clear_site_data(data).without(names::CLEAR_SITE_DATA)
        })
        .build()
        .unwrap();
    let cleared = |path: &str, status: u16, scheme| {
        let mut headers = own(&[("set-cookie", "s=; Max-Age=0")]);
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer::new(&Method::POST, path, status).scheme(scheme);
        policy.apply_for(&mut headers, &answer);
        assert_eq!(headers[SET_COOKIE], "s=; Max-Age=0");
        let value = headers.get(names::CLEAR_SITE_DATA)?;
        assert_eq!(value, r#""cache", "cookies", "storage""#);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        Some(())
    };
    for (status, expected) in [
        (200, true),
        (204, true),
        (302, true),
        (303, true),
        (304, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (429, false),
        (500, false),
    ] {
        let is = cleared("/logout", status, Scheme::Https).is_some();
        assert_eq!(is, expected, "{status}");
    }
    assert_eq!(cleared("/logout", 200, Scheme::Http), None);
    assert_eq!(cleared("/", 200, Scheme::Https), None);
    assert_eq!(cleared("/kept", 200, Scheme::Https), None);
    assert_eq!(cleared("/logout/../", 200, Scheme::Https), None);

    let mine = answered(&policy, "/logout", &[("clear-site-data", "\"cache\"")]);
    assert_eq!(mine[names::CLEAR_SITE_DATA], "\"cache\"");
    let everywhere = SecHeaders::web_app().clear_site_data([SiteData::Cache]);
    let error = everywhere.build().unwrap_err();
    assert_eq!(error.faults()[0].field(), "clear_site_data");
    let raw = SecHeaders::none().header(names::CLEAR_SITE_DATA, HeaderValue::from_static("cache"));
    assert!(raw.build().is_err(), "browsers ignore it without quotes");
}
