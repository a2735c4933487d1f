//! Extractors for axum: they read what [`AuthLayer`](crate::AuthLayer) found.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::request::Parts;
use sec_core::{Identity, Principal, ProblemRefusal, RequestContext, RequestView, refuse};

use super::{
    refusal::AuthRefusal,
    role::{Role, identified, require_role},
};

/// Who is asking. Refuses with 401 when nobody is known, and with 500 when no authentication layer
/// has run.
#[derive(Debug, Clone)]
#[allow(
    clippy::exhaustive_structs,
    reason = "meant to be taken apart in a handler's arguments"
)]
pub struct Auth(pub Arc<Principal>);

/// Who is asking, or `None`. Refuses only when no authentication layer has run.
#[derive(Debug, Clone)]
#[allow(
    clippy::exhaustive_structs,
    reason = "meant to be taken apart in a handler's arguments"
)]
pub struct MaybeAuth(pub Option<Arc<Principal>>);

/// Who is asking, with the role `R`. Refuses with 401, 403 or 500 as
/// [`require_role`](crate::require_role) does.
///
/// ```
/// use sec_tokens::{RequireRole, roles::Admin};
///
/// async fn audit(admin: RequireRole<Admin>) -> String {
///     format!("hello {}", admin.subject())
/// }
/// # let _ = audit;
/// ```
pub struct RequireRole<R> {
    principal: Arc<Principal>,
    role: PhantomData<fn() -> R>,
}

/// The answer of an extractor that refuses: a problem in the form that the request's `Accept` asks
/// for.
#[derive(Debug)]
pub struct AuthRejection {
    response: Box<http::Response<Bytes>>,
}

impl<R> RequireRole<R> {
    /// Who is asking.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

impl<R> Clone for RequireRole<R> {
    fn clone(&self) -> Self {
        Self {
            principal: Arc::clone(&self.principal),
            role: PhantomData,
        }
    }
}

impl<R: Role> fmt::Debug for RequireRole<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireRole")
            .field("role", &R::NAME)
            .field("principal", &self.principal)
            .finish()
    }
}

impl<R> Deref for RequireRole<R> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl Deref for Auth {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Auth {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        decide(parts, identified).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeAuth {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        let optional = |ctx: &RequestContext| match ctx.identity() {
            Identity::Anonymous => Ok(None),
            _ => identified(ctx).map(Some),
        };
        decide(parts, optional).map(Self)
    }
}

impl<S: Sync, R: Role> FromRequestParts<S> for RequireRole<R> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        let principal = decide(parts, |ctx| require_role(ctx, R::NAME))?;
        Ok(Self {
            principal,
            role: PhantomData,
        })
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        self.response.map(Body::from)
    }
}

fn decide<T>(
    parts: &Parts,
    decision: impl FnOnce(&RequestContext) -> Result<T, AuthRefusal>,
) -> Result<T, AuthRejection> {
    let decided = RequestContext::of(&parts.extensions).map_err(AuthRefusal::from);
    decided.and_then(decision).map_err(|refusal| {
        let response = refuse(&ProblemRefusal, refusal, RequestView::from(parts));
        AuthRejection {
            response: Box::new(response),
        }
    })
}
