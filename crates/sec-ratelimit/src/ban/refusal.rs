//! The answer to who is blocked.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sec_core::{AddrPrefix, Problem};

use super::table::Who;
use crate::digest::id;
use crate::headers::seconds;

/// The caller was refused too often and is blocked for a time: 429 of the type `blocked`, with the rest of the block as
/// `Retry-After`, in whole seconds rounded up. Nothing was counted in any tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blocked for {rest:?}")]
pub struct Banned {
    address: Option<AddrPrefix>,
    id: u64,
    rest: Duration,
    count: u32,
}

impl Banned {
    pub(super) fn new(who: Who, rest: u64, count: u32) -> Self {
        Self {
            address: who.shown,
            id: id(who.digest),
            rest: Duration::from_nanos(rest),
            count,
        }
    }

    /// The rest of the block.
    #[must_use]
    pub const fn rest(&self) -> Duration {
        self.rest
    }

    /// How many blocks this key has had, this one included.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The address or network that is blocked, where it is one.
    #[must_use]
    pub const fn address(&self) -> Option<AddrPrefix> {
        self.address
    }

    /// A keyed hash of the key that is blocked.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }
}

impl From<&Banned> for Problem {
    fn from(banned: &Banned) -> Self {
        Self::typed(
            "blocked",
            StatusCode::TOO_MANY_REQUESTS,
            "Blocked for a time after repeated refusals",
        )
        .with_header(RETRY_AFTER, HeaderValue::from(seconds(banned.rest).max(1)))
    }
}

impl From<Banned> for Problem {
    fn from(banned: Banned) -> Self {
        Self::from(&banned)
    }
}
