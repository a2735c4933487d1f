//! Scheme and authority as the client saw them.

use std::fmt;
use std::str::FromStr;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 9110 §4.2 has these two")]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// The lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether the client's connection is encrypted.
    #[must_use]
    pub const fn is_https(self) -> bool {
        matches!(self, Self::Https)
    }

    /// 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| text.trim().eq_ignore_ascii_case(name);
        is("https")
            .then_some(Self::Https)
            .or_else(|| is("http").then_some(Self::Http))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Host and port in one normal form (RFC 3986 §6.2.2): lower case, without the scheme's default port.
///
/// So `Example.COM:443` under https and `example.com` are equal, which they are to a browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    host: Box<str>,
    port: Option<u16>,
}

/// Why a text is no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// There is nothing.
    #[error("the authority is empty")]
    Empty,
    /// `user@host`: never sent by a browser, often by an attacker.
    #[error("the authority has user information")]
    UserInfo,
    /// Characters that no host has.
    #[error("the host is malformed")]
    Host,
    /// Not a number of 16 bits.
    #[error("the port is malformed")]
    Port,
}

impl Authority {
    /// Parses and normalises; `scheme` says which port goes without saying.
    ///
    /// # Errors
    /// Anything that is not `host`, `host:port`, `[v6]` or `[v6]:port`. Hosts are letters, digits, `-`, `.` and
    /// `_`, at most 255 bytes: percent-encoding and non-ASCII never occur on the wire of a browser.
    pub fn parse(text: &str, scheme: Scheme) -> Result<Self, AuthorityError> {
        if text.is_empty() {
            return Err(AuthorityError::Empty);
        }
        if text.contains('@') {
            return Err(AuthorityError::UserInfo);
        }
        let (host, port) = split_port(text)?;
        let port = match port {
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| AuthorityError::Port)?)
            }
            Some(_) => return Err(AuthorityError::Port),
        };
        Ok(Self {
            host: host.to_ascii_lowercase().into(),
            port: port.filter(|port| *port != scheme.default_port()),
        })
    }

    pub(crate) fn localhost() -> Self {
        Self {
            host: "localhost".into(),
            port: None,
        }
    }

    /// The host in lower case; IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, unless it is the scheme's default.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether this names the machine itself: `localhost`, a name under `.localhost` (RFC 6761 §6.3), `127.0.0.0/8`
    /// or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let literal = self.host.trim_start_matches('[').trim_end_matches(']');
        match std::net::IpAddr::from_str(literal) {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => &*self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), AuthorityError> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(AuthorityError::Host)?;
        let (literal, rest) = text
            .split_at_checked(end.saturating_add(1))
            .ok_or(AuthorityError::Host)?;
        let inner = literal.trim_start_matches('[').trim_end_matches(']');
        inner
            .parse::<std::net::Ipv6Addr>()
            .map_err(|_| AuthorityError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((literal, Some(port))),
            None if rest.is_empty() => Ok((literal, None)),
            None => Err(AuthorityError::Host),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(allowed) {
        return Err(AuthorityError::Host);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_to_a_browser_is_equal_here() {
        let plain = Authority::parse("example.com", Scheme::Https).unwrap();
        for same in [
            "EXAMPLE.com",
            "example.com:443",
            "Example.Com:443",
            "example.com:",
        ] {
            assert_eq!(
                Authority::parse(same, Scheme::Https).unwrap(),
                plain,
                "{same}"
            );
        }
        for other in [
            "example.com:80",
            "example.com:8443",
            "www.example.com",
            "example.com.evil.test",
        ] {
            assert_ne!(
                Authority::parse(other, Scheme::Https).unwrap(),
                plain,
                "{other}"
            );
        }
        assert_eq!(
            Authority::parse("[::1]:3000", Scheme::Http)
                .unwrap()
                .to_string(),
            "[::1]:3000"
        );
    }

    #[test]
    fn what_no_client_sends_is_an_error() {
        for (text, error) in [
            ("", AuthorityError::Empty),
            ("user@example.com", AuthorityError::UserInfo),
            ("example.com@evil.test", AuthorityError::UserInfo),
            ("exa mple.com", AuthorityError::Host),
            ("example.com/path", AuthorityError::Host),
            ("ex%61mple.com", AuthorityError::Host),
            ("exämple.com", AuthorityError::Host),
            ("[::1", AuthorityError::Host),
            ("[::1]x", AuthorityError::Host),
            ("[zz]", AuthorityError::Host),
            (":80", AuthorityError::Host),
            ("example.com:http", AuthorityError::Port),
            ("example.com:65536", AuthorityError::Port),
            ("example.com:+80", AuthorityError::Port),
            ("::1", AuthorityError::Host),
        ] {
            assert_eq!(Authority::parse(text, Scheme::Http), Err(error), "{text:?}");
        }
    }

    #[test]
    fn loopback_is_recognised_by_meaning() {
        for (text, loopback) in [
            ("localhost:3000", true),
            ("127.0.0.1:3000", true),
            ("127.8.8.8", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]", true),
            ("app.localhost", true),
            ("localhost.evil.test", false),
            ("notlocalhost", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(
                Authority::parse(text, Scheme::Http).unwrap().is_loopback(),
                loopback,
                "{text}"
            );
        }
    }
}
