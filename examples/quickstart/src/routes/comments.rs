//! Reading is for all, writing for those who are known, deleting by the matrix of roles.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response, Result};
use sec_core::{EventKind, Problem, RequestContext};
use sec_sanitize::{FieldError, InputError, InputRefusal, Valid};
use sec_tokens::Auth;
use serde::Deserialize;
use validator::Validate;

use crate::app::App;
use crate::comments::Comment;

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    #[validate(length(min = 1, max = 2_000))]
    body: String,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// The id of a comment: what is older follows.
    before: Option<u64>,
}

/// Newest first, fifty at a time.
pub async fn list(
    State(app): State<Arc<App>>,
    Valid(Query(from)): Valid<Query<Before>>,
) -> Json<Vec<Comment>> {
    Json(app.comments.page(from.before, 50))
}

pub async fn create(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    who: Auth,
    Valid(Json(form)): Valid<Json<NewComment>>,
) -> Result<Response> {
    app.permissions
        .authorize(&ctx, "comment", "create", None)
        .await?;
    let body = app
        .input
        .comment()
        .clean(&form.body)
        .map_err(Problem::from)?;
    if body.as_str().trim().is_empty() {
        let empty = FieldError::new("/body", "empty")
            .with_detail("Nothing is left of it that may be shown.");
        return Err(InputRefusal::report(InputError::Invalid(vec![empty]), &ctx).into());
    }
    let author = app
        .users
        .by_id(who.subject())
        .ok_or(Problem::new(StatusCode::UNAUTHORIZED))?;
    let comment = app.comments.add(&author.id, &author.name, body);
    let _ = ctx.emit(
        ctx.event(EventKind::RESOURCE_CREATED)
            .with_entity("comment", comment.id.to_string()),
    );
    Ok((StatusCode::CREATED, Json(comment)).into_response())
}

pub async fn remove(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    Path(id): Path<u64>,
) -> Result<StatusCode> {
    let comment = app.comments.get(id);
    // First whether one may, then whether it is there: who may not, learns nothing.
    let owner = comment.as_ref().map(|comment| comment.owner.as_str());
    app.permissions
        .authorize(&ctx, "comment", "delete", owner)
        .await?;
    if !app.comments.remove(id) {
        return Err(Problem::new(StatusCode::NOT_FOUND).into());
    }
    let _ = ctx.emit(
        ctx.event(EventKind::RESOURCE_DELETED)
            .with_entity("comment", id.to_string()),
    );
    Ok(StatusCode::NO_CONTENT)
}
