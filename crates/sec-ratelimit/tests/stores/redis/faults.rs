//! A store that is away, killed, hung or forgetful.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sec_core::{CollectingSink, ManualClock};
use sec_ratelimit::{Fallback, Key, LimitError, Quota, SharedLimiter, SharedStore};

use super::redis;
use super::server::Server;
use crate::{HOUR, ada, secret};

const PAUSE: Duration = Duration::from_secs(1);

struct Setup {
    limiter: SharedLimiter,
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
}

/// A limit of ten, three failures to open the breaker, and a deadline for a busy machine.
fn setup(store: Arc<dyn SharedStore>, fallback: Fallback) -> Setup {
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
    fn states(&self) -> Vec<String> {
        let events = self.sink.events();
        let state = |event: &sec_core::SecurityEvent| {
            assert_eq!(event.kind().as_str(), "rate_limit_store");
            assert_eq!(event.detail()["limiter"], "api");
            event.detail()["state"].as_str().unwrap().to_owned()
        };
        events.iter().map(state).collect()
    }

    /// Whether the next decision is a fallback's.
    async fn is_degraded(&self) -> bool {
        self.limiter.check(ada(), 1).await.unwrap().degraded()
    }

    /// After its pause the store is asked once more.
    async fn returns(&self) {
        self.clock.advance(PAUSE);
        assert!(!self.is_degraded().await);
        assert!(!self.is_degraded().await);
        let states = self.states();
        assert_eq!(states[states.len() - 2..], ["half-open", "closed"]);
    }
}

#[tokio::test]
async fn killed_it_falls_back_to_the_stated_share_and_returns_by_itself() {
    let mut server = Server::start();
    let setup = setup(redis(&server), Fallback::Local { nodes: 5 });
    assert!(!setup.is_degraded().await);
    server.kill();
    // A fifth of ten.
    assert!(setup.is_degraded().await);
    assert!(setup.is_degraded().await);
    let refused = setup.limiter.check(ada(), 1).await.unwrap_err();
    let decision = refused.refused().unwrap().decision().clone();
    assert!(decision.degraded());
    assert_eq!(decision.limit(), 2);
    assert_eq!(setup.states(), ["open"]);

    // While it has its pause, nobody asks it, though it is back.
    server.restart();
    assert!(
        setup
            .limiter
            .check([sec_ratelimit::Subject::of("bob")], 1)
            .await
            .unwrap()
            .degraded()
    );
    setup.returns().await;
    // What the store counts now is its own: the fallback's counts are not added.
    assert_eq!(setup.limiter.peek(ada(), 1).await.unwrap().remaining(), 8);
}

#[tokio::test]
async fn a_service_starts_without_its_store() {
    let mut server = Server::absent();
    let setup = setup(redis(&server), Fallback::Open);
    for _ in 0..20 {
        assert!(setup.is_degraded().await);
    }
    server.restart();
    setup.returns().await;
}

#[tokio::test]
async fn closed_it_refuses_with_503_and_takes_nothing() {
    let mut server = Server::absent();
    let setup = setup(redis(&server), Fallback::Closed);
    for _ in 0..5 {
        let error = setup.limiter.check(ada(), 1).await.unwrap_err();
        assert!(matches!(error, LimitError::Store(_)), "{error:?}");
        let problem = sec_core::Problem::from(&error);
        assert_eq!(problem.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    }
    server.restart();
    setup.clock.advance(PAUSE);
    assert_eq!(setup.limiter.check(ada(), 1).await.unwrap().remaining(), 9);
}

#[tokio::test]
async fn hung_it_is_given_up_at_the_deadline_and_returns_by_itself() {
    let server = Server::start();
    let setup = setup(redis(&server), Fallback::Open);
    assert!(!setup.is_degraded().await);
    server.signal("-STOP");
    for _ in 0..3 {
        let started = Instant::now();
        assert!(setup.is_degraded().await);
        // The kernel would wait for minutes; the bound leaves room for a busy machine.
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(setup.states(), ["open"]);
    // A probe that hangs too begins another pause.
    setup.clock.advance(PAUSE);
    assert!(setup.is_degraded().await);
    assert_eq!(setup.states(), ["open", "half-open", "open"]);
    server.signal("-CONT");
    setup.returns().await;
}

#[tokio::test]
async fn paused_it_is_given_up_at_the_deadline() {
    let server = Server::start();
    let setup = setup(redis(&server), Fallback::Open);
    assert!(!setup.is_degraded().await);
    let () = server.ask(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    for _ in 0..3 {
        assert!(setup.is_degraded().await);
    }
    assert_eq!(setup.states(), ["open"]);
    let () = server.ask(&["CLIENT", "UNPAUSE"]);
    setup.returns().await;
}

#[tokio::test]
async fn a_flushed_script_is_brought_again_and_nothing_is_counted_twice() {
    let server = Server::start();
    let setup = setup(redis(&server), Fallback::Closed);
    for left in (5..10).rev() {
        assert_eq!(
            setup.limiter.check(ada(), 1).await.unwrap().remaining(),
            left
        );
        let () = server.ask(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(setup.states(), [""; 0]);
}

#[tokio::test]
async fn connections_that_the_server_closes_are_replaced() {
    let server = Server::start();
    let setup = setup(redis(&server), Fallback::Open);
    assert!(!setup.is_degraded().await);
    assert!(!setup.is_degraded().await);
    let () = server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // At most one request per lane meets the closed connection.
    let mut degraded = 0;
    for _ in 0..6 {
        degraded += u32::from(setup.is_degraded().await);
    }
    assert!(degraded <= 2, "{degraded}");
    assert!(!setup.is_degraded().await);
}

#[tokio::test]
async fn a_request_that_goes_away_leaves_the_connection_to_others() {
    let server = Server::start();
    let setup = setup(redis(&server), Fallback::Open);
    assert!(!setup.is_degraded().await);
    assert!(!setup.is_degraded().await);
    let connections = || -> usize {
        let clients: String = server.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
        clients.lines().count()
    };
    let before = connections();
    for _ in 0..20 {
        let mut check = Box::pin(setup.limiter.check(ada(), 0));
        // Polled once, so the command is on its way, and dropped.
        assert!(poll_once(&mut check).await.is_none());
    }
    assert!(!setup.is_degraded().await);
    assert_eq!(connections(), before);
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn what_the_fallback_took_is_settled_with_the_fallback() {
    let server = Server::absent();
    let setup = setup(redis(&server), Fallback::Local { nodes: 1 });
    let taken = setup.limiter.reserve(ada(), 7).await.unwrap();
    assert_eq!(taken.decision().remaining(), 3);
    let after = taken.refund().await.unwrap();
    assert!(after.degraded());
    assert_eq!(after.remaining(), 10);
    assert!(setup.limiter.reset(ada()).await.is_err());
}

#[tokio::test]
async fn a_refund_that_cannot_be_made_says_so() {
    let mut server = Server::start();
    let setup = setup(redis(&server), Fallback::Local { nodes: 1 });
    let taken = setup.limiter.reserve(ada(), 7).await.unwrap();
    server.kill();
    assert!(taken.refund().await.is_err());
}
