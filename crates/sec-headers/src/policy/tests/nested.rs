//! What gets past a policy through a layer within another, a choice, or a header that speaks to one
//! cache alone: each row was an attack that once worked.

use std::convert::Infallible;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use sec_core::{AuthMethod, Principal, RequestContext, Scheme};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::own;
use crate::{
    Answer, CacheControl, Csp, CspNonce, FaultKind, FrameOptions, HeaderPolicy, HeadersLayer,
    Precedence, ReferrerPolicy, SecHeaders, Source,
};

type Page = Response<Empty<bytes::Bytes>>;

/// Through both layers, over https.
async fn through(
    outer: HeaderPolicy,
    inner: HeaderPolicy,
    path: &str,
    page: impl Fn(&RequestContext) -> Page + Clone,
) -> HeaderMap {
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .method(Method::GET)
        .path(path)
        .build();
    let mut request = Request::get("/").body(()).unwrap();
    request.extensions_mut().insert(context);
    let handler = service_fn(move |request: Request<()>| {
        let answer = page(RequestContext::of(request.extensions()).unwrap());
        async move { Ok::<_, Infallible>(answer) }
    });
    let service = HeadersLayer::new(outer).layer(HeadersLayer::new(inner).layer(handler));
    service.oneshot(request).await.unwrap().headers().clone()
}

#[tokio::test]
async fn a_choice_is_for_the_innermost_layer_alone() {
    let inner = SecHeaders::none()
        .referrer_policy(ReferrerPolicy::NoReferrer)
        .named("widget", |o| o.frame_options(FrameOptions::SameOrigin))
        .build()
        .unwrap();
    let widget = inner.named("widget").unwrap();
    let outer = SecHeaders::web_app().build().unwrap();
    let headers = through(outer, inner, "/w", move |_| {
        let mut page = Page::default();
        page.extensions_mut().insert(widget.clone());
        page
    })
    .await;
    assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
    assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
    assert!(headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn the_nonce_of_a_layer_within_is_not_stored_either() {
    let outer = SecHeaders::api()
        .without(CONTENT_SECURITY_POLICY)
        .cache("/pages/*", CacheControl::images())
        .precedence_for(CACHE_CONTROL, Precedence::Policy)
        .build()
        .unwrap();
    let inner = SecHeaders::web_app().build().unwrap();
    let page = |_: &RequestContext| Page::default();
    let headers = through(outer, inner, "/pages/1", page).await;
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("'nonce-"), "{policy}");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn who_was_recognised_by_a_cookie_is_not_shared() {
    let policy = || {
        let headers = SecHeaders::api().cache("/c/*", CacheControl::images());
        headers.build().unwrap()
    };
    let inner = || SecHeaders::none().build().unwrap();
    let alice = |context: &RequestContext| {
        context.identify(Principal::new("alice", AuthMethod::Password));
        Page::default()
    };
    let headers = through(policy(), inner(), "/c/me", alice).await;
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    let nobody = |_: &RequestContext| Page::default();
    let headers = through(policy(), inner(), "/c/logo", nobody).await;
    assert_eq!(headers[CACHE_CONTROL], "public, max-age=86400");
}

#[test]
fn a_header_that_the_policy_wins_is_not_chosen_away() {
    let policy = SecHeaders::web_app()
        .precedence_for(CONTENT_SECURITY_POLICY, Precedence::Policy)
        .build()
        .unwrap();
    let open = Csp::empty().script_src([Source::UnsafeInline]);
    let foreign = SecHeaders::none().csp(open).build().unwrap();
    let mut headers = HeaderMap::new();
    let answer = Answer::new(&Method::GET, "/", StatusCode::OK).scheme(Scheme::Https);
    policy.apply_for(&mut headers, &answer.chosen(Some(&foreign)));
    let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(!csp.contains("unsafe-inline"), "{csp}");
    assert_eq!(headers[X_FRAME_OPTIONS], "DENY");
}

#[test]
fn where_the_policy_forbids_storing_no_cdn_is_told_otherwise() {
    let mine = [
        ("set-cookie", "sid=1"),
        ("cache-control", "public"),
        ("cdn-cache-control", "max-age=3600"),
        ("surrogate-control", "max-age=3600"),
    ];
    let winning = SecHeaders::api()
        .cache("/static/*", CacheControl::immutable_assets())
        .precedence_for(CACHE_CONTROL, Precedence::Policy)
        .build()
        .unwrap();
    let losing = SecHeaders::api().build().unwrap();
    for (policy, path, stays) in [
        (&winning, "/me", false),
        (&winning, "/static/a.js", false),
        (&losing, "/me", true),
    ] {
        let mut headers = own(&mine);
        let answer = Answer::new(&Method::GET, path, StatusCode::OK).scheme(Scheme::Https);
        policy.apply_for(&mut headers, &answer);
        let expected = if stays { "public" } else { "no-store" };
        assert_eq!(headers[CACHE_CONTROL], expected, "{path}");
        for name in ["cdn-cache-control", "surrogate-control"] {
            assert_eq!(headers.contains_key(name), stays, "{path} {name}");
        }
    }
    // Nor where the handler says nothing of its own.
    let mut headers = own(&[("cdn-cache-control", "max-age=3600")]);
    losing.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert!(!headers.contains_key("cdn-cache-control"));
}

#[test]
fn words_inside_of_quotes_forbid_nothing() {
    let policy = SecHeaders::web_app().build().unwrap();
    for value in [
        r#"max-age=600, ext="a, no-store, b""#,
        r#"max-age=600, ext="a, private, b""#,
        r#"private="x", max-age=60"#,
    ] {
        let mut headers = own(&[("content-type", "Multipart/Mixed")]);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
        let nonce = CspNonce::generate();
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{value}");
    }
}

#[test]
fn storing_has_rules_and_no_free_text() {
    for (value, taken) in [
        ("no-store", true),
        ("private, max-age=60", true),
        ("public, max-age=600", false),
        ("max-age=600", false),
        ("no-cache", false),
    ] {
        let value = HeaderValue::from_static(value);
        let built = SecHeaders::none()
            .header(CACHE_CONTROL, value.clone())
            .build();
        assert_eq!(built.is_ok(), taken, "{value:?}");
        if let Err(error) = built {
            assert!(error.has(FaultKind::Header) && error.to_string().contains("`cache`"));
        }
    }
}

#[test]
fn frames_are_told_one_thing() {
    let partner = || Source::host("https://partner.example").unwrap();
    let csp = |headers: &SecHeaders| {
        let mut map = HeaderMap::new();
        let policy = headers.build().unwrap();
        policy.apply(&mut map, StatusCode::OK, Scheme::Https, None);
        map
    };
    // Denied where the policy allowed a partner: both are changed.
    let denied = SecHeaders::web_app()
        .frame_ancestors([partner()])
        .frame_options(FrameOptions::Deny);
    let map = csp(&denied);
    assert_eq!(map[X_FRAME_OPTIONS], "DENY");
    let policy = map[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    // Said apart, they must agree.
    for (sources, agrees) in [
        (vec![Source::None], true),
        (vec![], true),
        (vec![Source::SelfOrigin], false),
        (vec![partner()], false),
    ] {
        let built = SecHeaders::web_app()
            .edit_csp(|csp| csp.frame_ancestors(sources.clone()))
            .build();
        assert_eq!(built.is_ok(), agrees, "{sources:?}");
        if let Err(error) = built {
            assert!(error.to_string().starts_with("frame_options: "), "{error}");
        }
    }
}
