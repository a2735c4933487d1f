//! Headers that browsers write, read with the care that a stranger's text needs.

use http::{HeaderMap, HeaderName, Method};
use sec_core::text::log_safe;

use crate::names::SEC_FETCH_SITE;

/// How much of a header goes to the trail.
const MAX_CHARS: usize = 200;

/// A header that browsers send once. An empty one counts as none, as it does for Go.
pub(crate) enum Single<'a> {
    None,
    One(&'a [u8]),
    Repeated,
}

impl<'a> Single<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) if value.is_empty() => Self::None,
            (Some(value), None) => Self::One(value.as_bytes()),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

/// Whether a request of this method may change something. `TRACE` is not among those that may not, as
/// in Go's `CrossOriginProtection`: no browser sends it across origins, so nothing is lost.
pub(crate) fn may_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the browser says that one of our own pages asks, or the user. No page can set this header:
/// names that begin with `Sec-` are forbidden to scripts (Fetch standard, "forbidden request-header").
pub(crate) fn is_own_site(headers: &HeaderMap) -> bool {
    matches!(
        Single::of(headers, &SEC_FETCH_SITE),
        Single::One(b"same-origin" | b"none")
    )
}

/// A header's text, safe to log and bounded.
pub(crate) fn excerpt(headers: &HeaderMap, name: &HeaderName) -> Option<Box<str>> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(cut(&text))
}

/// A text, safe to log and bounded.
pub(crate) fn cut(text: &str) -> Box<str> {
    log_safe(text, MAX_CHARS).into()
}
