//! Believing a token.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    claims::{self, Expected, NoClaims, Token},
    error::{TokenConfigError, TokenError, TokenErrorKind},
    json,
};
use crate::key::{KeySet, VerifyingKey};

/// Longest token that is looked at. Checked before anything is decoded.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Seconds.
const DEFAULT_LEEWAY: u64 = 2;
const MAX_LEEWAY: Duration = Duration::from_secs(5);
/// Header members that change what is signed or bring a key along. RFC 7515 lets a token demand
/// (`crit`) or offer (`jku` …) them; nothing here needs any, and each has been an attack.
const REFUSED_MEMBERS: [&str; 7] = ["crit", "b64", "zip", "jku", "x5u", "x5c", "jwk"];

/// Verifies access tokens (RFC 9068) of one issuer for one audience. Cloning counts a reference.
///
/// Every token must have at most 8 KiB, canonical base64url, the type `at+jwt`, a known `kid` whose
/// key's own algorithm it names, and the claims `iss`, `aud`, `sub`, `jti`, `iat` and `exp`. It must
/// not live longer than the maximum, repeat a member, carry `crit`, `b64`, `zip`, or keys of its own.
/// What fits costs one signature check and about twenty-five small allocations; a wrong signature is
/// found before the claims are parsed.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sec_core::{AuthMethod, Principal};
/// use sec_tokens::{Issuer, KeyRing, SigningKey, TokenErrorKind};
///
/// let keys = KeyRing::new(SigningKey::generate_ed25519()?)?;
/// let issuer = Issuer::new(keys, "https://auth.example", "https://api.example")?;
/// let verifier = issuer.verifier();
///
/// let now = SystemTime::now();
/// let alice = Principal::new("alice", AuthMethod::Password).with_role("user");
/// let token = issuer.issue(&alice, now)?;
/// assert_eq!(verifier.verify(token.expose(), now)?.principal().subject(), "alice");
///
/// let later = now + Duration::from_secs(15 * 60);
/// assert_eq!(verifier.verify(token.expose(), later).unwrap_err().kind(), TokenErrorKind::Expired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Verifier<C = NoClaims> {
    inner: Arc<Inner>,
    claims: PhantomData<fn() -> C>,
}

#[derive(Debug, Clone)]
struct Inner {
    keys: KeySet,
    issuer: Box<str>,
    audience: Box<str>,
    max_lifetime: u64,
    leeway: u64,
}

