//! A store that is away, killed, hung, locked or not made yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sec_ratelimit::{
    BlockStore, Fallback, Key, LimitError, PostgresStore, Quota, SharedLimiter, StoreError, Subject,
};

use super::blocks::block;
use super::server::{Server, shared};
use super::{builder, made};
use crate::blocks::soon;
use crate::outage::{PAUSE, poll_once, setup};
use crate::{HOUR, ada, one_tier, secret};

#[tokio::test]
async fn killed_it_falls_back_to_the_stated_share_and_returns_by_itself() {
    let mut server = Server::start();
    let setup = setup(made(builder(&server)).await, Fallback::Local { nodes: 5 });
    assert!(!setup.is_degraded().await);
    server.kill();
    // A fifth of ten.
    assert!(setup.is_degraded().await);
    assert!(setup.is_degraded().await);
    let refused = setup.limiter.check(ada(), 1).await.unwrap_err();
    assert_eq!(refused.refused().unwrap().decision().limit(), 2);
    assert_eq!(setup.states(), ["open"]);

    // While it has its pause, nobody asks it, though it is back.
    server.restart();
    let bob = setup.limiter.check([Subject::of("bob")], 1).await.unwrap();
    assert!(bob.degraded());
    setup.returns().await;
    // A crash empties what is unlogged, and the fallback's counts are not added.
    assert_eq!(setup.limiter.peek(ada(), 1).await.unwrap().remaining(), 8);
}

#[tokio::test]
async fn a_clean_restart_keeps_the_counters() {
    let mut server = Server::start();
    let limiter = one_tier(made(builder(&server)).await, Quota::per(10, HOUR));
    limiter.check(ada(), 4).await.unwrap();
    server.stop();
    server.restart();
    // The connection from before may be found closed by one request.
    let mut peeked = limiter.peek(ada(), 1).await;
    if peeked.is_err() {
        peeked = limiter.peek(ada(), 1).await;
    }
    assert_eq!(peeked.unwrap().remaining(), 6);
}

#[tokio::test]
async fn a_service_starts_without_its_store() {
    let mut server = Server::absent();
    let store = Arc::new(builder(&server).build().unwrap());
    let setup = setup(store.clone(), Fallback::Open);
    for _ in 0..20 {
        assert!(setup.is_degraded().await);
    }
    assert!(store.migrate().await.is_err());
    server.restart();
    store.migrate().await.unwrap();
    setup.returns().await;
}

/// A newcomer's service whose Postgres came later had limits of its own until the next start.
#[tokio::test]
async fn the_schema_is_made_once_the_server_is_there() {
    let mut server = Server::absent();
    let store = Arc::new(builder(&server).build().unwrap());
    let setup = setup(store.clone(), Fallback::Open);
    let made = tokio::spawn(async move { store.migrate_until_done(Duration::ZERO).await });
    for _ in 0..3 {
        assert!(setup.is_degraded().await);
    }
    assert!(!made.is_finished());
    server.restart();
    made.await.unwrap();
    setup.returns().await;
}

/// A right that is missing is no wrong answer.
#[tokio::test]
async fn a_role_without_rights_is_refused() {
    let (server, name) = (shared(), super::schema_name());
    made(PostgresStore::builder(server.url()).schema(&name)).await;
    let role = format!("CREATE ROLE {name} LOGIN PASSWORD 'without-rights'");
    server.client().await.batch_execute(&role).await.unwrap();
    let url = server.url();
    let (_, address) = url.split_once('@').unwrap();
    for (password, code) in [("without-rights", "42501"), ("wrong", "28P01")] {
        let url = format!("postgres://{name}:{password}@{address}");
        let store = PostgresStore::builder(url).schema(&name).build().unwrap();
        let limiter = one_tier(Arc::new(store), Quota::per(1, HOUR));
        let error = limiter.check(ada(), 1).await.unwrap_err();
        let LimitError::Store(StoreError::Refused(why)) = &error else {
            panic!("{error:?}");
        };
        assert!(why.contains(code), "{why}");
    }
}

