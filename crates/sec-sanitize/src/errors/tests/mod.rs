mod paths;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_core::{CollectingSink, EventKind, Problem, RequestContext, SecurityEvent, Severity};
use serde_json::Value;
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use super::{ErrorLayer, HandlerError};

type Answer = Response<Full<Bytes>>;

#[derive(Debug, thiserror::Error)]
#[error("writing user {0} failed")]
struct Outer(&'static str, #[source] std::io::Error);

fn outer() -> Outer {
    Outer("ann", std::io::Error::other("disk\r\nfull"))
}

struct Seen {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
    events: Vec<SecurityEvent>,
}

impl Seen {
    fn json(&self) -> Value {
        assert_eq!(
            self.headers[CONTENT_TYPE], "application/problem+json",
            "{}",
            self.body
        );
        serde_json::from_str(&self.body).unwrap()
    }

    fn reason(&self) -> &str {
        self.events[0].reason().unwrap()
    }
}

async fn drive<S, E>(layer: ErrorLayer, service: S, request: Request<()>) -> Seen
where
    S: Service<Request<()>, Response = Answer, Error = E> + Clone,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let sink = CollectingSink::new();
    let mut request = request;
    request
        .extensions_mut()
        .insert(RequestContext::builder().sink(sink.clone()).build());
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        events: sink.events(),
    }
}

/// An answer of a handler that does not fail.
async fn answer(answer: http::response::Builder, body: &'static str) -> Seen {
    answer_to(Request::new(()), answer, body).await
}

async fn answer_to(
    request: Request<()>,
    answer: http::response::Builder,
    body: &'static str,
) -> Seen {
    let answer = answer
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let service = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer.clone())));
    drive(ErrorLayer::new(), service, request).await
}

#[tokio::test]
async fn a_panic_becomes_a_problem_and_an_event() {
    // The second closure panics before there is a future.
    let late = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        if true {
            panic!("secret\n{}", "detail");
        }
        Ok::<Answer, Infallible>(Response::default())
    });
    let early = service_fn(
        |_: Request<()>| -> std::future::Ready<Result<Answer, Infallible>> {
            panic!("secret detail")
        },
    );
    for seen in [
        drive(ErrorLayer::new(), late, Request::new(())).await,
        drive(ErrorLayer::new(), early, Request::new(())).await,
    ] {
        assert_eq!(seen.status, 500);
        assert_eq!(seen.json()["title"], "Internal Server Error");
        assert!(!seen.body.contains("secret"));
        assert_eq!(seen.events.len(), 1);
        assert_eq!(
            (seen.events[0].kind(), seen.events[0].severity()),
            (&EventKind::PANIC, Severity::Critical)
        );
        assert!(seen.reason().starts_with("secret") && !seen.reason().contains('\n'));
    }
}

#[tokio::test]
async fn a_panic_message_is_bounded() {
    let service = service_fn(
        |_: Request<()>| -> std::future::Ready<Result<Answer, Infallible>> {
            panic!("{}", "x".repeat(100_000))
        },
    );
    let seen = drive(ErrorLayer::new(), service, Request::new(())).await;
    assert!(seen.reason().chars().count() <= 501);
}

#[tokio::test]
async fn an_error_of_the_service_becomes_a_problem_and_an_event() {
    let service = service_fn(|_: Request<()>| std::future::ready(Err::<Answer, _>(outer())));
    let seen = drive(ErrorLayer::new(), service, Request::new(())).await;
    assert_eq!(seen.status, 500);
    assert!(!seen.body.contains("ann") && !seen.body.contains("disk"));
    assert_eq!(seen.events[0].kind(), &EventKind::ERROR);
    assert!(
        seen.reason().starts_with("writing user ann failed: disk"),
        "{}",
        seen.reason()
    );
    assert!(!seen.reason().contains('\r'));

    let classify = ErrorLayer::new().classify(|error| {
        error
            .is::<Outer>()
            .then(|| Problem::new(StatusCode::GATEWAY_TIMEOUT))
    });
    assert_eq!(drive(classify, service, Request::new(())).await.status, 504);
}

#[derive(Clone)]
struct Broken;

