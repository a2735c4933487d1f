//! One entry for each request.

mod flight;
mod future;
mod layer;
mod service;
mod settings;
#[cfg(test)]
mod tests;

use http::StatusCode;
use sec_core::{Outcome, Severity};

pub use self::future::RequestLogFuture;
pub use self::layer::RequestLogLayer;
pub use self::service::RequestLog;

/// How much an answer matters: 5xx is high, 401, 403 and 429 are medium (somebody is not let in), all others low.
#[must_use]
pub fn severity_of(status: StatusCode) -> Severity {
    match status.as_u16() {
        500.. => Severity::High,
        401 | 403 | 429 => Severity::Medium,
        _ => Severity::Low,
    }
}

/// How a request with this answer ended: 4xx and 5xx are failures.
#[must_use]
pub fn outcome_of(status: StatusCode) -> Outcome {
    if status.as_u16() < 400 {
        Outcome::Success
    } else {
        Outcome::Failure
    }
}
