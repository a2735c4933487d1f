//! Which address, scheme and host count (R4).

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::Scheme;
use super::forwarded::{self, node_address};
use crate::near;

/// The one forwarding scheme that the proxies in front of this service write.
///
/// Every other forwarding header is ignored for address, scheme and host alike: a header that the proxy does not
/// overwrite is a header that the client wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forwarding {
    /// No proxy: the peer is the client. The default.
    #[default]
    None,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// One header with one address in it, such as `CF-Connecting-IP`; scheme and host are the connection's. A list
    /// such as `X-Forwarded-For` is none: see [`ProxyError::List`].
    Header(HeaderName),
}

/// The name is neither a scheme nor that of a header with one address, or looks like a misspelt scheme.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} {reason}")]
pub struct ForwardingError {
    name: String,
    reason: &'static str,
}

/// The same words: an error that ends `main` is shown in this form.
impl fmt::Debug for ForwardingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The headers of the two schemes, of which none holds one address that its proxy alone wrote.
const LISTS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-by",
];

/// How many letters may differ before a name counts as another header's.
const MOST_DIFFERENT: usize = 2;

/// The scheme that a name means without saying it: taken as a header's name, it would be one that no proxy writes.
fn almost(name: &str) -> Option<&'static str> {
    let name = name.replace('_', "-");
    if near::within(&name, LISTS.into_iter().skip(1), MOST_DIFFERENT).is_some() {
        return Some("belongs to a scheme and is no header with one address: write `x-forwarded`");
    }
    match near::within(&name, ["x-forwarded", "forwarded", "none"], MOST_DIFFERENT)? {
        "none" => Some("is probably no header's name: did you mean `none`?"),
        "forwarded" => Some("is probably no header's name: did you mean `forwarded`?"),
        _ => Some("is probably no header's name: did you mean `x-forwarded`?"),
    }
}

impl FromStr for Forwarding {
    type Err = ForwardingError;

    /// Reads `none`, `x-forwarded`, `forwarded` or a header's name, whatever their case.
    ///
    /// # Errors
    /// A text that is no header's name, one of the lists behind a scheme (`x-forwarded-for`), and what differs from a scheme
    /// by two letters or less (`xforwarded`): as a header's name it would never be found, and the proxy would be
    /// taken for the client.
    fn from_str(name: &str) -> Result<Self, ForwardingError> {
        let wrong = |reason| ForwardingError {
            name: name.to_owned(),
            reason,
        };
        match name.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "x-forwarded" => Ok(Self::XForwarded),
            "forwarded" => Ok(Self::Forwarded),
            header => match (almost(header), HeaderName::from_str(header)) {
                (Some(reason), _) => Err(wrong(reason)),
                (None, Ok(header)) => Ok(Self::Header(header)),
                (None, Err(_)) => Err(wrong(
                    "is neither none, x-forwarded, forwarded nor a header's name",
                )),
            },
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::XForwarded => "x-forwarded",
            Self::Forwarded => "forwarded",
            Self::Header(name) => name.as_str(),
        })
    }
}

/// Whose word about the client counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    any_peer: bool,
    hops: Option<NonZeroU8>,
}

/// Why a list of proxies cannot be.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Neither an address nor a network.
    #[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
    Network(String),
    /// A hop count must be at least one.
    #[error("a hop count of 0: the peer itself is the first hop")]
    NoHops,
    /// Forwarding is on, but nobody is trusted: every header would be ignored silently.
    #[error("forwarding is {0}, but no trusted proxy is named: no peer's header would ever count")]
    NobodyTrusted(String),
    /// Somebody is trusted, but forwarding is off.
    #[error("trusted proxies are named, but forwarding is none: choose the header that they write")]
    NothingForwarded,
    /// [`Forwarding::Header`] names a header of a scheme; the scheme reads it, as the list that it is.
    #[error(
        "{0} belongs to a scheme and is no header with one address: choose x-forwarded or forwarded"
    )]
    List(String),
}

/// The same words: an error that ends `main` is shown in this form.
impl fmt::Debug for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TrustedProxies {
    /// Nobody: the peer is the client.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Trusts these addresses and networks, and walks the list from the right past all of them.
    ///
    /// # Errors
    /// An entry that is neither.
    pub fn networks<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, ProxyError> {
        let parse = |text: T| {
            let text = text.as_ref().trim();
            let network = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network
                .map(|network| network.trunc())
                .map_err(|_| ProxyError::Network(text.to_owned()))
        };
        Ok(Self {
            networks: networks.into_iter().map(parse).collect::<Result<_, _>>()?,
            ..Self::default()
        })
    }

    /// Trusts whoever connects: for a service that only its proxy can reach (a sidecar, a private network).
    /// **Anyone who can connect directly can then claim any address.** Needs [`hops`](Self::hops): without
    /// a count the walk would have nothing to stop at.
    #[must_use]
    pub const fn any_peer(hops: NonZeroU8) -> Self {
        Self {
            networks: Vec::new(),
            any_peer: true,
            hops: Some(hops),
        }
    }

    /// Takes the entry that lies so many hops to the left, whatever the networks say of those between; the peer is hop
    /// one. A list shorter than that yields the peer's address.
    ///
    /// # Errors
    /// Zero.
    pub fn hops(mut self, hops: u8) -> Result<Self, ProxyError> {
        self.hops = Some(NonZeroU8::new(hops).ok_or(ProxyError::NoHops)?);
        Ok(self)
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.any_peer
    }

