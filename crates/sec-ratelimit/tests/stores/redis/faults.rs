//! A store that is away, killed, hung or forgetful.

use std::time::{Duration, Instant};

use sec_ratelimit::{Fallback, LimitError};

use super::redis;
use super::server::Server;
use crate::ada;
use crate::outage::{PAUSE, poll_once, setup};

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
    assert_eq!(setup.states(), ["open"]);
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
