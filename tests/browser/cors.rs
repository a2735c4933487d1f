use serde_json::json;

use super::another_site;
use super::webdriver::Browser;
use crate::support::Running;

/// Asks with a header that no form can send, so that the browser asks for permission first. What the page learned stands in
/// `document.title`.
const ASKS: &str = "<!doctype html><title>waiting</title><script>
    function ask(address, init) {
        fetch(address, init)
            .then(async answer => { document.title = answer.status + ' ' + (await answer.json()).type.split('#')[1] })
            .catch(error => { document.title = error.name });
    }
</script>";

/// The page of an origin that is listed is let through the preflight and reads the answer, a refusal here; the page of any
/// other one learns nothing, and its preflight is on record.
#[tokio::test]
async fn a_listed_page_passes_the_preflight_and_another_does_not() {
    let listed = another_site(ASKS.to_owned()).await;
    let other = another_site(ASKS.to_owned()).await;
    let origin = listed.trim_end_matches('/').to_owned();
    let service = Running::with(|settings| settings.cors.origins = vec![origin]).await;
    let browser = Browser::start().await;
    let address = format!("http://{}/me", service.addr);
    let init = json!({"headers": {"authorization": "Bearer forged"}});
    for (page, learned) in [(&listed, "401 invalid-token"), (&other, "TypeError")] {
        browser.open(page).await;
        browser.run(&format!("ask('{address}', {init})")).await;
        browser.until("document.title !== 'waiting'").await;
        assert_eq!(browser.run("return document.title").await, learned);
    }
    let refused = service.entries("malicious_cors").await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    let entry = refused[0].to_string();
    assert!(entry.contains(other.trim_end_matches('/')), "{entry}");
    assert!(entry.contains("requested_method"), "{entry}");
    // The preflight never reached what asks for credentials.
    assert_eq!(service.entries("authn_token_rejected").await.len(), 1);
}

/// Listed to read is not trusted to change: the guard refuses, and the page can read why.
#[tokio::test]
async fn a_listed_page_reads_but_does_not_change() {
    let listed = another_site(ASKS.to_owned()).await;
    let origin = listed.trim_end_matches('/').to_owned();
    let service = Running::with(|settings| settings.cors.origins = vec![origin]).await;
    let browser = Browser::start().await;
    browser.open(&listed).await;
    let address = format!("http://{}/auth/logout", service.addr);
    let init = json!({"method": "POST"});
    browser.run(&format!("ask('{address}', {init})")).await;
    browser.until("document.title !== 'waiting'").await;
    assert_eq!(
        browser.run("return document.title").await,
        "403 cross-origin-request"
    );
    assert_eq!(service.entries("malicious_csrf").await.len(), 1);
}
