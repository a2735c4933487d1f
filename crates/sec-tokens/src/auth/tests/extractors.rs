//! The extractors for axum.

use axum_core::{extract::FromRequestParts, response::IntoResponse};

use super::*;
use crate::auth::roles::{Admin, User};

async fn status<E>(bench: &Bench) -> u16
where
    E: FromRequestParts<(), Rejection = AuthRejection>,
{
    let accept = [(header::ACCEPT, "text/plain")];
    let (mut parts, ()) = bench.request(&accept).into_parts();
    match E::from_request_parts(&mut parts, &()).await {
        Ok(_) => 200,
        Err(rejection) => {
            let response = rejection.into_response();
            let plain = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert!(plain.starts_with("text/plain"), "{plain}");
            response.status().as_u16()
        }
    }
}

#[tokio::test]
async fn they_read_the_cell_and_nothing_else() {
    let bench = bench();
    assert_eq!(status::<Auth>(&bench).await, 500);
    assert_eq!(status::<MaybeAuth>(&bench).await, 500);
    assert_eq!(status::<RequireRole<User>>(&bench).await, 500);
    bench.ctx.identify(Identity::Anonymous);
    assert_eq!(status::<Auth>(&bench).await, 401);
    assert_eq!(status::<MaybeAuth>(&bench).await, 200);
    assert_eq!(status::<RequireRole<User>>(&bench).await, 401);
    bench
        .ctx
        .identify(Principal::new("alice", AuthMethod::BearerToken).with_role("user"));
    assert_eq!(status::<Auth>(&bench).await, 200);
    assert_eq!(status::<RequireRole<User>>(&bench).await, 200);
    assert_eq!(status::<RequireRole<Admin>>(&bench).await, 403);
    assert_eq!(bench.sink.kinds(), [EventKind::ACCESS_DENIED]);
}

#[tokio::test]
async fn without_context_they_answer_500() {
    let (mut parts, ()) = Request::new(()).into_parts();
    let rejection = Auth::from_request_parts(&mut parts, &()).await.unwrap_err();
    assert_eq!(rejection.into_response().status(), 500);
}
