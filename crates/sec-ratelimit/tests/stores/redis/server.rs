//! A `redis-server` of a test's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use deadpool_redis::redis::{self, FromRedisValue, RedisResult};

/// A server on a free port, in a folder of its own, gone with the value.
pub(crate) struct Server {
    child: Option<Child>,
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(Vec::new)
    }

    /// With these options, asked for anew each time that a port was taken.
    pub(crate) fn start_with(options: impl Fn() -> Vec<String>) -> Self {
        // The port may be taken between its choice and the server's start.
        for _ in 0..10 {
            let mut server = Self::absent();
            server.options = options();
            if server.run() {
                return server;
            }
        }
        panic!("redis-server found no free port");
    }

    /// An address on which nothing listens, until [`restart`](Self::restart).
    pub(crate) fn absent() -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("sec-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            child: None,
            port,
            folder,
            options: Vec::new(),
        }
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]);
        command.arg(&self.folder).args(&self.options);
        command.stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "redis-server does not start ({error}); \
                 `apt-get install -y --no-install-recommends redis-server` installs it"
                )
            });
        // It says when it is ready; its output ends when it could not start.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        // Whatever else it says is read, or its pipe would fill.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        if !ready {
            self.kill();
        }
        ready
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "the port was taken meanwhile");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process where it is: its sockets stay open and nothing answers.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    #[cfg(feature = "redis-cluster")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks the server directly.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap()
    }

    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection()?;
        let (name, arguments) = words.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"])
    }

    /// How often this command was called.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        // The folder is below the system's temporary one, which is cleaned in any case.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Free when it was asked for.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
