//! What a handler returns when it fails.

use std::any::Any;
use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use sec_core::{MissingLayer, NotRecorded, Problem};

use super::cause::ErrorCause;
use crate::html::BudgetError;
use crate::json::InputError;

/// An error of a handler: a problem for the caller, and the cause for the trail.
///
/// `?` turns any error into a 500 problem without a word of the cause. The family's own errors that are problems
/// already ([`Problem`], [`InputError`], [`BudgetError`], `MissingLayer`, `NotRecorded`) stay what they are.
///
/// ```
/// use sec_sanitize::{HandlerError, HtmlPolicy};
///
/// fn save(text: &str) -> Result<(), HandlerError> {
///     let html = HtmlPolicy::comment().clean(text)?; // 413 or 422
///     std::fs::write("/nonexistent/comments.html", html.as_str())?; // 500
///     Ok(())
/// }
///
/// let error = save("hello").unwrap_err();
/// assert_eq!(error.problem().status(), 500);
/// assert!(error.cause().unwrap().chain().contains("No such file"));
/// let answer = error.respond(&http::HeaderMap::new());
/// assert!(!String::from_utf8_lossy(answer.body()).contains("No such file"));
/// ```
///
/// Like `anyhow::Error`, it does not implement [`Error`] itself.
pub struct HandlerError(Box<Parts>);

struct Parts {
    problem: Problem,
    cause: Option<ErrorCause>,
}

impl HandlerError {
    /// A 500 problem outside, the error and its sources in the trail.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::with_problem(Problem::new(StatusCode::INTERNAL_SERVER_ERROR), cause)
    }

    /// The given problem outside, the error and its sources in the trail.
    pub fn with_problem(problem: Problem, cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(Parts {
            problem,
            cause: Some(ErrorCause::new(&cause)),
        }))
    }

    /// What the caller will see.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// What the trail will hold; none if the problem says all.
    #[must_use]
    pub fn cause(&self) -> Option<&ErrorCause> {
        self.0.cause.as_ref()
    }

    /// The answer, with the cause in its extensions.
    #[must_use]
    pub fn respond(self, request_headers: &HeaderMap) -> Response<Bytes> {
        let mut response = self.0.problem.respond(request_headers);
        if let Some(cause) = self.0.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        match as_problem(&error) {
            Some(problem) => Self(Box::new(Parts {
                problem,
                cause: None,
            })),
            None => Self::new(error),
        }
    }
}

/// The family's errors that are answers.
fn as_problem(error: &dyn Any) -> Option<Problem> {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return Some(problem.clone());
    }
    let input = error.downcast_ref::<InputError>().map(Problem::from);
    let budget = || error.downcast_ref::<BudgetError>().map(Problem::from);
    let layer = || error.downcast_ref::<MissingLayer>().map(Problem::from);
    let record = || error.downcast_ref::<NotRecorded>().map(Problem::from);
    input.or_else(budget).or_else(layer).or_else(record)
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("problem", &self.0.problem)
            .field("cause", &self.0.cause)
            .finish()
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for HandlerError {
    fn into_response(self) -> axum::response::Response {
        self.respond(&HeaderMap::new()).map(axum::body::Body::from)
    }
}
