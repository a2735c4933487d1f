//! An address or a network, as a filter has it.

use std::fmt;
use std::net::IpAddr;

use crate::error::QueryError;

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    len: u8,
}

impl Network {
    pub(super) fn host(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            len: if address.is_ipv4() { 32 } else { 128 },
        }
    }

    pub(super) fn parse(value: &str) -> Result<Self, QueryError> {
        let wrong = || {
            QueryError::invalid(
                "client",
                "must be an address or a network like 203.0.113.0/24",
            )
        };
        let (address, len) = match value.split_once('/') {
            Some((address, len)) => (address, Some(len.parse::<u8>().map_err(|_| wrong())?)),
            None => (value, None),
        };
        let host = Self::host(address.parse().map_err(|_| wrong())?);
        match len {
            None => Ok(host),
            Some(len) if len <= host.len => Ok(Self { len, ..host }),
            Some(_) => Err(wrong()),
        }
    }

    pub(super) fn contains(self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let differing = u32::from(net) ^ u32::from(ip);
                differing.leading_zeros() >= u32::from(self.len)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let differing = u128::from(net) ^ u128::from(ip);
                differing.leading_zeros() >= u32::from(self.len)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}
