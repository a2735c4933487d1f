//! The family above and below tower-http's layers, on Axum, Hyper and tonic. That it compiles is half of the test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_audit::RequestLogLayer;
use sec_core::{ContextLayer, PathRules, PeerAddr, RequestContext};
use sec_headers::{
    CacheControl, Cors, CorsLayer, CrossOriginGuard, CrossOriginGuardLayer, HeadersLayer,
    HostGuard, HostGuardLayer, Origin, ReferrerPolicy, SecHeaders,
};
use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer};
use sec_sanitize::{DrainBody, DrainLayer, ErrorLayer};
use sec_tokens::{AuthLayer, Issuer, KeyRing, SigningKey};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// All layers of the family, in the canonical order. A macro, because the type of such a stack has no short name.
macro_rules! family {
    () => {{
        let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
        let issuer = Issuer::new(keys, "https://a.test", "https://a.test").unwrap();
        let limiter = Limiter::builder()
            .tier("api", Quota::api(), Key::ip())
            .build()
            .unwrap();
        ServiceBuilder::new()
            .layer(DrainLayer::new())
            .layer(ContextLayer::new())
            .layer(RequestLogLayer::new())
            .layer(HeadersLayer::new(SecHeaders::web_app().build().unwrap()))
            .layer(ErrorLayer::new())
            .layer(HostGuardLayer::new(HostGuard::new(["a.test"]).unwrap()))
            .layer(cors())
            .layer(CrossOriginGuardLayer::new(CrossOriginGuard::new()))
            .layer(RateLimitLayer::new(limiter).unwrap())
            .layer(AuthLayer::new(issuer.verifier()))
    }};
}

/// With a lookup, so that the future that waits is in the stack as well.
fn cors() -> CorsLayer {
    CorsLayer::new(Cors::builder().build().unwrap())
        .lookup(async |_: Origin, _: RequestContext| Ok::<_, Infallible>(false))
}

macro_rules! tower_http {
    () => {
        ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(CompressionLayer::new())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_secs(5),
            ))
            .layer(RequestBodyLimitLayer::new(1024))
            .layer(CatchPanicLayer::new())
    };
}

fn request(body: Body) -> Request<Body> {
    let mut request = Request::get("/")
        .header("host", "a.test")
        .header("accept-encoding", "gzip")
        .body(body)
        .unwrap();
    request
        .extensions_mut()
        .insert(ConnectInfo(SocketAddr::from(([203, 0, 113, 7], 4000))));
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 4000))));
    request
}

/// What every stack answers: the handler's word, under the policy.
async fn answers<S, B>(service: S) -> Response<Bytes>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = service
        .oneshot(request(Body::empty()))
        .await
        .unwrap()
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.status, StatusCode::OK);
    assert!(parts.headers.contains_key("content-security-policy"));
    assert!(parts.headers.contains_key("ratelimit"));
    assert!(parts.headers.contains_key("x-request-id"));
    Response::from_parts(parts, body)
}

#[tokio::test]
async fn around_and_inside_of_tower_http_on_axum() {
    let routes = || Router::new().route("/", get(async || "hello"));
    let inside = tower_http!().layer(family!()).service(routes());
    answers(inside).await;
    let outside = family!().layer(tower_http!()).service(routes());
    answers(outside).await;
    answers(routes().layer(family!()).layer(tower_http!())).await;
    answers(routes().layer(tower_http!()).layer(family!())).await;
}

#[tokio::test]
async fn over_a_plain_service_whose_body_is_not_axums() {
    let hello = || {
        service_fn(|_: Request<DrainBody<Body>>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
        })
    };
    let response = answers(family!().service(hello())).await;
    assert_eq!(response.body(), "hello");
    // A service whose error is not `Infallible` becomes one that answers.
    let failing = service_fn(|_: Request<DrainBody<Body>>| async {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::other("a secret path"))
    });
    let response = family!()
        .service(failing)
        .oneshot(request(Body::empty()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}

#[tokio::test]
async fn on_hyper_without_axum() {
    let hello = service_fn(|_: Request<DrainBody<hyper::body::Incoming>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    });
    let service = family!().service(hello);
    let (client, server) = tokio::io::duplex(64 * 1024);
    let peer = PeerAddr(SocketAddr::from(([203, 0, 113, 7], 4000)));
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        service.clone().oneshot(request)
    });
    let server = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(server), service);
    tokio::spawn(server);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(client))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("/")
        .header("host", "a.test")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("content-security-policy"));
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
}

