//! Access tokens: signed, short-lived, for one audience (RFC 9068).

mod claims;
mod error;
mod issuer;
mod json;
#[cfg(test)]
mod tests;
mod verifier;

pub use self::{
    claims::{NoClaims, Token},
    error::{IssueError, TokenConfigError, TokenError, TokenErrorKind},
    issuer::{AccessToken, Issuer},
    verifier::Verifier,
};
