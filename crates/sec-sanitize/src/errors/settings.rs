//! What is caught, and which problem an error becomes.

use std::error::Error;
use std::sync::Arc;

use http::StatusCode;
use sec_core::Problem;

/// The settings of [`ErrorLayer`](super::ErrorLayer).
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) enabled: bool,
    pub(super) classify: Arc<Classify>,
}

impl Settings {
    pub(super) fn problem_for(&self, error: &(dyn Error + 'static), status: StatusCode) -> Problem {
        (self.classify)(error).unwrap_or_else(|| Problem::new(status))
    }
}

type Classify = dyn Fn(&(dyn Error + 'static)) -> Option<Problem> + Send + Sync;
