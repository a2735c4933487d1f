//! Entries as rows that no spreadsheet takes for a program.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, WriterBuilder};
use serde::Serialize;

use crate::entry::AuditEntry;
use crate::json;

const COLUMNS: [&str; 24] = [
    "seq",
    "id",
    "at",
    "action",
    "severity",
    "outcome",
    "reason",
    "count",
    "duration_us",
    "actor",
    "roles",
    "session",
    "tenant",
    "entity_kind",
    "entity_id",
    "client",
    "request_id",
    "method",
    "path",
    "user_agent",
    "metadata",
    "before",
    "after",
    "changes",
];

/// Rows with CRLF ends and every cell in quotes (RFC 4180).
pub(super) fn write<'a>(
    out: &mut impl Write,
    entries: impl IntoIterator<Item = &'a AuditEntry>,
    header: bool,
) -> io::Result<()> {
    let mut rows = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .terminator(Terminator::CRLF)
        .from_writer(out);
    if header {
        rows.write_record(COLUMNS)?;
    }
    for entry in entries {
        for value in cells(entry) {
            rows.write_field(cell(&value).as_bytes())?;
        }
        rows.write_record(None::<&[u8]>)?;
    }
    rows.flush()
}

fn cells(entry: &AuditEntry) -> [Cow<'_, str>; 24] {
    let (kind, id) = entry.entity().unzip();
    let roles: Vec<&str> = entry.roles().collect();
    [
        entry.seq().to_string().into(),
        entry.id().to_string().into(),
        crate::time::rfc3339(entry.at()).into(),
        entry.action().as_str().into(),
        entry.severity().as_str().into(),
        entry.outcome().as_str().into(),
        text(entry.reason()),
        entry.count().to_string().into(),
        entry
            .duration_us()
            .map(|micros| micros.to_string())
            .unwrap_or_default()
            .into(),
        text(entry.actor()),
        roles.join(" ").into(),
        text(entry.session()),
        text(entry.tenant()),
        text(kind),
        text(id),
        entry
            .client()
            .map(|client| client.to_string())
            .unwrap_or_default()
            .into(),
        text(entry.request_id()),
        text(entry.method()),
        text(entry.path()),
        text(entry.user_agent()),
        embedded((!entry.metadata().is_empty()).then(|| entry.metadata())),
        embedded(entry.before()),
        embedded(entry.after()),
        embedded((!entry.changes().is_empty()).then(|| entry.changes())),
    ]
}

fn text(value: Option<&str>) -> Cow<'_, str> {
    Cow::Borrowed(value.unwrap_or_default())
}

fn embedded(value: Option<impl Serialize>) -> Cow<'static, str> {
    value
        .map(|value| json::text(&value))
        .unwrap_or_default()
        .into()
}

/// A cell without control characters and without the power to be a formula.
pub(super) fn cell(value: &str) -> String {
    let clean = sec_core::text::log_safe(value, usize::MAX);
    let mut out = String::with_capacity(clean.len().saturating_add(1));
    for (index, part) in clean.split(';').enumerate() {
        if index > 0 {
            out.push(';');
        }
        if part
            .trim_start_matches(is_skipped)
            .starts_with(begins_formula)
        {
            out.push('\'');
        }
        out.push_str(part);
    }
    out
}

/// What spreadsheets drop before they look at a cell, and the stand-in for what was already taken out.
fn is_skipped(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '\u{FFFD}')
}

fn begins_formula(c: char) -> bool {
    matches!(
        c,
        '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫' | '−'
    )
}
