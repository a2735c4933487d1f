//! A request on its way: recorded exactly once, however it ends.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use sec_core::{BodyEnd, BodyObserver, EventKind, Outcome, RequestContext, Severity};

use super::settings::Settings;
use super::{outcome_of, severity_of};
use crate::entry::DURATION;

/// Lives in the future until the head of the answer is there, then in its body.
pub(super) struct Flight(Option<Open>);

struct Open {
    settings: Arc<Settings>,
    context: RequestContext,
    began: Duration,
    status: Option<StatusCode>,
    /// How long the body is, where that is known before it is read.
    expected: Option<u64>,
    bytes: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    BodyFailed,
    ServiceError,
    Dropped,
    Panic,
}

impl Flight {
    pub(super) fn begin(settings: Arc<Settings>, context: RequestContext) -> Self {
        let began = context.clock().monotonic();
        Self(Some(Open {
            settings,
            context,
            began,
            status: None,
            expected: None,
            bytes: 0,
        }))
    }

    /// The head is there.
    pub(super) fn answered<B: http_body::Body>(&mut self, response: &Response<B>) {
        if let Some(open) = &mut self.0 {
            open.status = Some(response.status());
            let declared = response.headers().get(CONTENT_LENGTH);
            open.expected = declared
                .and_then(|length| length.to_str().ok()?.parse().ok())
                .or_else(|| response.body().size_hint().exact());
        }
    }

    /// Records the request; the first call counts.
    pub(super) fn end(&mut self, how: End) {
        if let Some(open) = self.0.take() {
            open.record(how);
        }
    }
}

impl Open {
    fn record(self, how: End) {
        let how = if how == End::Dropped && self.is_all_sent() {
            End::Complete
        } else {
            how
        };
        let outcome = match (how, self.status) {
            (End::Complete, Some(status)) => outcome_of(status),
            _ => Outcome::Failure,
        };
        if outcome == Outcome::Success && !self.settings.takes_success() {
            return;
        }
        let severity = match how {
            End::Panic | End::ServiceError => Severity::High,
            _ => self.status.map_or(Severity::Medium, severity_of),
        };
        let duration = self.context.clock().monotonic().saturating_sub(self.began);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut event = self
            .context
            .event(EventKind::REQUEST)
            .with_severity(severity)
            .with_outcome(outcome)
            .with_detail(DURATION, micros);
        if let Some(status) = self.status {
            event = event
                .with_detail("status", status.as_u16())
                .with_detail("bytes", self.bytes);
        }
        if let Some(one_in) = self
            .settings
            .sampled_one_in()
            .filter(|_| outcome == Outcome::Success)
        {
            event = event.with_detail("sampled_one_in", one_in);
        }
        if let Some(reason) = self.reason(how) {
            event = event.with_reason(reason);
        }
        self.settings.emit(&self.context, event);
    }

    /// Whether the server had no reason to read on, so that nobody broke the answer off: it has no body (RFC 9110,
    /// section 6.4.1), or as many bytes as it announced are sent. Hyper drops a body then without asking it for its end.
    fn is_all_sent(&self) -> bool {
        self.expected.is_some_and(|expected| self.bytes >= expected)
            || self.status.is_some_and(|status| {
                status.is_informational()
                    || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
                    || self.context.method() == Method::HEAD
                    || self.context.method() == Method::CONNECT && status.is_success()
            })
    }

    fn reason(&self, how: End) -> Option<&'static str> {
        match how {
            End::Complete => None,
            End::BodyFailed => Some("the body of the answer failed"),
            End::ServiceError => Some("the service failed"),
            End::Dropped if self.status.is_some() => Some("the answer was not read to its end"),
            End::Dropped => Some("the request was dropped before it was answered"),
            End::Panic => Some("the service panicked"),
        }
    }
}

impl BodyObserver for Flight {
    fn frame(&mut self, bytes: usize) {
        if let Some(open) = &mut self.0 {
            open.bytes = open
                .bytes
                .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    fn end(&mut self, how: BodyEnd) {
        let how = match how {
            BodyEnd::Complete => End::Complete,
            BodyEnd::Failed => End::BodyFailed,
            _ if thread::panicking() => End::Panic,
            _ => End::Dropped,
        };
        Self::end(self, how);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end(if thread::panicking() {
            End::Panic
        } else {
            End::Dropped
        });
    }
}
