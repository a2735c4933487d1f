//! Why a key is refused.

/// A key that will not be used. Says what is wrong with it and nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct KeyError {
    kind: KeyErrorKind,
}

impl KeyError {
    /// What exactly is wrong.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl From<KeyErrorKind> for KeyError {
    fn from(kind: KeyErrorKind) -> Self {
        Self { kind }
    }
}

/// The kinds of [`KeyError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// Not a PKCS#8 document, not base64url, or not of the key's length.
    #[error("malformed key")]
    Malformed,
    /// PEM of something else than one `PRIVATE KEY` (for instance a public key or an encrypted one).
    #[error("not a PEM block labelled PRIVATE KEY")]
    PemLabel,
    /// A type, curve or algorithm that is not supported. EdDSA over Ed25519 is.
    #[error("unsupported key type, curve or algorithm")]
    Unsupported,
    /// A JWK whose `alg`, `use` or `key_ops` say that it is not for verifying with this algorithm.
    #[error("the key is not meant for verifying signatures with its algorithm")]
    Purpose,
    /// A point of small order or in a second encoding: anybody could sign for such a key.
    #[error("weak public key")]
    Weak,
    /// A key identifier that is empty, longer than 128 bytes or has control characters.
    #[error("bad key identifier")]
    KeyId,
    /// Two keys with one identifier.
    #[error("key identifier used twice")]
    DuplicateKeyId,
    /// The system's random source or the crypto library failed.
    #[error("key operation failed")]
    Failed,
}
