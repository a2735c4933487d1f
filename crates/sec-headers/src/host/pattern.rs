//! One entry of the list: which hosts, at which ports.

use std::net::{Ipv4Addr, Ipv6Addr};

use sec_core::{Authority, AuthorityError, Scheme};

/// RFC 1035 §2.3.4, without the length byte of the root.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    host: Host,
    port: Port,
    loopback: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// A name or an IPv4 address, in lower case.
    Name(Box<str>),
    /// Every name that ends so; the text begins with a dot.
    Under(Box<str>),
    /// Compared by value: `[::1]` and `[0:0:0:0:0:0:0:1]` are one address.
    V6(Ipv6Addr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// The scheme's own.
    Default,
    One(u16),
    Any,
}

impl Pattern {
    /// `host`, `host:port`, `host:*`, with `*.` in front of a name for everything below it.
    ///
    /// The error says what is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if !text.is_ascii() {
            return Err("is not ASCII: clients send host names in punycode (xn--…)");
        }
        if text.contains("://") {
            return Err("has a scheme; an entry is host and port alone");
        }
        if text.contains('@') {
            return Err("has user information");
        }
        if text.contains(['/', '?', '#', '\\']) {
            return Err("has a path, query or fragment; an entry ends after host and port");
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or("has no closing bracket")?;
            let address: Ipv6Addr = address
                .parse()
                .map_err(|_| "has something else than an IPv6 address in brackets")?;
            let port = match port.strip_prefix(':') {
                Some(port) => Port::parse(port)?,
                None if port.is_empty() => Port::Default,
                None => return Err("has something else than a port after the brackets"),
            };
            return Ok(Self {
                host: Host::V6(address),
                port,
                loopback: address.to_canonical().is_loopback(),
            });
        }
        let (host, port) = match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has two colons; an IPv6 address stands in brackets");
            }
            Some((host, port)) => (host, Port::parse(port)?),
            None => (text, Port::Default),
        };
        let (host, loopback) = match host.strip_prefix("*.") {
            Some(base) => {
                let base = name(base)?;
                let labels = base.host().trim_end_matches('.');
                if !labels.contains('.') && !base.is_loopback() {
                    return Err("would accept every host of a top-level domain");
                }
                if base.host().parse::<Ipv4Addr>().is_ok() {
                    return Err("has an address after `*.`; only names have something below them");
                }
                let suffix = format!(".{}", base.host()).into();
                (Host::Under(suffix), base.is_loopback())
            }
            None if host == "*" => return Err("would accept every host"),
            None if host.contains('*') => return Err("may have a `*` only in front, as `*.`"),
            None => {
                let name = name(host)?;
                (Host::Name(name.host().into()), name.is_loopback())
            }
        };
        Ok(Self {
            host,
            port,
            loopback,
        })
    }

    /// Whether a client that names this authority under this scheme is meant.
    pub(super) fn matches(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.port.is(scheme, authority.port()) && self.host.is(authority.host())
    }

    /// Whether every host of `other` is accepted here over https at this port.
    pub(super) fn takes_over_https(&self, other: &Self, port: u16) -> bool {
        self.port.is(Scheme::Https, Some(port)) && self.host.holds(&other.host)
    }

    /// Whether it means this machine alone.
    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Its hosts, without the port.
    pub(super) fn hosts(&self) -> String {
        match &self.host {
            Host::Name(name) => name.to_string(),
            Host::Under(suffix) => format!("*{suffix}"),
            Host::V6(address) => format!("[{address}]"),
        }
    }
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => **name == *host,
            Self::Under(suffix) => is_under(host, suffix),
            Self::V6(address) => host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .and_then(|host| host.parse::<Ipv6Addr>().ok())
                .is_some_and(|host| host == *address),
        }
    }

    fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Under(suffix), Self::Name(name)) => is_under(name, suffix),
            (Self::Under(outer), Self::Under(inner)) => inner.ends_with(&**outer),
            _ => self == other,
        }
    }
}

/// At least one label more, and none that is empty.
fn is_under(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix)
        .is_some_and(|below| below.split('.').all(|label| !label.is_empty()))
}

impl Port {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(port) if digits && port > 0 => Ok(Self::One(port)),
            _ => Err("has something else than a port from 1 to 65535, or `*`, after its colon"),
        }
    }

    fn is(self, scheme: Scheme, port: Option<u16>) -> bool {
        let port = port.unwrap_or(scheme.default_port());
        match self {
            Self::Default => port == scheme.default_port(),
            Self::One(own) => port == own,
            Self::Any => true,
        }
    }
}

/// A name that a client could send, or an IPv4 address as clients write it.
fn name(text: &str) -> Result<Authority, &'static str> {
    let name = Authority::parse(text, Scheme::Https).map_err(|error| match error {
        AuthorityError::Empty => "has no host",
        _ => "has characters that no host has",
    })?;
    let labels = text.strip_suffix('.').unwrap_or(text);
    if labels.len() > MAX_NAME {
        return Err("is longer than 253 characters");
    }
    if labels.split('.').any(|label| label.is_empty()) {
        return Err("has an empty label");
    }
    if labels.split('.').any(|label| label.len() > MAX_LABEL) {
        return Err("has a label of more than 63 characters");
    }
    // WHATWG URL, "ends in a number checker": clients take such a host for an IPv4 address.
    let last = labels.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit());
    if number && text.parse::<Ipv4Addr>().is_err() {
        return Err("ends in a number and is no IPv4 address of four decimal numbers");
    }
    Ok(name)
}
