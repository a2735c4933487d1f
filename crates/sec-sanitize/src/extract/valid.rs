//! axum's extractors.

use axum::extract::{Form, FromRequest, FromRequestParts, Json, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;
use validator::Validate;

use super::{InputRefusal, read_form, read_json, read_query};
use crate::json::{InputError, JsonLimits};

/// An extractor that lets only valid values through: `Valid<Json<T>>`, `Valid<Form<T>>`, `Valid<Query<T>>`.
///
/// `T` is `serde::Deserialize` and `validator::Validate`; unknown fields are refused when it has
/// `#[serde(deny_unknown_fields)]`. axum's own readers are not used: see [`read_json`], [`read_form`], [`read_query`].
/// The limits are those of the [`JsonLimits`] in the request's extensions, else the default (axum's own
/// `DefaultBodyLimit` is not asked).
///
/// ```
/// use axum::{Json, Router, routing::post};
/// use sec_sanitize::{Valid, rules};
///
/// #[derive(serde::Deserialize, validator::Validate)]
/// #[serde(deny_unknown_fields)]
/// struct SignUp {
///     username: rules::Username,
///     email: rules::EmailAddress,
///     password: rules::NewPassword,
/// }
///
/// async fn sign_up(Valid(Json(form)): Valid<Json<SignUp>>) -> String {
///     format!("Welcome, {}", form.username)
/// }
///
/// let app: Router = Router::new().route("/auth/signup", post(sign_up));
/// ```
///
/// What is refused is answered with 415, 413, 400 or 422 and a problem; the last has `errors`, one entry per
/// field with `pointer`, `code` and `detail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "an extractor is taken apart by its pattern"
)]
pub struct Valid<E>(pub E);

/// The answer to an input that was not taken.
#[derive(Debug)]
pub struct InputRejection(http::Response<Bytes>);

impl InputRejection {
    fn new(error: InputError, parts: &Parts) -> Self {
        Self(InputRefusal::respond(error, parts.into()))
    }
}

impl IntoResponse for InputRejection {
    fn into_response(self) -> Response {
        self.0.map(axum::body::Body::from)
    }
}

fn limits(parts: &Parts) -> JsonLimits {
    parts.extensions.get().copied().unwrap_or_default()
}

impl<T, S> FromRequest<S> for Valid<Json<T>>
where
    T: DeserializeOwned + Validate,
    S: Send + Sync,
{
    type Rejection = InputRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, InputRejection> {
        let (parts, body) = request.into_parts();
        match read_json(&parts.headers, body, &limits(&parts)).await {
            Ok(value) => Ok(Self(Json(value))),
            Err(error) => Err(InputRejection::new(error, &parts)),
        }
    }
}

impl<T, S> FromRequest<S> for Valid<Form<T>>
where
    T: DeserializeOwned + Validate,
    S: Send + Sync,
{
    type Rejection = InputRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, InputRejection> {
        let (parts, body) = request.into_parts();
        match read_form(&parts.headers, body, &limits(&parts)).await {
            Ok(value) => Ok(Self(Form(value))),
            Err(error) => Err(InputRejection::new(error, &parts)),
        }
    }
}

impl<T, S> FromRequestParts<S> for Valid<Query<T>>
where
    T: DeserializeOwned + Validate,
    S: Send + Sync,
{
    type Rejection = InputRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, InputRejection> {
        match read_query(parts.uri.query(), &limits(parts)) {
            Ok(value) => Ok(Self(Query(value))),
            Err(error) => Err(InputRejection::new(error, parts)),
        }
    }
}
