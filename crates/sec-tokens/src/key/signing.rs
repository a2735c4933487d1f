//! The private half.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::Algorithm;
use sec_core::{Secret, SecretString};
use zeroize::Zeroizing;

use super::{
    error::{KeyError, KeyErrorKind},
    verifying::VerifyingKey,
};

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// A private key that signs with one algorithm, parsed once. Cloning counts a reference; `Debug`
/// shows the identifier alone.
///
/// ```
/// use sec_tokens::SigningKey;
///
/// let key = SigningKey::generate_ed25519()?;
/// let again = SigningKey::from_pkcs8_pem(key.to_pkcs8_pem()?.expose())?;
/// assert_eq!(again.kid(), key.kid()); // the RFC 7638 thumbprint
/// # Ok::<(), sec_tokens::KeyError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    inner: Arc<Inner>,
}

struct Inner {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes a new Ed25519 key. Tokens signed with it end with the process unless it is stored.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Failed`] when the system gives no randomness.
    pub fn generate_ed25519() -> Result<Self, KeyError> {
        Self::new(Ed25519KeyPair::generate().map_err(|_| KeyErrorKind::Failed)?)
    }

    /// Reads an unencrypted PKCS#8 document (RFC 5958, v1 or v2), as `openssl genpkey -algorithm
    /// ED25519 -outform DER` writes it. A public half inside must match.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Malformed`] for anything else than an Ed25519 key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyErrorKind::Malformed)?)
    }

    /// Reads one PEM block labelled `PRIVATE KEY` (RFC 7468 §10).
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::PemLabel`] for any other label or more than one block, and as
    /// [`from_pkcs8_der`](Self::from_pkcs8_der).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let body = pem
            .trim()
            .strip_prefix(PEM_BEGIN)
            .and_then(|rest| rest.strip_suffix(PEM_END))
            .filter(|body| !body.contains("-----"))
            .ok_or(KeyErrorKind::PemLabel)?;
        let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
        base64.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let der = STANDARD
            .decode(base64.as_str())
            .map_err(|_| KeyErrorKind::Malformed)?;
        Self::from_pkcs8_der(&Zeroizing::new(der))
    }

    /// The key as PKCS#8 v1 document.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Failed`] when the library cannot write it.
    pub fn to_pkcs8_der(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        let document = self
            .inner
            .pair
            .to_pkcs8v1()
            .map_err(|_| KeyErrorKind::Failed)?;
        Ok(Secret::new(document.as_ref().to_vec()))
    }

    /// The key as PEM, for a mounted secret or the environment.
    ///
    /// # Errors
    ///
    /// As [`to_pkcs8_der`](Self::to_pkcs8_der).
    pub fn to_pkcs8_pem(&self) -> Result<SecretString, KeyError> {
        let base64 = Zeroizing::new(STANDARD.encode(self.to_pkcs8_der()?.expose()));
        // An Ed25519 key makes exactly one line of 64 characters, the longest that PEM knows.
        Ok(Secret::new(format!(
            "{PEM_BEGIN}\n{}\n{PEM_END}\n",
            base64.as_str()
        )))
    }

    /// The key's identifier, `kid`: the RFC 7638 thumbprint of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.inner.public.kid()
    }

    /// The one algorithm of this key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.public.algorithm()
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.inner.public
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Failed`] when the library cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<impl AsRef<[u8]> + use<>, KeyError> {
        Ok(self
            .inner
            .pair
            .try_sign(message)
            .map_err(|_| KeyErrorKind::Failed)?)
    }

    fn new(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_ed25519_bytes(pair.public_key().as_ref())?;
        Ok(Self {
            inner: Arc::new(Inner { pair, public }),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}
