use axum::Router;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::get;
use sec_core::ContextLayer;
use sec_headers::{HeadersLayer, SecHeaders};
use sec_ratelimit::{ChallengeLayer, Clearance, Demand};

use super::serve;
use super::webdriver::Browser;

/// The page works for its visitor under its own policy, inside of a service that has a strict one, and the browser then gets
/// what it asked for at the address where it asked.
#[tokio::test]
async fn a_browser_works_for_its_clearance_and_comes_in() {
    let inside = async |headers: HeaderMap| {
        let cookie = headers.get("cookie").is_some();
        Html(format!(
            "<!doctype html><title>in</title><p id=in>{cookie}</p>"
        ))
    };
    let clearance = Clearance::new(8).unwrap();
    let routes = Router::new()
        .route("/orders", get(inside))
        .layer(ChallengeLayer::new(clearance, |_| Demand::Work))
        .layer(HeadersLayer::new(SecHeaders::web_app().build().unwrap()))
        .layer(ContextLayer::new());
    let address = format!("{}orders?x=1#part", serve(routes).await);
    let browser = Browser::start().await;
    browser.open(&address).await;
    browser.until("document.title === 'in'").await;
    assert_eq!(
        browser.run("return location.href").await,
        address.as_str(),
        "the page stays where it was asked"
    );
    assert_eq!(
        browser
            .run("return document.getElementById('in').textContent")
            .await,
        "true"
    );
    assert_eq!(
        browser.run("return document.cookie").await,
        "",
        "scripts cannot read the clearance"
    );
    let complaints = browser.log().await;
    let about_policy = complaints
        .iter()
        .filter(|line| line.contains("Content Security Policy") && !line.contains("favicon"));
    assert_eq!(about_policy.count(), 0, "{complaints:?}");
}
