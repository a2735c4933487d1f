//! Sign-up, log-in, refresh, log-out. The decisions are the crates'; what stands here joins them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response, Result};
use sec_core::{AuthMethod, EventKind, Principal, Problem, RequestContext, SecretString};
use sec_headers::clear_site_data_on_logout;
use sec_ratelimit::Proof;
use sec_sanitize::{FieldError, InputError, InputRefusal, Valid, rules};
use sec_tokens::{Auth, AuthRefusalKind, PasswordLogIn};
use serde::Deserialize;
use serde_json::json;
use validator::Validate;

use crate::app::App;
use crate::users::{AddError, User};

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    username: rules::Username,
    email: rules::EmailAddress,
    password: rules::NewPassword,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    username: String,
    password: SecretString,
    /// The answer to a challenge, when one was asked for.
    #[serde(default)]
    proof: Option<Proof>,
}

pub async fn sign_up(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    Valid(Json(form)): Valid<Json<SignUp>>,
) -> Result<Response> {
    let (name, email) = (form.username.as_str(), form.email.as_str());
    if let Err(faults) = app
        .password_policy
        .check(form.password.expose(), &[name, email])
    {
        let errors = faults
            .iter()
            .map(|fault| FieldError::new("/password", fault.code()).with_detail(fault.to_string()));
        return Err(refused(&ctx, errors.collect()).into());
    }
    let taken = || FieldError::new("/username", "taken").with_detail("This name has an account.");
    if app.users.by_name(name).is_some() {
        return Err(refused(&ctx, vec![taken()]).into());
    }
    let hash = app
        .new_passwords
        .hash(form.password.clone().into_secret())
        .await
        .map_err(Problem::from)?;
    let user = match app.users.add(name, "user", hash) {
        Ok(user) => user,
        Err(AddError::Taken) => return Err(refused(&ctx, vec![taken()]).into()),
        Err(AddError::Full) => return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE).into()),
    };
    let event = ctx
        .event(EventKind::USER_CREATED)
        .with_subject(user.name.as_str());
    if let Err(not_recorded) = ctx
        .record(event.with_entity("user", user.id.as_str()))
        .await
    {
        app.users.remove(&user.name);
        return Err(not_recorded.into());
    }
    Ok((
        StatusCode::CREATED,
        Json(json!({"id": user.id, "username": user.name})),
    )
        .into_response())
}

pub async fn log_in(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    headers: HeaderMap,
    Valid(Json(form)): Valid<Json<LogIn>>,
) -> Result<Response> {
    // Before anything costs: before the account is looked up, and before Argon2.
    let attempt = app
        .limits
        .login
        .begin(&ctx, &form.username, form.proof.as_ref())?;
    let user = app.users.by_name(&form.username);
    let account = user.as_ref().map(|user| (principal(user), &user.password));
    let claim = PasswordLogIn::new(&form.username, form.password.clone()).account(account);
    match app
        .tokens
        .log_in_with_password(&ctx, &headers, &app.passwords, claim)
        .await
    {
        Ok(logged_in) => {
            attempt.succeeded();
            if let (true, Some(user)) = (logged_in.needs_rehash, user) {
                let hash = app
                    .passwords
                    .hash(form.password)
                    .await
                    .map_err(Problem::from)?;
                app.users.set_password(&user.name, hash);
            }
            Ok(logged_in.pair.into_response())
        }
        Err(refusal) => {
            // Only a password that was looked at and found wrong counts.
            if refusal.kind() != AuthRefusalKind::InvalidCredentials {
                attempt.not_tried();
            }
            Err(refusal.into())
        }
    }
}

pub async fn refresh(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Response> {
    // The roles of today, not those of the log-in.
    let load = async |owner: sec_tokens::Owner| {
        Ok(app.users.by_id(owner.subject()).as_ref().map(principal))
    };
    Ok(app
        .tokens
        .refresh(&ctx, &headers, load)
        .await?
        .into_response())
}

pub async fn log_out(
    State(app): State<Arc<App>>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Response> {
    let mut answer = app.tokens.log_out(&ctx, &headers).await?.into_response();
    // What the browser kept of the session's pages goes as well.
    clear_site_data_on_logout(answer.headers_mut());
    Ok(answer)
}

pub async fn me(State(app): State<Arc<App>>, who: Auth) -> Result<Response> {
    let user = app
        .users
        .by_id(who.subject())
        .ok_or(Problem::new(StatusCode::NOT_FOUND))?;
    Ok(Json(json!({"id": user.id, "username": user.name, "role": user.role})).into_response())
}

fn principal(user: &User) -> Principal {
    Principal::new(user.id.as_str(), AuthMethod::Password).with_role(user.role)
}

/// What only this service can find wrong with a form looks like what the crates find.
fn refused(ctx: &RequestContext, errors: Vec<FieldError>) -> InputRefusal {
    InputRefusal::report(InputError::Invalid(errors), ctx)
}
