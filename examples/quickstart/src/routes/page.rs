//! The one page.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use sec_headers::CspNonce;
use sec_sanitize::escape;

use crate::app::App;

const PAGE: &str = include_str!("../page.html");

/// Script and style run because they carry this request's nonce; comments are on the page because their type says
/// that they are clean.
pub async fn page(State(app): State<Arc<App>>, nonce: CspNonce) -> Html<String> {
    let mut comments = String::new();
    for comment in app.comments.page(None, 20) {
        let author = escape::html(&comment.author);
        // Writing to a string cannot fail.
        let _ = writeln!(
            comments,
            "<article><h3>{author}</h3>{}</article>",
            comment.body
        );
    }
    Html(
        PAGE.replace("{nonce}", &nonce.to_string())
            .replace("{comments}", &comments),
    )
}
