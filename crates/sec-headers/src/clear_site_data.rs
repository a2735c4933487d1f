use http::{HeaderMap, HeaderValue};

use crate::error::{FaultKind, PolicyError};
use crate::names::CLEAR_SITE_DATA;

/// What `Clear-Site-Data` empties in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SiteData {
    /// The HTTP cache, and the pages kept for the back button.
    Cache,
    /// Cookies and other credentials, of every sub-domain too.
    Cookies,
    /// Local storage, IndexedDB, service workers.
    Storage,
    /// Reloads every open page of the origin.
    ExecutionContexts,
    /// Hints kept by `Accept-CH`.
    ClientHints,
}

impl std::str::FromStr for SiteData {
    type Err = PolicyError;

    /// Reads the name that stands between the quotes: `cache`, `executionContexts`.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let all = [
            Self::Cache,
            Self::Cookies,
            Self::Storage,
            Self::ExecutionContexts,
            Self::ClientHints,
        ];
        let known = all
            .into_iter()
            .find(|data| data.quoted().trim_matches('"') == text);
        known.ok_or_else(|| {
            let message = format!(
                "`{}` is none of cache, cookies, storage, executionContexts, clientHints",
                text.escape_debug()
            );
            PolicyError::one("", FaultKind::Setting, message)
        })
    }
}

impl SiteData {
    /// The value, with the quotes without which browsers ignore it.
    const fn quoted(self) -> &'static str {
        match self {
            Self::Cache => "\"cache\"",
            Self::Cookies => "\"cookies\"",
            Self::Storage => "\"storage\"",
            Self::ExecutionContexts => "\"executionContexts\"",
            Self::ClientHints => "\"clientHints\"",
        }
    }
}

/// The value of `Clear-Site-Data` (W3C) for what shall be emptied; `None` for an empty list, which
/// no browser could read.
///
/// For answers to log-outs. `"cookies"` also removes those of parent and sister domains, and
/// emptying the cache of a large site can hold the answer up for seconds.
///
/// ```
/// use sec_headers::{SiteData, clear_site_data};
///
/// let value = clear_site_data([SiteData::Cache, SiteData::Storage]).unwrap();
/// assert_eq!(value, "\"cache\", \"storage\"");
/// ```
#[must_use]
pub fn clear_site_data(what: impl IntoIterator<Item = SiteData>) -> Option<HeaderValue> {
    let mut seen = Vec::new();
    for data in what {
        if !seen.contains(&data.quoted()) {
            seen.push(data.quoted());
        }
    }
    if seen.is_empty() {
        return None;
    }
    HeaderValue::try_from(seen.join(", ")).ok()
}

/// Sets the headers of an answer to a log-out, where no [route](crate::SecHeaders::clear_site_data)
/// does: empties cache and storage, and is not stored itself.
///
/// Cookies are left to the answer's own `Set-Cookie`, since `"cookies"` would also log the user out
/// of sister domains.
pub fn clear_site_data_on_logout(headers: &mut HeaderMap) {
    headers.insert(
        CLEAR_SITE_DATA,
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_once_each_and_never_empty() {
        // secure_headers and MDN: an unquoted value is ignored by browsers.
        let all = [
            SiteData::Cache,
            SiteData::Cookies,
            SiteData::Cookies,
            SiteData::Storage,
            SiteData::ExecutionContexts,
            SiteData::ClientHints,
        ];
        let value = clear_site_data(all).unwrap();
        assert_eq!(
            value,
            r#""cache", "cookies", "storage", "executionContexts", "clientHints""#
        );
        assert!(
            sfv::Parser::new(value.as_bytes())
                .parse::<sfv::List>()
                .is_ok()
        );
        assert_eq!(clear_site_data([]), None);
    }

    #[test]
    fn names_are_read_without_quotes() {
        let read = "executionContexts".parse::<SiteData>().unwrap();
        assert_eq!(read, SiteData::ExecutionContexts);
        for wrong in ["\"cache\"", "Cache", "*", ""] {
            assert!(wrong.parse::<SiteData>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_log_out_keeps_the_answers_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            http::header::SET_COOKIE,
            HeaderValue::from_static("a=; Max-Age=0"),
        );
        clear_site_data_on_logout(&mut headers);
        assert_eq!(headers["clear-site-data"], r#""cache", "storage""#);
        assert_eq!(headers["set-cookie"], "a=; Max-Age=0");
        assert_eq!(headers["cache-control"], "no-store");
    }
}
