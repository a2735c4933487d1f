//! The HTTP face.

mod admin;
mod auth;
mod comments;
mod limits;
mod page;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use sec_headers::ReportReceiver;
use serde_json::json;

use crate::app::App;

pub fn all(app: &Arc<App>) -> Router {
    let limits = &app.limits;
    let keys = app.tokens.keys().jwks_response();
    Router::new()
        .route("/", get(page::page))
        .route(
            "/auth/signup",
            post(auth::sign_up).route_layer(limits.signup.clone()),
        )
        .route("/auth/login", post(auth::log_in))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::log_out))
        .route("/me", get(auth::me))
        .route(
            "/comments",
            post(comments::create)
                .route_layer(limits.write.clone())
                .get(comments::list),
        )
        .route("/comments/{id}", delete(comments::remove))
        .route("/admin/audit", get(admin::audit))
        .route(
            "/admin/audit/export",
            get(admin::export).route_layer(limits.export.clone()),
        )
        .route("/admin/limits", get(limits::overview))
        .route(
            "/admin/limits/blocks",
            post(limits::block).delete(limits::lift),
        )
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
        // By account, and watched for spikes by route.
        .layer(limits.caller.clone())
        .with_state(app.clone())
}
