//! Log-in, refresh and log-out as a whole, so that a host's handlers decide nothing themselves.

mod answer;
mod log_in;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue};
use sec_core::{EventKind, Identity, Principal, RequestContext, SecurityEvent};

pub use self::{
    answer::{LoggedOut, TokenPair},
    log_in::{LoggedIn, PasswordLogIn},
};
use crate::{
    auth::{AuthRefusal, AuthRefusalKind},
    key::KeyRing,
    refresh::{
        CookieError, Family, FamilyId, Issued, MemoryRefreshStore, Owner, RefreshCookie,
        RefreshError, RefreshStore, RefreshTokens, Rotation, StoreError,
    },
    token::{Issuer, Verifier},
};

/// Logs in, refreshes and logs out. Cloning counts a reference.
///
/// Each method raises its events and, where the host chose `ContextLayer::require`, waits until they
/// are on record: nothing is handed out that the trail does not know of (503 otherwise). Each sets the
/// request's identity. The access token goes into the body, the refresh token into a cookie that
/// scripts cannot read. Put a cross-origin guard before these routes: the cookie is sent by itself.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use sec_core::{AuthMethod, Principal, RequestContext};
/// use sec_tokens::{
///     Issuer, KeyRing, MemoryRefreshStore, RefreshCookie, RefreshTokens, SigningKey, TokenService,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeyRing::new(SigningKey::generate_ed25519()?)?;
/// let tokens = TokenService::new(
///     Issuer::new(keys, "https://auth.example", "https://api.example")?,
///     RefreshTokens::new(MemoryRefreshStore::new()),
///     RefreshCookie::new(),
/// );
///
/// let ctx = RequestContext::builder().build();
/// let alice = Principal::new("alice", AuthMethod::Password).with_role("user");
/// let pair = tokens.log_in(&ctx, &HeaderMap::new(), alice).await?;
/// let response = pair.respond(); // a JSON body, `Set-Cookie`, `Cache-Control: no-store`
/// assert!(response.headers().contains_key("set-cookie"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TokenService<S = MemoryRefreshStore> {
    inner: Arc<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    issuer: Issuer,
    refresh: RefreshTokens<S>,
    cookie: RefreshCookie,
}

impl<S: RefreshStore> TokenService<S> {
    /// Puts the three together.
    #[must_use]
    pub fn new(issuer: Issuer, refresh: RefreshTokens<S>, cookie: RefreshCookie) -> Self {
        Self {
            inner: Arc::new(Inner {
                issuer,
                refresh,
                cookie,
            }),
        }
    }

