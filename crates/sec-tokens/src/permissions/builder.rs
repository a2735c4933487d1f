//! Filling the matrix.

use std::{collections::HashMap, sync::Arc};

use super::{Grant, Permissions, Scope};

/// A matrix in the making. Start with a [`role`](Self::role).
#[derive(Debug, Default)]
#[must_use]
pub struct PermissionsBuilder {
    roles: Vec<Draft>,
}

/// A matrix in the making, at one of its roles.
#[derive(Debug)]
#[must_use]
pub struct RoleBuilder {
    done: PermissionsBuilder,
    current: Draft,
}

#[derive(Debug, Default)]
struct Draft {
    name: Box<str>,
    inherits: Vec<Box<str>>,
    grants: Vec<Grant>,
}

/// A fault in a matrix, naming the role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionsError {
    /// A role without a name.
    #[error("a role has no name")]
    Unnamed,
    /// Two roles of one name.
    #[error("role `{0}` is defined twice")]
    Repeated(Box<str>),
    /// Inherits from a role that is not there.
    #[error("role `{0}` inherits from `{1}`, which is not defined")]
    Unknown(Box<str>, Box<str>),
    /// Inherits from itself, directly or not.
    #[error("role `{0}` inherits from itself")]
    Circle(Box<str>),
    /// A permission without resource or action.
    #[error("role `{0}` has a permission without resource or action")]
    Empty(Box<str>),
}

impl PermissionsBuilder {
    /// Begins a role.
    pub fn role(self, name: impl Into<Box<str>>) -> RoleBuilder {
        let current = Draft {
            name: name.into(),
            ..Draft::default()
        };
        RoleBuilder {
            done: self,
            current,
        }
    }

    /// Checks the matrix.
    ///
    /// # Errors
    ///
    /// See [`PermissionsError`]. An empty matrix is no fault: it denies everything.
    pub fn build(self) -> Result<Permissions, PermissionsError> {
        let mut by_name: HashMap<&str, &Draft> = HashMap::new();
        for draft in &self.roles {
            if draft.name.is_empty() {
                return Err(PermissionsError::Unnamed);
            }
            if draft
                .grants
                .iter()
                .any(|grant| grant.resource.is_empty() || grant.action.is_empty())
            {
                return Err(PermissionsError::Empty(draft.name.clone()));
            }
            if by_name.insert(&draft.name, draft).is_some() {
                return Err(PermissionsError::Repeated(draft.name.clone()));
            }
        }
        let mut roles = HashMap::new();
        for draft in &self.roles {
            let mut grants = Vec::new();
            collect(draft, &by_name, &mut Vec::new(), &mut grants)?;
            roles.insert(draft.name.clone(), grants);
        }
        Ok(Permissions {
            roles: Arc::new(roles),
        })
    }
}

impl RoleBuilder {
    /// Grants an action on a resource; [`Permissions::ALL`] stands for every one.
    pub fn may(
        mut self,
        resource: impl Into<Box<str>>,
        action: impl Into<Box<str>>,
        scope: Scope,
    ) -> Self {
        self.current.grants.push(Grant {
            resource: resource.into(),
            action: action.into(),
            scope,
        });
        self
    }

    /// Grants all that another role is granted.
    pub fn inherits(mut self, role: impl Into<Box<str>>) -> Self {
        self.current.inherits.push(role.into());
        self
    }

    /// Ends this role and begins the next.
    pub fn role(self, name: impl Into<Box<str>>) -> RoleBuilder {
        self.end().role(name)
    }

    /// Checks the matrix.
    ///
    /// # Errors
    ///
    /// See [`PermissionsError`].
    pub fn build(self) -> Result<Permissions, PermissionsError> {
        self.end().build()
    }

    fn end(self) -> PermissionsBuilder {
        let mut done = self.done;
        done.roles.push(self.current);
        done
    }
}

/// Gathers a role's grants and those of all it inherits from; `path` are the roles on the way.
fn collect<'a>(
    draft: &'a Draft,
    by_name: &HashMap<&str, &'a Draft>,
    path: &mut Vec<&'a str>,
    grants: &mut Vec<Grant>,
) -> Result<(), PermissionsError> {
    if path.contains(&&*draft.name) {
        return Err(PermissionsError::Circle(draft.name.clone()));
    }
    path.push(&draft.name);
    for grant in &draft.grants {
        if !grants.contains(grant) {
            grants.push(grant.clone());
        }
    }
    for inherited in &draft.inherits {
        let parent = by_name
            .get(&**inherited)
            .ok_or_else(|| PermissionsError::Unknown(draft.name.clone(), inherited.clone()))?;
        collect(parent, by_name, path, grants)?;
    }
    path.pop();
    Ok(())
}
