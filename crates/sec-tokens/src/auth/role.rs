//! Demanding a role.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use sec_core::{
    Body, EventKind, Identity, MissingLayer, OnRefusal, PathRules, Principal, ProblemRefusal,
    RequestContext, RequestView, gate::Gate, refuse,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    layer::AuthFuture,
    refusal::{AuthRefusal, AuthRefusalKind},
};

/// A role as a type, for `RequireRole`.
///
/// ```
/// #[derive(Debug)]
/// struct Editor;
/// impl sec_tokens::Role for Editor {
///     const NAME: &'static str = "editor";
/// }
/// ```
pub trait Role: Send + Sync + 'static {
    /// As it stands in tokens. Compared whole; case matters.
    const NAME: &'static str;
}

/// The roles of [`Permissions::sample`](crate::Permissions::sample), as types.
pub mod roles {
    use super::Role;

    /// The role `user`.
    #[derive(Debug, Clone, Copy)]
    #[non_exhaustive]
    pub struct User;

    /// The role `moderator`.
    #[derive(Debug, Clone, Copy)]
    #[non_exhaustive]
    pub struct Moderator;

    /// The role `admin`.
    #[derive(Debug, Clone, Copy)]
    #[non_exhaustive]
    pub struct Admin;

    impl Role for User {
        const NAME: &'static str = "user";
    }

    impl Role for Moderator {
        const NAME: &'static str = "moderator";
    }

    impl Role for Admin {
        const NAME: &'static str = "admin";
    }
}

/// Who is asking, if anybody is known.
///
/// # Errors
///
/// A 401 when nobody is, a 500 when no authentication layer has run.
pub fn identified(ctx: &RequestContext) -> Result<Arc<Principal>, AuthRefusal> {
    match ctx.identity() {
        Identity::Known(principal) => Ok(principal),
        Identity::Anonymous => Err(AuthRefusalKind::NoCredentials.into()),
        Identity::Unresolved => Err(MissingLayer::new("sec_tokens::AuthLayer").into()),
    }
}

/// Demands exactly this role of who is asking; roles imply one another only in
/// [`Permissions`](crate::Permissions).
///
/// # Errors
///
/// As [`identified`], and a 403 with an event `authz_fail`, coalesced for the same subject and role.
pub fn require_role(ctx: &RequestContext, role: &str) -> Result<Arc<Principal>, AuthRefusal> {
    let who = identified(ctx)?;
    if who.has_role(role) {
        return Ok(who);
    }
    ctx.refused(("sec_tokens::require_role", role, who.subject()), |ctx| {
        ctx.event(EventKind::ACCESS_DENIED)
            .with_reason("the role is missing")
            .with_detail("role", role)
    });
    Err(AuthRefusalKind::InsufficientRole.into())
}

/// A denial by the matrix of permissions, with its event.
pub(crate) fn denied(
    ctx: &RequestContext,
    who: &Principal,
    resource: &str,
    action: &str,
) -> AuthRefusal {
    ctx.refused(
        ("sec_tokens::authorize", resource, action, who.subject()),
        |ctx| {
            ctx.event(EventKind::ACCESS_DENIED)
                .with_reason("no role grants it")
                .with_detail("resource", resource)
                .with_detail("action", action)
        },
    );
    AuthRefusalKind::InsufficientRole.into()
}

/// [`require_role`] as a layer, for a whole router. Needs [`AuthLayer`](crate::AuthLayer) outside of
/// it. Deciding allocates nothing.
#[derive(Clone)]
pub struct RequireRoleLayer {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    role: Box<str>,
    paths: PathRules,
    enabled: bool,
    on_refusal: Arc<dyn OnRefusal<AuthRefusal>>,
}

impl RequireRoleLayer {
    /// Demands this role of every request.
    #[must_use]
    pub fn new(role: impl Into<Box<str>>) -> Self {
        let on_refusal = Arc::new(ProblemRefusal);
        Self {
            inner: Arc::new(Inner {
                role: role.into(),
                paths: PathRules::all(),
                enabled: true,
                on_refusal,
            }),
        }
    }

    /// Where the role is demanded, by the request's original path (default: everywhere). Elsewhere
    /// everybody passes, whoever they are. A path that could be read in two ways is never excluded and
    /// always included, so that no spelling of a guarded path gets around the role.
    ///
    /// A list of what to guard forgets what is added later. Include only what stands beside public
    /// routes in one router; exclude the few that everybody may see.
    #[must_use]
    pub fn paths(mut self, paths: PathRules) -> Self {
        Arc::make_mut(&mut self.inner).paths = paths;
        self
    }

    /// Whether it demands anything (default: yes). Switched off, everybody passes.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        Arc::make_mut(&mut self.inner).enabled = enabled;
        self
    }

    /// How refusals are answered (default: problem+json, or what `Accept` prefers).
    #[must_use]
    pub fn on_refusal(mut self, hook: impl OnRefusal<AuthRefusal>) -> Self {
        Arc::make_mut(&mut self.inner).on_refusal = Arc::new(hook);
        self
    }
}

impl Inner {
    fn decide(&self, ctx: &RequestContext) -> Result<(), AuthRefusal> {
        if self.paths.applies(ctx.path()) {
            require_role(ctx, &self.role)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequireRoleLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireRoleLayer")
            .field("role", &self.inner.role)
            .field("paths", &self.inner.paths)
            .field("enabled", &self.inner.enabled)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RequireRoleLayer {
    type Service = RequireRoleService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireRoleService {
            inner,
            layer: Arc::clone(&self.inner),
        }
    }
}

/// The service of [`RequireRoleLayer`].
#[derive(Clone)]
pub struct RequireRoleService<S> {
    inner: S,
    layer: Arc<Inner>,
}

impl<S: fmt::Debug> fmt::Debug for RequireRoleService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireRoleService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireRoleService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        if self.layer.enabled {
            let allowed = RequestContext::of(request.extensions())
                .map_err(AuthRefusal::from)
                .and_then(|ctx| self.layer.decide(ctx));
            if let Err(refusal) = allowed {
                let view = RequestView::from(&request);
                let response = refuse(&*self.layer.on_refusal, refusal, view);
                return AuthFuture {
                    gate: Gate::refuse(response),
                };
            }
        }
        AuthFuture {
            gate: Gate::pass(ready.call(request), ()),
        }
    }
}
