//! A master, a replica, and sentinels that watch them.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{self, FromRedisValue, RedisResult};
use sec_ratelimit::{RedisStore, RedisStoreBuilder};

use crate::redis::server::{Server, free_port, spawn};

/// What the sentinels call the master.
pub(crate) const NAME: &str = "mymaster";

pub(crate) struct Group {
    pub(crate) master: Server,
    pub(crate) replica: Server,
    pub(crate) sentinels: Vec<Watcher>,
}

/// A `redis-server --sentinel`, in a folder of its own, gone with the value.
pub(crate) struct Watcher {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Group {
    /// So many sentinels, of which the half and one must agree that a master is down after so long.
    pub(crate) fn start(sentinels: usize, down_after: Duration) -> Self {
        // What replicates waits for more replicas otherwise.
        let at_once = || {
            ["--repl-diskless-sync-delay", "0"]
                .map(String::from)
                .to_vec()
        };
        let master = Server::start_with(at_once);
        let replica = Server::start_with(|| {
            let of = ["--replicaof", "127.0.0.1", &master.port().to_string()].map(String::from);
            [at_once(), of.to_vec()].concat()
        });
        until("the replica has a copy", || {
            let state: String = replica.ask(&["INFO", "replication"]);
            state.contains("master_link_status:up")
        });
        let quorum = sentinels / 2 + 1;
        let lines = [
            format!(
                "sentinel monitor {NAME} 127.0.0.1 {} {quorum}",
                master.port()
            ),
            format!(
                "sentinel down-after-milliseconds {NAME} {}",
                down_after.as_millis()
            ),
            format!("sentinel failover-timeout {NAME} 3000"),
        ];
        let watchers = (0..sentinels).map(|_| Watcher::start(&lines)).collect();
        let group = Self {
            master,
            replica,
            sentinels: watchers,
        };
        until("the sentinels know one another and the replica", || {
            group.sentinels.iter().all(|sentinel| {
                let state: Vec<String> = sentinel.ask(&["SENTINEL", "MASTER", NAME]).unwrap();
                let says = |field: &str, value: usize| {
                    state
                        .chunks(2)
                        .any(|pair| pair == [field, &value.to_string()])
                };
                says("num-slaves", 1) && says("num-other-sentinels", sentinels - 1)
            })
        });
        group
    }

    pub(crate) fn store(&self) -> RedisStoreBuilder {
        RedisStore::sentinel(self.sentinels.iter().map(Watcher::url), NAME)
    }
}

impl Watcher {
    /// With these lines of configuration, beside its port and folder.
    pub(crate) fn start(lines: &[String]) -> Self {
        // The port may be taken between its choice and the start.
        for _ in 0..10 {
            let port = free_port();
            let folder = format!("sec-sentinel-{}-{port}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let file = folder.join("sentinel.conf");
            let own = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.display());
            std::fs::write(&file, own + &lines.join("\n") + "\n").unwrap();
            let mut command = Command::new("redis-server");
            let (child, ready) = spawn(command.arg(&file).arg("--sentinel"), "+monitor");
            let watcher = Self {
                child,
                port,
                folder,
            };
            if ready {
                return watcher;
            }
        }
        panic!("redis-server --sentinel does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        let (name, arguments) = words.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The folder is below the system's temporary one, which is cleaned in any case.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Looks until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
