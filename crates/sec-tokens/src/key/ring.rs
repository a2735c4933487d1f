//! Several keys: those that verify, and the one that signs.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jsonwebtoken::jwk::{Jwk, JwkSet};

use super::{
    error::{KeyError, KeyErrorKind},
    signing::SigningKey,
    verifying::VerifyingKey,
};

/// How long others may keep the published keys.
const JWKS_MAX_AGE: &str = "public, max-age=300";

/// Public keys, found by identifier. Cloning counts a reference.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Arc<[VerifyingKey]>,
}

impl KeySet {
    /// Collects keys.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::DuplicateKeyId`] when two share an identifier.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let keys: Arc<[VerifyingKey]> = keys.into_iter().collect();
        let mut kids: Vec<_> = keys.iter().map(VerifyingKey::kid).collect();
        kids.sort_unstable();
        if kids
            .windows(2)
            .any(|pair| matches!(pair, [left, right] if left == right))
        {
            return Err(KeyErrorKind::DuplicateKeyId.into());
        }
        Ok(Self { keys })
    }

    /// Takes what is usable of a JWK set and says what was not: one bad key never drops the others.
    /// Of an identifier that occurs more than once no key is taken, since either could be meant.
    #[must_use]
    pub fn from_jwks(set: &JwkSet) -> (Self, Vec<(Option<String>, KeyError)>) {
        let mut refused = Vec::new();
        let mut good: Vec<(&Jwk, VerifyingKey)> = Vec::new();
        for jwk in &set.keys {
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => good.push((jwk, key)),
                Err(error) => refused.push((jwk.common.key_id.clone(), error)),
            }
        }
        let (mut keys, mut twice) = (Vec::new(), Vec::new());
        for (jwk, key) in &good {
            let same = good
                .iter()
                .filter(|(_, other)| other.kid() == key.kid())
                .count();
            if same == 1 {
                keys.push(key.clone());
            } else {
                twice.push((
                    jwk.common.key_id.clone(),
                    KeyErrorKind::DuplicateKeyId.into(),
                ));
            }
        }
        refused.append(&mut twice);
        (Self { keys: keys.into() }, refused)
    }

    /// The key with this identifier.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        // A ring holds a few keys: comparing them all costs less than hashing the identifier.
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// The keys as JWK set (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.keys.iter().map(VerifyingKey::jwk).collect(),
        }
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        Self {
            keys: Arc::new([key]),
        }
    }
}

impl From<&KeyRing> for KeySet {
    fn from(ring: &KeyRing) -> Self {
        ring.public.clone()
    }
}

/// The key that signs, and every key whose signatures are still believed. Cloning counts references.
#[derive(Debug, Clone)]
pub struct KeyRing {
    active: SigningKey,
    public: KeySet,
    document: Bytes,
}

impl KeyRing {
    /// A ring of one key.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Failed`] when its public document cannot be written.
    pub fn new(active: SigningKey) -> Result<Self, KeyError> {
        Self::with_former(active, [])
    }

    /// A ring that signs with one key and still believes others, such as the key before it.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::DuplicateKeyId`] when two share an identifier.
    pub fn with_former(
        active: SigningKey,
        former: impl IntoIterator<Item = VerifyingKey>,
    ) -> Result<Self, KeyError> {
        let first = std::iter::once(active.verifying_key().clone());
        let public = KeySet::new(first.chain(former))?;
        let document = serde_json::to_vec(&public.jwks()).map_err(|_| KeyErrorKind::Failed)?;
        Ok(Self {
            active,
            public,
            document: document.into(),
        })
    }

    /// The key that signs.
    #[must_use]
    pub fn active(&self) -> &SigningKey {
        &self.active
    }

    /// All public keys.
    #[must_use]
    pub fn public(&self) -> &KeySet {
        &self.public
    }

    /// The public keys as JWK set (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> JwkSet {
        self.public.jwks()
    }

    /// The document for `/.well-known/jwks.json`, written once.
    #[must_use]
    pub fn jwks_document(&self) -> Bytes {
        self.document.clone()
    }

    /// The whole answer for `/.well-known/jwks.json`: `application/jwk-set+json` (RFC 7517 §8.5.2),
    /// which others may keep for five minutes.
    #[must_use]
    pub fn jwks_response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.jwks_document());
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/jwk-set+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(JWKS_MAX_AGE),
        );
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }
}
