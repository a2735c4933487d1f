//! What can go wrong with passwords.

use http::{HeaderValue, StatusCode, header};
use sec_core::Problem;

/// A fault in how [`Passwords`](super::Passwords) or a [`PasswordPolicy`](super::PasswordPolicy) is
/// set up; met at start, never while serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PasswordConfigError {
    kind: PasswordConfigErrorKind,
}

impl PasswordConfigError {
    /// What exactly is wrong.
    #[must_use]
    pub fn kind(&self) -> PasswordConfigErrorKind {
        self.kind
    }
}

impl From<PasswordConfigErrorKind> for PasswordConfigError {
    fn from(kind: PasswordConfigErrorKind) -> Self {
        Self { kind }
    }
}

/// The kinds of [`PasswordConfigError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordConfigErrorKind {
    /// Below every row of OWASP's minima.
    #[error(
        "too weak: at least 47104 KiB with 1 pass, 19456 with 2, 12288 with 3, 9216 with 4 or 7168 with 5"
    )]
    TooWeak,
    /// Above the ceiling, or no lanes.
    #[error("at most 262144 KiB, 10 passes and 16 lanes, and at least 8 KiB for each lane")]
    CostOutOfRange,
    /// A pepper under 16 bytes.
    #[error("a pepper has at least 16 bytes")]
    PepperTooShort,
    /// No hash could ever run.
    #[error("at least 1 and at most 1024 hashes at a time")]
    Concurrency,
    /// A policy whose bounds make no sense.
    #[error("length bounds must satisfy 1 <= minimum <= maximum <= 256")]
    PolicyBounds,
}

/// Why no answer about a password could be given.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct PasswordError {
    kind: PasswordErrorKind,
}

impl PasswordError {
    /// What exactly went wrong.
    #[must_use]
    pub fn kind(&self) -> PasswordErrorKind {
        self.kind
    }
}

impl From<PasswordErrorKind> for PasswordError {
    fn from(kind: PasswordErrorKind) -> Self {
        Self { kind }
    }
}

/// The kinds of [`PasswordError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordErrorKind {
    /// As many hashes as allowed are running and as many as allowed are waiting. A 503 with
    /// `Retry-After`.
    #[error("too many passwords are being hashed")]
    Busy,
    /// The password has more than 1024 bytes. A 422.
    #[error("the password has more than 1024 bytes")]
    TooLong,
    /// No memory for a hash. A 503 with `Retry-After`.
    #[error("no memory to hash a password")]
    OutOfMemory,
    /// Called outside of a Tokio runtime, or the work died. A 500.
    #[error("hashing failed")]
    Failed,
}

impl From<&PasswordError> for Problem {
    fn from(error: &PasswordError) -> Self {
        match error.kind {
            PasswordErrorKind::Busy | PasswordErrorKind::OutOfMemory => {
                Problem::typed("busy", StatusCode::SERVICE_UNAVAILABLE, "Too busy")
                    .with_detail("Too many log-ins at once. Try again shortly.")
                    .with_header(header::RETRY_AFTER, HeaderValue::from_static("2"))
            }
            PasswordErrorKind::TooLong => Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
                .with_detail("The password must have at most 1024 bytes."),
            PasswordErrorKind::Failed => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        Self::from(&error)
    }
}
