//! What stands in Postgres: how it is made, and what becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::tokio_postgres::NoTls;
use deadpool_postgres::{Manager, Pool};
use sec_ratelimit::{
    Key, LimitError, PostgresStore, PostgresStoreError, Quota, StoreError, Subject,
};

use super::server::shared;
use super::{builder, made, schema_name};
use crate::conformance::quotas;
use crate::{HOUR, ada, one_tier, patient};

/// `UNLOGGED` on a partitioned table says nothing about its leaves, and they do not inherit it.
#[tokio::test]
async fn every_leaf_is_unlogged() {
    let (server, name) = (shared(), schema_name());
    made(PostgresStore::builder(server.url()).schema(&name)).await;
    let leaves = format!(
        "SELECT relname || ' ' || relpersistence::text FROM pg_partition_tree('{name}.counters') \
         JOIN pg_class ON pg_class.oid = relid WHERE isleaf ORDER BY 1"
    );
    let leaves = server.ask(&leaves).await;
    let expected: Vec<_> = (0..4).map(|leaf| format!("counters_{leaf} u")).collect();
    assert_eq!(leaves, expected);
    // Their indexes and long states as well: nothing of a counter is logged.
    let logged = format!(
        "SELECT count(*) FROM pg_class t JOIN pg_class c ON c.oid IN \
         (SELECT indexrelid FROM pg_index WHERE indrelid = t.oid UNION SELECT t.reltoastrelid) \
         WHERE t.relname LIKE 'counters__' AND t.relnamespace = '{name}'::regnamespace \
         AND c.relpersistence <> 'u'"
    );
    assert_eq!(server.ask_number(&logged).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_that_start_at_once_make_the_schema_once() {
    let (server, name) = (shared(), schema_name());
    let start = |_| {
        let store = PostgresStore::builder(server.url())
            .schema(&name)
            .connections(1);
        let store = store.build().unwrap();
        tokio::spawn(async move {
            store.migrate().await.unwrap();
            store.migrate().await.unwrap();
            store
        })
    };
    let started: Vec<_> = (0..6).map(start).collect();
    for store in started {
        let limiter = one_tier(Arc::new(store.await.unwrap()), Quota::per(10, HOUR));
        limiter.check(ada(), 1).await.unwrap();
    }
    let versions = format!("SELECT version FROM {name}.migrations ORDER BY 1");
    let store = PostgresStore::builder(server.url()).build().unwrap();
    let known: Vec<_> = store
        .migrations()
        .iter()
        .map(|step| step.version.to_string())
        .collect();
    assert_eq!(server.ask(&versions).await, known);
}

/// As a team does it that makes its schemas by itself, with a role that may do no more than decide.
#[tokio::test]
async fn the_text_makes_the_same_schema_and_a_role_without_rights_decides() {
    let (server, name) = (shared(), schema_name());
    let owner = PostgresStore::builder(server.url())
        .schema(&name)
        .build()
        .unwrap();
    let client = server.client().await;
    for step in owner.migrations() {
        // Once more does no harm.
        client.batch_execute(&step.sql).await.unwrap();
        client.batch_execute(&step.sql).await.unwrap();
    }
    let role = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'only-decides'; \
         GRANT USAGE ON SCHEMA {name} TO {name}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name}"
    );
    client.batch_execute(&role).await.unwrap();
    let url = server.url();
    let (_, address) = url.split_once('@').unwrap();
    let url = format!("postgres://{name}:only-decides@{address}");
    let store = PostgresStore::builder(url).schema(&name).build().unwrap();
    // It finds nothing to do, and asks for no right that it lacks.
    store.migrate().await.unwrap();
    let limiter = one_tier(Arc::new(store.clone()), Quota::per(2, HOUR));
    limiter.check(ada(), 2).await.unwrap();
    assert!(
        limiter
            .check(ada(), 1)
            .await
            .unwrap_err()
            .refused()
            .is_some()
    );
    assert_eq!(store.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn a_full_refund_leaves_no_row() {
    let (server, name) = (shared(), schema_name());
    let store = made(PostgresStore::builder(server.url()).schema(&name)).await;
    for quota in quotas(3) {
        let limiter = one_tier(store.clone(), quota);
        let taken = limiter.reserve(ada(), 3).await.unwrap();
        taken.refund().await.unwrap();
        let rows = format!("SELECT count(*) FROM {name}.counters");
        assert_eq!(server.ask_number(&rows).await, 0, "{quota:?}");
    }
}

/// Two orders of the same keys, which would be a deadlock if each locked in its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiers_in_any_order_never_lock_each_other_out() {
    let server = shared();
    let store = made(builder(&server).connections(16)).await;
    let names = ["one", "two", "three", "four"];
    let limiter = |names: &[&str]| {
        let tiers = names.iter().fold(patient(store.clone()), |limiter, name| {
            limiter.tier(*name, Quota::per(1_000, HOUR), Key::given(*name))
        });
        tiers.build().unwrap()
    };
    let mut reversed = names;
    reversed.reverse();
    let limiters = [limiter(&names), limiter(&reversed)];
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let limiter = limiters[task % 2].clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    limiter
                        .check([(); 4].map(|()| Subject::of("ada")), 1)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let left = limiters[0]
        .peek([(); 4].map(|()| Subject::of("ada")), 1)
        .await
        .unwrap();
    assert!(left.tiers().all(|tier| tier.remaining == 600));
}

#[tokio::test]
async fn three_tiers_are_one_call_of_one_function() {
    let (server, name) = (shared(), schema_name());
    let url = format!("{}?options=-c%20track_functions%3Dpl", server.url());
    let store = made(PostgresStore::builder(url).schema(&name)).await;
    let limiter = patient(store.clone())
        .tier("all", Quota::per(500, HOUR), Key::global())
        .tier("minute", Quota::gcra(500, HOUR), Key::given("user"))
        .tier("day", Quota::per(100, HOUR).exact(), Key::given("user"))
        .build()
        .unwrap();
    let of = |user| [Subject::everyone(), Subject::of(user), Subject::of(user)];
    for _ in 0..30 {
        limiter.check(of("ada"), 1).await.unwrap();
        limiter.check(of("bob"), 1).await.unwrap();
    }
    drop((limiter, store));
    let calls = format!(
        "SELECT calls FROM pg_stat_user_functions WHERE schemaname = '{name}' AND funcname = 'decide_1'"
    );
    // A session tells its counts when it ends.
    let started = Instant::now();
    while server.ask(&calls).await != ["60"] {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

/// An index on what changes, or pages without room, would make each decision write to every index.
#[tokio::test]
async fn a_change_of_a_row_stays_on_its_page() {
    let (server, name) = (shared(), schema_name());
    let store = made(
        PostgresStore::builder(server.url())
            .schema(&name)
            .connections(1),
    )
    .await;
    for quota in quotas(100) {
        let limiter = one_tier(store.clone(), quota);
        for _ in 0..60 {
            limiter.check(ada(), 1).await.unwrap();
        }
    }
    drop(store);
    let counted = |what: &str| {
        format!("SELECT sum({what}) FROM pg_stat_user_tables WHERE schemaname = '{name}'")
    };
    // A session tells its counts when it ends.
    let started = Instant::now();
    while server.ask(&counted("n_tup_upd")).await != ["299"] {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
    // While some other session still looks at old versions, a page may run full of them.
    let same_page = server.ask_number(&counted("n_tup_hot_upd")).await;
    assert!(same_page > 250, "{same_page}");
}

#[tokio::test]
async fn what_is_over_is_swept_in_passing() {
    let (server, name) = (shared(), schema_name());
    let store = made(
        PostgresStore::builder(server.url())
            .schema(&name)
            .sweep_every(8),
    )
    .await;
    let brief = one_tier(store.clone(), Quota::per(1, Duration::from_millis(20)));
    for number in 0..400_u64 {
        brief.check([Subject::of(number)], 1).await.unwrap();
    }
    let lasting =
        patient(store.clone()).tier("hour", Quota::per(100_000, HOUR), Key::given("user"));
    let lasting = lasting.build().unwrap();
    let rows = format!("SELECT count(*) FROM {name}.counters");
    let started = Instant::now();
    while server.ask_number(&rows).await != 1 {
        lasting.check(ada(), 1).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_sweep_takes_what_is_over_and_waits_for_nobody() {
    let (server, name) = (shared(), schema_name());
    let store = PostgresStore::builder(server.url())
        .schema(&name)
        .sweep_every(0);
    let store = made(store).await;
    let brief = one_tier(store.clone(), Quota::per(1, Duration::from_millis(1)));
    for number in 0..300_u64 {
        brief.check([Subject::of(number)], 1).await.unwrap();
    }
    let lasting = one_tier(store.clone(), Quota::per(1, HOUR));
    lasting.check(ada(), 1).await.unwrap();
    let rows = format!("SELECT count(*) FROM {name}.counters");
    assert_eq!(server.ask_number(&rows).await, 301, "something else swept");
    // The last one's millisecond has passed once the server says so.
    let over = format!(
        "SELECT count(*) FROM {name}.counters \
         WHERE until <= extract(epoch FROM clock_timestamp()) * 1000000"
    );
    while server.ask_number(&over).await < 300 {}

    let other = server.client().await;
    let lock = format!(
        "BEGIN; SELECT * FROM {name}.counters \
         WHERE until <= extract(epoch FROM clock_timestamp()) * 1000000 LIMIT 5 FOR UPDATE"
    );
    other.batch_execute(&lock).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 295);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 5);
    assert_eq!(server.ask_number(&rows).await, 1);
    assert!(
        lasting.check(ada(), 1).await.is_err(),
        "what lives was swept"
    );
}

/// A row may go between the moment a decision reads it and the one it writes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeps_beside_decisions_break_none() {
    let server = shared();
    // Fewer connections than want one at a time: a sweep that was asked for waits for its turn.
    let store = made(builder(&server).sweep_every(1)).await;
    let window = Duration::from_millis(3);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let limiter = one_tier(store.clone(), Quota::per(2, window));
            tokio::spawn(async move {
                for number in 0..100_u64 {
                    let user = [Subject::of(number % 3)];
                    match limiter.check(&user, 1).await {
                        Ok(decision) => assert!(!decision.degraded()),
                        Err(error) => assert!(error.refused().is_some(), "{error:?}"),
                    }
                }
            })
        })
        .collect();
    while tasks.iter().any(|task| !task.is_finished()) {
        store.sweep().await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn hostile_subjects_become_hashes() {
    let (server, name) = (shared(), schema_name());
    let store = made(PostgresStore::builder(server.url()).schema(&name)).await;
    let limiter = one_tier(store, Quota::per(1, HOUR));
    let hostile = [
        "",
        "%",
        "'; DROP SCHEMA public; --",
        "\0",
        "{ada}",
        "é",
        "ada",
    ];
    for name in hostile {
        limiter.check([Subject::of(name)], 1).await.unwrap();
    }
    let rows = format!("SELECT count(DISTINCT key) FROM {name}.counters");
    assert_eq!(server.ask_number(&rows).await, 7);
    limiter.reset([Subject::of("%")]).await.unwrap();
    assert_eq!(server.ask_number(&rows).await, 6);
}

/// At a stricter level a decision would read what was there before it had its locks.
#[tokio::test]
async fn a_pool_of_the_hosts_own_must_read_committed() {
    let (server, name) = (shared(), schema_name());
    made(PostgresStore::builder(server.url()).schema(&name)).await;
    let pool = |options: &str| {
        let mut config: deadpool_postgres::tokio_postgres::Config = server.url().parse().unwrap();
        config.options(options);
        Pool::builder(Manager::new(config, NoTls))
            .max_size(2)
            .build()
            .unwrap()
    };
    let store = |pool| {
        PostgresStore::with_pool(pool)
            .schema(&name)
            .build()
            .unwrap()
    };
    let limiter = one_tier(Arc::new(store(pool(""))), Quota::per(2, HOUR));
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 1);
    let strict = store(pool("-c default_transaction_isolation=serializable"));
    let limiter = one_tier(Arc::new(strict), Quota::per(2, HOUR));
    let error = limiter.check(ada(), 1).await.unwrap_err();
    let LimitError::Store(StoreError::Answer(why)) = &error else {
        panic!("{error:?}");
    };
    assert!(why.contains("READ COMMITTED"), "{why}");

    let twice = PostgresStore::with_pool(pool("")).connections(3);
    assert_eq!(
        twice.build().unwrap_err(),
        PostgresStoreError::PoolSays("connections")
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let url = "postgres://user:hush@localhost/limits";
    let store = || PostgresStore::builder(url);
    for schema in [
        "",
        "Upper",
        "a-b",
        "a\"b",
        "1a",
        "pg_limits",
        &"a".repeat(64),
    ] {
        let error = store().schema(schema).build().unwrap_err();
        assert_eq!(error, PostgresStoreError::Schema, "{schema}");
    }
    let field = |builder: sec_ratelimit::PostgresStoreBuilder| builder.build().unwrap_err();
    assert_eq!(field(store().prefix("a b")), PostgresStoreError::Prefix);
    assert_eq!(
        field(store().connections(0)),
        PostgresStoreError::Connections
    );
    let never = store().connect_within(Duration::ZERO);
    assert_eq!(field(never), PostgresStoreError::ConnectWithin);
    let never = store().statement_timeout(Duration::ZERO);
    assert_eq!(field(never), PostgresStoreError::StatementTimeout);
    for mode in ["require", "verify-full"] {
        let asks = PostgresStore::builder(format!("{url}?sslmode={mode}"));
        assert_eq!(field(asks), PostgresStoreError::Tls);
    }
    assert!(
        PostgresStoreError::Tls
            .to_string()
            .contains("PostgresStore::with_pool")
    );
    for wrong in [
        "http://user:hush@host",
        "host=a password=my hush=1",
        "user=hush",
        "",
    ] {
        let error = field(PostgresStore::builder(wrong));
        assert!(matches!(error, PostgresStoreError::Url(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hush"), "{error}");
    }
    assert!(!format!("{:?}", store()).contains("hush"));
    assert!(!format!("{:?}", store().build().unwrap()).contains("hush"));
}
