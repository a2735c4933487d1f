//! Where events go, and what a sink promises about them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{EventKind, SecurityEvent, Severity};

/// Takes events. Every crate of the family reports through it.
///
/// `emit` returns at once, whatever the store behind it is doing, and never panics: it runs on the request's
/// path. What the sink can promise about the event travels in the [`Receipt`].
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// Takes an event.
    fn emit(&self, event: SecurityEvent) -> Receipt;
}

impl<S: EventSink + ?Sized> EventSink for Arc<S> {
    fn emit(&self, event: SecurityEvent) -> Receipt {
        (**self).emit(event)
    }
}

/// How far an event got, in rising order of promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The sink could not take it, or did not say in time.
    Refused,
    /// The sink promises nothing (a log line).
    Unpromised,
    /// It is in the sink's bounded memory: a crash loses it.
    Enqueued,
    /// The operating system has it: a crash of the process does not lose it, a power cut may.
    Written,
    /// The storage has it: a power cut does not lose it.
    Synced,
}

/// What became of one event; costs nothing where the sink promises nothing.
#[must_use = "drop it on purpose with `let _ =`, or wait for it"]
pub struct Receipt(State);

enum State {
    Ready(Delivery),
    Pending(Pin<Box<dyn Future<Output = Delivery> + Send>>),
}

impl Receipt {
    /// A sink that promises nothing.
    pub const fn none() -> Self {
        Self::ready(Delivery::Unpromised)
    }

    /// What is known at once.
    pub const fn ready(delivery: Delivery) -> Self {
        Self(State::Ready(delivery))
    }

    /// What will be known later.
    pub fn pending(delivery: impl Future<Output = Delivery> + Send + 'static) -> Self {
        Self(State::Pending(Box::pin(delivery)))
    }

    /// Waits until the sink has said, at most for `deadline`; later counts as [`Delivery::Refused`].
    ///
    /// Needs a Tokio runtime with its timer only when the sink did not answer at once.
    pub async fn wait(self, deadline: Duration) -> Delivery {
        match self.0 {
            State::Ready(delivery) => delivery,
            State::Pending(future) => tokio::time::timeout(deadline, future)
                .await
                .unwrap_or(Delivery::Refused),
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(delivery) => write!(f, "Receipt({delivery:?})"),
            State::Pending(_) => f.write_str("Receipt(pending)"),
        }
    }
}

/// Tells events to `tracing`, target `sec`; the default where no other sink was chosen.
///
/// Every field is free of line breaks and terminal escapes. Nothing is masked: that is what an audit trail is for.
/// High and critical events are errors, medium ones warnings, low ones information.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a marker without state")]
pub struct TracingSink;

impl EventSink for TracingSink {
    fn emit(&self, event: SecurityEvent) -> Receipt {
        macro_rules! tell {
            ($level:ident) => {
                tracing::event!(
                    target: "sec",
                    tracing::Level::$level,
                    kind = event.kind().as_str(),
                    outcome = event.outcome().as_str(),
                    severity = event.severity().as_str(),
                    count = event.count(),
                    reason = event.reason(),
                    actor = event.actor().map(log_safe).as_deref(),
                    client = event.client().map(tracing::field::display),
                    request_id = event.request_id(),
                    method = event.method(),
                    path = event.path().map(log_safe).as_deref(),
                    detail = (!event.detail().is_empty()).then(|| tracing::field::display(serde_json::Value::from(event.detail().clone()))),
                    "security event"
                )
            };
        }
        match event.severity() {
            Severity::Low => tell!(INFO),
            Severity::Medium => tell!(WARN),
            Severity::High | Severity::Critical => tell!(ERROR),
        }
        Receipt::none()
    }
}

fn log_safe(text: &str) -> std::borrow::Cow<'_, str> {
    crate::text::log_safe(text, 256)
}

/// Keeps every event, for tests. Unbounded: not for a service.
#[derive(Debug, Default)]
pub struct CollectingSink(Mutex<Vec<SecurityEvent>>);

impl CollectingSink {
    /// An empty one, behind the pointer that layers ask for.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What has come so far.
    #[must_use]
    pub fn events(&self) -> Vec<SecurityEvent> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The kinds of what has come so far.
    #[must_use]
    pub fn kinds(&self) -> Vec<EventKind> {
        self.events()
            .iter()
            .map(|event| event.kind().clone())
            .collect()
    }

    /// Forgets what has come.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl EventSink for CollectingSink {
    fn emit(&self, event: SecurityEvent) -> Receipt {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
        Receipt::ready(Delivery::Enqueued)
    }
}

/// Gives each event to several sinks. The receipt is the first sink's: put the one that must not lose
/// anything first.
#[derive(Debug, Clone)]
pub struct FanOut {
    first: Arc<dyn EventSink>,
    others: Vec<Arc<dyn EventSink>>,
}

impl FanOut {
    /// Begins with the sink whose promise counts.
    #[must_use]
    pub fn new(first: Arc<dyn EventSink>) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// Adds a sink whose receipts are dropped.
    #[must_use]
    pub fn and(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.others.push(sink);
        self
    }
}

impl EventSink for FanOut {
    fn emit(&self, event: SecurityEvent) -> Receipt {
        for sink in &self.others {
            let _ = sink.emit(event.clone());
        }
        self.first.emit(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, ManualClock};

    fn event() -> SecurityEvent {
        SecurityEvent::new(EventKind::STARTED, &*ManualClock::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_receipt_that_is_late_counts_as_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Receipt::none().wait(second).await, Delivery::Unpromised);
        let soon = Receipt::pending(async { Delivery::Synced });
        assert_eq!(soon.wait(second).await, Delivery::Synced);
        let never = Receipt::pending(std::future::pending());
        assert_eq!(never.wait(second).await, Delivery::Refused);
    }

    #[test]
    fn promises_are_ordered() {
        assert!(Delivery::Synced > Delivery::Written);
        assert!(Delivery::Written > Delivery::Enqueued);
        assert!(Delivery::Enqueued > Delivery::Unpromised);
        assert!(Delivery::Unpromised > Delivery::Refused);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_default_sink_writes_one_line_whatever_the_caller_claims() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let forged = event()
                .with_subject("ada\n2026-01-01 INFO all is well\x1b[2J")
                .with_severity(Severity::High);
            let _ = TracingSink.emit(forged.with_detail("note", "a\nb"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("ERROR") && text.contains("sys_startup") && !text.contains('\x1b'),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_fan_out_answers_for_its_first_sink() {
        let (first, second) = (CollectingSink::new(), CollectingSink::new());
        let both = FanOut::new(first.clone())
            .and(second.clone())
            .and(Arc::new(TracingSink));
        let receipt = both.emit(event());
        assert_eq!(receipt.wait(Duration::ZERO).await, Delivery::Enqueued);
        assert_eq!(first.events()[0].id(), second.events()[0].id());
        first.clear();
        assert!(first.kinds().is_empty());
        assert_eq!(second.kinds(), [EventKind::STARTED]);
    }
}
