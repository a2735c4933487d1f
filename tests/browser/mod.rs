//! The page in a real browser, under its own policy.

mod challenge;
mod cors;
mod frames;
mod webdriver;

use std::net::SocketAddr;

use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use sec_core::ContextLayer;
use sec_headers::{CrossOriginGuard, CrossOriginGuardLayer, Csp, HeadersLayer, SecHeaders};

use self::webdriver::Browser;
use crate::support::{PASSWORD, Running};

#[tokio::test]
async fn a_person_signs_up_writes_and_leaves_under_the_strict_policy() {
    let service = Running::start().await;
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/", service.addr)).await;
    browser
        .until("document.documentElement.dataset.script === 'ran'")
        .await;
    let style = browser
        .run("return getComputedStyle(document.body).maxWidth")
        .await;
    assert_ne!(
        style, "none",
        "the inline style has the nonce, so it applies"
    );

    browser.fill("#signup [name=username]", "grace").await;
    browser
        .fill("#signup [name=email]", "grace@example.com")
        .await;
    browser.fill("#signup [name=password]", PASSWORD).await;
    browser.click("#signup button").await;
    browser
        .until("document.getElementById('who').textContent === 'You are grace.'")
        .await;
    assert_eq!(
        browser.run("return document.cookie").await,
        "",
        "scripts cannot read the refresh cookie"
    );

    browser
        .fill(
            "#comment textarea",
            "Hello <b>there</b><img src=x onerror=\"document.title='stolen'\">",
        )
        .await;
    browser.click("#comment button").await;
    browser
        .until("document.querySelector('#comments article b')?.textContent === 'there'")
        .await;
    // The page was loaded anew: the cookie alone brought the session back.
    browser
        .until("document.getElementById('who').textContent === 'You are grace.'")
        .await;
    assert_ne!(browser.run("return document.title").await, "stolen");
    let complaints = browser.log().await;
    let about_policy = complaints
        .iter()
        .filter(|line| line.contains("Content Security Policy"));
    assert_eq!(
        about_policy.count(),
        0,
        "the page breaks its own policy: {complaints:?}"
    );

    browser.click("#logout").await;
    browser
        .until("document.getElementById('who').textContent === 'You are not logged in.'")
        .await;
    assert_eq!(service.entries("authn_logout").await.len(), 1);
}

#[tokio::test]
async fn a_script_without_the_nonce_is_blocked_and_reported() {
    let service = Running::start().await;
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/", service.addr)).await;
    browser
        .until("document.documentElement.dataset.script === 'ran'")
        .await;
    // What an injection would do.
    browser
        .run(
            "const injected = document.createElement('div');
             injected.innerHTML = '<img src=x onerror=\"document.title=1\">';
             document.body.append(injected);
             const frame = document.createElement('button');
             frame.setAttribute('onclick', 'document.title=2');
             document.body.append(frame); frame.click();",
        )
        .await;
    browser.until("true").await;
    assert_eq!(
        browser.run("return document.title").await,
        "Quickstart guest book"
    );
    let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
    // The Reporting API sends in batches of its own choosing.
    while service.entries("csp_violation").await.is_empty() {
        assert!(
            std::time::Instant::now() < end,
            "no report arrived; console: {:?}",
            browser.log().await
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_form_on_another_site_changes_nothing() {
    let service = Running::start().await;
    let browser = Browser::start().await;
    // localhost and 127.0.0.1 are two sites to a browser.
    let evil = another_site(format!(
        "<form method=post action='http://{}/auth/logout'></form><script>document.forms[0].submit()</script>",
        service.addr
    ));
    browser.open(&evil.await).await;
    browser.until("location.pathname === '/auth/logout'").await;
    let shown = browser.run("return document.body.innerText").await;
    assert!(shown.as_str().unwrap().contains("403"), "{shown}");
    assert_eq!(service.entries("malicious_csrf").await.len(), 1);
}

/// A page on a server that is not ours; gives its address.
async fn another_site(page: String) -> String {
    serve(Router::new().fallback(async move || Html(page))).await
}

/// Serves on a free port until the test ends, under the name `localhost`.
async fn serve(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    format!("http://localhost:{port}/")
}

/// helmet #411 and others: a header set that breaks plain forms. `Referrer-Policy: no-referrer` would make the browser send
/// `Origin: null` with them.
#[tokio::test]
async fn a_plain_form_works_under_every_preset() {
    let browser = Browser::start().await;
    let presets = [
        ("web_app", SecHeaders::web_app()),
        ("strict", SecHeaders::strict()),
        // For JSON: its policy forbids forms on its own pages, so that one header is another here.
        ("api", SecHeaders::api().csp(Csp::web_app())),
    ];
    for (name, preset) in presets {
        let form = "<form method=post action=/sent><button>send</button></form>";
        let routes = Router::new()
            .route("/", get(async move || Html(form)))
            .route("/sent", post(async || "received"))
            .layer(CrossOriginGuardLayer::new(CrossOriginGuard::new()))
            .layer(HeadersLayer::new(preset.build().unwrap()))
            .layer(ContextLayer::new());
        let address = serve(routes).await;
        browser.open(&address).await;
        browser.click("button").await;
        browser.until("location.pathname === '/sent'").await;
        assert_eq!(
            browser.run("return document.body.innerText").await,
            "received",
            "{name}"
        );
    }
}
