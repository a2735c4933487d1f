use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::error::{FaultKind, PolicyError};

/// The digests that CSP 3 and Subresource Integrity know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the set is closed by the standard")]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Its name in a source expression: `sha256`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of what stands between `<script>` and `</script>` (or of a style), every space
    /// included.
    ///
    /// A browser hashes the text after its HTML parser has turned CRLF and CR into LF (HTML,
    /// section 13.2.3.5), so this does it too: a page checked out on Windows keeps its hash.
    #[must_use]
    pub fn digest(self, inline: &str) -> SourceHash {
        let text = inline.replace("\r\n", "\n").replace('\r', "\n");
        let digest = match self {
            Self::Sha256 => STANDARD.encode(Sha256::digest(text.as_bytes())),
            Self::Sha384 => STANDARD.encode(Sha384::digest(text.as_bytes())),
            Self::Sha512 => STANDARD.encode(Sha512::digest(text.as_bytes())),
        };
        SourceHash {
            algorithm: self,
            digest: digest.into(),
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A digest in a policy. Made by [`HashAlgorithm::digest`] or
/// [`Source::hash`](super::Source::hash).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceHash {
    algorithm: HashAlgorithm,
    digest: Box<str>,
}

impl SourceHash {
    pub(super) fn new(algorithm: HashAlgorithm, base64: &str) -> Result<Self, PolicyError> {
        let bytes = STANDARD
            .decode(base64)
            .or_else(|_| URL_SAFE.decode(base64))
            .map_err(|_| hash_fault(algorithm, base64, "is not base64"))?;
        if bytes.len() != algorithm.length() {
            return Err(hash_fault(
                algorithm,
                base64,
                "is not of this digest's length",
            ));
        }
        Ok(Self {
            algorithm,
            digest: STANDARD.encode(bytes).into(),
        })
    }
}

/// As in a policy, quotes included.
impl fmt::Display for SourceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}-{}'", self.algorithm.as_str(), self.digest)
    }
}

fn hash_fault(algorithm: HashAlgorithm, text: &str, why: &str) -> PolicyError {
    PolicyError::one(
        "",
        FaultKind::Hash,
        format!("{} `{}` {why}", algorithm.as_str(), text.escape_debug()),
    )
}
