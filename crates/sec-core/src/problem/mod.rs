//! RFC 9457 answers (C4): one look for every refusal of the family.
//!
//! # Problem types
//!
//! The `type` of a problem that the family defines is this page's address with the name below as its
//! fragment. Problems without a type of their own are `about:blank`: the status says all.
//!
//! | name | status | meaning |
//! |---|---|---|
//! | `bad-host` | 400 | the authority is missing, repeated, malformed or contradictory |
//! | `invalid-request` | 400 | credentials came twice or malformed (RFC 6750 §3.1) |
//! | `malformed-input` | 400 | the body or query could not be parsed |
//! | `validation-failed` | 422 | parsed, but not acceptable; `errors` has one entry per field |
//! | `invalid-token` | 401 | the credentials are missing, malformed, expired or revoked |
//! | `invalid-credentials` | 401 | user name or password is wrong |
//! | `insufficient-role` | 403 | known, but not allowed |
//! | `cross-origin-request` | 403 | a browser sent this on behalf of another origin |
//! | `misdirected-request` | 421 | the host that the request names is not served here |
//! | `https-required` | 403 | this must be sent over https from the start, a redirect comes too late |
//! | `origin-not-allowed` | 403 | a page of an origin that is not listed sent this (CORS) |
//! | `address-blocked` | 403 | the client's address is on a block list |
//! | `blocked` | 429 | refused too often, and so not heard for a while; see `Retry-After` |
//! | `challenge-required` | 403, 429, 503 | more is asked for first, such as a proof of work; `challenge` says what |
//! | `not-recorded` | 503 | the audit trail could not take what must be recorded first |
//! | `text-too-long` | 413 | a text in the input is longer than it may be |
//! | `markup-too-complex` | 422 | a text has too many tags, or nests them too deeply |
//! | `busy` | 503 | a bounded resource is exhausted; see `Retry-After` |

mod negotiate;
mod refusal;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

pub use self::negotiate::Format;
pub use self::refusal::{OnRefusal, ProblemRefusal, RequestView, refuse};

/// Where the types of the family are described.
const TYPE_BASE: &str = "https://docs.rs/sec-core/latest/sec_core/problem/index.html#";

/// A problem as RFC 9457 has it: what the caller may know.
///
/// The reason that only operators may know goes to a [`SecurityEvent`](crate::SecurityEvent) instead.
///
/// ```
/// use http::StatusCode;
/// use sec_core::Problem;
///
/// let problem = Problem::new(StatusCode::NOT_FOUND).with_detail("no such comment");
/// assert_eq!(
///     problem.to_json(),
///     r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no such comment"}"#
/// );
/// ```
///
/// Its clone is two reference counts: an answer carries the problem in its extensions.
#[derive(Debug, Clone)]
pub struct Problem {
    content: Arc<Content>,
    headers: Option<Arc<[(HeaderName, HeaderValue)]>>,
}

#[derive(Debug, Clone)]
struct Content {
    type_uri: Cow<'static, str>,
    title: Cow<'static, str>,
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    members: Map<String, Value>,
    /// Where it was [prepared](Problem::prepared).
    json: Option<Bytes>,
}

impl Problem {
    /// A problem that its status describes (`about:blank`, RFC 9457 §4.2.1).
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            content: Arc::new(Content {
                type_uri: Cow::Borrowed("about:blank"),
                title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
                status,
                detail: None,
                members: Map::new(),
                json: None,
            }),
            headers: None,
        }
    }

    /// A problem with a type of the family (see the table of this module) and its fixed title.
    #[must_use]
    pub fn typed(name: &str, status: StatusCode, title: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status).with_type(format!("{TYPE_BASE}{name}"), title)
    }

    /// Sets type and title; for problem types registered elsewhere, and for a host's own.
    #[must_use]
    pub fn with_type(
        mut self,
        type_uri: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        let content = self.content();
        content.type_uri = type_uri.into();
        content.title = title.into();
        self
    }

    /// Says more about this occurrence. The caller reads it: nothing internal belongs here.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.content().detail = Some(detail.into());
        self
    }

    /// Adds an extension member (RFC 9457 §3.2). The five standard names cannot be overwritten this way.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        if !matches!(member, "type" | "title" | "status" | "detail" | "instance") {
            let members = &mut self.content().members;
            members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// Adds a header of the answer, such as `WWW-Authenticate` or `Retry-After`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let line = (name, value);
        self.headers = Some(match &self.headers {
            None => Arc::new([line]),
            Some(before) => before.iter().cloned().chain([line]).collect(),
        });
        self
    }

    /// Writes the JSON now, for a problem that many answers are clones of: they share its bytes. Headers can
    /// be [added](Self::with_header) to a clone all the same; whatever else is changed undoes it.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        let json = self.to_json();
        self.content().json = Some(json);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.content.status
    }

    /// The `type` member.
    #[must_use]
    pub fn type_uri(&self) -> &str {
        &self.content.type_uri
    }

    /// The `title` member.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.content.title
    }

    /// The `detail` member.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.content.detail.as_deref()
    }

    /// The extension members.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.content.members
    }

    /// The document of type `application/problem+json`.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        // Serialising maps and strings cannot fail; were it to, an empty object is still a problem (RFC 9457 §3).
        let written = self.content.json.clone();
        written.unwrap_or_else(|| {
            serde_json::to_vec(self).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
        })
    }

    /// The answer in the form that the request's `Accept` prefers: problem+json by default, a short page for
    /// browsers, plain text for who asks for it. Never cached.
    #[must_use]
    pub fn respond(&self, request_headers: &HeaderMap) -> Response<Bytes> {
        self.render(Format::preferred(request_headers))
    }

    /// The answer in a given form.
    #[must_use]
    pub fn render(&self, format: Format) -> Response<Bytes> {
        let mut response = Response::new(negotiate::body(self, format));
        *response.status_mut() = self.content.status;
        // A mark for outer layers: this answer is a problem already, in whatever form.
        response.extensions_mut().insert(self.clone());
        let headers = response.headers_mut();
        // With a few of whoever refuses, such as a limit's.
        headers.reserve(8);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        for (name, value) in self.lines() {
            headers.append(name.clone(), value.clone());
        }
        response
    }
}

