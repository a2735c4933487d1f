//! Who is asking: the layer that finds out, and what reads it.

mod bearer;
#[cfg(feature = "axum")]
mod extract;
mod layer;
mod refusal;
mod role;
#[cfg(test)]
mod tests;

#[cfg(feature = "axum")]
pub use self::extract::{Auth, AuthRejection, MaybeAuth, RequireRole};
pub(crate) use self::role::denied;
pub use self::{
    bearer::{BearerError, bearer},
    layer::{AuthFuture, AuthLayer, AuthService},
    refusal::{AuthRefusal, AuthRefusalKind},
    role::{RequireRoleLayer, RequireRoleService, Role, identified, require_role, roles},
};