#[tokio::test]
async fn around_tonics_routes() {
    let routes = tonic::service::Routes::default().prepare();
    let service = family!().service(routes);
    let mut request = Request::post("/pkg.Service/Method")
        .header("host", "a.test")
        .body(tonic::body::Body::empty())
        .unwrap();
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 4000))));
    let response = service.oneshot(request).await.unwrap();
    // tonic answers in its own way: 200 with the status of the call in a header.
    assert_eq!(response.headers()["grpc-status"], "12");
    assert!(response.headers().contains_key("content-security-policy"));
}

/// `option_layer` needs equal types; the switch of each layer does not.
#[tokio::test]
async fn every_layer_has_a_switch() {
    let service = ServiceBuilder::new()
        .layer(ContextLayer::new().enabled(false))
        .layer(RequestLogLayer::new().enabled(false))
        .layer(HeadersLayer::new(SecHeaders::web_app().build().unwrap()).enabled(false))
        .layer(ErrorLayer::new().enabled(false))
        .layer(HostGuardLayer::new(HostGuard::new(["b.test"]).unwrap()).enabled(false))
        .layer(cors().enabled(false))
        .layer(CrossOriginGuardLayer::new(CrossOriginGuard::new()).enabled(false))
        .service(Router::new().route("/", get(async || "hello")));
    let response = service.oneshot(request(Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("content-security-policy"));
}

/// The state of a limiter belongs to the layer, not to the service: a router is cloned for every connection.
#[tokio::test]
async fn a_limit_survives_cloning_and_applying_twice() {
    let quota = Quota::per(3, Duration::from_secs(60));
    let limiter = Limiter::builder()
        .tier("three", quota, Key::ip())
        .build()
        .unwrap();
    let limit = RateLimitLayer::new(limiter).unwrap();
    let context = ContextLayer::new();
    let make = || context.layer(limit.layer(Router::new().route("/", get(async || "hello"))));
    let (one, two) = (make(), make());
    let mut statuses = Vec::new();
    for service in [&one, &two, &one.clone(), &two.clone()] {
        statuses.push(
            service
                .clone()
                .oneshot(request(Body::empty()))
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
}

/// Inside of axum's `nest` a request's own path is cut; rules are about the one that the client sent.
#[tokio::test]
async fn a_rule_sees_the_original_path_inside_of_a_nest() {
    let once = |prefix: &str| {
        let quota = Quota::per(1, Duration::from_secs(60));
        let limiter = Limiter::builder()
            .tier("one", quota, Key::ip())
            .build()
            .unwrap();
        let paths = PathRules::all().include(prefix).unwrap();
        RateLimitLayer::new(limiter).unwrap().paths(paths)
    };
    for (prefix, second) in [("/api/x", 429), ("/x", 200)] {
        let inner = Router::new()
            .route("/x", get(async || "hello"))
            .layer(once(prefix));
        let service = Router::new().nest("/api", inner).layer(ContextLayer::new());
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let mut request = request(Body::empty());
            *request.uri_mut() = "/api/x".parse().unwrap();
            statuses.push(
                service
                    .clone()
                    .oneshot(request)
                    .await
                    .unwrap()
                    .status()
                    .as_u16(),
            );
        }
        assert_eq!(statuses, [200, second], "{prefix}");
    }
}

#[tokio::test]
async fn what_differs_by_route_is_about_the_original_path_as_well() {
    let policy = SecHeaders::web_app()
        .route("/api/x", |o| o.referrer_policy(ReferrerPolicy::NoReferrer))
        .cache("/api", CacheControl::images())
        .build()
        .unwrap();
    let inner = Router::new()
        .route("/x", get(async || "hello"))
        .layer(HeadersLayer::new(policy));
    let service = Router::new().nest("/api", inner).layer(ContextLayer::new());
    let mut request = request(Body::empty());
    *request.uri_mut() = "/api/x".parse().unwrap();
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=86400");
}