impl<C: DeserializeOwned> Verifier<C> {
    /// Believes these keys, when they speak for this issuer and to this audience.
    ///
    /// # Errors
    ///
    /// When issuer or audience are empty: there is no verifier without them.
    pub fn new(
        keys: impl Into<KeySet>,
        issuer: impl Into<Box<str>>,
        audience: impl Into<Box<str>>,
    ) -> Result<Self, TokenConfigError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        check_names(&issuer, &audience)?;
        Ok(Self::for_issuer(
            keys,
            &issuer,
            &audience,
            DEFAULT_LIFETIME.as_secs(),
        ))
    }

    /// Longest `exp - iat` that is accepted, in whole seconds (default: 15 minutes). A signing key in
    /// wrong hands then still cannot make a token that lasts for years.
    ///
    /// # Errors
    ///
    /// When it is not from one second to 24 hours.
    pub fn max_lifetime(self, max: Duration) -> Result<Self, TokenConfigError> {
        let max_lifetime = check_lifetime(max)?;
        Ok(self.with(|inner| inner.max_lifetime = max_lifetime))
    }

    /// How far the issuer's clock may run ahead of ours, in whole seconds (default: 2 seconds). It
    /// applies to `iat` and `nbf`; nothing lengthens a life beyond `exp`.
    ///
    /// # Errors
    ///
    /// Above 5 seconds.
    pub fn leeway(self, leeway: Duration) -> Result<Self, TokenConfigError> {
        if leeway > MAX_LEEWAY {
            return Err(TokenConfigError::Leeway);
        }
        Ok(self.with(|inner| inner.leeway = leeway.as_secs()))
    }

    /// Verifies a token in its compact form.
    ///
    /// # Errors
    ///
    /// [`TokenError::kind`] says why it is not believed. That is for the trail, not for the caller.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Token<C>, TokenError> {
        Ok(self.inner.verify(token, now)?)
    }

    /// An issuer has checked all of this already.
    pub(super) fn for_issuer(
        keys: impl Into<KeySet>,
        issuer: &str,
        audience: &str,
        max_lifetime: u64,
    ) -> Self {
        let (keys, issuer, audience) = (keys.into(), issuer.into(), audience.into());
        let inner = Inner {
            keys,
            issuer,
            audience,
            max_lifetime,
            leeway: DEFAULT_LEEWAY,
        };
        Self {
            inner: Arc::new(inner),
            claims: PhantomData,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

impl Inner {
    fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Token<C>, TokenErrorKind> {
        if token.len() > MAX_TOKEN {
            return Err(TokenErrorKind::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenErrorKind::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenErrorKind::Malformed)?;
        if payload.contains('.') {
            return Err(TokenErrorKind::Malformed);
        }
        let key = self.key(header)?;
        if !key.verify(message.as_bytes(), &decode(signature)?) {
            return Err(TokenErrorKind::WrongSignature);
        }
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let expected = Expected {
            issuer: &self.issuer,
            audience: &self.audience,
            max_lifetime: self.max_lifetime,
            leeway: self.leeway,
            now,
        };
        claims::read(json::object(&decode(payload)?)?, &expected)
    }

    /// Finds the key that a header names, if the header is one that is accepted.
    fn key(&self, encoded: &str) -> Result<&VerifyingKey, TokenErrorKind> {
        // Tokens issued here all have the same few headers.
        if let Some(key) = self.keys.iter().find(|key| key.header() == encoded) {
            return Ok(key);
        }
        let header = json::object(&decode(encoded)?)?;
        if let Some(name) = REFUSED_MEMBERS
            .into_iter()
            .find(|name| header.contains_key(*name))
        {
            return Err(TokenErrorKind::HeaderMember(name));
        }
        let typ = text(&header, "typ").ok_or(TokenErrorKind::WrongType)?;
        if !["at+jwt", "application/at+jwt"]
            .iter()
            .any(|ours| typ.eq_ignore_ascii_case(ours))
        {
            return Err(TokenErrorKind::WrongType);
        }
        let kid = text(&header, "kid").filter(|kid| crate::key::is_kid(kid));
        let key = kid
            .and_then(|kid| self.keys.find(kid))
            .ok_or(TokenErrorKind::UnknownKey)?;
        if text(&header, "alg") != Some(algorithm_name(key.algorithm())) {
            return Err(TokenErrorKind::WrongAlgorithm);
        }
        Ok(key)
    }
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            claims: PhantomData,
        }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

pub(super) fn check_names(issuer: &str, audience: &str) -> Result<(), TokenConfigError> {
    if issuer.is_empty() {
        return Err(TokenConfigError::Issuer);
    }
    if audience.is_empty() {
        Err(TokenConfigError::Audience)
    } else {
        Ok(())
    }
}

/// Whole seconds, from one to a day.
pub(super) fn check_lifetime(lifetime: Duration) -> Result<u64, TokenConfigError> {
    let seconds = lifetime.as_secs();
    if (1..=MAX_LIFETIME.as_secs()).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(TokenConfigError::Lifetime)
    }
}

/// Canonical only: no padding, no whitespace, no other alphabet, no stray bits at the end (RFC 7515
/// §2). Otherwise one token would have many spellings, and a list of revoked ones could be passed by.
fn decode(part: &str) -> Result<Vec<u8>, TokenErrorKind> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenErrorKind::Malformed)
}

fn text<'a>(header: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    header.get(name).and_then(Value::as_str)
}

/// The one name under which a key's algorithm may go; whatever no key here uses has none.
fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "EdDSA",
        _ => "",
    }
}
