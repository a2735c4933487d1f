//! Who is asking (C2): the principal, and the cell that holds it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// An authenticated subject and what it carries.
///
/// Text that a token or a session brought in is taken as it is: comparing is by bytes, case matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    subject: Box<str>,
    method: AuthMethod,
    roles: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    tenant: Option<Box<str>>,
    session: Option<Box<str>>,
}

/// How a principal proved who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// A password, in this very request.
    Password,
    /// A bearer access token (RFC 6750).
    BearerToken,
    /// A refresh token, in this very request.
    RefreshToken,
    /// A server-side session.
    Session,
    /// An API key.
    ApiKey,
    /// Anything that the host knows and this crate does not.
    Other(Box<str>),
}

impl Principal {
    /// A principal without roles or scopes. An empty `subject` is possible and means nothing here:
    /// whoever makes principals from outside data checks it.
    #[must_use]
    pub fn new(subject: impl Into<Box<str>>, method: AuthMethod) -> Self {
        Self {
            subject: subject.into(),
            method,
            roles: Vec::new(),
            scopes: Vec::new(),
            tenant: None,
            session: None,
        }
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<Box<str>>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Adds roles.
    #[must_use]
    pub fn with_roles<R: Into<Box<str>>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles.extend(roles.into_iter().map(Into::into));
        self
    }

    /// Adds a scope (RFC 6749 §3.3).
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds scopes.
    #[must_use]
    pub fn with_scopes<R: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = R>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets the tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the session's public id (never the secret that opens it).
    #[must_use]
    pub fn with_session(mut self, session: impl Into<Box<str>>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// The stable identifier: a token's `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// How it was authenticated.
    #[must_use]
    pub const fn method(&self) -> &AuthMethod {
        &self.method
    }

    /// The roles, in the order given.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    /// Whether the role was given.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|own| own == role)
    }

    /// The scopes, in the order given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(AsRef::as_ref)
    }

    /// Whether the scope was given.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The session's public id.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }
}

impl AuthMethod {
    /// The name in events.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Password => "password",
            Self::BearerToken => "bearer_token",
            Self::RefreshToken => "refresh_token",
            Self::Session => "session",
            Self::ApiKey => "api_key",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about the caller at this moment of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a fourth state would be a hole in every match on it"
)]
pub enum Identity {
    /// No authentication layer has looked yet. Whoever needs an identity and finds this answers 500:
    /// the layers are in the wrong order.
    #[default]
    Unresolved,
    /// An authentication layer looked and found no credentials.
    Anonymous,
    /// An authenticated principal.
    Known(Arc<Principal>),
}

impl Identity {
    /// The principal, when there is one.
    #[must_use]
    pub const fn principal(&self) -> Option<&Arc<Principal>> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Unresolved | Self::Anonymous => None,
        }
    }
}

impl From<Principal> for Identity {
    fn from(principal: Principal) -> Self {
        Self::Known(Arc::new(principal))
    }
}

impl From<Arc<Principal>> for Identity {
    fn from(principal: Arc<Principal>) -> Self {
        Self::Known(principal)
    }
}

/// Holds the identity beside the immutable context: log-in and log-out change it inside a request.
///
/// Readers copy one `Arc`; nobody holds the lock while doing anything else, so it cannot be poisoned or waited
/// for in earnest.
#[derive(Debug, Default)]
pub(crate) struct IdentityCell(RwLock<Identity>);

impl IdentityCell {
    pub(crate) fn get(&self) -> Identity {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_starts_unresolved_and_is_replaceable() {
        let cell = IdentityCell::default();
        assert_eq!(cell.get(), Identity::Unresolved);
        cell.set(
            Principal::new("ada", AuthMethod::Password)
                .with_role("user")
                .into(),
        );
        let before = cell.get();
        cell.set(Identity::Anonymous);
        assert_eq!(before.principal().unwrap().subject(), "ada");
        assert_eq!(cell.get(), Identity::Anonymous);
    }

    #[test]
    fn roles_and_scopes_are_compared_whole() {
        let principal = Principal::new("ada", AuthMethod::ApiKey)
            .with_roles(["user", "moderator"])
            .with_scope("comments:write");
        assert!(principal.has_role("moderator"));
        assert!(!principal.has_role("mod"));
        assert!(!principal.has_role("Moderator"));
        assert!(principal.has_scope("comments:write"));
        assert!(!principal.has_scope("comments"));
    }
}
