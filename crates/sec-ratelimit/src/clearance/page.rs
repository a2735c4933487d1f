//! The page that a browser works on.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response};
use sec_core::problem::Format;
use sec_core::{OnRefusal, Problem, RequestView};

use super::Challenged;

/// Answers a navigation with the page, and everything else with the [problem](Challenged).
///
/// The page is one document with one fixed script and one fixed style, which its own Content-Security-Policy names
/// by their hashes (CSP 3 §6.7.2.3), so it needs no nonce and takes nothing from elsewhere. What changes from page to page
/// stands in attributes, and nothing of it comes from the request. It stays at the address that was asked for and
/// loads that anew once it is cleared, so there is no address to go back to that could be forged.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a marker without state")]
pub struct ChallengePage;

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        source(SCRIPT),
        source(STYLE),
    );
    HeaderValue::try_from(policy).ok()
});

fn source(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(hash))
}

impl OnRefusal<Challenged> for ChallengePage {
    fn respond(&self, refusal: &Challenged, request: RequestView<'_>) -> Response<Bytes> {
        let problem = Problem::from(refusal);
        let page = is_navigation(request).then(|| POLICY.as_ref()).flatten();
        let Some(policy) = page else {
            let mut response = problem.respond(request.headers);
            let robots = HeaderValue::from_static("noindex");
            response.headers_mut().insert(ROBOTS, robots);
            return response;
        };
        let mut response = Response::new(Bytes::from(render(refusal)));
        *response.status_mut() = problem.status();
        response.extensions_mut().insert(problem);
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (VARY, "accept"),
            (ROBOTS, "noindex"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        response
    }
}

/// A browser that goes to a page: it can run the script and load the page anew.
fn is_navigation(request: RequestView<'_>) -> bool {
    let destination = request.headers.get("sec-fetch-dest");
    request.method == http::Method::GET
        && Format::preferred(request.headers) == Format::Html
        && destination.is_none_or(|destination| destination == "document")
}

fn render(refusal: &Challenged) -> String {
    let challenge = refusal.challenge();
    let mut page = String::with_capacity(SCRIPT.len().saturating_add(2048));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>One moment</title><style>{STYLE}</style></head>\n\
         <body><main id=\"challenge\" data-token=\"{token}\" data-difficulty=\"{difficulty}\" \
         data-path=\"{path}\" data-failed=\"That did not work. Load the page again.\" \
         data-cookies=\"Cookies are needed here. Allow them and load the page again.\">\n\
         <h1>One moment</h1>\n\
         <p id=\"status\">Many requests are coming in. Your browser is doing a small calculation; \
         the page then opens by itself.</p>\n\
         <noscript><p>The calculation needs JavaScript.</p></noscript>\n\
         </main><script>{SCRIPT}</script></body></html>\n",
        token = escape(challenge.token()),
        difficulty = challenge.difficulty(),
        path = escape(refusal.path()),
    );
    page
}

/// For a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
