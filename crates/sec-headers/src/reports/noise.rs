//! What extensions and the browser itself cause, apart from what happens on the page.

use super::{Report, ReportKind, SourceLocation};

/// What stands in front of the colon, or alone, in reports that extensions, add-ons, security suites
/// and the browser's own pages cause. Chromium sends some of them bare, without colon or path.
///
/// The list is that of Sentry (`DEFAULT_DISALLOWED_SOURCES`) without its hosts, which are an opinion,
/// and what browsers have added since. `about` is not on it: an injected `<iframe srcdoc>` has that
/// scheme too.
const FOREIGN: [&str; 19] = [
    "chrome",
    "chrome-error",
    "chrome-search",
    "chrome-untrusted",
    "chromeinvokeimmediate",
    "chromenull",
    "devtools",
    "edge",
    "jar",
    "mbinit",
    "mxaddon-pkg",
    "opera",
    "resource",
    "symres",
    "tmtbff",
    "user-script",
    "view-source",
    "webkit-masked-url",
    "webviewprogressproxy",
];

/// Directives about what has documents of its own, and about where a page goes. There `about:` is an
/// address that injected markup can name; nowhere else can anything be loaded from one.
const OF_DOCUMENTS: [&str; 7] = [
    "child-src",
    "fenced-frame-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "navigate-to",
    "object-src",
];

/// How a report stands to extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is of the page.
    Page,
    /// Only the script's name says that it is of an extension.
    Claimed,
    /// It is of an extension or of the browser.
    Foreign,
}

impl Origin {
    pub(super) fn of(report: &Report) -> Self {
        let (about, location) = parts(&report.kind);
        if is_foreign(&report.document) || is_foreign(about) {
            return Self::Foreign;
        }
        if let ReportKind::CspViolation(body) = &report.kind
            && is_about(about)
            && !OF_DOCUMENTS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&body.directive))
        {
            return Self::Foreign;
        }
        match &report.kind {
            _ if !location.is_some_and(|location| is_foreign(&location.source)) => Self::Page,
            // They tell of no attack that somebody could wish to hide.
            ReportKind::Deprecation(_) | ReportKind::Intervention(_) => Self::Foreign,
            _ => Self::Claimed,
        }
    }
}

/// The address that a report is about, and the place in a script.
fn parts(kind: &ReportKind) -> (&str, Option<&SourceLocation>) {
    match kind {
        ReportKind::CspViolation(body) => (&body.blocked, Some(&body.location)),
        ReportKind::CspHash(body) => (&body.subresource, None),
        ReportKind::Deprecation(body) => ("", Some(&body.location)),
        ReportKind::Intervention(body) => ("", Some(&body.location)),
        ReportKind::Embedder(body) => (&body.blocked, None),
        ReportKind::Opener(body) => (&body.other, Some(&body.location)),
        ReportKind::Permissions(body) => (&body.frame, Some(&body.location)),
        ReportKind::Document(body) => ("", Some(&body.location)),
        ReportKind::Integrity(body) => (&body.blocked, None),
        ReportKind::NetworkError(_) | ReportKind::Crash(_) | ReportKind::Other(_) => ("", None),
    }
}

fn scheme(address: &str) -> &str {
    address.split(':').next().unwrap_or_default()
}

fn is_about(address: &str) -> bool {
    scheme(address).eq_ignore_ascii_case("about")
}

/// Whether an address, or the word in its place, is of something that the page's owner did not put
/// there: one of the list, any `…-extension`, and what Safari injects as `safari-…`.
fn is_foreign(address: &str) -> bool {
    let scheme = scheme(address);
    let begins = |start: &str| {
        scheme
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    let ends = |end: &str| {
        let at = scheme.len().saturating_sub(end.len());
        scheme
            .get(at..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    FOREIGN
        .iter()
        .any(|foreign| foreign.eq_ignore_ascii_case(scheme))
        || begins("safari-")
        || ends("-extension")
}
