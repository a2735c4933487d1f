//! Keys: parsed once, bound to one algorithm each.

mod ed25519;
mod error;
mod ring;
mod signing;
#[cfg(test)]
mod tests;
mod verifying;

pub(crate) use self::verifying::is_kid;
pub use self::{
    error::{KeyError, KeyErrorKind},
    ring::{KeyRing, KeySet},
    signing::SigningKey,
    verifying::VerifyingKey,
};
