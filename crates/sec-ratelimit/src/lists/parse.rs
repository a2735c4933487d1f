//! Networks as lists write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::AddressRule;

/// A network, its address left-aligned in 128 bits and clear beyond the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    v6: bool,
    prefix: u128,
    bits: u8,
}

/// What is wrong with the lines of a list: everything, not only the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressListError {
    faults: Vec<AddressFault>,
}

/// One wrong entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFault {
    rule: AddressRule,
    line: usize,
    text: String,
    kind: AddressFaultKind,
}

/// Why an entry is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressFaultKind {
    /// Not an address.
    #[error("is not an address or network")]
    Address,
    /// Not a number of bits that the family has.
    #[error("has no such prefix length")]
    Prefix,
    /// Bits are set beyond the prefix.
    #[error("has bits set beyond its prefix")]
    HostBits,
}

/// What stands on a line before its comment; `None` when nothing does.
pub(super) fn content(line: &str) -> Option<&str> {
    let entry = line.split(['#', ';']).next().unwrap_or_default().trim();
    (!entry.is_empty()).then_some(entry)
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<Self, AddressFaultKind> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| AddressFaultKind::Address)?;
        let written = Self::host(address);
        let mut bits = match bits {
            None => written.bits,
            // `u8` would take a sign.
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= written.bits)
                .ok_or(AddressFaultKind::Prefix)?,
            Some(_) => return Err(AddressFaultKind::Prefix),
        };
        let mut host = written;
        if bits >= MAPPED && address.to_canonical() != address {
            host = Self::host(address.to_canonical());
            bits = bits.saturating_sub(MAPPED);
        }
        let network = host.cut(bits);
        if network.prefix == host.prefix {
            Ok(network)
        } else {
            Err(AddressFaultKind::HostBits)
        }
    }

    /// The network of one address.
    pub(super) fn host(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self {
                v6: false,
                prefix: u128::from(v4.to_bits()) << 96,
                bits: 32,
            },
            IpAddr::V6(v6) => Self {
                v6: true,
                prefix: v6.to_bits(),
                bits: 128,
            },
        }
    }

    /// The wider network of so many bits.
    pub(super) fn cut(self, bits: u8) -> Self {
        let clear = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        Self {
            prefix: self.prefix & !clear,
            bits,
            ..self
        }
    }

    pub(super) const fn is_v6(self) -> bool {
        self.v6
    }

    pub(super) const fn prefix(self) -> u128 {
        self.prefix
    }

    pub(super) const fn bits(self) -> u8 {
        self.bits
    }
}

/// The bits before the IPv4 address in `::ffff:a.b.c.d`.
const MAPPED: u8 = 96;

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(self.prefix))
        } else {
            let high = u32::try_from(self.prefix >> 96).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from_bits(high))
        };
        write!(f, "{address}/{}", self.bits)
    }
}

impl AddressListError {
    pub(super) fn unless_empty(faults: Vec<AddressFault>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// The wrong entries, those of the allow list first, each list in its order; never empty.
    #[must_use]
    pub fn faults(&self) -> &[AddressFault] {
        &self.faults
    }
}

impl AddressFault {
    pub(super) fn new(rule: AddressRule, index: usize, text: &str, kind: AddressFaultKind) -> Self {
        Self {
            rule,
            line: index.saturating_add(1),
            text: sec_core::text::log_safe(text, 64).into_owned(),
            kind,
        }
    }

    /// Which list it is on.
    #[must_use]
    pub const fn rule(&self) -> AddressRule {
        self.rule
    }

    /// The number of its line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The entry, bounded and free of control characters.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why it is wrong.
    #[must_use]
    pub const fn kind(&self) -> AddressFaultKind {
        self.kind
    }
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self.rule {
            AddressRule::Allow => "allow",
            AddressRule::Block => "block",
        };
        write!(
            f,
            "{list}, line {}: {:?} {}",
            self.line, self.text, self.kind
        )
    }
}

impl fmt::Display for AddressListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for AddressListError {}
