//! Whose request it is (R4): peer, client, and what a trusted proxy says of them.

mod authority;
mod forwarded;
mod prefix;
mod resolve;

pub use self::authority::{Authority, AuthorityError, Scheme};
pub use self::prefix::{AddrGrouping, AddrGroupingError, AddrPrefix};
pub(crate) use self::resolve::Resolved;
pub use self::resolve::{ClientAddress, Forwarding, ForwardingError, ProxyError, TrustedProxies};

use std::net::SocketAddr;

/// The address at the other end of the connection, put into the request's extensions by the host.
///
/// Under the `axum` feature `ConnectInfo<SocketAddr>` serves as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_structs,
    reason = "the host makes it from the accepted socket"
)]
pub struct PeerAddr(pub SocketAddr);

#[cfg(test)]
mod tests;