/// A queue for a key or for a connection would otherwise open the breaker, and take the store from everybody.
#[tokio::test]
async fn a_queue_is_no_outage() {
    let server = shared();
    let name = super::schema_name();
    // Locks go by the key, whatever the schema: the prefix keeps other tests' keys apart.
    let store = PostgresStore::builder(server.url()).schema(&name);
    let store = made(store.prefix(&name).connections(2)).await;
    let limiter = hasty(store, 3);
    limiter.check(ada(), 1).await.unwrap();
    let other = server.client().await;
    // As the decisions of many other processes do.
    let lock = format!(
        "SELECT pg_advisory_lock(('x' || left(replace(key::text, '-', ''), 16))::bit(64)::bigint) \
         FROM {name}.counters"
    );
    other.batch_execute(&lock).await.unwrap();
    // Eight wait for ada's key, two of them with all the connections, and six for a connection.
    let waiting = (0..8).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.check(ada(), 1).await })
    });
    for waits in waiting.collect::<Vec<_>>() {
        assert!(waits.await.unwrap().is_err());
    }
    limiter.check([Subject::of("bob")], 1).await.unwrap();
    assert!(limiter.store_state()[0].is_asked());
    let unlock = "SELECT pg_advisory_unlock_all()";
    other.batch_execute(unlock).await.unwrap();
    limiter.check(ada(), 1).await.unwrap();
}

/// What is missing is said by name, and until it is there the fallback decides.
#[tokio::test]
async fn a_schema_that_was_not_made_is_an_error_that_says_what_to_call() {
    let server = shared();
    let store = Arc::new(builder(&server).build().unwrap());
    let closed = one_tier(store.clone(), Quota::per(1, HOUR));
    let error = closed.check(ada(), 1).await.unwrap_err();
    let LimitError::Store(StoreError::Refused(why)) = &error else {
        panic!("{error:?}");
    };
    assert!(why.contains("call `PostgresStore::migrate`"), "{why}");
    let setup = setup(store.clone(), Fallback::Open);
    for _ in 0..3 {
        assert!(setup.is_degraded().await);
    }
    store.migrate().await.unwrap();
    setup.returns().await;
}

#[tokio::test]
async fn hung_it_is_given_up_at_the_deadline_and_returns_by_itself() {
    let server = Server::start();
    let setup = setup(made(builder(&server)).await, Fallback::Open);
    assert!(!setup.is_degraded().await);
    server.signal_all("-STOP");
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
    server.signal_all("-CONT");
    setup.returns().await;
}

/// A limiter that gives up just before the server would, on a busy machine too, and has a pause after so many failures.
fn hasty(store: Arc<PostgresStore>, failures: u32) -> SharedLimiter {
    SharedLimiter::builder("api", store, secret())
        .tier("user", Quota::per(100, HOUR), Key::given("user"))
        .on_store_error(Fallback::Closed)
        .deadline(Duration::from_millis(950))
        .breaker(failures, PAUSE)
        .remember_refusals(0, Duration::ZERO)
        .build()
        .unwrap()
}

const OURS: &str = "FROM pg_stat_activity WHERE application_name = ";

#[tokio::test]
async fn a_key_that_another_session_locks_holds_up_nobody_else() {
    let server = shared();
    let name = super::schema_name();
    let url = format!("{}?application_name={name}", server.url());
    let store = PostgresStore::builder(url).schema(&name);
    let store = made(store.prefix(&name).connections(2)).await;
    let limiter = hasty(store, u32::MAX);
    limiter.check(ada(), 1).await.unwrap();
    let other = server.client().await;
    let lock = format!("BEGIN; SELECT * FROM {name}.counters FOR UPDATE");
    other.batch_execute(&lock).await.unwrap();

    for _ in 0..4 {
        let error = limiter.check(ada(), 1).await.unwrap_err();
        assert!(
            matches!(error, LimitError::Store(StoreError::Busy(_))),
            "{error:?}"
        );
        limiter.check([Subject::of("bob")], 1).await.unwrap();
    }
    // The server cuts them off itself while the lock is still held, and no connection was lost by it.
    let waiting = format!("SELECT count(*) {OURS}'{name}' AND state = 'active'");
    let started = Instant::now();
    while server.ask_number(&waiting).await > 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "they pile up");
    }
    let open = format!("SELECT count(*) {OURS}'{name}'");
    assert!(server.ask_number(&open).await <= 2);

    other.batch_execute("ROLLBACK").await.unwrap();
    // Nothing that was cut off has counted.
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 98);
}

