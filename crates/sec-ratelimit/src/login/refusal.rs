//! Why a log-in was not tried.

use sec_core::Problem;

use crate::{Challenge, LimitError};

/// No password was looked at.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoginRefusal {
    /// Too many failures: 429 with `Retry-After`.
    #[error(transparent)]
    Limited(Box<LimitError>),
    /// The account was guessed at too often: 403 with a challenge, whose proof belongs into the next attempt.
    #[error("a proof of work is demanded")]
    Challenge(Challenge),
}

impl From<&LoginRefusal> for Problem {
    fn from(refusal: &LoginRefusal) -> Self {
        match refusal {
            LoginRefusal::Limited(error) => Self::from(&**error),
            LoginRefusal::Challenge(challenge) => Self::from(challenge),
        }
    }
}

impl From<LoginRefusal> for Problem {
    fn from(refusal: LoginRefusal) -> Self {
        Self::from(&refusal)
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for LoginRefusal {
    fn into_response(self) -> axum::response::Response {
        Problem::from(&self).into_response()
    }
}