impl Problem {
    fn lines(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.headers.iter().flat_map(|lines| &**lines)
    }

    /// To be changed; nobody else has it while it is built.
    fn content(&mut self) -> &mut Content {
        let content = Arc::make_mut(&mut self.content);
        content.json = None;
        content
    }
}

impl PartialEq for Problem {
    fn eq(&self, other: &Self) -> bool {
        // The order of lines with different names says nothing.
        let headers = |problem: &Self| problem.lines().cloned().collect::<HeaderMap>();
        self.content == other.content && headers(self) == headers(other)
    }
}

impl PartialEq for Content {
    /// Whether the same is said; that it is written already says nothing.
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status
            && self.type_uri == other.type_uri
            && self.title == other.title
            && self.detail == other.detail
            && self.members == other.members
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.content.status.as_u16(), self.content.title)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.content.type_uri)?;
        map.serialize_entry("title", &self.content.title)?;
        map.serialize_entry("status", &self.content.status.as_u16())?;
        if let Some(detail) = &self.content.detail {
            map.serialize_entry("detail", detail)?;
        }
        for (member, value) in &self.content.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Problem {
    /// As problem+json; a handler that knows the request's headers can negotiate with
    /// [`respond`](Problem::respond).
    fn into_response(self) -> axum::response::Response {
        self.render(Format::Json).map(axum::body::Body::from)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, RETRY_AFTER};

    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_typed_problem_has_an_absolute_type_and_its_members() {
        let problem = Problem::typed("busy", StatusCode::SERVICE_UNAVAILABLE, "Busy")
            .with("queue", 3)
            .with("status", 200)
            .with_header(RETRY_AFTER, HeaderValue::from_static("2"));
        let json: Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert!(json["type"].as_str().unwrap().ends_with("#busy"));
        assert_eq!(
            (json["status"].as_u64(), json["queue"].as_u64()),
            (Some(503), Some(3))
        );
        let response = problem.respond(&HeaderMap::new());
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_prepared_problem_says_the_same_and_shares_its_bytes() {
        let problem = Problem::new(StatusCode::NOT_FOUND).with("id", 7);
        let prepared = problem.clone().prepared();
        assert_eq!(prepared, problem);
        let told = prepared
            .clone()
            .with_header(RETRY_AFTER, HeaderValue::from_static("2"));
        assert_eq!(told.to_json(), problem.to_json());
        assert_eq!(told.to_json().as_ptr(), prepared.to_json().as_ptr());
        assert_ne!(problem.to_json().as_ptr(), problem.to_json().as_ptr());
        assert_eq!(told.respond(&HeaderMap::new()).headers()[RETRY_AFTER], "2");
        // In any order, but not the values of one name.
        let [one, two] = [(RETRY_AFTER, "2"), (ACCEPT, "a")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)));
        let with = |lines: [&(HeaderName, HeaderValue); 2]| {
            let add = |problem: Problem, (name, value): &(HeaderName, HeaderValue)| {
                problem.with_header(name.clone(), value.clone())
            };
            lines.into_iter().fold(problem.clone(), add)
        };
        assert_eq!(with([&one, &two]), with([&two, &one]));
        let other = (ACCEPT, HeaderValue::from_static("b"));
        assert_ne!(with([&other, &two]), with([&two, &other]));
        // What is changed afterwards is written anew.
        let other = prepared.with("id", 8);
        assert_eq!(other, problem.with("id", 8));
        assert!(other.to_json().ends_with(br#""id":8}"#));
    }

    #[test]
    fn a_page_escapes_what_it_shows() {
        let problem = Problem::new(StatusCode::BAD_REQUEST)
            .with_detail("<script>alert('1' & \"2\")</script>");
        let page = problem.respond(&accept("text/html"));
        let text = std::str::from_utf8(page.body()).unwrap();
        assert!(
            text.contains("&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)"),
            "{text}"
        );
        assert!(!text.contains("<script"));
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let plain = problem.respond(&accept("text/plain"));
        assert!(
            std::str::from_utf8(plain.body())
                .unwrap()
                .starts_with("400 Bad Request\n<script>")
        );
    }
}
