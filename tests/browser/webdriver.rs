//! As much of the WebDriver protocol (W3C) as a test needs, spoken to a real ChromeDriver.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quickstart::tour::client::Client;
use serde_json::{Value, json};

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a page may take to get where a test expects it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One headless Chromium with a fresh profile; both end with it.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: Profile,
}

struct Profile(std::path::PathBuf);

/// A driver and its port; `None` if it ended without one.
fn listening(chromedriver: &str) -> Option<(Child, u16)> {
    let mut driver = Command::new(chromedriver)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let mut lines = BufReader::new(driver.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let port = lines.find_map(|line| {
        let said = line.split("successfully on port ").nth(1)?;
        said.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        let _ = driver.wait();
        return None;
    };
    // Its later words must find a reader, or writing them would end it.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let chromedriver = find(&["chromedriver"]);
        let chromium = find(&["chromium", "google-chrome", "chromium-browser"]);
        // It wants one free port for both families of addresses, and ends where the one it chose for the first is
        // taken in the second by then.
        let (driver, port) = (0..5)
            .find_map(|_| listening(&chromedriver))
            .expect("chromedriver says its port");
        let client = Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), [0, 1]);
        let profile = Profile::new();
        let mut args = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", profile.0.display()),
        ];
        if running_as_root() {
            args.push("--no-sandbox".to_owned());
        }
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = client.post("/session", &capabilities).await.unwrap().json();
        let session = answer["value"]["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no session: {answer}"))
            .to_owned();
        Self {
            driver,
            client,
            session,
            _profile: profile,
        }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("url", json!({"url": url})).await;
    }

    /// Runs a function body in the page and gives what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// Fills a field as a person would.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.command(&format!("element/{element}/value"), json!({"text": text}))
            .await;
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.command(&format!("element/{element}/click"), json!({}))
            .await;
    }

    /// Waits until an expression is true in the page; fails with what the page shows when it never is.
    pub(crate) async fn until(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({expression})")).await != Value::Bool(true) {
            let shown = self.run("return document.body.innerText").await;
            assert!(
                Instant::now() < end,
                "never true: {expression}\nthe page shows: {shown}\nlog: {:?}",
                self.log().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The browser's console, among it its complaints about the policy.
    pub(crate) async fn log(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| Some(entry["message"].as_str()?.to_owned()))
            .collect()
    }

    async fn element(&self, css: &str) -> String {
        let found = self
            .command("element", json!({"using": "css selector", "value": css}))
            .await;
        found[ELEMENT]
            .as_str()
            .unwrap_or_else(|| panic!("no element {css}: {found}"))
            .to_owned()
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        let answer = self.client.post(&path, &body).await.unwrap();
        let value = answer.json()["value"].clone();
        assert!(answer.status.is_success(), "{path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killing the driver's group would need a C library; the driver ends its Chromium on SIGTERM.
        let asked = Command::new("kill")
            .arg(self.driver.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.driver.kill();
        }
        let _ = self.driver.wait();
    }
}

impl Profile {
    fn new() -> Self {
        let name = format!("sec-browser-{}-{}", std::process::id(), uuid_like());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn uuid_like() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

/// A missing browser is a failure with the command that mends it, never a silent skip.
fn find(names: &[&str]) -> String {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let candidates = names
        .iter()
        .flat_map(|name| std::env::split_paths(&paths).map(move |dir| dir.join(name)));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{names:?} not found: `apt-get install chromium chromium-driver`, or run scripts/test as root"))
        .display()
        .to_string()
}

/// Chromium's sandbox refuses root.
fn running_as_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.starts_with(b"0")
}
