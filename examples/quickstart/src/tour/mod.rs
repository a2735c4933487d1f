//! `quickstart -- tour`: the same service, driven over real HTTP as a client and as an attacker.
//!
//! Each row says what was tried, what came back, and which entry it left in the audit trail. A defence that did not
//! hold makes the exit status 1.

mod accounts;
mod blocks;
pub mod client;
mod content;
mod report;
mod saturation;
mod transport;
mod unfinished;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use self::client::{Answer, Client, Failure};
use self::report::Row;
use crate::app::App;

/// The tour's own accounts all have this password.
const PASSWORD: &str = "correct horse battery staple";

/// Runs every stop and prints the table; true when every defence held.
pub async fn run(app: Arc<App>, server: SocketAddr, admin: (&str, &str)) -> Result<bool, Failure> {
    let mut tour = Tour::begin(app, server, admin).await?;
    tour.accounts().await?;
    tour.content().await?;
    tour.transport().await?;
    tour.blocks().await?;
    tour.saturation().await?;
    Ok(report::print(&tour.rows))
}

struct Tour {
    app: Arc<App>,
    server: SocketAddr,
    admin: Client,
    rows: Vec<Row>,
    hosts: u8,
}

/// What a stop wants to see.
struct Wanted<'a> {
    status: u16,
    /// Each with what it is called, should it be false.
    also: &'a [(&'a str, bool)],
    /// The kind of the entry that the trail must have under the request's id.
    entry: Option<&'a str>,
}

impl Wanted<'_> {
    /// Nothing but the status.
    const fn plain(status: u16) -> Self {
        Self {
            status,
            also: &[],
            entry: None,
        }
    }
}

impl Tour {
    async fn begin(
        app: Arc<App>,
        server: SocketAddr,
        (name, password): (&str, &str),
    ) -> Result<Self, Failure> {
        let admin = Client::new(server, [99, 1]);
        let answer = admin
            .post(
                "/auth/login",
                &json!({"username": name, "password": password}),
            )
            .await?;
        let token = answer
            .access_token()
            .ok_or("the administrator cannot log in")?;
        Ok(Self {
            app,
            server,
            admin: admin.with_token(token),
            rows: Vec::new(),
            hosts: 0,
        })
    }

    /// A caller from an address that nobody used before, so that one stop's limits do not hit another.
    fn stranger(&mut self) -> Client {
        self.hosts += 1;
        Client::new(self.server, [10, self.hosts])
    }

    /// A new account, logged in.
    async fn member(&mut self, name: &str) -> Result<Client, Failure> {
        let caller = self.stranger();
        let form =
            json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = caller.post("/auth/signup", &form).await?;
        if answer.status != 201 {
            return Err(format!("{name} cannot sign up: {}", answer.json()).into());
        }
        self.log_in(caller, name).await
    }

    async fn log_in(&self, mut caller: Client, name: &str) -> Result<Client, Failure> {
        let answer = caller
            .post(
                "/auth/login",
                &json!({"username": name, "password": PASSWORD}),
            )
            .await?;
        let token = answer
            .access_token()
            .ok_or_else(|| format!("{name} cannot log in: {}", answer.json()))?;
        caller.cookie = answer.cookie();
        Ok(caller.with_token(token))
    }

    /// Judges an answer, and the entry that it left.
    async fn judge(
        &mut self,
        tried: &str,
        answer: &Answer,
        wanted: Wanted<'_>,
    ) -> Result<(), Failure> {
        let mut faults: Vec<String> = Vec::new();
        if answer.status.as_u16() != wanted.status {
            faults.push(format!("wanted {}", wanted.status));
        }
        if wanted.status >= 400
            && !answer
                .header("content-type")
                .starts_with("application/problem+json")
        {
            faults.push("not a problem".to_owned());
        }
        faults.extend(
            wanted
                .also
                .iter()
                .filter(|(_, held)| !held)
                .map(|(what, _)| (*what).to_owned()),
        );
        let entry = match wanted.entry {
            Some(kind) => self.entry(kind, answer.request_id()).await?,
            None => "-".to_owned(),
        };
        if let (Some(kind), true) = (wanted.entry, entry.is_empty()) {
            faults.push(format!("no entry {kind}"));
        }
        let came = match answer.json()["title"].as_str() {
            Some(title) => format!("{} {title}", answer.status.as_u16()),
            None => answer.status.to_string(),
        };
        self.rows.push(Row::new(tried, came, entry, faults));
        Ok(())
    }

    /// The trail's entry of a kind for one request, in short; empty when there is none.
    async fn entry(&self, kind: &str, request_id: &str) -> Result<String, Failure> {
        let path = format!("/admin/audit?action={kind}&request_id={request_id}");
        let page = self.admin.get(&path).await?;
        let page = page.json();
        let Some(entry) = page["entries"]
            .as_array()
            .and_then(|entries| entries.first())
        else {
            return Ok(String::new());
        };
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let reason = match text("reason") {
            reason if reason.is_empty() => String::new(),
            reason => format!(" ({reason})"),
        };
        Ok(format!("{} {}{reason}", text("severity"), text("action")))
    }
}

/// The form of a log-in.
fn credentials(name: &str, password: &str) -> Value {
    json!({"username": name, "password": password})
}
