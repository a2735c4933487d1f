//! A layer that is for a part of the service.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sec_core::PathRules;

use super::*;

fn layer() -> ErrorLayer {
    let paths = PathRules::all().include("/api").unwrap();
    ErrorLayer::new().paths(paths.exclude("/api/grpc").unwrap())
}

/// A request as it is inside of a nested router: only the context has the whole path.
fn request(path: &str) -> Request<()> {
    let mut request = Request::get("/cut").body(()).unwrap();
    let context = RequestContext::builder().path(path).build();
    request.extensions_mut().insert(context);
    request
}

async fn is_problem(request: Request<()>) -> bool {
    let bare = service_fn(|_: Request<()>| async {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::NOT_FOUND;
        Ok::<_, Infallible>(answer)
    });
    let answer = layer().layer(bare).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    answer.headers().contains_key(CONTENT_TYPE)
}

#[tokio::test]
async fn the_layer_keeps_to_its_paths() {
    for (path, applies) in [
        ("/api", true),
        ("/api/items", true),
        ("/api/grpc", false),
        ("/api/grpc/Greeter", false),
        ("/apix", false),
        ("/", false),
        // What could be another path gets the layer.
        ("/api/grpc/../items", true),
        ("/api/grpc/%2e%2e/items", true),
        ("//elsewhere", true),
    ] {
        assert_eq!(is_problem(request(path)).await, applies, "{path}");
        // Without a context the request's own path is all there is.
        let bare = Request::get(path).body(()).unwrap();
        assert_eq!(is_problem(bare).await, applies, "{path} without a context");
    }
}

#[tokio::test]
async fn elsewhere_it_is_as_if_it_were_off() {
    let late = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        if true {
            panic!("nobody catches it");
        }
        Ok::<Answer, Infallible>(Answer::default())
    });
    let caught = |path| {
        let answer = layer().layer(late).oneshot(request(path));
        AssertUnwindSafe(answer).catch_unwind()
    };
    let inside = caught("/api").await.unwrap().unwrap();
    assert_eq!(inside.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(caught("/api/grpc").await.is_err(), "the panic passes");

    // An error is answered all the same: the service's type has none.
    let failing = service_fn(|_: Request<()>| async { Err::<Answer, _>(outer()) });
    let answer = layer().layer(failing).oneshot(request("/api/grpc")).await;
    assert_eq!(answer.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
}
