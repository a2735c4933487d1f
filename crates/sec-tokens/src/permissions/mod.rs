//! Who may do what to which: a matrix of role, resource and action.

mod builder;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use sec_core::{Principal, RequestContext};

pub use self::builder::{PermissionsBuilder, PermissionsError, RoleBuilder};
use crate::auth::{self, AuthRefusal};

/// Whose things a permission reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    clippy::exhaustive_enums,
    reason = "there is no third way to own something"
)]
pub enum Scope {
    /// The subject's own.
    Own,
    /// Anybody's.
    Any,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a decision is one of two")]
pub enum Access {
    /// A role of the subject grants it.
    Granted,
    /// No role of the subject grants it.
    Denied,
}

impl Access {
    /// Whether it is granted.
    #[must_use]
    pub fn is_granted(self) -> bool {
        self == Self::Granted
    }
}

/// A matrix of role × resource × action. What no entry grants is denied: an unknown role, resource
/// or action, and `own` where the owner is not known. Cloning counts a reference; deciding allocates
/// nothing.
///
/// ```
/// use sec_core::{AuthMethod, Principal};
/// use sec_tokens::{Permissions, Scope};
///
/// let permissions = Permissions::builder()
///     .role("user").may("comment", "create", Scope::Any).may("comment", "delete", Scope::Own)
///     .role("moderator").inherits("user").may("comment", "delete", Scope::Any)
///     .build()?;
///
/// let alice = Principal::new("alice", AuthMethod::Password).with_role("user");
/// assert!(permissions.decide(&alice, "comment", "delete", Some("alice")).is_granted());
/// assert!(!permissions.decide(&alice, "comment", "delete", Some("bob")).is_granted());
/// assert!(!permissions.decide(&alice, "comment", "delete", None).is_granted());
/// # Ok::<(), sec_tokens::PermissionsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Permissions {
    /// The grants of each role, inherited ones included.
    roles: Arc<HashMap<Box<str>, Vec<Grant>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    resource: Box<str>,
    action: Box<str>,
    scope: Scope,
}

impl Permissions {
    /// As resource or action of a grant: all of them. A request is never read as a pattern.
    pub const ALL: &'static str = "*";

    /// An empty matrix to fill.
    pub fn builder() -> PermissionsBuilder {
        PermissionsBuilder::default()
    }

    /// The roles of most services: a `user` may create and read comments, and update and delete own
    /// ones; a `moderator` may also delete those of others; an `admin` may do everything.
    #[must_use]
    pub fn sample() -> Self {
        let grant = |resource: &str, action: &str, scope| Grant {
            resource: resource.into(),
            action: action.into(),
            scope,
        };
        let user = vec![
            grant("comment", "create", Scope::Any),
            grant("comment", "read", Scope::Any),
            grant("comment", "update", Scope::Own),
            grant("comment", "delete", Scope::Own),
        ];
        let mut moderator = user.clone();
        moderator.push(grant("comment", "delete", Scope::Any));
        let admin = vec![grant(Self::ALL, Self::ALL, Scope::Any)];
        let roles = [("user", user), ("moderator", moderator), ("admin", admin)];
        let roles = roles
            .into_iter()
            .map(|(name, grants)| (name.into(), grants))
            .collect();
        Self {
            roles: Arc::new(roles),
        }
    }

    /// Decides whether somebody may act on a resource that belongs to `owner`, a subject; `None` when
    /// it belongs to nobody or when that is not known, which grants nothing to `own`.
    pub fn decide(
        &self,
        who: &Principal,
        resource: &str,
        action: &str,
        owner: Option<&str>,
    ) -> Access {
        let mut grants = who
            .roles()
            .filter_map(|role| self.roles.get(role))
            .flatten();
        let granted = grants.any(|grant| {
            matches(&grant.resource, resource)
                && matches(&grant.action, action)
                && (grant.scope == Scope::Any || owner == Some(who.subject()))
        });
        if granted {
            Access::Granted
        } else {
            Access::Denied
        }
    }

    /// Decides for the request's own identity, and leaves a trace of a denial.
    ///
    /// # Errors
    ///
    /// A refusal to answer with: 401 without an identity, 403 when denied (an event `authz_fail`,
    /// coalesced for the same subject, resource and action), 500 when no authentication layer has
    /// run.
    #[allow(clippy::unused_async, reason = "owners will be loaded here")]
    pub async fn authorize(
        &self,
        ctx: &RequestContext,
        resource: &str,
        action: &str,
        owner: Option<&str>,
    ) -> Result<(), AuthRefusal> {
        let who = auth::identified(ctx)?;
        match self.decide(&who, resource, action, owner) {
            Access::Granted => Ok(()),
            Access::Denied => Err(auth::denied(ctx, &who, resource, action)),
        }
    }
}

fn matches(granted: &str, asked: &str) -> bool {
    granted == Permissions::ALL || granted == asked
}
