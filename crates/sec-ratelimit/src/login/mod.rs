//! The limit of log-ins: three tiers in one reservation, and work instead of a lock-out.

mod config;
mod refusal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use sec_core::{Clock, EventKind, RequestContext, SystemClock};
use serde::Deserialize;

pub use self::config::{LoginLimitConfig, LoginTierConfig};
pub use self::refusal::LoginRefusal;
use crate::{
    ConfigError, Key, LimitError, Limiter, OnExceed, ProofError, ProofOfWork, Reservation, Subject,
    Tier,
};

/// Bounds how often passwords can be guessed, without giving anyone the means to lock an owner out.
///
/// One reservation, made *before* the password is hashed, counts an attempt in three tiers:
///
/// | tier | counts | default | stops |
/// |---|---|---|---|
/// | `login-address` | the client's address group | 20 per 15 min | spraying one password over many accounts |
/// | `login-pair` | address group and account | 5 per 15 min, exact | guessing at one account |
/// | `login-account` | the account, from everywhere | 50 per hour | stuffing one account from many addresses |
///
/// The first two refuse with 429. The third *demands*: once it is exhausted, every attempt at the account has to
/// bring a [proof of work](ProofOfWork) bound to account and address, so the owner gets in after a moment and
/// a botnet pays for each guess (OWASP Authentication Cheat Sheet, "Account Lockout", on locking owners out). A success
/// returns what it took, so only failures count.
///
/// ```
/// use sec_core::RequestContext;
/// use sec_ratelimit::LoginLimit;
///
/// let limit = LoginLimit::new()?;
/// # let ctx = RequestContext::builder().build();
/// let attempt = limit.begin(&ctx, "ada", None)?; // an error is an answer: 429 or 403
/// let password_is_right = true; // … Argon2 …
/// if password_is_right {
///     attempt.succeeded();
/// } // dropped otherwise: the failure stays counted, also when the client goes away meanwhile
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LoginLimit {
    limiter: Limiter,
    proofs: ProofOfWork,
}

/// An attempt that was let through and is counted until it [succeeds](Self::succeeded).
#[derive(Debug)]
#[must_use = "an attempt that is dropped counts as a failure"]
pub struct LoginAttempt(Reservation);

/// What a client sends back for a [`Challenge`](crate::Challenge).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Proof {
    /// The challenge's token.
    pub token: String,
    /// The number that was found.
    pub solution: u64,
}

const ACCOUNT_TIER: &str = "login-account";

impl LoginLimit {
    /// The defaults of the table above, 18 bits of work, and two minutes to do it.
    ///
    /// # Errors
    /// None with these values; the result is that of [`from_config`](Self::from_config).
    pub fn new() -> Result<Self, ConfigError> {
        Self::from_config(&LoginLimitConfig::default())
    }

    /// As a configuration says.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn from_config(config: &LoginLimitConfig) -> Result<Self, ConfigError> {
        Self::with_clock(config, SystemClock::shared())
    }

    /// As a configuration says, with a clock of the host's. Default: the system's.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn with_clock(
        config: &LoginLimitConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let account = Tier::new(ACCOUNT_TIER, config.account.quota(), Key::given("account"));
        let limiter = Limiter::builder()
            .capacity(config.capacity)
            .clock(clock.clone())
            .tier(
                "login-address",
                config.address.quota(),
                Key::given("address"),
            )
            .tier(
                "login-pair",
                config.pair.quota().exact(),
                Key::given("address+account"),
            )
            .with_tier(account.on_exceed(OnExceed::Demand))
            .build()
            .map_err(in_the_words_of_the_section)?;
        let proofs = ProofOfWork::new(config.difficulty, config.proof_lifetime)
            .map_err(in_the_words_of_the_section)?
            .clock(clock);
        Ok(Self { limiter, proofs })
    }

    /// Counts an attempt at `account`, or refuses it. Call it before anything that costs: before the password is
    /// hashed, and before the account is looked up.
    ///
    /// The account's name is compared without regard to case and surrounding space, so no spelling of a name gets a
    /// count of its own; unknown accounts count like known ones. It is hashed and never stored.
    ///
    /// # Errors
    /// [`LoginRefusal`]: the answer. The trail has been told (`authn_login_lock`).
    pub fn begin(
        &self,
        ctx: &RequestContext,
        account: &str,
        proof: Option<&Proof>,
    ) -> Result<LoginAttempt, LoginRefusal> {
        let folded = account.trim().to_lowercase();
        let group = ctx.client_group();
        let subjects = [
            Subject::of(group),
            Subject::of(group).and(folded.as_str()),
            Subject::of(folded.as_str()),
        ];
        let attempt = match self.limiter.reserve(&subjects, 1) {
            Ok(attempt) => attempt,
            Err(error) => {
                if let LimitError::Refused(refused) = &error {
                    refused.report_as(ctx, EventKind::LOGIN_LOCKED, ctx.path());
                }
                return Err(LoginRefusal::Limited(Box::new(error)));
            }
        };
        if !attempt.decision().demands_tier(ACCOUNT_TIER) {
            return Ok(LoginAttempt(attempt));
        }
        let binding = binding(ctx, &folded);
        let verified =
            proof.map(|proof| self.proofs.verify(&binding, &proof.token, proof.solution));
        if verified == Some(Ok(())) {
            return Ok(LoginAttempt(attempt));
        }
        // No password was tried.
        attempt.refund();
        report(ctx, account, verified.and_then(Result::err));
        Err(LoginRefusal::Challenge(self.proofs.issue(&binding)))
    }
}

impl LoginAttempt {
    /// The password was right: returns what was taken in every tier.
    pub fn succeeded(self) {
        self.0.refund();
    }

    /// No password was looked at, because something else failed first: returns what was taken.
    pub fn not_tried(self) {
        self.0.refund();
    }
}

/// What the parts call by their own names, the section calls by its.
fn in_the_words_of_the_section(error: ConfigError) -> ConfigError {
    let names = [
        ("tiers[0]", "address"),
        ("tiers[1]", "pair"),
        ("tiers[2]", "account"),
        ("lifetime", "proof_lifetime"),
    ];
    let renamed = names
        .iter()
        .find_map(|(own, name)| Some(format!("{name}{}", error.field().strip_prefix(own)?)));
    match renamed {
        Some(field) => ConfigError::new(field, error.kind().clone()),
        None => error,
    }
}

/// A proof is good for one account from one address group.
fn binding(ctx: &RequestContext, account: &str) -> Vec<u8> {
    let mut binding = ctx.client_group().to_string().into_bytes();
    // A prefix has no NUL in it, so nothing can slide from one part into the other.
    binding.push(0);
    binding.extend(account.as_bytes());
    binding
}

fn report(ctx: &RequestContext, account: &str, error: Option<ProofError>) {
    ctx.refused(
        (
            "login-challenge",
            ctx.client_group(),
            account,
            error.is_some(),
        ),
        |ctx| {
            let why = error.map_or("a proof of work is demanded".to_owned(), |error| {
                error.to_string()
            });
            ctx.event(EventKind::LOGIN_LOCKED)
                .with_reason(why)
                .with_subject(sec_core::text::log_safe(account, 64).into_owned())
                .with_detail("policy", ACCOUNT_TIER)
        },
    );
}

impl fmt::Debug for LoginLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLimit").finish_non_exhaustive()
    }
}
