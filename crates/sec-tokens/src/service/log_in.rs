//! Logging in with a password.

use http::HeaderMap;
use sec_core::{EventKind, Principal, RequestContext, SecretString, SecurityEvent, text::log_safe};

use super::{TokenPair, TokenService};
use crate::{
    auth::{AuthRefusal, AuthRefusalKind},
    password::{PasswordHash, Passwords},
    refresh::RefreshStore,
};

/// Longest part of a claimed user name that goes into the trail.
const NAME_IN_TRAIL: usize = 100;

/// Somebody claims a user name and shows a password; the host adds what it knows of that name.
#[derive(Debug)]
#[must_use]
pub struct PasswordLogIn<'a> {
    user_name: &'a str,
    password: SecretString,
    account: Option<(Principal, &'a PasswordHash)>,
}

/// Logged in with a password.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct LoggedIn {
    /// The answer.
    pub pair: TokenPair,
    /// The hash was made with another cost than today's: hash the password again and store it.
    pub needs_rehash: bool,
}

impl<'a> PasswordLogIn<'a> {
    /// A claim for which there is no account, as far as is known yet.
    pub fn new(user_name: &'a str, password: SecretString) -> Self {
        Self {
            user_name,
            password,
            account: None,
        }
    }

    /// The account of that user name, if there is one: who it is, and the stored hash. Leave it out
    /// for an unknown name; that takes as long and looks the same.
    pub fn account(mut self, account: Option<(Principal, &'a PasswordHash)>) -> Self {
        self.account = account;
        self
    }
}

impl<S: RefreshStore> TokenService<S> {
    /// Verifies a password and logs in, as [`log_in`](Self::log_in) does. An unknown name and a wrong
    /// password differ neither in the answer nor in the time; both raise `authn_login_fail` with the
    /// claimed name.
    ///
    /// # Errors
    ///
    /// A 401 for wrong credentials, a 503 with `Retry-After` when too many passwords are being
    /// hashed, and what [`log_in`](Self::log_in) gives.
    pub async fn log_in_with_password(
        &self,
        ctx: &RequestContext,
        headers: &HeaderMap,
        passwords: &Passwords,
        claim: PasswordLogIn<'_>,
    ) -> Result<LoggedIn, AuthRefusal> {
        let hash = claim.account.as_ref().map(|(_, hash)| *hash);
        let mut attempt = Attempt {
            ctx,
            user_name: claim.user_name,
            pending: true,
        };
        let verified = passwords.verify(claim.password, hash).await;
        attempt.pending = false;
        let verified = verified?;
        match claim.account {
            Some((who, _)) if verified.ok => {
                let pair = self.log_in(ctx, headers, who).await?;
                Ok(LoggedIn {
                    pair,
                    needs_rehash: verified.needs_rehash,
                })
            }
            account => {
                let reason = if account.is_some() {
                    "wrong password"
                } else {
                    "unknown user"
                };
                ctx.record(attempt.failure(reason)).await?;
                Err(AuthRefusalKind::InvalidCredentials.into())
            }
        }
    }
}

/// A guess whose client hangs up while it is hashed was made all the same, and the trail hears of it.
struct Attempt<'a> {
    ctx: &'a RequestContext,
    user_name: &'a str,
    pending: bool,
}

impl Attempt<'_> {
    fn failure(&self, reason: &'static str) -> SecurityEvent {
        self.ctx
            .event(EventKind::LOGIN_FAILURE)
            .with_subject(log_safe(self.user_name, NAME_IN_TRAIL).as_ref())
            .with_reason(reason)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.pending {
            let _ = self
                .ctx
                .emit(self.failure("the client went away before the answer"));
        }
    }
}
