//! What a token says.

use std::{sync::Arc, time::SystemTime};

use sec_core::{AuthMethod, Principal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::error::TokenErrorKind;

/// Longest value of a claim that names somebody or something.
const MAX_NAME: usize = 255;
/// Names that a custom claim cannot have, since they are set or read here.
pub(super) const RESERVED: [&str; 12] = [
    "iss",
    "aud",
    "sub",
    "jti",
    "iat",
    "nbf",
    "exp",
    "client_id",
    "roles",
    "scope",
    "sid",
    "tenant",
];

/// A token that was verified: whom it names and what else it says.
///
/// Such a value comes from [`Verifier::verify`](super::Verifier::verify) alone; `C` are the host's
/// own claims.
#[derive(Debug, Clone)]
pub struct Token<C = NoClaims> {
    principal: Arc<Principal>,
    id: Box<str>,
    issued_at: u64,
    expires_at: u64,
    client_id: Option<Box<str>>,
    custom: C,
}

/// No further claims; those that a token has are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoClaims {}

impl<C> Token<C> {
    /// Whom the token names: subject, roles, scopes, tenant and session.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The token's own identifier, `jti`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was issued, `iat`.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        time(self.issued_at)
    }

    /// When it ends, `exp`.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        time(self.expires_at)
    }

    /// The client it was issued to, `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The host's own claims.
    #[must_use]
    pub fn custom(&self) -> &C {
        &self.custom
    }
}

/// What a verifier asks of the claims.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) max_lifetime: u64,
    pub(super) leeway: u64,
    pub(super) now: u64,
}

/// Checks and takes apart the claims of a token whose signature is right (RFC 7519 §4.1, RFC 9068
/// §2.2). Times are whole seconds: of a fraction one reader keeps what another rounds away.
pub(super) fn read<C: DeserializeOwned>(
    mut claims: Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<Token<C>, TokenErrorKind> {
    if required(string(&mut claims, "iss")?, "iss")? != expected.issuer {
        return Err(TokenErrorKind::WrongIssuer);
    }
    audience(&mut claims, expected.audience)?;
    let issued_at = required(seconds(&mut claims, "iat")?, "iat")?;
    let expires_at = required(seconds(&mut claims, "exp")?, "exp")?;
    let not_before = seconds(&mut claims, "nbf")?.unwrap_or(0);
    // The leeway is for clocks that run ahead of ours. It never keeps a token alive.
    let latest_start = expected.now.saturating_add(expected.leeway);
    if expected.now >= expires_at {
        return Err(TokenErrorKind::Expired);
    }
    if issued_at > latest_start || not_before > latest_start {
        return Err(TokenErrorKind::NotYetValid);
    }
    let lifetime = expires_at
        .checked_sub(issued_at)
        .ok_or(TokenErrorKind::InvalidClaim("exp"))?;
    if lifetime > expected.max_lifetime {
        return Err(TokenErrorKind::LifetimeTooLong);
    }
    let subject = required(string(&mut claims, "sub")?, "sub")?;
    let id = required(string(&mut claims, "jti")?, "jti")?;
    let client_id = string(&mut claims, "client_id")?.map(Into::into);

    let mut principal = Principal::new(subject, AuthMethod::BearerToken);
    if let Some(roles) = names(&mut claims, "roles")? {
        principal = principal.with_roles(roles);
    }
    if let Some(scope) = claims.remove("scope") {
        let scope = scope
            .as_str()
            .ok_or(TokenErrorKind::InvalidClaim("scope"))?;
        principal = principal.with_scopes(scope.split(' ').filter(|token| !token.is_empty()));
    }
    if let Some(session) = string(&mut claims, "sid")? {
        principal = principal.with_session(session);
    }
    if let Some(tenant) = string(&mut claims, "tenant")? {
        principal = principal.with_tenant(tenant);
    }
    let custom =
        serde_json::from_value(Value::Object(claims)).map_err(|_| TokenErrorKind::CustomClaims)?;
    let principal = Arc::new(principal);
    Ok(Token {
        principal,
        id: id.into(),
        issued_at,
        expires_at,
        client_id,
        custom,
    })
}

/// Whether a name may stand in a claim: somebody will print it, compare it or file by it.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}

fn required<T>(claim: Option<T>, name: &'static str) -> Result<T, TokenErrorKind> {
    claim.ok_or(TokenErrorKind::MissingClaim(name))
}

fn string(
    claims: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, TokenErrorKind> {
    match claims.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_name(&text) => Ok(Some(text)),
        Some(_) => Err(TokenErrorKind::InvalidClaim(name)),
    }
}

fn names(
    claims: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<String>>, TokenErrorKind> {
    let list = match claims.remove(name) {
        None => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(TokenErrorKind::InvalidClaim(name)),
    };
    let names = list.into_iter().map(|value| match value {
        Value::String(text) if is_name(&text) => Ok(text),
        _ => Err(TokenErrorKind::InvalidClaim(name)),
    });
    names.collect::<Result<_, _>>().map(Some)
}

fn seconds(
    claims: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<u64>, TokenErrorKind> {
    match claims.remove(name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or(TokenErrorKind::InvalidClaim(name)),
    }
}

/// RFC 7519 §4.1.3: one string, or a list of strings with ours among them.
fn audience(claims: &mut Map<String, Value>, ours: &str) -> Result<(), TokenErrorKind> {
    let found = match claims.remove("aud") {
        None => return Err(TokenErrorKind::MissingClaim("aud")),
        Some(Value::String(only)) => only == ours,
        Some(Value::Array(list)) => {
            if !list.iter().all(Value::is_string) {
                return Err(TokenErrorKind::InvalidClaim("aud"));
            }
            list.iter().any(|value| value.as_str() == Some(ours))
        }
        Some(_) => return Err(TokenErrorKind::InvalidClaim("aud")),
    };
    if found {
        Ok(())
    } else {
        Err(TokenErrorKind::WrongAudience)
    }
}

fn time(seconds: u64) -> SystemTime {
    // A token that was accepted ends within a day: the sum cannot overflow.
    SystemTime::UNIX_EPOCH
        .checked_add(std::time::Duration::from_secs(seconds))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
