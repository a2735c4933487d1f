use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header::X_FRAME_OPTIONS;
use sec_core::ContextLayer;
use sec_headers::{CspNonce, Directive, FrameOptions, HeadersLayer, SecHeaders, Source};

use super::webdriver::Browser;
use super::{another_site, serve};

const EMBEDDER: &str = "<!doctype html><script>
    const heard = [], loaded = [];
    addEventListener('message', event => heard.push(event.data));
    function embed(address) {
        const frame = document.createElement('iframe');
        frame.onload = () => loaded.push(address);
        frame.src = address;
        document.body.append(frame);
    }
</script><body></body>";

/// Clickjacking (OWASP): a page of another origin puts ours into a frame. Each of the two headers has to
/// hold by itself; a page that allows that origin shows that the test would see one that did not.
#[tokio::test]
async fn a_page_is_framed_only_by_whom_it_allows() {
    let embedder = another_site(EMBEDDER.to_owned()).await;
    let allowed = Source::host(embedder.trim_end_matches('/')).unwrap();
    let elsewhere = Source::host("https://partner.example").unwrap();
    let page = |path: &str, headers: SecHeaders| {
        // A browser runs it only if it shows the page.
        let show = |nonce: CspNonce| async move {
            Html(format!(
                "<script nonce={nonce}>parent.postMessage(location.pathname, '*')</script>"
            ))
        };
        let layer = HeadersLayer::new(headers.build().unwrap());
        Router::new().route(path, get(show)).layer(layer)
    };
    let frame_ancestors = |source: Source| {
        let headers = SecHeaders::web_app().without(X_FRAME_OPTIONS);
        headers.edit_csp(|csp| csp.frame_ancestors([source]))
    };
    // Where a policy has frame-ancestors, browsers do not look at the older header.
    let neither = SecHeaders::web_app()
        .without(X_FRAME_OPTIONS)
        .edit_csp(|csp| csp.without(Directive::FrameAncestors));
    let old = neither.clone().frame_options(FrameOptions::Deny);
    let routes = page("/preset", SecHeaders::web_app())
        .merge(page(
            "/by-policy",
            SecHeaders::web_app().without(X_FRAME_OPTIONS),
        ))
        .merge(page("/by-old-header", old))
        .merge(page("/for-another", frame_ancestors(elsewhere)))
        .merge(page("/allowed", frame_ancestors(allowed)))
        .merge(page("/unprotected", neither))
        .layer(ContextLayer::new());
    // localhost and 127.0.0.1 are two sites to a browser.
    let service = serve(routes).await.replace("localhost", "127.0.0.1");

    let browser = Browser::start().await;
    for path in [
        "preset",
        "by-policy",
        "by-old-header",
        "for-another",
        "allowed",
    ] {
        browser.open(&format!("{service}{path}")).await;
        // By itself each of them is shown: its headers came, and its script ran.
        browser.until("document.readyState === 'complete'").await;
        assert_eq!(
            browser.run("return document.scripts.length").await,
            1,
            "{path}"
        );
    }
    browser.open(&embedder).await;
    let refused = ["preset", "by-policy", "by-old-header", "for-another"];
    for path in refused {
        browser.run(&format!("embed('{service}{path}')")).await;
    }
    // A refused frame loads an error page in its place.
    browser
        .until(&format!("loaded.length === {}", refused.len()))
        .await;
    for path in ["allowed", "unprotected"] {
        browser.run(&format!("embed('{service}{path}')")).await;
    }
    browser
        .until("heard.length > 1 && loaded.length === 6")
        .await;
    assert_eq!(
        browser.run("return heard.sort()").await,
        serde_json::json!(["/allowed", "/unprotected"])
    );
    let complaints = browser.log().await;
    let count = |words: &str| {
        complaints
            .iter()
            .filter(|line| line.contains(words))
            .count()
    };
    assert_eq!(count("frame-ancestors 'none'"), 2, "{complaints:?}");
    assert_eq!(
        count("frame-ancestors https://partner.example"),
        1,
        "{complaints:?}"
    );
    // Chromium says nothing here about the older header; that nothing was heard is what counts.
}
