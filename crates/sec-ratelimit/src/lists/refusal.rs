//! The answer to a blocked address.

use http::StatusCode;
use sec_core::Problem;

/// The client's address is on a block list: 403 of the type `address-blocked`. The caller is not told which entry
/// it was; the trail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's address is on a block list")]
#[non_exhaustive]
pub struct AddressBlocked;

impl From<&AddressBlocked> for Problem {
    fn from(_: &AddressBlocked) -> Self {
        Self::typed(
            "address-blocked",
            StatusCode::FORBIDDEN,
            "This address is not served",
        )
    }
}

impl From<AddressBlocked> for Problem {
    fn from(blocked: AddressBlocked) -> Self {
        Self::from(&blocked)
    }
}
