use http::HeaderMap;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use super::report::{Findings, Severity, not_read};
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
    verdict.record_because(cause, Test::XContentTypeOptions, HEADER, findings)
}

/// Whether the Observatory reads the answer as HTML. It compares with case.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let value = joined(headers, &CONTENT_TYPE);
    let kind = value.as_deref().and_then(|value| value.split(';').next());
    matches!(kind, Some("text/html" | "application/xhtml+xml"))
}
