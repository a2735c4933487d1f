//! A Postgres of a test's own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use deadpool_postgres::tokio_postgres::{self, Client, NoTls, SimpleQueryMessage};

const PASSWORD: &str = "only-for-this-test";

/// A server on a free port, in a folder of its own, gone with the value.
pub(crate) struct Server {
    child: Option<Child>,
    port: u16,
    folder: PathBuf,
}

/// The one that tests share which do it no harm, each in a schema of its own. It goes with the last of them.
pub(crate) fn shared() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Server {
    pub(crate) fn start() -> Self {
        // The port may be taken between its choice and the server's start.
        for _ in 0..10 {
            let mut server = Self::absent();
            if server.run() {
                return server;
            }
        }
        panic!("Postgres found no free port");
    }

    /// An address on which nothing listens, until [`restart`](Self::restart).
    pub(crate) fn absent() -> Self {
        let server = Self::empty();
        let password = server.folder.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        give_away(&password);
        let made = program("initdb")
            .args(["--no-sync", "--no-instructions", "--username=postgres"])
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", server.folder.join("data").display()))
            .current_dir(&server.folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        server
    }

    /// A second server that follows this one, and only reads until it is promoted.
    pub(crate) fn replica(&self) -> Self {
        for _ in 0..10 {
            let mut server = Self::empty();
            let made = program("pg_basebackup")
                .args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf"])
                .arg(format!("--pgdata={}", server.folder.join("data").display()))
                .arg(format!("--dbname={}", self.url()))
                .current_dir(&server.folder)
                .output()
                .unwrap();
            assert!(made.status.success(), "pg_basebackup: {made:?}");
            if server.run() {
                return server;
            }
        }
        panic!("Postgres found no free port");
    }

    fn empty() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder =
            std::env::temp_dir().join(format!("sec-postgres-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        give_away(&folder);
        Self {
            child: None,
            port,
            folder,
        }
    }

    fn run(&mut self) -> bool {
        let mut child = program("postgres")
            .args(["-D", "data", "-p", &self.port.to_string()])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args([
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
                "-c",
                "max_connections=60",
            ])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It says when it is ready; its output ends when it could not start.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().contains("ready to accept"));
        // Whatever else it says is read, or its pipe would fill.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        if !ready {
            self.kill();
        }
        ready
    }

    /// Starts it again on the same data. After a kill it waits for the processes of the one before.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let started = Instant::now();
        while !self.run() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it does not start again"
            );
        }
    }

    /// All its processes at once, as when its machine goes away.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id();
            // One that is stopped starts no more processes.
            signal_to("-STOP", &[pid.to_string()]);
            signal_to("-KILL", &below(pid));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// As an administrator does.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        signal_to("-INT", &[child.id().to_string()]);
        child.wait().unwrap();
    }

    /// Stops all its processes where they are, or lets them go on: sockets stay open and nothing answers.
    pub(crate) fn signal_all(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id();
        signal_to(signal, &[pid.to_string()]);
        signal_to(signal, &below(pid));
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// The address of both, of which whoever accepts writes is meant.
    pub(crate) fn url_with(&self, replica: &Self) -> String {
        let one = format!("127.0.0.1:{}", self.port);
        let both = format!("{one},127.0.0.1:{}", replica.port);
        let both = self.url().replace(&one, &both);
        format!("{both}?target_session_attrs=read-write")
    }

    /// A connection past the store.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Asks the server directly: the first column of all rows.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let answer = self.client().await.simple_query(sql).await.unwrap();
        let first = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
            _ => None,
        });
        first.collect()
    }

    pub(crate) async fn ask_number(&self, sql: &str) -> i64 {
        self.ask(sql).await[0].parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // At once, but with its processes and its shared memory.
            signal_to("-QUIT", &[child.id().to_string()]);
            let _ = child.wait();
        }
        // The folder is below the system's temporary one, which is cleaned in any case.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn signal_to(signal: &str, pids: &[impl AsRef<OsStr>]) {
    if !pids.is_empty() {
        // One that has just ended is not there any more, which is as good.
        Command::new("kill")
            .arg(signal)
            .args(pids)
            .output()
            .unwrap();
    }
}

/// The processes that this one has started.
fn below(pid: u32) -> Vec<String> {
    let pid = pid.to_string();
    let found = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found.split_whitespace().map(str::to_owned).collect()
}

/// The user and the group that own nothing.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Postgres refuses to run as root.
fn program(name: &str) -> Command {
    let file = find(name).unwrap_or_else(|| {
        panic!(
            "{name} is not here; \
             `apt-get install -y --no-install-recommends postgresql` installs it"
        )
    });
    if !is_root() {
        return Command::new(file);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(file);
    command
}

/// Debian keeps the programs of each version apart, and none of them on the path.
fn find(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<_> = versions
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let files = folders.iter().map(|folder| folder.join(name));
    files.into_iter().find(|file: &PathBuf| Path::is_file(file))
}
