/// What stands in front of the colon, or alone, in reports that extensions, add-ons, security suites
/// and the browser's own pages cause. Chromium sends some of them bare, without colon or path.
///
/// The list is that of Sentry (`DEFAULT_DISALLOWED_SOURCES`) without its hosts, which are an opinion,
/// and what browsers have added since.
const FOREIGN: [&str; 20] = [
    "about",
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

/// Whether an address, or the word in its place, is of something that the page's owner did not put
/// there: one of the list, any `…-extension`, and what Safari injects as `safari-…`.
pub(super) fn is_foreign(address: &str) -> bool {
    let scheme = address.split(':').next().unwrap_or_default();
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
