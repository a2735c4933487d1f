//! Blocks that two processes share: each test runs against every store outside of the process, whose server it may
//! kill and stop, as in `conformance.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use sec_core::RequestContext;
use sec_ratelimit::{
    BanSharing, Bans, BlockChange, BlockStore, Escalate, Key, Limiter, Quota, RateLimitLayer,
    SharedBlock, Subject,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::blocks::{soon, until};
use crate::{HOUR, secret};

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        /// All tests of this file against the server that `$server` is.
        macro_rules! bans_against {
            ($store:ident, $server:ty) => {
                mod $store {
                    $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        super::$name(<$server as super::BlockServer>::started().await).await;
                    })*
                }
            };
        }
    };
}

suite!(
    who_is_blocked_by_one_process_is_refused_by_the_other_until_lifted,
    a_key_that_comes_back_elsewhere_is_blocked_for_longer,
    a_killed_store_changes_nothing_here_and_returns_without_anybodys_help,
    a_hung_store_is_given_up_by_the_deadline_and_heard_again,
);

#[cfg(feature = "postgres")]
bans_against!(postgres, crate::postgres::BlocksOfItsOwn);
#[cfg(feature = "redis")]
bans_against!(redis, crate::redis::Server);

/// A server of a test's own.
pub(crate) trait BlockServer: Sized {
    async fn started() -> Self;

    /// A store with connections of its own, as each process has.
    fn store(&self) -> Arc<dyn BlockStore>;

    fn kill(&mut self);

    /// Whether or not it still knows what it knew.
    fn restart(&mut self);

    /// Its sockets stay open, and nothing answers.
    fn hang(&self);

    fn wake(&self);
}

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// What one process does: blocks of five minutes, then an hour, from the third refusal on.
pub(crate) fn process(store: Arc<dyn BlockStore>) -> Bans {
    let sharing = BanSharing::new("web", store, secret());
    let sharing = sharing
        .poll(Duration::from_millis(20))
        .deadline(HOUR / 3600);
    let lengths = [Duration::from_secs(300), HOUR];
    let (bans, follower) = Bans::shared(Escalate::after(3, lengths), sharing).unwrap();
    tokio::spawn(follower.run());
    bans
}

pub(crate) fn is_blocked(bans: &Bans, address: &str) -> bool {
    bans.check(&Subject::of(at(address))).unwrap().is_some()
}

pub(crate) fn provoke(bans: &Bans, address: &str) -> Duration {
    let subject = Subject::of(at(address));
    let block = (0..3).find_map(|_| bans.strike(&subject).unwrap());
    block.unwrap().rest()
}

/// A request to a service with this process's layer.
async fn get(layer: &RateLimitLayer, client: &str) -> u16 {
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let mut request = Request::new(());
    let ctx = RequestContext::builder().client(at(client)).build();
    request.extensions_mut().insert(ctx);
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    response.status().as_u16()
}

async fn who_is_blocked_by_one_process_is_refused_by_the_other_until_lifted(
    server: impl BlockServer,
) {
    let layers = [(); 2].map(|()| {
        let limiter = Limiter::builder().tier("api", Quota::per(2, HOUR), Key::ip());
        let layer = RateLimitLayer::new(limiter.build().unwrap()).unwrap();
        layer.ban_with(process(server.store()))
    });
    let [here, there] = &layers;
    for expected in [200, 200, 429, 429, 429] {
        assert_eq!(get(here, "192.0.2.1").await, expected);
    }
    let listed = || async { !there.bans().unwrap().blocks().is_empty() };
    until("the other process heard", listed).await;
    assert_eq!(
        get(there, "192.0.2.1").await,
        429,
        "its own quota is untouched"
    );
    assert_eq!(get(there, "192.0.2.2").await, 200);
    let subject = Subject::of(at("192.0.2.1"));
    assert!(there.bans().unwrap().unblock(&subject).unwrap());
    let lifted = || async { !is_blocked(here.bans().unwrap(), "192.0.2.1") };
    until("the first process heard of the lift", lifted).await;
    assert_eq!(get(there, "192.0.2.1").await, 200);
}

async fn a_key_that_comes_back_elsewhere_is_blocked_for_longer(server: impl BlockServer) {
    let store = server.store();
    let (here, there) = (process(server.store()), process(server.store()));
    assert_eq!(provoke(&here, "192.0.2.1"), Duration::from_secs(300));
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    // Its end is brought about by another block that is over soon.
    let changes = store.changes("web", 0, 10, soon()).await.unwrap();
    let BlockChange::Put(block) = changes.entries[0] else {
        panic!("{changes:?}");
    };
    assert_eq!(block.shown.unwrap().to_string(), "192.0.2.1/32");
    let short = SharedBlock {
        rest: 50_000,
        manual: true,
        ..block
    };
    store.put("web", &short, soon()).await.unwrap();
    until("over", || async {
        !is_blocked(&there, "192.0.2.1") && !is_blocked(&here, "192.0.2.1")
    })
    .await;
    assert_eq!(provoke(&there, "192.0.2.1"), HOUR);
}

async fn a_killed_store_changes_nothing_here_and_returns_without_anybodys_help(
    mut server: impl BlockServer,
) {
    let (here, there) = (process(server.store()), process(server.store()));
    provoke(&here, "192.0.2.1");
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
    server.kill();
    until("noticed", || async {
        here.sharing().unwrap().failed > 0 && there.sharing().unwrap().failed > 0
    })
    .await;
    provoke(&here, "192.0.2.2");
    assert!(is_blocked(&here, "192.0.2.2") && is_blocked(&there, "192.0.2.1"));
    // It may come back with nothing: what it lost is written again, what waited is written at last.
    server.restart();
    let newcomer = process(server.store());
    for bans in [&there, &newcomer] {
        for client in ["192.0.2.1", "192.0.2.2"] {
            until(client, || async { is_blocked(bans, client) }).await;
        }
    }
    until("written", || async { here.sharing().unwrap().pending == 0 }).await;
}

async fn a_hung_store_is_given_up_by_the_deadline_and_heard_again(server: impl BlockServer) {
    let (here, there) = (process(server.store()), process(server.store()));
    until("joined", || async {
        there.sharing().unwrap().read.is_some()
    })
    .await;
    server.hang();
    provoke(&here, "192.0.2.1");
    until("given up", || async { here.sharing().unwrap().failed > 0 }).await;
    assert!(is_blocked(&here, "192.0.2.1"));
    server.wake();
    until("heard", || async { is_blocked(&there, "192.0.2.1") }).await;
}
