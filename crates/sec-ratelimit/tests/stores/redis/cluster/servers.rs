//! A cluster of a test's own.

use std::time::{Duration, Instant};

use deadpool_redis::redis::Value;
use sec_ratelimit::RedisStoreBuilder;

use super::super::server::{Server, free_port};

/// Three masters, and their replicas if there are any, in the same order behind them.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    masters: usize,
}

/// How long a state is waited for: a busy machine may need most of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A minute before anybody is thought dead: nothing happens that the test does not do itself.
pub(crate) const CALM: Duration = Duration::from_secs(60);

impl Cluster {
    pub(crate) fn start(replicas: bool, node_timeout: Duration) -> Self {
        let masters = 3;
        let count = if replicas { 2 * masters } else { masters };
        let options = || {
            let words = [
                "--cluster-enabled yes --cluster-config-file nodes.conf".to_owned(),
                // How often they gossip follows from it: they meet quickly.
                "--cluster-node-timeout 3000".to_owned(),
                format!("--cluster-port {}", free_port()),
                "--cluster-require-full-coverage no --cluster-allow-replica-migration no".into(),
                "--cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0 --repl-ping-replica-period 1".into(),
            ];
            words.join(" ").split(' ').map(str::to_owned).collect()
        };
        let servers = std::iter::repeat_with(|| Server::start_with(options));
        let cluster = Self {
            servers: servers.take(count).collect(),
            masters,
        };
        cluster.join();
        for server in &cluster.servers {
            let timeout = node_timeout.as_millis().to_string();
            let () = server.ask(&["CONFIG", "SET", "cluster-node-timeout", &timeout]);
        }
        cluster
    }

    fn join(&self) {
        let rows = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];
        for (index, server) in self.servers.iter().enumerate() {
            let epoch = (index + 1).to_string();
            let () = server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            if let Some([first, last]) = rows.get(index) {
                let () = server.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            }
        }
        let first = &self.servers[0];
        for server in &self.servers[1..] {
            let bus: Vec<String> = server.ask(&["CONFIG", "GET", "cluster-port"]);
            let port = server.port().to_string();
            let () = first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus[1]]);
        }
        until("all servers know one another", || {
            self.servers.iter().all(|server| {
                let nodes: String = server.ask(&["CLUSTER", "NODES"]);
                nodes.lines().count() == self.servers.len() && !nodes.contains("handshake")
            })
        });
        for (index, replica) in self.servers[self.masters..].iter().enumerate() {
            let master = self.id(index);
            let () = replica.ask(&["CLUSTER", "REPLICATE", &master]);
        }
        let each = 1 + usize::from(self.servers.len() > self.masters);
        until("the cluster serves", || {
            self.servers.iter().enumerate().all(|(index, server)| {
                let info: String = server.ask(&["CLUSTER", "INFO"]);
                let link: String = server.ask(&["INFO", "replication"]);
                let slots: Vec<Vec<Value>> = server.ask(&["CLUSTER", "SLOTS"]);
                info.contains("cluster_state:ok")
                    && (index < self.masters || link.contains("master_link_status:up"))
                    && slots.len() == self.masters
                    && slots.iter().all(|row| row.len() == 2 + each)
            })
        });
    }

    /// A store that is told of every server.
    pub(crate) fn store(&self) -> RedisStoreBuilder {
        sec_ratelimit::RedisStore::cluster(self.servers.iter().map(Server::url))
    }

    pub(crate) fn masters(&self) -> &[Server] {
        &self.servers[..self.masters]
    }

    pub(crate) fn id(&self, index: usize) -> String {
        self.servers[index].ask(&["CLUSTER", "MYID"])
    }

    /// The keys of this prefix, one list per master.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<Vec<String>> {
        let pattern = format!("{prefix}:*");
        let masters = self.masters().iter();
        masters
            .map(|server| server.ask(&["KEYS", &pattern]))
            .collect()
    }

    /// The slot of this key, as Redis says.
    pub(crate) fn slot(&self, key: &str) -> u16 {
        self.servers[0].ask(&["CLUSTER", "KEYSLOT", key])
    }
}

/// Polls until it is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
