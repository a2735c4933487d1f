use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Form, Json, Query};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use sec_core::{CollectingSink, EventKind, RequestContext};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{InputRefusal, Valid};
use crate::json::JsonLimits;
use crate::{ErrorLayer, rules};

#[derive(Debug, serde::Deserialize, validator::Validate)]
#[serde(deny_unknown_fields)]
struct SignUp {
    username: rules::Username,
    email: rules::EmailAddress,
    password: rules::NewPassword,
}

#[derive(Debug, serde::Deserialize, validator::Validate)]
struct Page {
    #[validate(range(min = 1))]
    page: u32,
}

async fn sign_up(Valid(Json(form)): Valid<Json<SignUp>>) -> String {
    format!(
        "{} {} {}",
        form.username,
        form.email,
        form.password.expose().len()
    )
}

fn app() -> Router {
    Router::new()
        .route("/json", post(sign_up))
        .route(
            "/form",
            post(|Valid(Form(f)): Valid<Form<Page>>| async move { f.page.to_string() }),
        )
        .route(
            "/query",
            get(|Valid(Query(q)): Valid<Query<Page>>| async move { q.page.to_string() }),
        )
        .route(
            "/small",
            post(sign_up).layer(Extension(JsonLimits::default().with_max_bytes(20))),
        )
}

async fn send(request: http::request::Builder, body: impl Into<Body>) -> (StatusCode, Value) {
    let answer = app()
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

fn post_to(path: &str) -> http::request::Builder {
    Request::post(path)
}

fn json_to(path: &str) -> http::request::Builder {
    post_to(path).header("content-type", "application/json")
}

const FINE: &str = r#"{"username":"ann","email":"Ann@example.org","password":"correct horse"}"#;

#[tokio::test]
async fn what_is_right_comes_through() {
    for media in [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"",
        "application/merge-patch+json",
    ] {
        let answer = send(post_to("/json").header("content-type", media), FINE).await;
        assert_eq!(
            answer,
            (StatusCode::OK, json!("ann ann@example.org 13")),
            "{media}"
        );
    }
}

#[tokio::test]
async fn a_422_lists_every_field() {
    let (status, problem) = send(
        json_to("/json"),
        r#"{"username":"<b>","email":"hunter2@x","admin":1}"#,
    )
    .await;
    assert_eq!(status, 422);
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .ends_with("#validation-failed")
    );
    let errors = problem["errors"].as_array().unwrap();
    let pairs: Vec<_> = errors
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("/admin", "unknown"),
            ("/email", "email"),
            ("/password", "required"),
            ("/username", "username")
        ],
    );
    assert!(errors.iter().all(|error| error["detail"].is_string()));
    let shown = problem.to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("<b>") && !shown.contains("SignUp"));
}

