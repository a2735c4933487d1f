//! Redis behind sentinels.

mod failover;
pub(crate) mod group;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use sec_ratelimit::{
    Fallback, Key, LimitError, Quota, RedisStore, RedisStoreError, SharedLimiter, SharedStore,
};

use self::group::{Group, NAME, Watcher};
use super::server::Server;
use crate::{HOUR, ada, one_tier, secret};

/// One sentinel has nobody to find first; it takes nothing for down while a test runs.
pub(crate) async fn fixture() -> (Group, Arc<dyn SharedStore>) {
    let group = Group::start(1, HOUR);
    let store = group.store().build().unwrap();
    (group, Arc::new(store))
}

/// What the limiter says when the store fails.
async fn failure(store: RedisStore) -> String {
    let limiter = SharedLimiter::builder("api", Arc::new(store), secret())
        .tier("user", Quota::per(1, HOUR), Key::given("user"))
        .on_store_error(Fallback::Closed)
        .deadline(Duration::from_secs(10))
        .build()
        .unwrap();
    match limiter.check(ada(), 1).await.unwrap_err() {
        LimitError::Store(error) => format!("{error} {error:?}"),
        other => panic!("{other:?}"),
    }
}

/// A client that believes the answers in the order of its list waits for one that never comes.
#[tokio::test]
async fn sentinels_that_hang_or_are_away_hold_up_nobody() {
    let group = Group::start(1, HOUR);
    // It accepts, as the kernel of a hung machine's neighbour would, and says nothing.
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = Server::absent();
    let sentinels = [
        format!("redis://{}", hung.local_addr().unwrap()),
        away.url(),
        group.sentinels[0].url(),
    ];
    let store = RedisStore::sentinel(sentinels, NAME).connect_within(Duration::from_secs(10));
    let limiter = one_tier(Arc::new(store.build().unwrap()), Quota::per(3, HOUR));
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 2);
}

#[tokio::test]
async fn sentinels_and_servers_have_passwords_of_their_own() {
    let master = Server::start_with(|| {
        let options = ["--requirepass", "everything", "--user"];
        let rights = "limits on >pass@word ~sec:* -@all +evalsha +eval +get +mget +set +del +time";
        let rights = rights.split(' ');
        options
            .into_iter()
            .chain(rights)
            .map(String::from)
            .collect()
    });
    let watcher = Watcher::start(&[
        format!("sentinel monitor {NAME} 127.0.0.1 {} 1", master.port()),
        format!("sentinel auth-pass {NAME} everything"),
        "requirepass watch".into(),
    ]);
    let sentinel = |password: &str| watcher.url().replace("//", &format!("//:{password}@"));
    let store = |password: &str, master: &str| {
        let store = RedisStore::sentinel([sentinel(password)], master);
        assert!(!format!("{store:?}").contains(password));
        store.build().unwrap()
    };
    // This user may not ask for the server's role; the sentinel is believed.
    let allowed = store("watch", "redis://limits:pass%40word@mymaster");
    assert!(!format!("{allowed:?}").contains("pass"));
    let limiter = one_tier(Arc::new(allowed), Quota::per(3, HOUR));
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 2);

    for (of_sentinel, of_master) in [("watch", "guessed"), ("guessed", "pass%40word")] {
        let store = store(of_sentinel, &format!("redis://limits:{of_master}@{NAME}"));
        let why = failure(store).await;
        assert!(why.contains("authentication failed"), "{why}");
        for secret in [of_sentinel, of_master, "pass@word"] {
            assert!(!why.contains(secret), "{why}");
        }
    }
}

#[tokio::test]
async fn what_is_no_master_is_not_counted_on() {
    let group = Group::start(1, HOUR);
    let unknown = RedisStore::sentinel([group.sentinels[0].url()], "other");
    let why = failure(unknown.build().unwrap()).await;
    assert!(why.contains("no master \"other\""), "{why}");

    // A server is no sentinel.
    let server = RedisStore::sentinel([group.master.url()], NAME);
    assert!(
        failure(server.build().unwrap())
            .await
            .contains("a sentinel")
    );

    // A sentinel that has not heard of a fail-over calls a replica the master.
    let watcher = Watcher::start(&[format!(
        "sentinel monitor stale 127.0.0.1 {} 1",
        group.replica.port()
    )]);
    let stale = RedisStore::sentinel([watcher.url()], "stale");
    let why = failure(stale.build().unwrap()).await;
    assert!(why.contains("calls the master is none"), "{why}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let fault = |sentinels: &[&str], master: &str| {
        RedisStore::sentinel(sentinels.iter().copied(), master)
            .build()
            .unwrap_err()
    };
    let one = "redis://127.0.0.1:26379";
    for sentinels in [
        &[] as &[&str],
        &["http://hush@host"],
        &["redis://host/1"],
        &["unix:///s"],
    ] {
        let error = fault(sentinels, NAME);
        assert!(matches!(error, RedisStoreError::Sentinels(_)), "{error:?}");
        assert!(!error.to_string().contains("hush"));
    }
    for master in [
        "",
        "a b",
        "a/b:c",
        "redis://",
        "http://mymaster",
        "redis://hush@ä",
    ] {
        let error = fault(&[one], master);
        assert!(
            matches!(error, RedisStoreError::Master(_)),
            "{master}: {error:?}"
        );
        assert!(!error.to_string().contains("hush"));
    }
    for master in ["Main_1.eu-west", "redis://user:password@Main_1.eu-west/3"] {
        RedisStore::sentinel([one], master).build().unwrap();
    }
}