    /// A verifier for the access tokens issued here: give it to [`AuthLayer`](crate::AuthLayer).
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.inner.issuer.verifier()
    }

    /// What issues the access tokens.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.inner.issuer
    }

    /// The keys, whose public halves `/.well-known/jwks.json` answers.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        self.inner.issuer.keys()
    }

    /// The refresh tokens: for lists of sessions.
    #[must_use]
    pub fn refresh_tokens(&self) -> &RefreshTokens<S> {
        &self.inner.refresh
    }

    /// Logs somebody in whose credentials were verified. The session is new, whatever the request
    /// brought; the one that its cookie names is ended. Sets the identity; raises
    /// `authn_login_success`, and `authn_token_revoked` for each session that had to go.
    ///
    /// # Errors
    ///
    /// A 503 when the store or the trail fails: nobody is logged in then.
    pub async fn log_in(
        &self,
        ctx: &RequestContext,
        headers: &HeaderMap,
        who: Principal,
    ) -> Result<TokenPair, AuthRefusal> {
        let now = ctx.clock().now();
        let before = ctx.identity();
        let label = ctx.user_agent().map(Into::into);
        let issued = self
            .inner
            .refresh
            .issue(Owner::from(&who), label, now)
            .await;
        let issued = issued.map_err(unavailable)?;
        let family = issued.family.id;
        match self.complete_log_in(ctx, headers, who, issued, now).await {
            Ok(pair) => Ok(pair),
            Err(refusal) => {
                ctx.identify(before);
                // Should this fail too, the family was never handed out: nobody has its token.
                let _ = self.inner.refresh.revoke_family(family, now).await;
                Err(refusal)
            }
        }
    }

    /// Exchanges the refresh cookie for a new pair. `load` gives the principal as it is *now*, with
    /// the roles of today; `None` ends the session, for somebody who was deleted or locked out.
    /// Raises `authn_token_refreshed`; for a token that had been used before, `authn_token_reuse`,
    /// once, as the session is ended.
    ///
    /// The cookie is never cleared here: of two tabs the slower one would take away what the faster
    /// one was just given.
    ///
    /// # Errors
    ///
    /// A 401 without a living session, a 400 for a repeated cookie, a 503 when a store or the trail
    /// fails. When it was `load` that failed, the answer carries the next cookie, so that the client
    /// can try again at any time; otherwise it can within the grace.
    pub async fn refresh<F, L>(
        &self,
        ctx: &RequestContext,
        headers: &HeaderMap,
        load: F,
    ) -> Result<TokenPair, AuthRefusal>
    where
        F: FnOnce(Owner) -> L,
        L: Future<Output = Result<Option<Principal>, StoreError>>,
    {
        let now = ctx.clock().now();
        let token = match self.cookie(ctx).read(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Err(AuthRefusalKind::InvalidRefreshToken.into()),
            Err(error) => return Err(self.rejected(ctx, error)),
        };
        let rotation = self
            .inner
            .refresh
            .rotate(&token, now)
            .await
            .map_err(unavailable)?;
        let (issued, grace) = match rotation {
            Rotation::Rotated(issued) => (issued, false),
            Rotation::Grace(issued) => (issued, true),
            Rotation::Reused(family) => return Err(self.reused(ctx, &family).await),
            Rotation::Unknown => return Err(self.unknown(ctx)),
        };
        let family = &issued.family;
        let event = about(ctx, EventKind::TOKEN_REFRESHED, family).with_detail("grace", grace);
        ctx.record(event).await?;
        let cookie = self.set_cookie(ctx, &issued, now);
        let who = match load(family.owner.clone()).await {
            Ok(Some(who)) => who,
            Ok(None) => return Err(self.gone(ctx, family, now).await),
            Err(error) => return Err(unavailable(error.into()).with_cookie(cookie)),
        };
        if Owner::from(&who) != family.owner {
            tracing::error!(target: "sec", "the loaded principal is not the session's owner");
            return Err(AuthRefusalKind::Internal.into());
        }
        self.pair(ctx, who, issued, now)
    }

    /// Ends the session that the cookie names, and the one that the access token names, with every
    /// token of theirs. Raises `authn_logout`. Access tokens that are out stay valid until they end.
    ///
    /// # Errors
    ///
    /// A 503 when the store fails. When only the trail fails, the session *has* ended, and the 503
    /// clears the cookie.
    pub async fn log_out(
        &self,
        ctx: &RequestContext,
        headers: &HeaderMap,
    ) -> Result<LoggedOut, AuthRefusal> {
        let now = ctx.clock().now();
        let mut ended = Vec::new();
        match self.cookie(ctx).read(headers) {
            Ok(Some(token)) => {
                ended.extend(
                    self.inner
                        .refresh
                        .revoke(&token, now)
                        .await
                        .map_err(unavailable)?,
                );
            }
            Ok(None) | Err(CookieError::Malformed) => {}
            Err(error) => return Err(self.rejected(ctx, error)),
        }
        let identity = ctx.identity();
        let named = identity
            .principal()
            .and_then(|who| FamilyId::parse(who.session()?));
        if let Some(id) = named {
            let family = self
                .inner
                .refresh
                .revoke_family(id, now)
                .await
                .map_err(unavailable)?;
            ended.extend(family);
        }
        let cookie = self.cookie(ctx).clear();
        let mut recorded = Ok(());
        for family in &ended {
            recorded = recorded.and(ctx.record(about(ctx, EventKind::LOGOUT, family)).await);
        }
        ctx.identify(Identity::Anonymous);
        match recorded {
            Ok(()) => Ok(LoggedOut::new(cookie, ended.len())),
            Err(error) => Err(AuthRefusal::from(error).with_cookie(cookie)),
        }
    }

    /// Ends every session of somebody: after a changed password, or for an administrator. Whether the
    /// one who asks may is the caller's to check. Raises `authn_token_revoked` for each.
    ///
    /// # Errors
    ///
    /// A 503 when the store fails, or when the trail does; in the second case the sessions have ended.
    pub async fn end_all_sessions(
        &self,
        ctx: &RequestContext,
        owner: &Owner,
    ) -> Result<usize, AuthRefusal> {
        let now = ctx.clock().now();
        let ended = self
            .inner
            .refresh
            .revoke_all(owner, now)
            .await
            .map_err(unavailable)?;
        let mut recorded = Ok(());
        for family in &ended {
            let event = about(ctx, EventKind::TOKEN_REVOKED, family);
            recorded = recorded.and(ctx.record(event.with_reason("all sessions ended")).await);
        }
        recorded?;
        Ok(ended.len())
    }

    async fn complete_log_in(
        &self,
        ctx: &RequestContext,
        headers: &HeaderMap,
        who: Principal,
        issued: Issued,
        now: SystemTime,
    ) -> Result<TokenPair, AuthRefusal> {
        // A cookie that cannot be read leads to no session that could be ended.
        let old = match self.cookie(ctx).read(headers) {
            Ok(Some(token)) => self
                .inner
                .refresh
                .revoke(&token, now)
                .await
                .map_err(unavailable)?,
            Ok(None) | Err(_) => None,
        };
        for family in &issued.evicted {
            let event = about(ctx, EventKind::TOKEN_REVOKED, family);
            ctx.record(event.with_reason("more sessions than allowed"))
                .await?;
        }
        if let Some(family) = &old {
            let event = about(ctx, EventKind::TOKEN_REVOKED, family);
            ctx.record(event.with_reason("replaced by a new log-in"))
                .await?;
        }
        let pair = self.pair(ctx, who, issued, now)?;
        ctx.record(ctx.event(EventKind::LOGIN_SUCCESS)).await?;
        Ok(pair)
    }

    /// Issues the access token of a session and sets the identity.
    fn pair(
        &self,
        ctx: &RequestContext,
        who: Principal,
        issued: Issued,
        now: SystemTime,
    ) -> Result<TokenPair, AuthRefusal> {
        let who = who.with_session(issued.family.id.to_string());
        let access = self.inner.issuer.issue(&who, now).map_err(|error| {
            tracing::error!(target: "sec", %error, "no access token could be issued");
            AuthRefusal::from(AuthRefusalKind::Internal)
        })?;
        ctx.identify(who);
        let cookie = self.set_cookie(ctx, &issued, now);
        Ok(TokenPair::new(access, cookie, issued.family))
    }

    fn cookie(&self, ctx: &RequestContext) -> RefreshCookie {
        self.inner.cookie.for_client(ctx.scheme(), ctx.authority())
    }

    fn set_cookie(&self, ctx: &RequestContext, issued: &Issued, now: SystemTime) -> HeaderValue {
        let left = issued
            .family
            .expires_at
            .duration_since(now)
            .unwrap_or_default();
        self.cookie(ctx).set(&issued.token, left)
    }

    async fn reused(&self, ctx: &RequestContext, family: &Family) -> AuthRefusal {
        let event = about(ctx, EventKind::TOKEN_REUSED, family)
            .with_reason("a refresh token was presented again; its session was ended");
        match ctx.record(event).await {
            Ok(()) => AuthRefusalKind::InvalidRefreshToken.into(),
            Err(error) => error.into(),
        }
    }

    async fn gone(&self, ctx: &RequestContext, family: &Family, now: SystemTime) -> AuthRefusal {
        if let Err(error) = self.inner.refresh.revoke_family(family.id, now).await {
            return unavailable(error);
        }
        let event = about(ctx, EventKind::TOKEN_REVOKED, family)
            .with_reason("its owner is no longer there");
        match ctx.record(event).await {
            Ok(()) => AuthRefusalKind::InvalidRefreshToken.into(),
            Err(error) => error.into(),
        }
    }

    fn unknown(&self, ctx: &RequestContext) -> AuthRefusal {
        ctx.refused(("sec_tokens::refresh", ctx.client_group()), |ctx| {
            ctx.event(EventKind::TOKEN_REJECTED)
                .with_reason("the refresh token leads to no living session")
        });
        AuthRefusalKind::InvalidRefreshToken.into()
    }

    fn rejected(&self, ctx: &RequestContext, error: CookieError) -> AuthRefusal {
        ctx.refused(("sec_tokens::cookie", ctx.client_group()), |ctx| {
            ctx.event(EventKind::TOKEN_REJECTED)
                .with_reason(error.to_string())
        });
        match error {
            CookieError::Duplicate => AuthRefusalKind::InvalidRequest,
            _ => AuthRefusalKind::InvalidRefreshToken,
        }
        .into()
    }
}

impl<S> Clone for TokenService<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// An event about a session, in the name of its owner.
fn about(ctx: &RequestContext, kind: EventKind, family: &Family) -> SecurityEvent {
    ctx.event(kind)
        .with_subject(family.owner.subject())
        .with_entity("session", family.id.to_string())
}

fn unavailable(error: RefreshError) -> AuthRefusal {
    tracing::error!(target: "sec", %error, "failing closed");
    AuthRefusalKind::Unavailable.into()
}
