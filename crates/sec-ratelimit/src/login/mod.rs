//! The limit of log-ins: three tiers in one reservation, and work instead of a lock-out.

mod config;
mod name;
mod proof;
mod refusal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use sec_core::{AddrPrefix, Clock, EventKind, RequestContext, SecretString, SystemClock};

pub use self::config::{LoginLimitConfig, LoginTierConfig};
use self::name::folded;
pub use self::proof::Proof;
pub use self::refusal::LoginRefusal;
use crate::{
    ConfigError, Key, LimitError, Limiter, OnExceed, ProofError, ProofOfWork, Reservation,
    Statistics, Subject, Tier,
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
/// **Each process counts for itself.** Behind a balancer with n processes a guesser has up to n times the tries. Give all of
/// them the same [`proof_key`](LoginLimitConfig::proof_key), or a proof for the challenge of one is refused by the next; and
/// either let the balancer send each address to one process, which makes the first two tiers right, or build the same
/// from `SharedLimiter::reserve` and [`ProofOfWork`], with the tiers as [`Limiter`] shows them.
///
/// ```
/// use sec_core::RequestContext;
/// use sec_ratelimit::{LoginLimit, Proof};
///
/// #[derive(serde::Deserialize)]
/// struct LogIn {
///     username: String,
///     proof: Option<Proof>, // beside the password
/// }
///
/// let limit = LoginLimit::new()?;
/// # let ctx = RequestContext::builder().build();
/// # let form = LogIn { username: "ada".into(), proof: None };
/// // An error is an answer: 429, or 403 with the challenge that the next attempt's proof is for.
/// let attempt = limit.begin(&ctx, &form.username, form.proof.as_ref())?;
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

const ADDRESS_TIER: &str = "login-address";
const PAIR_TIER: &str = "login-pair";
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
            .statistics(config.statistics)
            .tier(ADDRESS_TIER, config.address.quota(), Key::given("address"))
            .tier(
                PAIR_TIER,
                config.pair.quota().exact(),
                Key::given("address+account"),
            )
            .with_tier(account.on_exceed(OnExceed::Demand))
            .build()
            .map_err(in_the_words_of_the_section)?;
        let proofs = ProofOfWork::new(config.difficulty, config.proof_lifetime)
            .map_err(in_the_words_of_the_section)?
            .clock(clock);
        let limit = Self { limiter, proofs };
        match config.proof_key.as_ref().map(SecretString::expose) {
            Some(key) => limit.proof_key(key),
            None => Ok(limit),
        }
    }

    /// What challenges are signed with: at least 32 bytes, the same in all processes of a service. Default: that of the
    /// configuration, else random per process. A proof still works once in each process. Call it while setting up.
    ///
    /// # Errors
    /// A shorter key, as the field `proof_key`.
    pub fn proof_key(mut self, key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let keyed = self.proofs.keyed(key.as_ref());
        self.proofs = keyed.map_err(in_the_words_of_the_section)?;
        Ok(self)
    }

    /// Counts an attempt at `account`, or refuses it. Call it before anything that costs: before the password is
    /// hashed, and before the account is looked up.
    ///
    /// The account's name is compared without regard to case, to surrounding space and to how its characters are written:
    /// it is folded and normalised (NFKC, Unicode Standard Annex 15). Where a service finds an account by still other
    /// spellings, such as without accents or by one of several addresses, `account` has to be what all of them lead to, or
    /// each spelling has a count of its own. Unknown accounts count like known ones. The name is hashed and never stored.
    ///
    /// `proof` is what the client sent along, and `None` that it sent none. While the account demands work, an attempt
    /// without is answered 403 with problem+json:
    ///
    /// ```json
    /// {
    ///   "type": "…#challenge-required",
    ///   "status": 403,
    ///   "title": "A challenge must be solved first",
    ///   "challenge": {"kind": "proof-of-work", "token": "AXJp…", "difficulty": 18}
    /// }
    /// ```
    ///
    /// The client finds a number whose hash with the token has so many zero bits ([`ProofOfWork`] says which hash), and
    /// sends the same attempt again with `{"token": "AXJp…", "solution": 271828}`, which deserialises as [`Proof`]. It is
    /// good for one attempt at this account from this address group. A service that always passes `None` **locks the
    /// owner out** for as long as others guess at the account.
    ///
    /// # Errors
    /// [`LoginRefusal`]: the answer. The trail has been told (`authn_login_lock`).
    pub fn begin(
        &self,
        ctx: &RequestContext,
        account: &str,
        proof: Option<&Proof>,
    ) -> Result<LoginAttempt, LoginRefusal> {
        let folded = folded(account);
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

    /// Unlocks an account: forgets the failures at it from everywhere, so that no work is demanded any more. An address that
    /// is refused stays so, at this account too: see [`reset_at`](Self::reset_at).
    ///
    /// Returns false where the table is so full that the account shares its count with others; nothing was forgotten then.
    #[must_use]
    pub fn reset(&self, account: &str) -> bool {
        let folded = folded(account);
        self.forget(ACCOUNT_TIER, &Subject::of(folded.as_str()))
    }

    /// Unlocks an account for somebody at this address group ([`RequestContext::client_group`]): forgets the failures at it from
    /// everywhere, those of the group at it, and those of the group at whatever account.
    ///
    /// Returns false where one of the three shares its count with others, and was not forgotten.
    #[must_use]
    pub fn reset_at(&self, group: AddrPrefix, account: &str) -> bool {
        let folded = folded(account);
        let pair = Subject::of(group).and(folded.as_str());
        // Each of them, whatever becomes of the others.
        let forgotten = [
            self.forget(ADDRESS_TIER, &Subject::of(group)),
            self.forget(PAIR_TIER, &pair),
            self.reset(account),
        ];
        forgotten.iter().all(|forgotten| *forgotten)
    }

    fn forget(&self, tier: &str, subject: &Subject<'_>) -> bool {
        self.limiter.reset_tier(tier, subject).unwrap_or(false)
    }

    /// The attempts that each tier let through and refused, and its most active keys, if the configuration
    /// [says so](LoginLimitConfig::statistics). An attempt that was asked for work counts as let through.
    #[must_use]
    pub fn statistics(&self) -> Option<&Statistics> {
        self.limiter.statistics()
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
        ("key", "proof_key"),
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
