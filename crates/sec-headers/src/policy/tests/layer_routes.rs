//! Routes, choices and cache rules through the layer.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use sec_core::{RequestContext, Scheme};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{
    CacheControl, Csp, CspNonce, FrameOptions, HeaderPolicy, HeadersConfig, HeadersLayer,
    SecHeaders, Source,
};

type Answer = Response<sec_core::Body<Full<Bytes>>>;

fn layer() -> HeadersLayer {
    let partner = Source::host("https://partner.example").unwrap();
    let policy = SecHeaders::api()
        .route("/embed/*", move |o| {
            o.csp(Csp::web_app()).frame_ancestors([partner.clone()])
        })
        .named("same", |o| o.frame_options(FrameOptions::SameOrigin))
        .cache("/embed/static", CacheControl::immutable_assets())
        .build()
        .unwrap();
    HeadersLayer::new(policy)
}

/// The request's own path is `/cut`, as it is inside of a nested router.
async fn ask(
    layer: &HeadersLayer,
    path: &str,
    authorization: Option<&'static str>,
    answer: impl Fn(&Request<()>) -> Response<Full<Bytes>> + Clone,
) -> Answer {
    let context = RequestContext::builder()
        .scheme(Scheme::Https)
        .method(Method::GET)
        .path(path)
        .build();
    let mut request = Request::get("/cut").body(()).unwrap();
    request.extensions_mut().insert(context);
    if let Some(value) = authorization {
        request
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::from_static(value));
    }
    let inner = service_fn(move |request: Request<()>| {
        let response = answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    layer.layer(inner).oneshot(request).await.unwrap()
}

fn status(status: StatusCode) -> impl Fn(&Request<()>) -> Response<Full<Bytes>> + Clone {
    move |_| {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/css"));
        response
    }
}

/// The page is rendered with the nonce of its request.
fn page(request: &Request<()>) -> Response<Full<Bytes>> {
    let nonce = request.extensions().get::<CspNonce>();
    Response::new(Full::new(
        nonce.map(ToString::to_string).unwrap_or_default().into(),
    ))
}

#[tokio::test]
async fn routes_are_about_the_original_path_and_have_their_nonce() {
    let layer = layer();
    let response = ask(&layer, "/embed/player", None, page).await;
    let (parts, body) = response.into_parts();
    let nonce = body.collect().await.unwrap().to_bytes();
    let csp = parts.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(!nonce.is_empty() && csp.contains(std::str::from_utf8(&nonce).unwrap()));
    assert!(csp.contains("frame-ancestors https://partner.example"));
    assert!(!parts.headers.contains_key(X_FRAME_OPTIONS));
    for path in ["/", "/cut", "/embed/../x"] {
        let response = ask(&layer, path, None, page).await;
        let (parts, body) = response.into_parts();
        assert!(
            body.collect().await.unwrap().to_bytes().is_empty(),
            "{path}"
        );
        assert_eq!(parts.headers[X_FRAME_OPTIONS], "DENY", "{path}");
    }
}

#[tokio::test]
async fn every_kind_of_answer_has_the_routes_headers() {
    let layer = layer();
    for (code, cache) in [
        (StatusCode::OK, "public, max-age=31536000, immutable"),
        (StatusCode::FORBIDDEN, "no-store"),
        (StatusCode::NOT_FOUND, "no-store"),
        (StatusCode::TOO_MANY_REQUESTS, "no-store"),
        (StatusCode::INTERNAL_SERVER_ERROR, "no-store"),
    ] {
        let response = ask(&layer, "/embed/static/a.css", None, status(code)).await;
        let headers = response.headers();
        let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            csp.contains("frame-ancestors https://partner.example"),
            "{code}"
        );
        assert!(!headers.contains_key(X_FRAME_OPTIONS), "{code}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{code}");
        assert_eq!(headers[CACHE_CONTROL], cache, "{code}");
    }
    // RFC 9111 section 3.5.
    let answer = status(StatusCode::OK);
    let response = ask(&layer, "/embed/static/a.css", Some("Bearer x"), answer).await;
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_handler_chooses_by_an_extension_of_its_answer() {
    let layer = layer();
    let choose = |policy: HeaderPolicy| {
        move |_: &Request<()>| {
            let mut response = Response::new(Full::new(Bytes::new()));
            response.extensions_mut().insert(policy.clone());
            response
        }
    };
    let same = layer.policy().named("same").unwrap();
    for path in ["/", "/embed/player"] {
        let response = ask(&layer, path, None, choose(same.clone())).await;
        assert_eq!(response.headers()[X_FRAME_OPTIONS], "SAMEORIGIN", "{path}");
    }
    let outer = HeadersLayer::new(SecHeaders::strict().build().unwrap());
    let inner = service_fn({
        let answer = choose(same.clone());
        move |request: Request<()>| {
            let response = answer(&request);
            async move { Ok::<_, Infallible>(response) }
        }
    });
    let mut request = Request::new(());
    request
        .extensions_mut()
        .insert(RequestContext::builder().path("/").build());
    let both = outer.layer(layer.layer(inner)).oneshot(request);
    let both = both.await.unwrap();
    assert_eq!(
        both.headers()[X_FRAME_OPTIONS],
        "SAMEORIGIN",
        "layers within one another agree"
    );
    let whole = SecHeaders::none().nosniff().build().unwrap();
    let response = ask(&layer, "/", None, choose(whole)).await;
    assert_eq!(response.headers().len(), 1, "{:?}", response.headers());
}

#[tokio::test]
async fn a_section_makes_the_same_layer() {
    let config: HeadersConfig = serde_json::from_str(
        r#"{
            "preset": "api",
            "routes": {"/embed/*": {"frame_ancestors": ["https://partner.example"]}},
            "named": {"same": {"frame_options": "sameorigin"}},
            "cache": {"/static/*": "immutable"}
        }"#,
    )
    .unwrap();
    let layer = HeadersLayer::from_config(&config).unwrap();
    let answer = || status(StatusCode::OK);
    let embed = ask(&layer, "/embed/x", None, answer()).await;
    assert!(!embed.headers().contains_key(X_FRAME_OPTIONS));
    let asset = ask(&layer, "/static/a.css", None, answer()).await;
    assert_eq!(
        asset.headers()[CACHE_CONTROL],
        "public, max-age=31536000, immutable"
    );
    assert!(layer.policy().named("same").is_ok());
}
