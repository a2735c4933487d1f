/// What stands in front of the colon, or alone, in reports that extensions and the browser's own
/// pages cause. Chromium sends some of them bare, without colon or path.
const FOREIGN: [&str; 13] = [
    "about",
    "blob-extension",
    "chrome",
    "chrome-extension",
    "edge",
    "moz-extension",
    "ms-browser-extension",
    "opera",
    "resource",
    "safari-extension",
    "safari-resource",
    "safari-web-extension",
    "webkit-masked-url",
];

pub(super) fn is_foreign(address: &str) -> bool {
    let scheme = address.split(':').next().unwrap_or_default();
    FOREIGN
        .iter()
        .any(|foreign| foreign.eq_ignore_ascii_case(scheme))
}
