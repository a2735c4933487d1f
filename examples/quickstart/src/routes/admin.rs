//! The audit trail, for administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response, Result};
use sec_audit::{AuditQuery, ExportQuery};
use sec_core::{Problem, RequestContext};
use sec_tokens::RequireRole;
use sec_tokens::roles::Admin;

use crate::app::App;

pub async fn audit(
    State(app): State<Arc<App>>,
    _: RequireRole<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let query = AuditQuery::parse(&query.unwrap_or_default()).map_err(Problem::from)?;
    let page = app.trail.query(&query).await.map_err(Problem::from)?;
    Ok(page.respond().map(Body::from))
}

/// The export leaves entries of its own.
pub async fn export(
    State(app): State<Arc<App>>,
    _: RequireRole<Admin>,
    ctx: RequestContext,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let query = ExportQuery::parse(&query.unwrap_or_default()).map_err(Problem::from)?;
    Ok(app
        .trail
        .export(&query, &ctx)
        .into_response()
        .map(Body::new)
        .into_response())
}
