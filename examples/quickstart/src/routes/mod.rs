//! The HTTP face.

mod admin;
mod auth;
mod comments;
mod page;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use sec_headers::ReportReceiver;
use serde_json::json;

use crate::app::{App, Failure};

pub fn all(app: &Arc<App>) -> Result<Router, Failure> {
    let sign_up_limit = app.settings.limits.signup.layer()?;
    let write_limit = app.settings.limits.write.layer()?;
    let keys = app.tokens.keys().jwks_response();
    let routes = Router::new()
        .route("/", get(page::page))
        .route(
            "/auth/signup",
            post(auth::sign_up).route_layer(sign_up_limit),
        )
        .route("/auth/login", post(auth::log_in))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::log_out))
        .route("/me", get(auth::me))
        .route(
            "/comments",
            post(comments::create)
                .route_layer(write_limit)
                .get(comments::list),
        )
        .route("/comments/{id}", delete(comments::remove))
        .route("/admin/audit", get(admin::audit))
        .route("/admin/audit/export", get(admin::export))
        .route_service("/csp-report", ReportReceiver::new())
        .route(
            "/.well-known/jwks.json",
            get(async move || keys.clone().map(axum::body::Body::from)),
        )
        // Browsers ask for it by themselves.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        // What the `Valid` extractors accept.
        .layer(Extension(app.input.json()))
        .with_state(app.clone());
    Ok(routes)
}
