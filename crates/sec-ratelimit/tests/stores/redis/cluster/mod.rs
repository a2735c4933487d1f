//! A real Redis Cluster.

mod fail_over;
mod faults;
mod keys;
mod servers;
mod slots;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sec_ratelimit::{BlockStore, SharedLimiter, SharedStore, Subject};

use self::servers::{CALM, Cluster};

/// One cluster for all tests that only count; gone when the last of them is over.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

static FIXTURES: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn fixture() -> (Arc<Cluster>, Arc<dyn SharedStore>) {
    let cluster = shared();
    let store = cluster.store().prefix(prefix()).build().unwrap();
    (cluster, Arc::new(store))
}

pub(crate) async fn blocks_fixture() -> (Arc<Cluster>, Arc<dyn BlockStore>) {
    let cluster = shared();
    let store = cluster.store().prefix(prefix()).build().unwrap();
    (cluster, Arc::new(store))
}

fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(Cluster::start(true, CALM));
    *shared = Arc::downgrade(&cluster);
    cluster
}

/// Tests that share the cluster count apart.
fn prefix() -> String {
    format!("t{}", FIXTURES.fetch_add(1, Ordering::Relaxed))
}

/// For each of the masters some users whose key it has, found by counting each once. The limiter has one
/// tier and this prefix.
async fn users_by_master(
    cluster: &Cluster,
    limiter: &SharedLimiter,
    prefix: &str,
    each: usize,
) -> Vec<Vec<u64>> {
    let mut found = vec![Vec::new(); 3];
    let mut before: Vec<_> = cluster.keys(prefix).iter().map(Vec::len).collect();
    for user in 0_u64.. {
        limiter.check([Subject::of(user)], 1).await.unwrap();
        let after: Vec<_> = cluster.keys(prefix).iter().map(Vec::len).collect();
        let master = (0..3).find(|&index| after[index] > before[index]).unwrap();
        if found[master].len() < each {
            found[master].push(user);
        }
        if found.iter().all(|users| users.len() == each) {
            break;
        }
        before = after;
    }
    found
}
