//! The limits, for administrators: what they count, and who is blocked.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Result;
use sec_core::{AddrGrouping, EventKind, Problem, RequestContext};
use sec_ratelimit::Subject;
use sec_sanitize::{FieldError, InputError, InputRefusal, Valid};
use sec_tokens::RequireRole;
use sec_tokens::roles::Admin;
use serde::Deserialize;
use serde_json::Value;
use validator::Validate;

use crate::app::App;

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewBlock {
    /// An address, or a network as the overview shows it.
    address: String,
    /// `"10m"`, or seconds.
    #[serde(rename = "for", with = "sec_core::duration")]
    length: Duration,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    address: String,
}

pub async fn overview(State(app): State<Arc<App>>, _: RequireRole<Admin>) -> Json<Value> {
    Json(app.limits.overview())
}

/// Blocks by hand, for this time from now, whatever was before.
pub async fn block(
    State(app): State<Arc<App>>,
    _: RequireRole<Admin>,
    ctx: RequestContext,
    Valid(Json(form)): Valid<Json<NewBlock>>,
) -> Result<StatusCode> {
    let who = subject(&form.address).map_err(|fault| refused(&ctx, fault))?;
    // Without `[limits.address.ban]` in the file there are no blocks.
    let bans = app
        .limits
        .bans()
        .ok_or(Problem::new(StatusCode::NOT_FOUND))?;
    bans.block(&who, form.length)
        .map_err(|error| refused(&ctx, error.to_string()))?;
    let event = ctx
        .event(EventKind::BLOCK_STARTED)
        .with_reason("by hand")
        .with_entity("address", form.address)
        .with_detail("seconds", form.length.as_secs());
    let _ = ctx.emit(event);
    Ok(StatusCode::CREATED)
}

/// Lifts a block, and forgets the refusals that led to it.
pub async fn lift(
    State(app): State<Arc<App>>,
    _: RequireRole<Admin>,
    ctx: RequestContext,
    Valid(Query(form)): Valid<Query<Blocked>>,
) -> Result<StatusCode> {
    let who = subject(&form.address).map_err(|fault| refused(&ctx, fault))?;
    let bans = app
        .limits
        .bans()
        .ok_or(Problem::new(StatusCode::NOT_FOUND))?;
    let lifted = bans
        .unblock(&who)
        .map_err(|error| refused(&ctx, error.to_string()))?;
    if !lifted {
        return Err(Problem::new(StatusCode::NOT_FOUND).into());
    }
    let event = ctx
        .event(EventKind::BLOCK_ENDED)
        .with_reason("by hand")
        .with_entity("address", form.address);
    let _ = ctx.emit(event);
    Ok(StatusCode::NO_CONTENT)
}

/// `203.0.113.7`, `203.0.113.7/32` or `2001:db8::/64`.
fn subject(text: &str) -> Result<Subject<'static>, String> {
    let wrong = || "is neither an address nor a network".to_owned();
    let Some((address, bits)) = text.split_once('/') else {
        let address: IpAddr = text.parse().map_err(|_| wrong())?;
        return Ok(Subject::of(address));
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = bits.parse().map_err(|_| wrong())?;
    let grouping = if address.is_ipv4() {
        AddrGrouping::new(bits, 64)
    } else {
        AddrGrouping::new(32, bits)
    };
    let grouping = grouping.map_err(|error| error.to_string())?;
    Ok(Subject::of(grouping.group(address)))
}

fn refused(ctx: &RequestContext, fault: String) -> InputRefusal {
    let error = FieldError::new("/address", "invalid").with_detail(fault);
    InputRefusal::report(InputError::Invalid(vec![error]), ctx)
}
