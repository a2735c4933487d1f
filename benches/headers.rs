//! Response headers beside the crates that set them for a living: `cargo bench --bench headers`.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark"
)]

mod common;

use std::mem;

use axum_helmet::{Helmet, HelmetLayer};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use http_security_headers::{Preset, SecurityHeadersLayer};
use sec_core::{RequestContext, Scheme};
use sec_headers::{
    Cors, CorsLayer, CrossOriginGuard, CrossOriginGuardLayer, Csp, CspNonce, HeaderPolicy,
    HeadersLayer, HostGuard, HostGuardLayer, SecHeaders, Source,
};
use tower::util::MapResponseLayer;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http::set_header::SetResponseHeaderLayer;

use common::{Candidate, calls, group, hello};

fn main() {
    group("ten static headers, per request", ten());
    group("the layer, inside of a context", layer());
    group("layers that have nothing to do", idle());
}

/// The headers that tower-http is given one layer each for; ours has them in one policy.
const TEN: [(&str, &str); 10] = [
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("x-dns-prefetch-control", "off"),
    ("x-permitted-cross-domain-policies", "none"),
    ("content-security-policy", "default-src 'none'"),
];

fn ten() -> Vec<Candidate> {
    let bare = || Request::new(());
    let set = |at: usize| {
        let (name, value) = TEN[at];
        let value = HeaderValue::from_static(value);
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), value)
    };
    let tower_http = ServiceBuilder::new()
        .layer(set(0))
        .layer(set(1))
        .layer(set(2))
        .layer(set(3))
        .layer(set(4))
        .layer(set(5))
        .layer(set(6))
        .layer(set(7))
        .layer(set(8))
        .layer(set(9));
    let helmet: HelmetLayer = Helmet::default().try_into().unwrap();
    let strict = SecurityHeadersLayer::new(Preset::Strict.build());
    vec![
        calls(
            "tower-http, SetResponseHeaderLayer x 10",
            bare,
            tower_http.service(service_fn(hello)),
        ),
        calls(
            "axum-helmet, default",
            bare,
            helmet.layer(service_fn(hello)),
        ),
        calls(
            "http-security-headers, strict",
            bare,
            strict.layer(service_fn(hello)),
        ),
        calls(
            "a prepared map, cloned and extended by hand",
            bare,
            MapResponseLayer::new(extend(prepared())).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, ten of api(), apply()",
            bare,
            MapResponseLayer::new(apply(ten_of_ours(), false)).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, the same and a nonce, apply()",
            bare,
            MapResponseLayer::new(apply(ten_and_nonce(), true)).layer(service_fn(hello)),
        ),
        calls("the handler alone", bare, service_fn(hello)),
    ]
}

/// Every candidate's request has the context in it, so that what is timed is the layer.
fn layer() -> Vec<Candidate> {
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .authority("a.test")
        .unwrap()
        .build();
    let request = move || {
        let mut request = Request::new(());
        request.extensions_mut().insert(context.clone());
        request
    };
    let nonces = SecurityHeadersLayer::new(Preset::BalancedNonce.build());
    vec![
        calls("the handler alone", request.clone(), service_fn(hello)),
        calls(
            "sec-headers, ten of api()",
            request.clone(),
            HeadersLayer::new(ten_of_ours()).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, the same and a nonce",
            request.clone(),
            HeadersLayer::new(ten_and_nonce()).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, web_app()",
            request.clone(),
            HeadersLayer::new(SecHeaders::web_app().build().unwrap()).layer(service_fn(hello)),
        ),
        calls(
            "http-security-headers, BalancedNonce",
            request,
            nonces.layer(service_fn(hello)),
        ),
    ]
}

fn idle() -> Vec<Candidate> {
    let app = "https://app.test";
    let cors = Cors::builder().origin(app).build().unwrap();
    let theirs = tower_http::cors::CorsLayer::new().allow_origin(HeaderValue::from_static(app));
    let hosts = HostGuard::new(["a.test"]).unwrap();
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .authority("a.test")
        .unwrap()
        .build();
    let request = move || {
        let mut request = Request::new(());
        request.extensions_mut().insert(context.clone());
        request
    };
    vec![
        calls("the handler alone", request.clone(), service_fn(hello)),
        calls(
            "tower, map_response that changes nothing",
            request.clone(),
            MapResponseLayer::new(|answer| answer).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, cross-origin guard on GET",
            request.clone(),
            CrossOriginGuardLayer::new(CrossOriginGuard::new()).layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, CORS without Origin",
            request.clone(),
            CorsLayer::new(cors).layer(service_fn(hello)),
        ),
        calls(
            "tower-http, CORS without Origin",
            request.clone(),
            theirs.layer(service_fn(hello)),
        ),
        calls(
            "sec-headers, host guard",
            request,
            HostGuardLayer::new(hosts).layer(service_fn(hello)),
        ),
    ]
}

/// `api()` with as many headers as [`TEN`].
fn ten_of_ours() -> HeaderPolicy {
    let policy = SecHeaders::api()
        .without(http::header::X_XSS_PROTECTION)
        .without(http::header::CACHE_CONTROL);
    let policy = policy.build().unwrap();
    let mut headers = HeaderMap::new();
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert_eq!(headers.len(), TEN.len());
    policy
}

fn ten_and_nonce() -> HeaderPolicy {
    SecHeaders::api()
        .without(http::header::X_XSS_PROTECTION)
        .without(http::header::CACHE_CONTROL)
        .edit_csp(|csp: Csp| csp.script_src([Source::Nonce]))
        .build()
        .unwrap()
}

fn prepared() -> HeaderMap {
    TEN.into_iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn extend(prepared: HeaderMap) -> impl Fn(Response<Full<Bytes>>) -> Response<Full<Bytes>> + Clone {
    move |mut answer| {
        let own = mem::replace(answer.headers_mut(), prepared.clone());
        answer.headers_mut().extend(own);
        answer
    }
}

fn apply(
    policy: HeaderPolicy,
    nonce: bool,
) -> impl Fn(Response<Full<Bytes>>) -> Response<Full<Bytes>> + Clone {
    move |mut answer| {
        let status = answer.status();
        let nonce = nonce.then(CspNonce::generate);
        policy.apply(answer.headers_mut(), status, Scheme::Https, nonce.as_ref());
        answer
    }
}
