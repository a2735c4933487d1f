//! What is recorded, and where to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sec_core::path::PathRules;
use sec_core::{EventSink, RequestContext, SecurityEvent};

/// The settings of [`RequestLogLayer`](super::RequestLogLayer).
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) enabled: bool,
    pub(super) sample_one_in: u32,
    pub(super) paths: PathRules,
    pub(super) sink: Option<Arc<dyn EventSink>>,
    pub(super) successes: AtomicU64,
}

impl Settings {
    pub(super) fn applies(&self, path: &str) -> bool {
        self.paths.applies(path)
    }

    /// Whether this success is the one of so many that is recorded.
    pub(super) fn takes_success(&self) -> bool {
        match self.sample_one_in {
            0 => false,
            1 => true,
            one_in => {
                let before = self.successes.fetch_add(1, Ordering::Relaxed);
                before.checked_rem(u64::from(one_in)) == Some(0)
            }
        }
    }

    pub(super) fn sampled_one_in(&self) -> Option<u32> {
        Some(self.sample_one_in).filter(|one_in| *one_in > 1)
    }

    pub(super) fn emit(&self, context: &RequestContext, event: SecurityEvent) {
        let _ = match &self.sink {
            Some(sink) => sink.emit(event),
            None => context.emit(event),
        };
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            sample_one_in: 1,
            paths: PathRules::all(),
            sink: None,
            successes: AtomicU64::new(0),
        }
    }
}
