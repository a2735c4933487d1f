//! The refresh token itself, and how its successor is sealed under it.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest, hkdf,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

const HANDLE_LEN: usize = 16;
const SECRET_LEN: usize = 32;
const TOKEN_LEN: usize = HANDLE_LEN + SECRET_LEN;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Bytes of a sealed successor: nonce, secret, tag.
pub(super) const SEALED_LEN: usize = NONCE_LEN + SECRET_LEN + TAG_LEN;

/// An opaque refresh token: 16 random bytes that lead to its family and 256 random bits of its own,
/// as 64 characters of base64url. Wiped when dropped; `Debug` does not show it.
///
/// The first part stays the same while the family lives and is known only to those who had one of
/// its tokens. So *every* earlier token is recognised as one, although the store keeps just the last
/// two, and nobody else can have a family revoked by guessing.
#[derive(Clone)]
pub struct RefreshToken {
    bytes: [u8; TOKEN_LEN],
}

/// A family of refresh tokens: what one log-in became. Safe to show; it is the session's identifier
/// in access tokens (`sid`), and leads to no token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId([u8; 16]);

/// The SHA-256 of a token: all that a store ever sees of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// A successor, encrypted under a key that only the token before it yields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sealed([u8; SEALED_LEN]);

impl RefreshToken {
    /// Characters of the encoded form.
    pub const ENCODED_LEN: usize = 64;

    /// Reads the encoded form: exactly 64 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::ENCODED_LEN {
            return None;
        }
        let mut token = Self {
            bytes: [0; TOKEN_LEN],
        };
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut token.bytes).ok()?;
        (written == TOKEN_LEN).then_some(token)
    }

    /// The encoded form, for its owner.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// Its family.
    #[must_use]
    pub fn family(&self) -> FamilyId {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"sec-tokens refresh family v1");
        context.update(self.handle());
        let digest = context.finish();
        let mut id = [0; 16];
        id.iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        FamilyId(id)
    }

    /// What the store knows it by.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, &self.bytes);
        let mut hash = [0; 32];
        hash.iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        TokenHash(hash)
    }

    /// The first token of a new family.
    pub(super) fn generate() -> Option<Self> {
        let mut token = Self {
            bytes: [0; TOKEN_LEN],
        };
        aws_lc_rs::rand::fill(&mut token.bytes).ok()?;
        Some(token)
    }

    /// A candidate for the next token of the same family, and the same sealed under this one.
    pub(super) fn successor(&self) -> Option<(Self, Sealed)> {
        let mut next = self.clone();
        let (_, secret) = next.bytes.split_at_mut(HANDLE_LEN);
        aws_lc_rs::rand::fill(secret).ok()?;
        let sealed = self.seal(&next)?;
        Some((next, sealed))
    }

    /// Opens a successor that was sealed under this token.
    pub(super) fn open(&self, sealed: &Sealed) -> Option<Self> {
        let (nonce, ciphertext) = sealed.0.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut ciphertext = Zeroizing::new(ciphertext.to_vec());
        let aad = Aad::from(self.family().0);
        let secret = self
            .sealing_key()?
            .open_in_place(nonce, aad, &mut ciphertext)
            .ok()?;
        let mut next = self.clone();
        let (_, place) = next.bytes.split_at_mut(HANDLE_LEN);
        if secret.len() != place.len() {
            return None;
        }
        place.copy_from_slice(secret);
        Some(next)
    }

    fn seal(&self, next: &Self) -> Option<Sealed> {
        let (_, secret) = next.bytes.split_at(HANDLE_LEN);
        let mut text = Zeroizing::new(secret.to_vec());
        let aad = Aad::from(self.family().0);
        let (nonce, tag) = self
            .sealing_key()?
            .seal_in_place_separate_tag(aad, &mut text)
            .ok()?;
        let mut sealed = [0; SEALED_LEN];
        let parts = nonce.as_ref().iter().chain(text.iter()).chain(tag.as_ref());
        sealed
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = *from);
        Some(Sealed(sealed))
    }

    /// HKDF-SHA-256 (RFC 5869) over the whole token. Each token seals one successor that is kept;
    /// nonces are random all the same, because racers seal candidates of their own.
    fn sealing_key(&self) -> Option<RandomizedNonceKey> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sec-tokens refresh successor v1");
        let secret = salt.extract(&self.bytes);
        let mut key = Zeroizing::new([0; 32]);
        secret
            .expand(&[b"aes-256-gcm"], hkdf::HKDF_SHA256)
            .ok()?
            .fill(key.as_mut())
            .ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()
    }

    fn handle(&self) -> &[u8] {
        self.bytes.split_at(HANDLE_LEN).0
    }
}

impl Drop for RefreshToken {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken([redacted])")
    }
}

impl FamilyId {
    /// Reads what `Display` wrote: 22 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// From the bytes that a store kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyId({self})")
    }
}

impl TokenHash {
    /// From the bytes that a store kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl Sealed {
    /// From the bytes that a store kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SEALED_LEN]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SEALED_LEN] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}
