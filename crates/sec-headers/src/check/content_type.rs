use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};

use super::report::{Findings, Severity, excerpt, not_read};
use super::score::{Outcome, Test, Verdict};
use super::{Input, joined};

const HEADER: &str = "x-content-type-options";

const NOT_NOSNIFF: &str = "not nosniff, the only value with a meaning";

const NOSNIFF: Verdict = Verdict::good("x-content-type-options-nosniff", 0);
const ABSENT: Verdict = Verdict::bad(
    Severity::Medium,
    "x-content-type-options-not-implemented",
    -5,
    "browsers may take an upload for a script or a page",
    "Send nosniff",
);
const INVALID: Verdict = Verdict::bad(
    Severity::Medium,
    "x-content-type-options-header-invalid",
    -5,
    NOT_NOSNIFF,
    "Send nosniff, once",
);

pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let (verdict, cause) = match input.joined(X_CONTENT_TYPE_OPTIONS).as_deref() {
        None | Some("") => (ABSENT, None),
        Some(text) if text.eq_ignore_ascii_case("nosniff") => (NOSNIFF, None),
        Some(_) => (
            INVALID,
            Some(not_read(input, X_CONTENT_TYPE_OPTIONS, NOT_NOSNIFF)),
        ),
    };
    let outcome = verdict.record_because(cause, Test::XContentTypeOptions, HEADER, findings);
    lint(input, outcome.points() == 0, findings);
    outcome
}

/// Under `nosniff` browsers do not take what has no type for a page (MIME Sniffing, section 7).
fn lint(input: &Input<'_>, nosniff: bool, findings: &mut Findings) {
    const HEADER: &str = "content-type";
    let Some(value) = input.joined(CONTENT_TYPE).filter(|value| !value.is_empty()) else {
        let empty = input.values(CONTENT_LENGTH).any(|length| length == "0");
        if !nosniff && !empty && !input.headers.contains_key(LOCATION) {
            findings.add(
                Severity::Medium,
                HEADER,
                "content-type-missing",
                "is missing, so that browsers guess from the first bytes what the answer is",
                "Say what it is, or application/octet-stream",
            );
        }
        return;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then_some(value)
    });
    let Some(charset) = charset.map(|value| value.trim_matches('"').trim()) else {
        return;
    };
    let markup = kind.starts_with("text/") || kind.ends_with("xml");
    if markup && !is_plain(&charset.to_ascii_lowercase()) {
        findings.add(
            Severity::Medium,
            HEADER,
            "content-type-charset",
            format!(
                "the charset {} hides markup from filters, or browsers do not know it and guess",
                excerpt(charset)
            ),
            "Send charset=utf-8",
        );
    }
}

/// An encoding of the Encoding Standard in which markup looks as in ASCII, by its usual names. In
/// others (UTF-7, ISO-2022, HZ, UTF-16) `<` may be written with other bytes.
fn is_plain(charset: &str) -> bool {
    const NAMES: [&str; 15] = [
        "utf-8",
        "utf8",
        "us-ascii",
        "ascii",
        "latin1",
        "gbk",
        "gb2312",
        "gb18030",
        "big5",
        "big5-hkscs",
        "shift_jis",
        "shift-jis",
        "sjis",
        "tis-620",
        "macintosh",
    ];
    const FAMILIES: [&str; 7] = [
        "iso-8859-",
        "iso8859-",
        "windows-",
        "cp125",
        "koi8-",
        "euc-",
        "ks_c_5601",
    ];
    NAMES.contains(&charset) || FAMILIES.iter().any(|family| charset.starts_with(family))
}

/// Whether the Observatory reads the answer as HTML. It compares with case.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let value = joined(headers, &CONTENT_TYPE);
    let kind = value.as_deref().and_then(|value| value.split(';').next());
    matches!(kind, Some("text/html" | "application/xhtml+xml"))
}
