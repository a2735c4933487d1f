//! Redis over TLS, with certificates made for the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sec_ratelimit::{
    Fallback, Key, LimitError, Quota, RedisStore, RedisStoreBuilder, RedisStoreError,
    SharedLimiter, SharedStore,
};

use super::sentinel::group::{NAME, Watcher, until};
use super::server::{Server, free_port};
use crate::{HOUR, ada, one_tier, secret};

/// Who vouches, and the folder where a server finds what it needs, gone with the value.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: PathBuf,
}

/// A server that speaks TLS beside its plain port.
pub(crate) struct Secure {
    server: Server,
    authority: Authority,
    port: u16,
}

pub(crate) async fn fixture() -> (Secure, Arc<dyn SharedStore>) {
    let secure = Secure::start("no");
    let store = secure.store().build().unwrap();
    (secure, Arc::new(store))
}

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("sec-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let certificate = pem("CERTIFICATE", certificate.der());
        std::fs::write(folder.join("ca.pem"), &certificate).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            folder,
        }
    }

    /// A certificate for this name, and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Another than the issuer's, or OpenSSL takes it for self-signed.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = pem("PRIVATE KEY", &key.serialize_der());
        (pem("CERTIFICATE", certificate.der()), key)
    }

    /// What a server of this name is started with.
    fn options(&self, name: &str) -> Vec<String> {
        let (certificate, key) = self.issue(name);
        let file = |file: &str| self.folder.join(file);
        std::fs::write(file("server.pem"), certificate).unwrap();
        std::fs::write(file("server.key"), key).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("tls-cert-file", "server.pem"),
            ("tls-key-file", "server.key"),
            ("tls-ca-cert-file", "ca.pem"),
        ]
        .into_iter()
        .flat_map(|(option, name)| [format!("--{option}"), text(&file(name))])
        .collect()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Below the system's temporary folder, which is cleaned in any case.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Secure {
    fn start(asks_clients: &str) -> Self {
        Self::of("127.0.0.1", asks_clients)
    }

    fn of(name: &str, asks_clients: &str) -> Self {
        Self::with(name, asks_clients, Vec::new)
    }

    fn with(name: &str, asks_clients: &str, more: impl Fn() -> Vec<String>) -> Self {
        let authority = Authority::new();
        let port = std::cell::Cell::new(0);
        let server = Server::start_with(|| {
            port.set(free_port());
            let port = port.get().to_string();
            let own = ["--tls-port", &port, "--tls-auth-clients", asks_clients];
            let own = own.map(String::from).to_vec();
            [authority.options(name), own, more()].concat()
        });
        Self {
            server,
            authority,
            port: port.get(),
        }
    }

    fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    fn store(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.url()).root_certificates(self.authority.certificate.as_bytes())
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines.map(|line| str::from_utf8(line).unwrap()).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

fn limiter(store: RedisStore, deadline: Duration) -> SharedLimiter {
    SharedLimiter::builder("api", Arc::new(store), secret())
        .tier("user", Quota::per(100, HOUR), Key::given("user"))
        .on_store_error(Fallback::Closed)
        .deadline(deadline)
        .breaker(u32::MAX, Duration::from_millis(1))
        .build()
        .unwrap()
}

