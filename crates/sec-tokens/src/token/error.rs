//! What is wrong with a token, or with the one who checks it.

use crate::key::KeyError;

/// A token that is not believed. Its text is for the trail; the caller is told `invalid_token` and
/// nothing of the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TokenError {
    kind: TokenErrorKind,
}

impl TokenError {
    /// What exactly is wrong.
    #[must_use]
    pub fn kind(&self) -> TokenErrorKind {
        self.kind
    }
}

impl From<TokenErrorKind> for TokenError {
    fn from(kind: TokenErrorKind) -> Self {
        Self { kind }
    }
}

/// The kinds of [`TokenError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// More than 8 KiB.
    #[error("token too long")]
    TooLong,
    /// Not three base64url parts (RFC 7515 §3.1), not canonical base64url, or not JSON.
    #[error("malformed token")]
    Malformed,
    /// A JSON member occurs twice, at any depth.
    #[error("a member occurs twice")]
    RepeatedMember,
    /// A header member that changes what the token means or brings its own key: `crit`, `b64`,
    /// `zip`, `jku`, `x5u`, `x5c`, `jwk`.
    #[error("header member {0} is not accepted")]
    HeaderMember(&'static str),
    /// `typ` is not `at+jwt` (RFC 9068 §4).
    #[error("not an access token by its typ")]
    WrongType,
    /// No `kid`, one that cannot be, or one of no key here.
    #[error("unknown key")]
    UnknownKey,
    /// `alg` is not the algorithm of the key.
    #[error("not the algorithm of the key")]
    WrongAlgorithm,
    /// The signature is not the key's.
    #[error("wrong signature")]
    WrongSignature,
    /// A claim is missing.
    #[error("claim {0} is missing")]
    MissingClaim(&'static str),
    /// A claim has the wrong type or form.
    #[error("claim {0} is not valid")]
    InvalidClaim(&'static str),
    /// Issued by somebody else.
    #[error("wrong issuer")]
    WrongIssuer,
    /// Issued for somebody else.
    #[error("wrong audience")]
    WrongAudience,
    /// `exp` has come.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("not valid yet")]
    NotYetValid,
    /// Lives longer than this verifier accepts, whatever its issuer says.
    #[error("lifetime above the maximum")]
    LifetimeTooLong,
    /// The further claims do not fit the type that was asked for.
    #[error("custom claims do not fit")]
    CustomClaims,
}

/// Why no token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The subject, or a role, a tenant or a session, is empty, longer than 255 bytes or has control
    /// characters.
    #[error("{0} cannot stand in a token")]
    BadClaim(&'static str),
    /// A scope has a space, a quote or a backslash, or is not ASCII (RFC 6749 §3.3): it would be read
    /// as another one, or as several.
    #[error("a scope has characters that scopes cannot have")]
    BadScope,
    /// The custom claims are no JSON object or fail to serialise.
    #[error("custom claims are not a JSON object")]
    CustomClaims,
    /// A custom claim has the name of a claim that is set here.
    #[error("custom claim {0} has the name of a registered one")]
    ReservedClaim(&'static str),
    /// The token would have more than 8 KiB and be refused everywhere.
    #[error("token too long")]
    TooLong,
    /// The clock shows a time before 1970.
    #[error("the clock shows a time before 1970")]
    Clock,
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A fault in how an [`Issuer`](super::Issuer) or a [`Verifier`](super::Verifier) is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenConfigError {
    /// An empty issuer.
    #[error("issuer must not be empty")]
    Issuer,
    /// An empty audience.
    #[error("audience must not be empty")]
    Audience,
    /// A lifetime of less than a second or more than a day.
    #[error("access token lifetime must be from 1 second to 24 hours")]
    Lifetime,
    /// More than five seconds of leeway.
    #[error("leeway must be at most 5 seconds")]
    Leeway,
}