#[tokio::test]
async fn a_request_that_goes_away_leaves_the_connection_to_others() {
    let server = shared();
    let name = super::schema_name();
    let url = format!("{}?application_name={name}", server.url());
    let store = made(PostgresStore::builder(url).schema(&name).connections(1)).await;
    let limiter = one_tier(store, Quota::per(100, HOUR));
    limiter.check(ada(), 1).await.unwrap();
    let session = format!("SELECT pid || ' ' || backend_start {OURS}'{name}'");
    let before = server.ask(&session).await;
    assert_eq!(before.len(), 1);
    for _ in 0..20 {
        let mut check = Box::pin(limiter.check(ada(), 0));
        // Polled once, so the statement is on its way, or the wait for the connection; and dropped.
        assert!(poll_once(&mut check).await.is_none());
    }
    // Its answer is its own, not that of a statement before it.
    assert_eq!(limiter.check(ada(), 7).await.unwrap().remaining(), 92);
    assert_eq!(server.ask(&session).await, before);
}

/// Where making one takes longer than a deadline, none would ever be made otherwise.
#[tokio::test]
async fn a_connection_is_made_although_its_request_went_away() {
    let server = shared();
    let name = super::schema_name();
    made(PostgresStore::builder(server.url()).schema(&name)).await;
    let url = format!("{}?application_name={name}", server.url());
    let store = PostgresStore::builder(url).schema(&name).connections(1);
    let limiter = one_tier(Arc::new(store.build().unwrap()), Quota::per(100, HOUR));
    let mut check = Box::pin(limiter.check(ada(), 1));
    assert!(poll_once(&mut check).await.is_none());
    drop(check);
    let idle = format!("SELECT count(*) {OURS}'{name}' AND state = 'idle'");
    let started = Instant::now();
    while server.ask_number(&idle).await != 1 {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
    // The request went away before it had a connection, so it has taken nothing.
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 99);
}

#[tokio::test]
async fn connections_that_the_server_closes_are_replaced() {
    let server = Server::start();
    let setup = setup(made(builder(&server).connections(2)).await, Fallback::Open);
    assert!(!setup.is_degraded().await);
    let ended = format!("SELECT pg_terminate_backend(pid) {OURS}'sec-ratelimit'");
    assert!(!server.ask(&ended).await.is_empty());
    // At most one request per connection meets a closed one.
    let mut degraded = 0;
    for _ in 0..6 {
        degraded += u32::from(setup.is_degraded().await);
    }
    assert!(degraded <= 2, "{degraded}");
    assert!(!setup.is_degraded().await);
}

/// As a connection has it that stays at the old primary after a fail-over.
#[tokio::test]
async fn a_server_that_only_reads_is_left() {
    let server = Server::start();
    let store = made(builder(&server).connections(1)).await;
    let setup = setup(store, Fallback::Open);
    let server = &server;
    let read_only = |on: &'static str| async move {
        let client = server.client().await;
        let write = "SET default_transaction_read_only = off";
        client.batch_execute(write).await.unwrap();
        let set = format!("ALTER DATABASE postgres SET default_transaction_read_only = {on}");
        client.batch_execute(&set).await.unwrap();
    };
    assert!(!setup.is_degraded().await);
    read_only("on").await;
    let ended = format!("SELECT pg_terminate_backend(pid, 10000) {OURS}'sec-ratelimit'");
    server.ask(&ended).await;
    let mut degraded = setup.is_degraded().await;
    degraded |= setup.is_degraded().await;
    assert!(degraded);
    read_only("off").await;
    assert!(!setup.is_degraded().await);
}

/// What is unlogged is empty on a replica, and a store finds the one that was promoted by itself.
#[tokio::test]
async fn after_a_fail_over_counters_begin_anew_and_blocks_stay() {
    let mut primary = Server::start();
    let replica = primary.replica();
    let name = super::schema_name();
    let url = primary.url_with(&replica);
    let store = made(PostgresStore::builder(url).schema(&name)).await;
    let setup = setup(store.clone(), Fallback::Open);
    assert!(!setup.is_degraded().await);
    let block = block(1);
    store.put("web", &block, soon()).await.unwrap();
    let known = store.changes("web", 0, 10, soon()).await.unwrap();

    let followed = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", {
        primary.ask("SELECT pg_current_wal_lsn()").await[0].clone()
    });
    let started = Instant::now();
    while replica.ask(&followed).await != ["t"] {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
    primary.kill();
    for _ in 0..3 {
        assert!(setup.is_degraded().await);
    }
    assert_eq!(setup.states(), ["open"]);
    assert_eq!(replica.ask("SELECT pg_promote()").await, ["t"]);
    setup.returns().await;
    assert_eq!(setup.limiter.peek(ada(), 1).await.unwrap().remaining(), 8);
    let told = store.changes("web", 0, 10, soon()).await.unwrap();
    assert_eq!((told.next, told.entries.len()), (known.next, 1));
}