async fn failure(store: RedisStore) -> String {
    let limiter = limiter(store, Duration::from_secs(10));
    match limiter.check(ada(), 1).await.unwrap_err() {
        LimitError::Store(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_refused() {
    let secure = Secure::start("no");
    let stranger = Authority::new();
    let wrong = RedisStore::builder(secure.url());
    let wrong = wrong.root_certificates(stranger.certificate.as_bytes());
    let why = failure(wrong.build().unwrap()).await;
    assert!(why.contains("invalid peer certificate"), "{why}");

    // Vouched for, under another name.
    let other = Secure::of("redis.example", "no");
    let why = failure(other.store().build().unwrap()).await;
    assert!(why.contains("invalid peer certificate"), "{why}");

    // No TLS at all.
    let port = secure.server.url().replace("redis://", "rediss://");
    let plain = RedisStore::builder(port);
    let plain = plain.root_certificates(secure.authority.certificate.as_bytes());
    let plain = plain.connect_within(Duration::from_millis(500));
    failure(plain.build().unwrap()).await;
    assert_eq!(secure.server.keys(), [""; 0]);
}

#[tokio::test]
async fn a_server_may_ask_who_comes() {
    let secure = Secure::start("yes");
    failure(secure.store().build().unwrap()).await;

    let (certificate, key) = secure.authority.issue("limits");
    let store = secure.store().client_certificate(certificate, key);
    let limiter = one_tier(Arc::new(store.build().unwrap()), Quota::per(3, HOUR));
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 2);
}

#[tokio::test]
async fn hung_connections_are_let_go_and_new_ones_are_made() {
    let secure = Secure::start("no");
    let limiter = limiter(secure.store().build().unwrap(), Duration::from_millis(500));
    for _ in 0..4 {
        limiter.check(ada(), 1).await.unwrap();
    }
    let clients = || -> Vec<String> {
        let clients: String = secure.server.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
        let evalsha = clients.lines().filter(|line| line.contains("cmd=eval"));
        let id = |line: &str| line.split(' ').next().unwrap().to_owned();
        evalsha.map(id).collect()
    };
    let before = clients();
    assert_eq!(before.len(), 2);

    secure.server.signal("-STOP");
    for _ in 0..4 {
        assert!(limiter.check(ada(), 1).await.is_err());
    }
    secure.server.signal("-CONT");
    until("the server sees that its clients have gone", || {
        let now = clients();
        before.iter().all(|id| !now.contains(id))
    });
    let mut answers = 0;
    while answers < 4 {
        answers += u32::from(limiter.check(ada(), 1).await.is_ok());
    }
    assert_eq!(clients().len(), 2);
}

#[cfg(feature = "redis-cluster")]
#[tokio::test]
async fn a_cluster_speaks_it_too() {
    let secure = Secure::with("127.0.0.1", "no", || {
        let bus = free_port().to_string();
        let options = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
        let options = options.into_iter().chain(["--cluster-port", &bus]);
        options.map(String::from).collect()
    });
    let () = secure
        .server
        .ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster serves its slots", || {
        let state: String = secure.server.ask(&["CLUSTER", "INFO"]);
        state.contains("cluster_state:ok")
    });
    let store = RedisStore::cluster([secure.url()]);
    let unknown = store
        .clone()
        .root_certificates(Authority::new().certificate.as_bytes());
    let why = failure(unknown.build().unwrap()).await;
    assert!(why.contains("invalid peer certificate"), "{why}");

    let store = store.root_certificates(secure.authority.certificate.as_bytes());
    let limiter = one_tier(Arc::new(store.build().unwrap()), Quota::per(3, HOUR));
    assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), 2);
}

#[tokio::test]
async fn sentinels_and_their_master_speak_it_too() {
    let secure = Secure::start("no");
    let authority = &secure.authority;
    let sentinel_port = free_port();
    let options = authority.options("127.0.0.1");
    let options = options
        .chunks(2)
        .map(|pair| format!("{} {}", pair[0].trim_start_matches('-'), pair[1]));
    let lines = [
        format!("sentinel monitor {NAME} 127.0.0.1 {} 1", secure.port),
        format!("tls-port {sentinel_port}"),
        "tls-replication yes".into(),
        "tls-auth-clients no".into(),
    ];
    let lines: Vec<_> = lines.into_iter().chain(options).collect();
    let _watcher = Watcher::start(&lines);
    let sentinel = format!("rediss://127.0.0.1:{sentinel_port}");
    // A bare name follows its sentinels, so that nobody speaks in the clear by accident.
    for (master, left) in [(format!("rediss://{NAME}"), 2), (NAME.into(), 1)] {
        let store = RedisStore::sentinel([&*sentinel], master);
        let store = store.root_certificates(authority.certificate.as_bytes());
        let limiter = one_tier(Arc::new(store.build().unwrap()), Quota::per(3, HOUR));
        assert_eq!(limiter.check(ada(), 1).await.unwrap().remaining(), left);
    }
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let secure = || RedisStore::builder("rediss://:hush@127.0.0.1");
    let (certificate, key) = authority.issue("limits");
    let (_, foreign) = authority.issue("limits");
    let refused = [
        (secure().root_certificates("nothing"), "root_certificates"),
        (secure().root_certificates(&*key), "root_certificates"),
        (
            secure().root_certificates(pem("CERTIFICATE", b"garbage")),
            "root_certificates",
        ),
        (
            secure().client_certificate("nothing", &*key),
            "client_certificate",
        ),
        (
            secure().client_certificate(&*certificate, "nothing"),
            "client_certificate",
        ),
        (
            secure().client_certificate(&*certificate, foreign),
            "client_certificate",
        ),
        // Else it would be sent in the clear by whoever forgets an `s`.
        (
            RedisStore::builder("redis://127.0.0.1").root_certificates(&*certificate),
            "rediss://",
        ),
    ];
    for (builder, named) in refused {
        let builder = match named {
            "client_certificate" => builder.root_certificates(&*authority.certificate),
            _ => builder,
        };
        let error = builder.build().unwrap_err();
        assert!(matches!(error, RedisStoreError::Tls(_)), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let unchecked = RedisStore::builder("rediss://:hush@127.0.0.1/#insecure");
    let error = unchecked.build().unwrap_err();
    assert!(matches!(&error, RedisStoreError::Url(why) if !why.contains("hush")));

    let builder = secure().client_certificate(&*certificate, &*key);
    let shown = format!("{builder:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}
