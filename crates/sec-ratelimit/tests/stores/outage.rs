//! What the tests of stores that fail have in common.

use std::sync::Arc;
use std::time::Duration;

use sec_core::{CollectingSink, ManualClock};
use sec_ratelimit::{Fallback, Key, Quota, SharedLimiter, SharedStore};

use crate::{HOUR, ada, secret};

pub(crate) const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Setup {
    pub(crate) limiter: SharedLimiter,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sink: Arc<CollectingSink>,
}

/// A limit of ten, three failures to open the breaker, and a deadline for a busy machine.
pub(crate) fn setup(store: Arc<dyn SharedStore>, fallback: Fallback) -> Setup {
    let (clock, sink) = (ManualClock::new(), CollectingSink::new());
    let limiter = SharedLimiter::builder("api", store, secret())
        .tier("user", Quota::per(10, HOUR), Key::given("user"))
        .on_store_error(fallback)
        .deadline(Duration::from_millis(500))
        .breaker(3, PAUSE)
        .clock(clock.clone())
        .sink(sink.clone())
        .build()
        .unwrap();
    Setup {
        limiter,
        clock,
        sink,
    }
}

impl Setup {
    pub(crate) fn states(&self) -> Vec<String> {
        let events = self.sink.events();
        let state = |event: &sec_core::SecurityEvent| {
            assert_eq!(event.kind().as_str(), "rate_limit_store");
            assert_eq!(event.detail()["limiter"], "api");
            event.detail()["state"].as_str().unwrap().to_owned()
        };
        events.iter().map(state).collect()
    }

    /// Whether the next decision is a fallback's.
    pub(crate) async fn is_degraded(&self) -> bool {
        self.limiter.check(ada(), 1).await.unwrap().degraded()
    }

    /// After its pause the store is asked once more.
    pub(crate) async fn returns(&self) {
        self.clock.advance(PAUSE);
        assert!(!self.is_degraded().await);
        assert!(!self.is_degraded().await);
        assert_eq!(self.states(), ["open", "closed"]);
    }
}

pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