#[tokio::test]
async fn other_refusals_have_their_status() {
    let rows: [(http::request::Builder, &[u8], u16); 14] = [
        (post_to("/json"), FINE.as_bytes(), 415),
        (
            post_to("/json").header("content-type", "text/plain"),
            FINE.as_bytes(),
            415,
        ),
        (
            post_to("/json").header("content-type", "application/json; charset=latin1"),
            FINE.as_bytes(),
            415,
        ),
        (
            json_to("/json").header("content-type", "text/plain"),
            FINE.as_bytes(),
            415,
        ),
        (
            json_to("/json").header("content-encoding", "gzip"),
            FINE.as_bytes(),
            415,
        ),
        (
            post_to("/json").header("content-type", "application/jsonp"),
            FINE.as_bytes(),
            415,
        ),
        (json_to("/json"), b"", 400),
        (json_to("/json"), b"{\"username\":", 400),
        (json_to("/json"), b"{\"username\":\"\xff\"}", 400),
        (json_to("/json"), &[b'['; 10_000], 400),
        (json_to("/json"), b"[]", 422),
        (json_to("/json"), br#"{"username":"a\u0000b"}"#, 422),
        (
            json_to("/json"),
            br#"{"username":"ann","username":"bob"}"#,
            422,
        ),
        (json_to("/small"), FINE.as_bytes(), 413),
    ];
    for (request, body, expected) in rows {
        let shown = format!(
            "{request:?} {:?}",
            String::from_utf8_lossy(&body[..body.len().min(40)])
        );
        let (status, problem) = send(request, body.to_vec()).await;
        assert_eq!(
            (status.as_u16(), problem["status"].as_u64()),
            (expected, Some(u64::from(expected))),
            "{shown}"
        );
    }
}

/// A body of ten megabytes is left at the limit; a declared length is refused before the first byte.
#[tokio::test]
async fn the_limit_holds_while_the_body_streams() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let large = || {
        let frames = futures_util::stream::repeat_with(|| {
            SENT.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(&[b' '; 1024])))
        });
        futures_util::StreamExt::take(frames, 10_000)
    };
    let (status, _) = send(json_to("/json"), Body::new(StreamBody::new(large()))).await;
    assert_eq!(
        (status.as_u16(), SENT.swap(0, Ordering::Relaxed)),
        (413, 65)
    );
    let declared = json_to("/json").header("content-length", "10485760");
    let (status, _) = send(declared, Body::new(StreamBody::new(large()))).await;
    assert_eq!((status.as_u16(), SENT.load(Ordering::Relaxed)), (413, 0));
    // A limit further out, as tower-http's layer sets it.
    let (status, _) = send(
        json_to("/json"),
        Body::new(Limited::new(Body::from(FINE), 10)),
    )
    .await;
    assert_eq!(status, 413);
    let broken = futures_util::stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"{"))),
        Err(std::io::Error::other("reset by 10.0.0.7")),
    ]);
    let (status, problem) = send(json_to("/json"), Body::new(StreamBody::new(broken))).await;
    assert_eq!(status, 400);
    assert!(!problem.to_string().contains("10.0.0.7"));
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let pieces = FINE
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, Infallible>(http_body::Frame::data(Bytes::copy_from_slice(piece))));
    let body = Body::new(StreamBody::new(futures_util::stream::iter(
        pieces.collect::<Vec<_>>(),
    )));
    assert_eq!(send(json_to("/json"), body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn forms_and_queries() {
    let form = || post_to("/form").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(send(form(), "page=3").await, (StatusCode::OK, json!(3)));
    assert_eq!(send(form(), "page=0").await.1["errors"][0]["code"], "range");
    assert_eq!(
        send(json_to("/form"), "page=3").await.0,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let query = |query: &str| send(Request::get(format!("/query{query}")), Body::empty());
    assert_eq!(query("?page=3").await, (StatusCode::OK, json!(3)));
    assert_eq!(
        query("").await.1["errors"],
        json!([{"pointer":"/page","code":"required","detail":"This field is required."}])
    );
    assert_eq!(
        query("?page=1&page=2").await.1["errors"][0]["code"],
        "duplicate"
    );
    assert_eq!(query("?page=%ff").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_trail_gets_pointers_and_codes_without_values_and_once() {
    let sink = CollectingSink::new();
    let context = RequestContext::builder()
        .sink(sink.clone())
        .path("/json")
        .coalesce(std::time::Duration::from_secs(60))
        .build();
    for _ in 0..3 {
        let mut request = json_to("/json")
            .body(Body::from(r#"{"username":"hunter2!","x\r\ny":1}"#))
            .unwrap();
        request.extensions_mut().insert(context.clone());
        let answer = app().oneshot(request).await.unwrap();
        assert!(answer.extensions().get::<InputRefusal>().is_some());
    }
    let events = sink.events();
    assert_eq!(events.len(), 1, "repetitions are coalesced");
    assert_eq!(events[0].kind(), &EventKind::INPUT_REJECTED);
    let detail = serde_json::to_string(events[0].detail()).unwrap();
    assert!(
        detail.contains("/username") && !detail.contains("hunter2"),
        "{detail}"
    );
    assert!(!detail.contains("\\r"), "{detail}");
}

/// The framework's own rejections, 404 and 405, behind the error layer.
#[tokio::test]
async fn the_frameworks_own_refusals_become_problems() {
    let app = app().route("/plain", post(|_: Json<SignUp>| async {}));
    for (request, status) in [
        (Request::get("/nowhere"), 404),
        (Request::get("/json"), 405),
        (post_to("/plain"), 415),
        (json_to("/plain"), 400),
    ] {
        let request = request.body(Body::empty()).unwrap();
        let layered = tower_layer::Layer::layer(&ErrorLayer::new(), app.clone());
        let answer = layered.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers().contains_key("allow"), status == 405);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status);
    }
    // As a layer of a router: axum takes it, and handlers may fail by `?`.
    async fn fails() -> Result<(), crate::HandlerError> {
        Err(std::io::Error::other("secret cause"))?;
        Ok(())
    }
    let sink = CollectingSink::new();
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request
        .extensions_mut()
        .insert(RequestContext::builder().sink(sink.clone()).build());
    let answer = Router::new()
        .route("/", get(fails))
        .layer(ErrorLayer::new())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    assert!(sink.events()[0].reason().unwrap().contains("secret cause"));
}
