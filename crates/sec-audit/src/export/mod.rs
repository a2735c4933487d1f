//! Taking entries out: as JSON, JSON lines or CSV.

mod body;
mod csv;
mod encode;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response};
use sec_core::{EventKind, Outcome, RequestContext};
use serde::{Deserialize, Deserializer};

pub use self::body::ExportBody;
pub use self::encode::write_entries;
use crate::entry::EntryBuilder;
use crate::error::QueryError;
use crate::query::{AuditFilter, Parameters, read, visit};
use crate::store::AuditStore;
use crate::trail::AuditTrail;

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One JSON array, one entry a line: `json`.
    #[default]
    Json,
    /// One JSON object a line (`application/x-ndjson`): `jsonl`. The form to keep and to feed to machines.
    JsonLines,
    /// Comma-separated values (RFC 4180) for people with a spreadsheet: `csv`.
    ///
    /// Every cell is quoted. A cell whose first visible character is one of `= + - @` (also full-width and small
    /// forms, also after white space or quotes) gets a `'` in front, so that no spreadsheet runs it as a formula;
    /// so does such a character after a `;`, where some locales begin a new cell (OWASP, "CSV
    /// Injection"). Control characters, line ends and direction marks are `�` in text cells and `\u…` in JSON cells.
    /// A spreadsheet may still show `00123` as 123: for exact values take JSON lines.
    Csv,
}

impl Format {
    /// The name in queries and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

impl FromStr for Format {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        [Self::Json, Self::JsonLines, Self::Csv]
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| QueryError::invalid("format", "must be json, jsonl or csv"))
    }
}

/// A filter and a format: the parameters of [`AuditQuery`](crate::AuditQuery) without `limit` and `cursor`, and `format`
/// (`json` by default, `jsonl`, `csv`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportQuery {
    filter: AuditFilter,
    format: Format,
}

impl ExportQuery {
    /// Everything that a filter finds, in a format.
    #[must_use]
    pub fn new(filter: AuditFilter, format: Format) -> Self {
        Self { filter, format }
    }

    /// Reads the part of a URI after the question mark.
    ///
    /// # Errors
    /// For the first parameter that is wrong.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        read(query)
    }

    /// Confines the export to one tenant, as [`AuditQuery::within_tenant`](crate::AuditQuery::within_tenant) does.
    ///
    /// # Errors
    /// When the query itself asks for another one.
    pub fn within_tenant(mut self, tenant: &str) -> Result<Self, QueryError> {
        self.filter = self.filter.within_tenant(tenant)?;
        Ok(self)
    }

    /// What it looks for.
    #[must_use]
    pub fn filter(&self) -> &AuditFilter {
        &self.filter
    }

    /// The form it comes in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Parameters for ExportQuery {
    fn assign(&mut self, name: &str, value: &str) -> Result<bool, QueryError> {
        if name == "format" {
            self.format = value.parse()?;
            return Ok(true);
        }
        self.filter.assign(name, value)
    }

    fn names() -> Vec<&'static str> {
        let mut names = AuditFilter::names();
        names.push("format");
        names
    }
}

impl<'de> Deserialize<'de> for ExportQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        visit(deserializer)
    }
}

impl AuditTrail {
    /// Exports what a filter finds, newest first, for the caller of a request. See [`Export`].
    ///
    /// The export is itself on record: one [`EventKind::DATA_EXPORTED`] entry with outcome `pending`, format and
    /// filter before the first byte leaves, and one with the outcome and the number of entries after the last, or
    /// when the body is dropped before its end.
    pub fn export(&self, query: &ExportQuery, context: &RequestContext) -> Export {
        self.export_as(
            query,
            EntryBuilder::from(context.event(EventKind::DATA_EXPORTED)),
        )
    }

    /// Exports on behalf of somebody outside of a request: a job, a command line.
    pub fn export_by(&self, query: &ExportQuery, actor: &str) -> Export {
        let entry = EntryBuilder::new(EventKind::DATA_EXPORTED)
            .actor(actor)
            .at(self.now());
        self.export_as(query, entry)
    }

    fn export_as(&self, query: &ExportQuery, mut entry: EntryBuilder) -> Export {
        entry = entry
            .entity("audit_trail", query.format().as_str())
            .metadata("format", query.format().as_str());
        for (name, value) in query.filter().parameters() {
            entry = entry.metadata(format!("filter.{name}"), value);
        }
        let through = self.store().newest();
        let _ = self.record(entry.clone().outcome(Outcome::Pending));
        Export::new(
            self.clone(),
            Arc::clone(self.store()),
            query,
            through,
            self.now(),
            entry,
        )
    }
}

/// An export that is ready to be sent: headers, and a body that reads the store as fast as it is read itself.
///
/// The body holds one chunk of entries at a time, whatever the size of the export. It ends at the newest entry of
/// the moment at which it was made. Entries that a full memory store gives up while a slow client reads are
/// missing from it, and the trail's gap entry counts them.
#[must_use = "an export that nobody reads is on record as failed"]
pub struct Export {
    format: Format,
    made: SystemTime,
    body: ExportBody,
}

impl Export {
    fn new(
        trail: AuditTrail,
        store: Arc<dyn AuditStore>,
        query: &ExportQuery,
        through: u64,
        made: SystemTime,
        entry: EntryBuilder,
    ) -> Self {
        let filter = Arc::new(query.filter.clone());
        let body = ExportBody::new(trail, store, filter, query.format, through, entry);
        Self {
            format: query.format,
            made,
            body,
        }
    }

    /// A name for the file, such as `audit-20260102T030405Z.csv`.
    #[must_use]
    pub fn filename(&self) -> String {
        format!(
            "audit-{}.{}",
            crate::time::compact(self.made),
            self.format.as_str()
        )
    }

    /// `Content-Type`, `Content-Disposition: attachment`, `Cache-Control: no-store` and
    /// `X-Content-Type-Options: nosniff`.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let disposition = format!("attachment; filename=\"{}\"", self.filename());
        let disposition = HeaderValue::try_from(disposition)
            .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
        HeaderMap::from_iter([
            (
                CONTENT_TYPE,
                HeaderValue::from_static(self.format.content_type()),
            ),
            (CONTENT_DISPOSITION, disposition),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ])
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> ExportBody {
        self.body
    }

    /// The complete answer.
    #[must_use]
    pub fn into_response(self) -> Response<ExportBody> {
        let headers = self.headers();
        let mut response = Response::new(self.body);
        *response.headers_mut() = headers;
        response
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
