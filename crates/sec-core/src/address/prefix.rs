//! Addresses as limits and counters see them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// An address cut to a prefix: what one customer is handed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrPrefix(IpNet);

/// How many leading bits of an address tell callers apart.
///
/// Default: all 32 of IPv4 and 64 of IPv6, because a single IPv6 host is handed a whole /64 and can take
/// another address in it for each request (RFC 4291 §2.5.4, RFC 6177). IPv4-mapped IPv6 (`::ffff:a.b.c.d`) is
/// IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddrGrouping {
    v4: u8,
    v6: u8,
}

/// A prefix length that the family of addresses does not have.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("a prefix of {bits} bits: {family} has 1 to {most}")]
pub struct AddrGroupingError {
    family: &'static str,
    bits: u8,
    most: u8,
}

/// The same words: an error that ends `main` is shown in this form.
impl std::fmt::Debug for AddrGroupingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl AddrGroupingError {
    /// Whether it is the prefix of IPv4 that is wrong.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.most == 32
    }
}

impl AddrGrouping {
    /// Groups by so many bits of each family. Fewer bits put more callers under one key: at /24 a whole
    /// office shares a limit; at /128 an IPv6 host has 2^64 keys.
    ///
    /// # Errors
    /// Outside 1 to 32 for IPv4 and 1 to 128 for IPv6.
    pub const fn new(v4: u8, v6: u8) -> Result<Self, AddrGroupingError> {
        if v4 == 0 || v4 > 32 {
            return Err(AddrGroupingError {
                family: "IPv4",
                bits: v4,
                most: 32,
            });
        }
        if v6 == 0 || v6 > 128 {
            return Err(AddrGroupingError {
                family: "IPv6",
                bits: v6,
                most: 128,
            });
        }
        Ok(Self { v4, v6 })
    }

    /// The group of an address.
    #[inline]
    #[must_use]
    pub fn group(self, address: IpAddr) -> AddrPrefix {
        if let (IpAddr::V4(_), 32) = (address, self.v4) {
            return AddrPrefix(address.into());
        }
        self.cut(address)
    }

    fn cut(self, address: IpAddr) -> AddrPrefix {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { self.v4 } else { self.v6 };
        AddrPrefix(
            IpNet::new(address, bits)
                .unwrap_or_else(|_| address.into())
                .trunc(),
        )
    }
}

impl Default for AddrGrouping {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

impl AddrPrefix {
    /// The first address of the prefix.
    #[inline]
    #[must_use]
    pub fn network(&self) -> IpAddr {
        self.0.addr()
    }

    /// How many bits the prefix has.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether an address lies in it; IPv4-mapped IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for AddrPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AddrPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for AddrPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(address: &str) -> String {
        AddrGrouping::default()
            .group(address.parse().unwrap())
            .to_string()
    }

    #[test]
    fn one_customer_is_one_group() {
        // tower_governor 0.8 keys by the whole address: one /64 was admitted 100,000 times.
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(group("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_eq!(group("203.0.113.7"), "203.0.113.7/32");
        // tower_governor 0.8: the mapped form was a second key of the same host.
        assert_eq!(group("::ffff:203.0.113.7"), "203.0.113.7/32");
    }

    #[test]
    fn lengths_are_checked() {
        let coarse = AddrGrouping::new(24, 48).unwrap();
        assert_eq!(
            coarse.group("203.0.113.7".parse().unwrap()).to_string(),
            "203.0.113.0/24"
        );
        assert!(
            coarse
                .group("203.0.113.7".parse().unwrap())
                .contains("::ffff:203.0.113.99".parse().unwrap())
        );
        for (v4, v6) in [(0, 64), (33, 64), (32, 0), (32, 129)] {
            assert!(AddrGrouping::new(v4, v6).is_err());
        }
    }
}
