//! The cause of an error, on its way from the handler to the trail.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sec_core::text::log_safe;

/// Characters of one error's message in the trail.
const MESSAGE_CHARS: usize = 300;
/// Errors of a chain in the trail.
const CHAIN: usize = 8;

/// Why a handler failed. Travels in the response's extensions, never in its body.
///
/// [`ErrorLayer`](super::ErrorLayer) puts it into the audit trail. Without that layer it is written to the log
/// when the response is dropped, so that a cause is never lost without a trace.
#[derive(Clone, Debug)]
pub struct ErrorCause(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: String,
    told: AtomicBool,
}

impl ErrorCause {
    pub(super) fn new(error: &(dyn Error + 'static)) -> Self {
        Self(Arc::new(Inner {
            chain: chain(error),
            told: AtomicBool::new(false),
        }))
    }

    /// The messages of the error and of what caused it, joined by `: `, safe for a log line.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.0.chain
    }

    /// The cause has been reported; true the first time.
    pub(super) fn tell(&self) -> bool {
        !self.0.told.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.told.get_mut() {
            tracing::error!(cause = %self.chain, "a handler failed, and no sec_sanitize::ErrorLayer took the cause");
        }
    }
}

/// Joins the messages; one that repeats its source's message at its end is not told twice.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = log_safe(&error.to_string(), MESSAGE_CHARS).into_owned();
    let mut source = error.source();
    for _ in 1..CHAIN {
        let Some(error) = source else { return text };
        let message = error.to_string();
        let message = log_safe(&message, MESSAGE_CHARS);
        if !text.ends_with(&*message) {
            let _ = write!(text, ": {message}");
        }
        source = error.source();
    }
    text
}
