//! Making a token.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sec_core::{Principal, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    claims::{self, NoClaims},
    error::{IssueError, TokenConfigError},
    verifier::{DEFAULT_LIFETIME, MAX_TOKEN, Verifier, check_lifetime, check_names},
};
use crate::key::{KeyErrorKind, KeyRing};

const ID_LEN: usize = 16;

/// Issues access tokens (RFC 9068) in the name of one issuer for one audience.
///
/// A token lives for 15 minutes by default. Nothing recalls it before: keep it short and let the
/// refresh token, which can be recalled, bring the next one.
#[derive(Debug, Clone)]
pub struct Issuer {
    keys: KeyRing,
    issuer: Box<str>,
    audience: Box<str>,
    client_id: Option<Box<str>>,
    lifetime: Duration,
}

impl Issuer {
    /// Signs with the ring's active key.
    ///
    /// # Errors
    ///
    /// When issuer or audience are empty.
    pub fn new(
        keys: KeyRing,
        issuer: impl Into<Box<str>>,
        audience: impl Into<Box<str>>,
    ) -> Result<Self, TokenConfigError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        check_names(&issuer, &audience)?;
        Ok(Self {
            keys,
            issuer,
            audience,
            client_id: None,
            lifetime: DEFAULT_LIFETIME,
        })
    }

    /// How long a token lives, in whole seconds (default: 15 minutes). What is stolen stays good for
    /// as long.
    ///
    /// # Errors
    ///
    /// When it is not from one second to 24 hours.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, TokenConfigError> {
        self.lifetime = Duration::from_secs(check_lifetime(lifetime)?);
        Ok(self)
    }

    /// The `client_id` of every token (default: none, although RFC 9068 §2.2 wants one where OAuth
    /// clients exist).
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<Box<str>>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The keys it signs with.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A verifier that believes exactly what this issuer issues.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.verifier_with()
    }

    /// As [`verifier`](Self::verifier), for tokens with claims of the host's own.
    #[must_use]
    pub fn verifier_with<C: DeserializeOwned>(&self) -> Verifier<C> {
        Verifier::for_issuer(
            &self.keys,
            &self.issuer,
            &self.audience,
            self.lifetime.as_secs(),
        )
    }

    /// Issues a token for somebody: subject, roles, scopes, tenant and session come from the
    /// principal, `jti` is random.
    ///
    /// # Errors
    ///
    /// See [`IssueError`].
    pub fn issue(&self, who: &Principal, now: SystemTime) -> Result<AccessToken, IssueError> {
        self.issue_with(who, &NoClaims::default(), now)
    }

    /// As [`issue`](Self::issue), with claims of the host's own beside the registered ones. They are
    /// signed, not hidden: anybody who holds the token reads them.
    ///
    /// # Errors
    ///
    /// See [`IssueError`].
    pub fn issue_with<C: Serialize>(
        &self,
        who: &Principal,
        custom: &C,
        now: SystemTime,
    ) -> Result<AccessToken, IssueError> {
        let scope = scope(who)?;
        check_principal(who)?;
        let custom = serde_json::to_value(custom).map_err(|_| IssueError::CustomClaims)?;
        let custom = custom.as_object().ok_or(IssueError::CustomClaims)?;
        if let Some(name) = claims::RESERVED
            .into_iter()
            .find(|name| custom.contains_key(*name))
        {
            return Err(IssueError::ReservedClaim(name));
        }
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| IssueError::Clock)?;
        let issued_at = since.as_secs();
        let id = random_id()?;
        let payload = Payload {
            iss: &self.issuer,
            aud: &self.audience,
            sub: who.subject(),
            jti: &id,
            iat: issued_at,
            exp: issued_at.saturating_add(self.lifetime.as_secs()),
            client_id: self.client_id.as_deref(),
            roles: who.roles().collect(),
            scope,
            sid: who.session(),
            tenant: who.tenant(),
            custom,
        };
        let payload = serde_json::to_vec(&payload).map_err(|_| IssueError::CustomClaims)?;
        let key = self.keys.active();
        let mut token = String::with_capacity(MAX_TOKEN.min(payload.len().saturating_mul(2)));
        token.push_str(key.verifying_key().header());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN {
            return Err(IssueError::TooLong);
        }
        Ok(AccessToken {
            token: SecretString::new(token),
            id,
            lifetime: self.lifetime,
        })
    }
}

/// An access token that was just issued. `Debug` does not show it.
#[derive(Debug)]
pub struct AccessToken {
    token: SecretString,
    id: Box<str>,
    lifetime: Duration,
}

impl AccessToken {
    /// The compact form, for the one it was made for.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.token.expose()
    }

    /// Its `jti`, which may be logged.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How long it lives from now on: `expires_in` (RFC 6749 §5.1) in seconds.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl fmt::Display for AccessToken {
    /// The `jti`: a token that slips into a log line says nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(flatten)]
    custom: &'a serde_json::Map<String, Value>,
}

fn check_principal(who: &Principal) -> Result<(), IssueError> {
    let named = [
        ("sub", Some(who.subject())),
        ("sid", who.session()),
        ("tenant", who.tenant()),
    ];
    for (claim, value) in named {
        if value.is_some_and(|value| !claims::is_name(value)) {
            return Err(IssueError::BadClaim(claim));
        }
    }
    if who.roles().all(claims::is_name) {
        Ok(())
    } else {
        Err(IssueError::BadClaim("roles"))
    }
}

/// The scopes, joined by spaces; each must be a scope-token of RFC 6749 §3.3.
fn scope(who: &Principal) -> Result<String, IssueError> {
    let mut joined = String::new();
    for scope in who.scopes() {
        let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.is_empty() || !scope.bytes().all(legal) {
            return Err(IssueError::BadScope);
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(scope);
    }
    Ok(joined)
}

fn random_id() -> Result<Box<str>, IssueError> {
    let mut bytes = [0; ID_LEN];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IssueError::Key(KeyErrorKind::Failed.into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}