impl Service<Request<()>> for Broken {
    type Response = Answer;
    type Error = Outer;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Outer>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Outer>> {
        Poll::Ready(Err(outer()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("called although not ready")
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_answers_503() {
    for layer in [ErrorLayer::new(), ErrorLayer::new().enabled(false)] {
        let seen = drive(layer, Broken, Request::new(())).await;
        assert_eq!(
            (seen.status, seen.json()["status"].as_u64()),
            (StatusCode::SERVICE_UNAVAILABLE, Some(503))
        );
        assert!(seen.reason().contains("writing user"));
    }
}

#[tokio::test]
async fn bare_error_answers_become_problems_and_keep_what_matters() {
    let seen = answer(
        Response::builder()
            .status(405)
            .header(ALLOW, "GET,HEAD")
            .header(SET_COOKIE, "a=1")
            .header(SET_COOKIE, "b=2")
            .header(VARY, "origin")
            .header(CONTENT_LENGTH, "0"),
        "",
    )
    .await;
    assert_eq!(
        (seen.status, &*seen.json()["title"].to_string()),
        (StatusCode::METHOD_NOT_ALLOWED, "\"Method Not Allowed\"")
    );
    assert_eq!(seen.headers[ALLOW], "GET,HEAD");
    assert_eq!(seen.headers.get_all(SET_COOKIE).iter().count(), 2);
    assert_eq!(seen.headers.get_all(VARY).iter().count(), 2);
    assert!(seen.headers.get(CONTENT_LENGTH).is_none());
    assert!(seen.events.is_empty());

    // axum's rejection names the Rust type and its fields.
    let text =
        "Failed to deserialize the JSON body into the target type: missing field `password_hash`";
    let builder = || Response::builder().header(CONTENT_TYPE, "text/plain; charset=utf-8");
    let seen = answer(builder().status(422), text).await;
    assert!(!seen.json().to_string().contains("password_hash"));

    let seen = answer(
        Response::builder()
            .status(401)
            .header(WWW_AUTHENTICATE, "Bearer")
            .header(RETRY_AFTER, "3"),
        "",
    )
    .await;
    assert_eq!(
        (&seen.headers[WWW_AUTHENTICATE], &seen.headers[RETRY_AFTER]),
        (&"Bearer".parse().unwrap(), &"3".parse().unwrap())
    );

    let seen = answer(builder().status(500), "connect to db.internal\r\nfailed").await;
    assert!(!seen.json().to_string().contains("db.internal"));
    assert!(seen.reason().starts_with("connect to db.internal") && !seen.reason().contains('\n'));
    assert_eq!(seen.events[0].detail()["status"], 500);
}

#[tokio::test]
async fn all_other_answers_pass_as_they_are() {
    for (status, media, body) in [
        (200, "text/plain", "fine"),
        (404, "application/problem+json", "{\"title\":\"own\"}"),
        (422, "application/json", "{\"errors\":[]}"),
        (500, "text/html; charset=utf-8", "<h1>own page</h1>"),
        (302, "text/plain", "go"),
    ] {
        let seen = answer(
            Response::builder()
                .status(status)
                .header(CONTENT_TYPE, media)
                .header("x-own", "1"),
            body,
        )
        .await;
        assert_eq!((seen.status.as_u16(), &*seen.body), (status, body));
        assert_eq!(
            (&seen.headers[CONTENT_TYPE], &seen.headers["x-own"]),
            (&media.parse().unwrap(), &"1".parse().unwrap())
        );
    }
    let off = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(
            Response::builder()
                .status(404)
                .body(Full::new(Bytes::from("x")))
                .unwrap(),
        )
    });
    assert_eq!(
        drive(ErrorLayer::new().enabled(false), off, Request::new(()))
            .await
            .body,
        "x"
    );
}

/// A problem that was negotiated to plain text is no foreign answer.
#[tokio::test]
async fn problems_in_other_forms_are_known() {
    let service = service_fn(|request: Request<()>| {
        let problem = Problem::new(StatusCode::FORBIDDEN).with_detail("because");
        std::future::ready(Ok::<_, Infallible>(
            problem.respond(request.headers()).map(Full::new),
        ))
    });
    let request = Request::builder()
        .header("accept", "text/plain")
        .body(())
        .unwrap();
    assert!(
        drive(ErrorLayer::new(), service, request)
            .await
            .body
            .contains("because")
    );
}

#[tokio::test]
async fn the_form_is_what_the_caller_prefers_and_head_has_no_body() {
    let html = Request::builder()
        .header("accept", "text/html")
        .body(())
        .unwrap();
    let seen = answer_to(html, Response::builder().status(404), "").await;
    assert!(seen.body.contains("<h1>404"));
    let head = Request::builder().method(Method::HEAD).body(()).unwrap();
    let seen = answer_to(head, Response::builder().status(404), "").await;
    let get = answer(Response::builder().status(404), "").await;
    assert_eq!((&*seen.body, seen.status), ("", StatusCode::NOT_FOUND));
    assert_eq!(seen.headers[CONTENT_LENGTH], get.body.len().to_string());
}

#[tokio::test]
async fn a_handlers_error_reaches_the_trail_and_not_the_caller() {
    let service = service_fn(|_: Request<()>| {
        let error = HandlerError::from(outer());
        std::future::ready(Ok::<_, Infallible>(
            error.respond(&http::HeaderMap::new()).map(Full::new),
        ))
    });
    let seen = drive(ErrorLayer::new(), service, Request::new(())).await;
    assert_eq!(
        (seen.status, seen.events.len()),
        (StatusCode::INTERNAL_SERVER_ERROR, 1)
    );
    assert!(!seen.json().to_string().contains("ann"));
    assert!(seen.reason().contains("user ann failed: disk"));
    let text = Request::builder()
        .header("accept", "text/plain")
        .body(())
        .unwrap();
    assert!(
        drive(ErrorLayer::new(), service, text)
            .await
            .body
            .starts_with("500 ")
    );
}

#[test]
fn question_mark_keeps_what_is_an_answer_already() {
    fn cleaned() -> Result<(), HandlerError> {
        crate::HtmlPolicy::comment().clean(&"<div>".repeat(500))?;
        Ok(())
    }
    fn refused() -> Result<(), HandlerError> {
        Err(Problem::new(StatusCode::CONFLICT))?
    }
    let error = cleaned().unwrap_err();
    assert_eq!(
        (error.problem().status(), error.cause().is_none()),
        (StatusCode::UNPROCESSABLE_ENTITY, true)
    );
    assert_eq!(refused().unwrap_err().problem().status(), 409);
    let teapot = HandlerError::with_problem(Problem::new(StatusCode::IM_A_TEAPOT), outer());
    assert_eq!(teapot.problem().status(), 418);
    assert!(teapot.cause().unwrap().chain().contains("disk"));
}

#[test]
fn cause_chains_end() {
    #[derive(Debug, thiserror::Error)]
    #[error("level {0}")]
    struct Level(usize, #[source] Option<Box<Level>>);
    let deep = (0..100)
        .fold(None, |inner, n| Some(Box::new(Level(n, inner))))
        .unwrap();
    let chain = HandlerError::new(*deep).cause().unwrap().chain().to_owned();
    assert_eq!(chain.matches("level").count(), 8);
    // `#[error(transparent)]`-like wrappers repeat their source.
    let io = std::io::Error::other(std::io::Error::other("once"));
    assert_eq!(HandlerError::new(io).cause().unwrap().chain(), "once");
}

/// The layer may not read what passes: a body that fails when polled passes unpolled.
#[tokio::test]
async fn successful_bodies_are_not_read() {
    struct Untouchable;
    impl http_body::Body for Untouchable {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            panic!("polled")
        }
    }
    let service =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Untouchable)) });
    let answered = ErrorLayer::new()
        .layer(service)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(answered.status(), 200);
}

/// A future that panics once more when it is dropped.
#[tokio::test]
async fn a_panic_while_dropping_does_not_undo_the_answer() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    struct Bad(Option<Bomb>);
    impl Future for Bad {
        type Output = Result<Answer, Infallible>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            assert!(self.0.is_none(), "first");
            Poll::Pending
        }
    }
    let service = service_fn(|_: Request<()>| Bad(Some(Bomb)));
    let seen = drive(ErrorLayer::new(), service, Request::new(())).await;
    assert_eq!((seen.status.as_u16(), seen.reason()), (500, "first"));
}
