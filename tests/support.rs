//! The quickstart on a free port, and requests as bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quickstart::app::App;
use quickstart::config::Settings;
use quickstart::tour::client::Client;
use sec_core::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

pub(crate) const ADMIN_PASSWORD: &str = "the keys of the house";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A service that ends with the test.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) app: Arc<App>,
    task: JoinHandle<()>,
}

impl Running {
    /// The service of the file that comes with the example, with cheap hashes.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::embedded().unwrap();
        // The least that the crate takes: OWASP's floor.
        settings.passwords.memory_kib = 7168;
        settings.passwords.passes = 5;
        settings.passwords.lanes = 1;
        change(&mut settings);
        let app = App::new(settings, Secret::new(ADMIN_PASSWORD.to_owned()))
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = app.clone().serve(listener, std::future::pending());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { addr, app, task }
    }

    pub(crate) fn client(&self, host: [u8; 2]) -> Client {
        Client::new(self.addr, host)
    }

    pub(crate) async fn sign_up(&self, name: &str) {
        let form =
            json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = self
            .client([250, 1])
            .post("/auth/signup", &form)
            .await
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.json());
    }

    /// A caller from an address with somebody's token and cookie.
    pub(crate) async fn logged_in(&self, name: &str, password: &str, host: [u8; 2]) -> Client {
        let mut client = self.client(host);
        let answer = client
            .post(
                "/auth/login",
                &json!({"username": name, "password": password}),
            )
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json());
        client.cookie = answer.cookie();
        client.token = answer.access_token();
        client
    }

    /// The trail's entries of a kind, newest first.
    pub(crate) async fn entries(&self, action: &str) -> Vec<Value> {
        let query = sec_audit::AuditQuery::parse(&format!("action={action}&limit=100")).unwrap();
        let page = self.app.trail.query(&query).await.unwrap();
        let page: Value = serde_json::from_slice(&page.to_json()).unwrap();
        page["entries"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What came back for bytes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn is_problem(&self) -> bool {
        self.head
            .to_ascii_lowercase()
            .contains("content-type: application/problem+json")
            && serde_json::from_slice::<Value>(&self.body)
                .is_ok_and(|problem| problem["status"] == self.status)
    }
}

/// Sends bytes and reads until the service closes; `None` when it answered nothing at all.
pub(crate) async fn raw(addr: SocketAddr, from: [u8; 2], bytes: Vec<u8>) -> Option<Reply> {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, from[0], from[1]], 0)))
        .unwrap();
    let stream = socket.connect(addr).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    // The service may answer and close before it has read everything.
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        writer
    });
    let mut answer = Vec::new();
    let read = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("the service answers and closes");
    writing.abort();
    parse(&answer)
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = answer[end + 4..].to_vec();
    Some(Reply { status, head, body })
}
