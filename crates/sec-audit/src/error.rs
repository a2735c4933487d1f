//! What can go wrong, by who can do something about it.

use std::borrow::Cow;

use http::StatusCode;
use sec_core::Problem;

/// A setting that cannot be used. Found when the trail is made, never later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigError {
    field: &'static str,
    reason: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }

    pub(crate) fn empty_key(name: &str) -> Self {
        Self::new(
            "mask_keys",
            format!("{name:?} holds no letter, so it would match every name"),
        )
    }

    pub(crate) fn within(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// The path of the setting inside [`AuditConfig`](crate::AuditConfig), for example `max_bytes`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What is wrong with it, without the field's name.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What is wrong with a query; see [`QueryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// A parameter of this name does not exist.
    UnknownParameter,
    /// The same parameter stands there twice.
    Repeated,
    /// The value cannot be read, or is out of range.
    InvalidValue,
    /// The cursor was changed, or belongs to another query or another trail.
    InvalidCursor,
    /// Another tenant's entries were asked for.
    ForeignTenant,
}

/// A query that cannot be answered as it was asked. Becomes a 400 problem that names the parameter (403
/// for a foreign tenant).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {reason}")]
pub struct QueryError {
    kind: QueryErrorKind,
    parameter: String,
    reason: Cow<'static, str>,
}

impl QueryError {
    pub(crate) fn new(
        kind: QueryErrorKind,
        parameter: &str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        // The name may come from the address bar: it goes into an answer and perhaps into a log.
        let parameter = sec_core::text::log_safe(parameter, 64).into_owned();
        Self {
            kind,
            parameter,
            reason: reason.into(),
        }
    }

    pub(crate) fn invalid(parameter: &str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QueryErrorKind::InvalidValue, parameter, reason)
    }

    pub(crate) fn cursor(reason: &'static str) -> Self {
        Self::new(QueryErrorKind::InvalidCursor, "cursor", reason)
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> QueryErrorKind {
        self.kind
    }

    /// The parameter's name, safe to print.
    #[must_use]
    pub fn parameter(&self) -> &str {
        &self.parameter
    }
}

impl From<&QueryError> for Problem {
    fn from(error: &QueryError) -> Self {
        let problem = match error.kind {
            QueryErrorKind::ForeignTenant => Self::new(StatusCode::FORBIDDEN),
            _ => Self::typed(
                "malformed-input",
                StatusCode::BAD_REQUEST,
                "The input could not be read",
            ),
        };
        problem
            .with_detail(error.to_string())
            .with("parameter", error.parameter.clone())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::from(&error)
    }
}

/// A store that could not answer.
#[derive(Debug, thiserror::Error)]
#[error("the audit store failed: {0}")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps a backend's error.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl From<&StoreError> for Problem {
    /// 503: the caller learns nothing of the store.
    fn from(_: &StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// Why a page or an export could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The question was wrong.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<&AuditError> for Problem {
    fn from(error: &AuditError) -> Self {
        match error {
            AuditError::Query(error) => error.into(),
            AuditError::Store(error) => error.into(),
        }
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        Self::from(&error)
    }
}
