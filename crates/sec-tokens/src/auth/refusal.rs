//! Why somebody is turned away, and what they are told (T14).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sec_core::{MissingLayer, NotRecorded, Problem};

use crate::{
    password::{PasswordError, PasswordErrorKind},
    token::TokenErrorKind,
};

/// A refusal of anything in this crate: an RFC 9457 problem with the challenges of RFC 6750 §3.
///
/// [`kind`](Self::kind) is for the service; the caller learns the status, the problem type and the
/// challenge, and no reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRefusal {
    kind: AuthRefusalKind,
    cookie: Option<HeaderValue>,
}

/// The kinds of [`AuthRefusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthRefusalKind {
    /// No credentials where some are needed. 401 with a bare challenge.
    #[error("no credentials")]
    NoCredentials,
    /// Credentials that came twice or malformed. 400 `invalid_request`.
    #[error("malformed or repeated credentials")]
    InvalidRequest,
    /// An access token that is not believed. 401 `invalid_token`.
    #[error("access token: {0}")]
    InvalidToken(TokenErrorKind),
    /// A user name or password that is wrong. 401.
    #[error("wrong user name or password")]
    InvalidCredentials,
    /// No refresh token, or one that leads nowhere, or an earlier one. 401.
    #[error("no valid refresh token")]
    InvalidRefreshToken,
    /// Known, but not allowed. 403 `insufficient_scope`.
    #[error("not allowed")]
    InsufficientRole,
    /// Too many passwords are being hashed. 503 with `Retry-After`.
    #[error("too busy")]
    Busy,
    /// A store gave no answer. 503 with `Retry-After`.
    #[error("a store gave no answer")]
    Unavailable,
    /// What had to be on record first is not. 503.
    #[error("could not be recorded")]
    NotRecorded,
    /// A fault of the service: a missing layer, a key that fails, the development cookie in
    /// production. 500; the log says which.
    #[error("fault of the service")]
    Internal,
}

impl AuthRefusal {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> AuthRefusalKind {
        self.kind
    }

    /// The answer, in the form that the request's `Accept` asks for.
    #[must_use]
    pub fn respond(&self, request_headers: &HeaderMap) -> Response<Bytes> {
        Problem::from(self).respond(request_headers)
    }

    /// The answer sets this cookie besides.
    pub(crate) fn with_cookie(mut self, cookie: HeaderValue) -> Self {
        self.cookie = Some(cookie);
        self
    }
}

impl std::fmt::Display for AuthRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for AuthRefusal {}

impl From<AuthRefusalKind> for AuthRefusal {
    fn from(kind: AuthRefusalKind) -> Self {
        Self { kind, cookie: None }
    }
}

impl From<MissingLayer> for AuthRefusal {
    fn from(_: MissingLayer) -> Self {
        // Making the value has logged which layer is missing.
        AuthRefusalKind::Internal.into()
    }
}

impl From<NotRecorded> for AuthRefusal {
    fn from(_: NotRecorded) -> Self {
        AuthRefusalKind::NotRecorded.into()
    }
}

impl From<PasswordError> for AuthRefusal {
    fn from(error: PasswordError) -> Self {
        match error.kind() {
            PasswordErrorKind::Busy | PasswordErrorKind::OutOfMemory => AuthRefusalKind::Busy,
            PasswordErrorKind::TooLong => AuthRefusalKind::InvalidCredentials,
            PasswordErrorKind::Failed => AuthRefusalKind::Internal,
        }
        .into()
    }
}

impl From<&AuthRefusal> for Problem {
    fn from(refusal: &AuthRefusal) -> Self {
        let problem = problem(refusal.kind);
        match &refusal.cookie {
            Some(cookie) => problem.with_header(header::SET_COOKIE, cookie.clone()),
            None => problem,
        }
    }
}

impl From<AuthRefusal> for Problem {
    fn from(refusal: AuthRefusal) -> Self {
        Self::from(&refusal)
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for AuthRefusal {
    fn into_response(self) -> axum_core::response::Response {
        Problem::from(&self).into_response()
    }
}

/// RFC 6750 §3 wants at least one parameter after the scheme, and no error code where nothing was
/// presented.
const BARE: &str = r#"Bearer realm="api""#;
const INVALID_REQUEST: &str = r#"Bearer realm="api", error="invalid_request""#;
const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;
const INSUFFICIENT: &str = r#"Bearer realm="api", error="insufficient_scope""#;

fn problem(kind: AuthRefusalKind) -> Problem {
    let challenge = |problem: Problem, text: &'static str| {
        problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(text))
    };
    let later =
        |problem: Problem| problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("2"));
    match kind {
        AuthRefusalKind::NoCredentials => challenge(
            unauthorized("invalid-token", "Authentication is required"),
            BARE,
        ),
        AuthRefusalKind::InvalidRequest => challenge(
            Problem::typed(
                "invalid-request",
                StatusCode::BAD_REQUEST,
                "Malformed credentials",
            ),
            INVALID_REQUEST,
        ),
        AuthRefusalKind::InvalidToken(_) => challenge(
            unauthorized("invalid-token", "The token is not valid"),
            INVALID_TOKEN,
        ),
        AuthRefusalKind::InvalidCredentials => challenge(
            unauthorized("invalid-credentials", "Wrong user name or password"),
            BARE,
        ),
        AuthRefusalKind::InvalidRefreshToken => {
            challenge(unauthorized("invalid-token", "The session has ended"), BARE)
        }
        AuthRefusalKind::InsufficientRole => challenge(
            Problem::typed("insufficient-role", StatusCode::FORBIDDEN, "Not allowed"),
            INSUFFICIENT,
        ),
        AuthRefusalKind::Busy => later(Problem::typed(
            "busy",
            StatusCode::SERVICE_UNAVAILABLE,
            "Too busy",
        )),
        AuthRefusalKind::NotRecorded => later(Problem::typed(
            "not-recorded",
            StatusCode::SERVICE_UNAVAILABLE,
            "The action could not be recorded",
        )),
        AuthRefusalKind::Unavailable => later(Problem::new(StatusCode::SERVICE_UNAVAILABLE)),
        AuthRefusalKind::Internal => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn unauthorized(name: &str, title: &'static str) -> Problem {
    Problem::typed(name, StatusCode::UNAUTHORIZED, title)
}
