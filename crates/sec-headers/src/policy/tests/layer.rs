use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, STRICT_TRANSPORT_SECURITY,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sec_core::{PathRules, RequestContext, Scheme};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{Csp, CspNonce, HeadersLayer, Precedence, SecHeaders};

async fn through(
    layer: &HeadersLayer,
    context: Option<RequestContext>,
) -> (Option<CspNonce>, Response<sec_core::Body<Full<Bytes>>>) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let inner = {
        let seen = seen.clone();
        service_fn(move |request: Request<()>| {
            *seen.lock().unwrap() = request.extensions().get::<CspNonce>().copied();
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) }
        })
    };
    let mut request = Request::new(());
    if let Some(context) = context {
        request.extensions_mut().insert(context);
    }
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let nonce = *seen.lock().unwrap();
    (nonce, response)
}

fn context(path: &str) -> RequestContext {
    RequestContext::builder()
        .scheme(Scheme::Https)
        .path(path)
        .build()
}

#[tokio::test]
async fn the_layer_gives_each_request_its_nonce() {
    let layer = HeadersLayer::new(
        SecHeaders::web_app()
            .report_to("csp", "/reports")
            .csp_report_only(Csp::strict())
            .build()
            .unwrap(),
    );
    let mut last = None;
    for _ in 0..3 {
        let (nonce, response) = through(&layer, Some(context("/"))).await;
        let nonce = nonce.unwrap();
        for name in [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY] {
            let csp = response.headers()[name].to_str().unwrap();
            assert!(csp.contains(&format!("'nonce-{nonce}'")));
        }
        assert_ne!(last.replace(nonce), Some(nonce));
    }
    let (nonce, _) = through(
        &HeadersLayer::new(SecHeaders::api().build().unwrap()),
        Some(context("/")),
    )
    .await;
    assert_eq!(nonce, None, "no policy would name it");
}

/// RFC 6797, section 7.2. Who says so is the context, which knows the trusted proxies; a header of the
/// request, which anybody can send, is not asked.
#[tokio::test]
async fn the_context_alone_says_what_is_https() {
    let layer = HeadersLayer::new(SecHeaders::web_app().build().unwrap());
    for (scheme, https) in [(Scheme::Https, true), (Scheme::Http, false)] {
        let service = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let context = RequestContext::builder().scheme(scheme).path("/").build();
        let mut request = Request::builder()
            .header("x-forwarded-proto", if https { "http" } else { "https" })
            .header(
                "forwarded",
                if https { "proto=http" } else { "proto=https" },
            )
            .uri("https://app.example/")
            .body(())
            .unwrap();
        request.extensions_mut().insert(context);
        let response = layer.layer(service).oneshot(request).await.unwrap();
        let headers = response.headers();
        let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert_eq!(csp.contains("upgrade-insecure-requests"), https);
        assert_eq!(headers.contains_key(STRICT_TRANSPORT_SECURITY), https);
    }
}

#[tokio::test]
async fn layers_within_one_another_share_the_nonce() {
    let policy = SecHeaders::web_app().build().unwrap();
    let inner = HeadersLayer::new(policy.clone());
    let outer = HeadersLayer::new(
        SecHeaders::strict()
            .precedence(Precedence::Policy)
            .build()
            .unwrap(),
    );
    let service = service_fn(|request: Request<()>| async move {
        let nonce = request.extensions().get::<CspNonce>().copied().unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(nonce.to_string()))))
    });
    let mut request = Request::new(());
    request.extensions_mut().insert(context("/"));
    let response = outer
        .layer(inner.layer(service))
        .oneshot(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let page = http_body_util::BodyExt::collect(body)
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        parts
            .headers
            .get_all(CONTENT_SECURITY_POLICY)
            .iter()
            .count(),
        1
    );
    let csp = parts.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(csp.contains(std::str::from_utf8(&page).unwrap()));
}

#[tokio::test]
async fn the_layer_keeps_to_its_paths() {
    let layer = HeadersLayer::new(SecHeaders::web_app().build().unwrap())
        .paths(PathRules::all().exclude("/static").unwrap());
    let (nonce, response) = through(&layer, Some(context("/static/a.css"))).await;
    assert!(nonce.is_none() && response.headers().is_empty());
    let (_, response) = through(&layer, Some(context("/static/../admin"))).await;
    assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
    let (_, response) = through(&layer.enabled(false), Some(context("/"))).await;
    assert!(response.headers().is_empty());
}

#[tokio::test]
async fn without_the_context_it_is_loud() {
    let layer = HeadersLayer::new(SecHeaders::web_app().build().unwrap());
    let (_, response) = through(&layer, None).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("x-content-type-options"));
    assert!(!response.headers().contains_key(STRICT_TRANSPORT_SECURITY));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_extractor_needs_the_layer() {
    use axum_core::extract::FromRequestParts as _;
    use axum_core::response::IntoResponse as _;

    let (mut parts, ()) = Request::new(()).into_parts();
    let missing = CspNonce::from_request_parts(&mut parts, &())
        .await
        .unwrap_err();
    assert_eq!(
        missing.into_response().status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let nonce = CspNonce::generate();
    parts.extensions.insert(nonce);
    assert_eq!(
        CspNonce::from_request_parts(&mut parts, &()).await.unwrap(),
        nonce
    );
}
