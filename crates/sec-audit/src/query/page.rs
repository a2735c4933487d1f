//! One page of entries.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use serde::{Serialize, Serializer};

use crate::entry::AuditEntry;
use crate::json;

/// A page of the trail, newest entry first. Serialises as `{"entries": […], "next_cursor": "…"}`, with a null
/// cursor on the last page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page {
    /// The entries.
    #[serde(serialize_with = "plain")]
    pub entries: Vec<Arc<AuditEntry>>,
    /// What to ask with for the next page.
    pub next_cursor: Option<String>,
}

impl Page {
    pub(crate) fn new(entries: Vec<Arc<AuditEntry>>, next_cursor: Option<String>) -> Self {
        Self {
            entries,
            next_cursor,
        }
    }

    /// The page as one line of JSON in which every control character, line separator and direction mark is
    /// escaped.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        json::line(self).into()
    }

    /// The page as a complete answer: `application/json`, never cached.
    #[must_use]
    pub fn respond(&self) -> Response<Bytes> {
        let mut response = Response::new(self.to_json());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// Through the `Arc`s, without needing serde's `rc` feature.
fn plain<S: Serializer>(entries: &[Arc<AuditEntry>], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(entries.iter().map(AsRef::as_ref))
}
