//! Authentication by bearer token, as a layer.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use sec_core::{
    Body, EventKind, Identity, OnRefusal, PathRules, ProblemRefusal, RequestContext, RequestView,
    gate::Gate, refuse,
};
use serde::de::DeserializeOwned;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    bearer::bearer,
    refusal::{AuthRefusal, AuthRefusalKind},
};
use crate::token::{NoClaims, Token, Verifier};

/// Verifies the bearer token of each request once and sets the request's identity.
///
/// - No token: the identity becomes `Anonymous`, unless a layer outside of this one has found it by
///   other means.
/// - A valid token: it becomes `Known`, and the [`Token`] itself is put into the request's extensions
///   as `Arc<Token<C>>`.
/// - An invalid token: refused at once with 401 `invalid_token`, a malformed or repeated header with
///   400 `invalid_request`, both with an event `authn_token_rejected` that holds the reason and is
///   coalesced for each client and kind of refusal.
///
/// What it guards is up to what is inside: the extractors `Auth` and `RequireRole` (feature `axum`),
/// [`RequireRoleLayer`](crate::RequireRoleLayer) or [`Permissions`](crate::Permissions). It needs
/// `sec_core::ContextLayer` outside of it and answers 500 without.
///
/// A request without token allocates nothing here. One with a token costs one signature check and the
/// allocations that [`Verifier`] names, and two for the extension.
///
/// ```
/// use sec_tokens::{AuthLayer, Issuer, KeyRing, SigningKey};
///
/// let keys = KeyRing::new(SigningKey::generate_ed25519()?)?;
/// let issuer = Issuer::new(keys, "https://auth.example", "https://api.example")?;
/// let layer = AuthLayer::new(issuer.verifier());
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuthLayer<C = NoClaims> {
    inner: Arc<Inner<C>>,
}

struct Inner<C> {
    verifier: Verifier<C>,
    paths: PathRules,
    invalid_as_anonymous: bool,
    enabled: bool,
    on_refusal: Arc<dyn OnRefusal<AuthRefusal>>,
}

impl<C: DeserializeOwned + Send + Sync + 'static> AuthLayer<C> {
    /// Believes what this verifier believes.
    #[must_use]
    pub fn new(verifier: Verifier<C>) -> Self {
        Self {
            inner: Arc::new(Inner {
                verifier,
                paths: PathRules::all(),
                invalid_as_anonymous: false,
                enabled: true,
                on_refusal: Arc::new(ProblemRefusal),
            }),
        }
    }

    /// Where tokens are looked for (default: everywhere). Elsewhere the identity is `Anonymous`,
    /// whatever the request carries: for routes which a client calls because its token has ended.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|inner| inner.paths = paths)
    }

    /// Whether an invalid token counts as none (default: no, it is refused). The event is raised all
    /// the same. A client then cannot tell that its token has ended where anonymous users may go too.
    #[must_use]
    pub fn invalid_as_anonymous(self, yes: bool) -> Self {
        self.with(|inner| inner.invalid_as_anonymous = yes)
    }

    /// Whether it does anything (default: yes). Switched off it leaves the identity unresolved, so
    /// that whatever needs one answers 500 rather than letting everybody in.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|inner| inner.enabled = enabled)
    }

    /// How refusals are answered (default: problem+json, or what `Accept` prefers).
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<AuthRefusal>) -> Self {
        self.with(|inner| inner.on_refusal = Arc::new(hook))
    }

    fn with(self, change: impl FnOnce(&mut Inner<C>)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.inner);
        change(&mut inner);
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl<C: DeserializeOwned> Inner<C> {
    /// Sets the identity and gives back the token, if any.
    fn authenticate(&self, request: RequestView<'_>) -> Result<Option<Token<C>>, AuthRefusal> {
        let ctx = RequestContext::of(request.extensions)?;
        let found = if self.paths.applies(ctx.path()) {
            self.token(ctx, request)?
        } else {
            None
        };
        match &found {
            Some(token) => ctx.identify(Arc::clone(token.principal())),
            None if matches!(ctx.identity(), Identity::Unresolved) => {
                ctx.identify(Identity::Anonymous);
            }
            None => {}
        }
        Ok(found)
    }

    fn token(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Option<Token<C>>, AuthRefusal> {
        let (kind, reason) = match bearer(request.headers) {
            Ok(None) => return Ok(None),
            Ok(Some(token)) => match self.verifier.verify(token, ctx.clock().now()) {
                Ok(token) => return Ok(Some(token)),
                Err(error) => (
                    AuthRefusalKind::InvalidToken(error.kind()),
                    error.to_string(),
                ),
            },
            Err(error) => (AuthRefusalKind::InvalidRequest, error.to_string()),
        };
        let key = (
            "sec_tokens::AuthLayer",
            ctx.client_group(),
            mem::discriminant(&kind),
        );
        ctx.refused(key, |ctx| {
            ctx.event(EventKind::TOKEN_REJECTED).with_reason(reason)
        });
        let malformed = kind == AuthRefusalKind::InvalidRequest;
        if self.invalid_as_anonymous && !malformed {
            Ok(None)
        } else {
            Err(kind.into())
        }
    }
}

impl<C> Clone for Inner<C> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            paths: self.paths.clone(),
            on_refusal: Arc::clone(&self.on_refusal),
            ..*self
        }
    }
}

impl<C> fmt::Debug for AuthLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("verifier", &self.inner.verifier)
            .field("enabled", &self.inner.enabled)
            .finish_non_exhaustive()
    }
}

impl<S, C> Layer<S> for AuthLayer<C> {
    type Service = AuthService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            layer: Arc::clone(&self.inner),
        }
    }
}

/// The service of [`AuthLayer`].
pub struct AuthService<S, C = NoClaims> {
    inner: S,
    layer: Arc<Inner<C>>,
}

impl<S: Clone, C> Clone for AuthService<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: Arc::clone(&self.layer),
        }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for AuthService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for AuthService<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        if self.layer.enabled {
            match self.layer.authenticate(RequestView::from(&request)) {
                Ok(Some(token)) => {
                    request.extensions_mut().insert(Arc::new(token));
                }
                Ok(None) => {}
                Err(refusal) => {
                    let view = RequestView::from(&request);
                    let response = refuse(&*self.layer.on_refusal, refusal, view);
                    return AuthFuture {
                        gate: Gate::refuse(response),
                    };
                }
            }
        }
        AuthFuture {
            gate: Gate::pass(ready.call(request), ()),
        }
    }
}

pin_project! {
    /// The answer of [`AuthService`] and of [`RequireRoleService`](crate::RequireRoleService).
    #[must_use = "futures do nothing unless polled"]
    pub struct AuthFuture<F> {
        #[pin]
        pub(super) gate: Gate<F, ()>,
    }
}

impl<F, B, E> Future for AuthFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().gate.poll(cx)
    }
}

impl<F> fmt::Debug for AuthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}