    fn trusts_peer(&self, peer: IpAddr) -> bool {
        self.any_peer || self.holds(peer)
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// How the client's address is found: the scheme and the proxies together, checked against one another.
///
/// ```
/// use http::HeaderMap;
/// use sec_core::{ClientAddress, Forwarding, TrustedProxies};
///
/// let proxies = TrustedProxies::networks(["10.0.0.0/8"])?;
/// let from = ClientAddress::new(Forwarding::XForwarded, proxies)?;
/// let mut headers = HeaderMap::new();
/// // The client wrote the first entry itself, to look like somebody else.
/// headers.append("x-forwarded-for", "203.0.113.66, 198.51.100.4".parse()?);
/// headers.append("x-forwarded-for", "10.1.1.1".parse()?);
/// assert_eq!(from.client("10.0.0.2".parse()?, &headers), "198.51.100.4".parse::<std::net::IpAddr>()?);
/// // From anyone else the header is nothing.
/// assert_eq!(from.client("192.0.2.9".parse()?, &headers), "192.0.2.9".parse::<std::net::IpAddr>()?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientAddress {
    forwarding: Forwarding,
    proxies: TrustedProxies,
}

/// What the proxies in front said, as far as they are trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved<'a> {
    pub(crate) client: IpAddr,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<Cow<'a, str>>,
    pub(crate) trusted_peer: bool,
}

impl ClientAddress {
    /// The peer is the client; every forwarding header is ignored. The default.
    #[must_use]
    pub fn peer() -> Self {
        Self::default()
    }

    /// One scheme, from these proxies.
    ///
    /// # Errors
    /// A scheme without proxies, or proxies without a scheme: half of the two is a mistake that would stay
    /// silent until an attack. A [`Forwarding::Header`] that is a list of one of the schemes.
    pub fn new(forwarding: Forwarding, proxies: TrustedProxies) -> Result<Self, ProxyError> {
        if let Forwarding::Header(name) = &forwarding
            && LISTS.contains(&name.as_str())
        {
            return Err(ProxyError::List(name.to_string()));
        }
        match (forwarding == Forwarding::None, proxies.is_empty()) {
            (true, false) => Err(ProxyError::NothingForwarded),
            (false, true) => Err(ProxyError::NobodyTrusted(forwarding.to_string())),
            _ => Ok(Self {
                forwarding,
                proxies,
            }),
        }
    }

    /// The client's address: the plain function behind [`ContextLayer`](crate::ContextLayer).
    ///
    /// Lists are walked from the right, over repeated lines, past trusted proxies. At an entry without an address
    /// (obfuscated, `unknown`, garbage) the walk ends, and the address of the proxy that wrote it counts.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.resolve(peer, headers).client
    }

    pub(crate) fn resolve<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> Resolved<'a> {
        let peer = peer.to_canonical();
        let mut resolved = Resolved {
            client: peer,
            scheme: None,
            host: None,
            trusted_peer: self.proxies.trusts_peer(peer),
        };
        if !resolved.trusted_peer {
            return resolved;
        }
        match &self.forwarding {
            Forwarding::None => {}
            Forwarding::XForwarded => {
                resolved.client = self
                    .walk(peer, entries(headers, "x-forwarded-for").map(node_address))
                    .0;
                resolved.scheme = entries(headers, "x-forwarded-proto")
                    .next()
                    .and_then(Scheme::parse);
                resolved.host = entries(headers, "x-forwarded-host")
                    .next()
                    .map(Cow::Borrowed);
            }
            Forwarding::Forwarded => self.resolve_forwarded(headers, &mut resolved),
            Forwarding::Header(name) => {
                let mut lines = headers.get_all(name).iter();
                if let (Some(line), None) = (lines.next(), lines.next()) {
                    let address = line.to_str().ok().and_then(node_address);
                    resolved.client = address.unwrap_or(peer);
                }
            }
        }
        resolved
    }

    fn resolve_forwarded<'a>(&self, headers: &'a HeaderMap, resolved: &mut Resolved<'a>) {
        let mut elements = Vec::new();
        for line in headers.get_all(http::header::FORWARDED) {
            match line.to_str().ok().and_then(forwarded::parse) {
                Some(more) => elements.extend(more),
                None => return,
            }
        }
        let addresses = elements
            .iter()
            .rev()
            .map(|e| e.node.as_deref().and_then(node_address));
        let (client, passed) = self.walk(resolved.client, addresses);
        resolved.client = client;
        // Scheme and host belong to the hop whose sender the walk ended at.
        if let Some(element) = elements.into_iter().rev().nth(passed.saturating_sub(1)) {
            resolved.scheme = element.proto.as_deref().and_then(Scheme::parse);
            resolved.host = element.host;
        }
    }

    /// Walks entries from the right; gives the client and how many entries were passed to get there.
    fn walk(&self, peer: IpAddr, entries: impl Iterator<Item = Option<IpAddr>>) -> (IpAddr, usize) {
        let mut client = peer;
        let mut passed = 0_usize;
        if let Some(hops) = self.proxies.hops {
            let hops = usize::from(hops.get());
            return match entries.take(hops).enumerate().last() {
                Some((at, Some(address))) if at.saturating_add(1) == hops => (address, hops),
                _ => (peer, 0),
            };
        }
        for entry in entries {
            passed = passed.saturating_add(1);
            let Some(address) = entry else { break };
            client = address;
            if !self.proxies.holds(address) {
                break;
            }
        }
        (client, passed)
    }
}

/// The entries of a comma-separated list over all its lines, from the right. A line that is not text ends the
/// walk as an unreadable entry.
fn entries<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().rev();
    lines
        .flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(','))
        .map(str::trim)
}
