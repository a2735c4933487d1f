//! The public half.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    signature::{ED25519, ParsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, Header,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations,
        OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse,
    },
};

use super::{
    ed25519,
    error::{KeyError, KeyErrorKind},
};

/// Longest key identifier, in bytes.
pub(crate) const MAX_KID: usize = 128;

/// A public key that verifies signatures of one algorithm, parsed once. Cloning counts a reference.
#[derive(Clone)]
pub struct VerifyingKey {
    inner: Arc<Inner>,
}

struct Inner {
    kid: Box<str>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
    public: [u8; ed25519::PUBLIC_LEN],
    /// The encoded header of every token signed by this key's owner here: what matches it needs no
    /// parsing.
    header: Box<str>,
}

impl VerifyingKey {
    /// A raw Ed25519 public key (RFC 8032 §5.1.5), identified by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Malformed`] unless it has 32 bytes, [`KeyErrorKind::Weak`] for points of small
    /// order and for second encodings.
    pub fn from_ed25519_bytes(public: &[u8]) -> Result<Self, KeyError> {
        let public = public.try_into().map_err(|_| KeyErrorKind::Malformed)?;
        Self::ed25519(public, thumbprint(&public))
    }

    /// A key of a JWK set (RFC 7517): `kty` OKP, `crv` Ed25519. Without a `kid` it is identified by
    /// its thumbprint (RFC 7638, RFC 8037 §2).
    ///
    /// # Errors
    ///
    /// As [`from_ed25519_bytes`](Self::from_ed25519_bytes), and [`KeyErrorKind::Purpose`] when `alg`,
    /// `use` or `key_ops` name another purpose, [`KeyErrorKind::KeyId`] for a bad `kid`, and
    /// [`KeyErrorKind::Unsupported`] for every other type of key.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else {
            return Err(KeyErrorKind::Unsupported.into());
        };
        if pair.curve != EllipticCurve::Ed25519 {
            return Err(KeyErrorKind::Unsupported.into());
        }
        if !is_for_verifying(&jwk.common, KeyAlgorithm::EdDSA) {
            return Err(KeyErrorKind::Purpose.into());
        }
        let public = URL_SAFE_NO_PAD
            .decode(&pair.x)
            .map_err(|_| KeyErrorKind::Malformed)?;
        let public = public
            .as_slice()
            .try_into()
            .map_err(|_| KeyErrorKind::Malformed)?;
        let kid = match &jwk.common.key_id {
            Some(kid) if is_kid(kid) => kid.as_str().into(),
            Some(_) => return Err(KeyErrorKind::KeyId.into()),
            None => thumbprint(&public),
        };
        Self::ed25519(public, kid)
    }

    /// The key's identifier, `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.inner.kid
    }

    /// The one algorithm that this key is used with, whatever a token says.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// The key as JWK with `kid`, `alg` and `use`.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(self.inner.algorithm.into()),
                key_id: Some(self.kid().to_owned()),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(self.inner.public),
            }),
        }
    }

    /// Whether the signature is this key's over the message.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.inner.key.verify_sig(message, signature).is_ok()
    }

    pub(crate) fn header(&self) -> &str {
        &self.inner.header
    }

    fn ed25519(public: [u8; ed25519::PUBLIC_LEN], kid: Box<str>) -> Result<Self, KeyError> {
        if !ed25519::is_strong(&public) {
            return Err(KeyErrorKind::Weak.into());
        }
        let key = ParsedPublicKey::new(&ED25519, public).map_err(|_| KeyErrorKind::Malformed)?;
        let algorithm = Algorithm::EdDSA;
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid.as_ref().to_owned());
        let header = serde_json::to_vec(&header).map_err(|_| KeyErrorKind::Failed)?;
        let header = URL_SAFE_NO_PAD.encode(header).into();
        Ok(Self {
            inner: Arc::new(Inner {
                kid,
                algorithm,
                key,
                public,
                header,
            }),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.inner.kid)
            .field("algorithm", &self.inner.algorithm)
            .finish_non_exhaustive()
    }
}

/// Whether an identifier may be looked for, logged and published.
pub(crate) fn is_kid(kid: &str) -> bool {
    !kid.is_empty() && kid.len() <= MAX_KID && !kid.chars().any(char::is_control)
}

fn is_for_verifying(common: &CommonParameters, algorithm: KeyAlgorithm) -> bool {
    common.key_algorithm.is_none_or(|named| named == algorithm)
        && common
            .public_key_use
            .as_ref()
            .is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|list| list.contains(&KeyOperations::Verify))
}

/// RFC 7638 with SHA-256, over the required members of RFC 8037 §2 in lexicographic order.
fn thumbprint(public: &[u8; ed25519::PUBLIC_LEN]) -> Box<str> {
    let x = URL_SAFE_NO_PAD.encode(public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
    URL_SAFE_NO_PAD.encode(hash).into()
}
