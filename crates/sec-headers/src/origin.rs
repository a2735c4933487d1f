use std::fmt;
use std::str::FromStr;

use sec_core::{Authority, AuthorityError, Scheme};

use crate::error::{FaultKind, PolicyError};

/// A web origin: scheme, host and port, as a browser writes it (RFC 6454, section 6.1).
///
/// Letters are made lower case and the scheme's default port is dropped when it is parsed, so that
/// `HTTPS://Example.com:443` and `https://example.com` are equal, which they are to a browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// Parses `http://host[:port]` or `https://host[:port]`.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Origin`] for anything else: a path (also a bare `/`), query or fragment, user
    /// information, another scheme, `null`, a wild card, a host that is not ASCII (write punycode).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let wrong = |why: &str| {
            let message = format!("`{}` {why}", text.escape_debug());
            Err(PolicyError::one("", FaultKind::Origin, message))
        };
        if text.eq_ignore_ascii_case("null") {
            return wrong("is no origin: every sandboxed page has it");
        }
        if !text.is_ascii() {
            return wrong("is not ASCII: browsers send host names in punycode (xn--…)");
        }
        let Some((scheme, rest)) = split_scheme(text) else {
            return wrong("does not begin with http:// or https://");
        };
        if rest.contains(['/', '?', '#', '\\']) {
            return wrong("has a path, query or fragment; an origin ends after host and port");
        }
        if rest.ends_with(':') {
            return wrong("has an empty port");
        }
        match Authority::parse(rest, scheme) {
            Ok(authority) => Ok(Self { scheme, authority }),
            Err(AuthorityError::UserInfo) => wrong("has user information"),
            Err(error) => wrong(&format!("is no origin: {error}")),
        }
    }

    /// Its scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host and port.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether an `Origin` header names this one. Allocates nothing.
    #[must_use]
    pub fn is_named_by(&self, header: &str) -> bool {
        names(header, self.scheme, &self.authority)
    }

    pub(crate) fn is(&self, named: &Named<'_>) -> bool {
        named.is(self.scheme, &self.authority)
    }
}

impl FromStr for Origin {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Whether an `Origin` header's text is this scheme and authority, written in whatever case and with
/// or without the default port. User information, paths and everything else that no browser puts
/// there make it another origin.
pub(crate) fn names(header: &str, scheme: Scheme, authority: &Authority) -> bool {
    Named::read(header).is_some_and(|named| named.is(scheme, authority))
}

/// The three parts of an `Origin` header's text, as they are written: the host may still hold what no
/// host holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> Named<'a> {
    pub(crate) fn read(header: &'a str) -> Option<Self> {
        let (scheme, rest) = split_scheme(header)?;
        // An IPv6 address has its colons inside brackets.
        let (host, port) = match rest.rfind(':').filter(|&at| Some(at) > rest.rfind(']')) {
            Some(at) => (rest.get(..at)?, port(rest.get(at.saturating_add(1)..)?)?),
            None => (rest, scheme.default_port()),
        };
        Some(Self { scheme, host, port })
    }

    pub(crate) fn is(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.scheme == scheme
            && self.port == authority.port().unwrap_or(scheme.default_port())
            && self.host.eq_ignore_ascii_case(authority.host())
    }
}

fn port(digits: &str) -> Option<u16> {
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| digits.parse().ok()).flatten()
}

pub(crate) fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (name, rest) = text.split_once("://")?;
    [Scheme::Https, Scheme::Http]
        .into_iter()
        .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
        .map(|scheme| (scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_origin_is_refused() {
        // Go's TestCrossOriginProtectionAddTrustedOriginErrors and tower-http's parse_origin rows.
        for text in [
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com/path",
            "https://example.com?query=value",
            "https://example.com#fragment",
            "https://example.com/#fragment",
            "https://ex ample.com",
            "",
            "null",
            "NULL",
            "file:///",
            "file://host/path",
            "mailto:x@y.z",
            "javascript:alert(1)",
            "https://ümlaut.de",
            "https://日本.jp",
            "https://user@example.com",
            "https://*.example.com",
            "https://example.com:",
            "https://example.com:http",
            "https://example.com:+443",
            "https://example.com:99999",
            "https://example.com\\@evil.example",
            "https://[::1",
            "*",
        ] {
            let error = Origin::parse(text).unwrap_err();
            assert!(error.has(FaultKind::Origin), "{text:?}");
        }
    }

    #[test]
    fn spelling_does_not_matter_but_meaning_does() {
        let origin = Origin::parse("HTTPS://Example.COM:443").unwrap();
        assert_eq!(origin.to_string(), "https://example.com");
        for same in [
            "https://example.com",
            "https://EXAMPLE.com:443",
            "HTTPS://example.com",
        ] {
            assert!(origin.is_named_by(same), "{same}");
            assert_eq!(Origin::parse(same).unwrap(), origin);
        }
        for other in [
            "http://example.com",
            "https://example.com:8443",
            "https://example.com:80",
            "https://www.example.com",
            "https://example.com.evil.example",
            "https://evil-example.com",
            "https://user@example.com",
            "https://example.com@evil.example",
            "https://example.com/",
            "https://example.com:",
            "https://example.com:443:443",
            "https://example.com:+443",
            "example.com",
            "null",
            "",
        ] {
            assert!(!origin.is_named_by(other), "{other}");
        }
        let local = Origin::parse("http://[::1]:3000").unwrap();
        assert!(local.is_named_by("http://[::1]:3000"));
        assert!(!local.is_named_by("http://[::1]"));
        assert!(
            Origin::parse("http://[::1]")
                .unwrap()
                .is_named_by("http://[::1]:80")
        );
    }
}
