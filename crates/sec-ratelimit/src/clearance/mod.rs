//! A challenge instead of a refusal: work once, and pass for a while.

mod config;
mod layer;
mod page;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sec_core::{Clock, RequestContext, Scheme, SystemClock};

pub use self::config::ChallengeConfig;
pub use self::layer::{ChallengeLayer, ChallengeService, Challenged, Demand};
pub use self::page::ChallengePage;
use crate::challenge::unix;
use crate::{Challenge, ConfigError, ConfigErrorKind, ProofError, ProofOfWork};

/// The header in which a client sends the solution to the path of the [`ChallengeLayer`]:
/// the challenge's token, a colon, and the number in decimal.
pub const SOLUTION_HEADER: &str = "x-challenge-solution";

/// Gives out clearances for work that was done, and recognises them.
///
/// A clearance is a cookie: its expiry and how hard the work was, under an HMAC-SHA-256 that also covers the client's
/// address group and user agent. It is good for as many requests as its owner likes until it expires, from that address
/// group and by that agent, where no harder work is demanded; a copy taken elsewhere is worth nothing. Nothing is
/// remembered of it, so it cannot be taken back either. The proof it is given for works once: see [`ProofOfWork`].
///
/// It bounds how cheaply an address can begin to send, not how much: a limit belongs behind it.
///
/// ```
/// use sec_core::RequestContext;
/// use sec_ratelimit::Clearance;
///
/// let clearance = Clearance::new(12)?;
/// # let ctx = RequestContext::builder().build();
/// let challenge = clearance.challenge(&ctx, 0);
/// let solution = format!("{}:{}", challenge.token(), challenge.solve()); // the client's part
/// let set_cookie = clearance.redeem(&ctx, &solution)?;
/// # let _ = set_cookie;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Clearance {
    /// The first signs.
    keys: Arc<[hmac::Key]>,
    proofs: ProofOfWork,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

/// Version, bits of work, and expiry in Unix seconds.
const HEAD: usize = 1 + 1 + 8;
const MAC: usize = 32;
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"sec-ratelimit clearance v1\0";
/// More cookies of the name than this are a guess.
const MOST_COOKIES: usize = 4;
const SECURE_NAME: &str = "__Host-clearance";
const PLAIN_NAME: &str = "clearance";
const LIFETIME: Duration = Duration::from_secs(60 * 60);
const PROOF_LIFETIME: Duration = Duration::from_secs(120);

impl Clearance {
    /// With a key that is random per process. `difficulty` is in bits: 18 is some hundred thousand hashes, a second or so
    /// in a browser.
    ///
    /// # Errors
    /// A difficulty outside of 1 to [`ProofOfWork::MAX_DIFFICULTY`].
    pub fn new(difficulty: u8) -> Result<Self, ConfigError> {
        let key: [u8; 32] = rand::random();
        Self::with_keys([&key[..]], difficulty)
    }

    /// With keys of at least 32 bytes, shared by the processes of one service. The first signs, all of them verify: put a
    /// new one in front, and drop the old one once its clearances have expired. A challenge that was issued before the
    /// change is answered by another challenge. A clearance for less work than the difficulty here is no good, so the
    /// processes have one difficulty.
    ///
    /// # Errors
    /// As [`new`](Self::new), no key, and a shorter key.
    pub fn with_keys<'k>(
        keys: impl IntoIterator<Item = &'k [u8]>,
        difficulty: u8,
    ) -> Result<Self, ConfigError> {
        let keys: Vec<&[u8]> = keys.into_iter().collect();
        if let Some(index) = keys.iter().position(|key| key.len() < 32) {
            let field = format!("keys[{index}]");
            return Err(ConfigError::new(field, ConfigErrorKind::ShortKey));
        }
        let first = keys.first();
        let first = first.ok_or_else(|| ConfigError::new("keys", ConfigErrorKind::ShortKey))?;
        Ok(Self {
            proofs: ProofOfWork::with_key(first, difficulty, PROOF_LIFETIME)?,
            keys: keys
                .iter()
                .map(|key| hmac::Key::new(hmac::HMAC_SHA256, key))
                .collect(),
            lifetime: LIFETIME,
            clock: SystemClock::shared(),
        })
    }

    /// With these proofs instead of two minutes for each and 65 536 of them at once. They keep the key and clock that they
    /// were made with.
    #[must_use]
    pub fn proofs(mut self, proofs: ProofOfWork) -> Self {
        self.proofs = proofs;
        self
    }

    /// How long a clearance is good. Default: 1 h.
    ///
    /// # Errors
    /// Less than a second, more than a day.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        if !(1..=DAY).contains(&lifetime.as_secs()) {
            let kind = ConfigErrorKind::OutOfRange {
                least: 1,
                most: DAY,
            };
            return Err(ConfigError::new("lifetime", kind));
        }
        self.lifetime = lifetime;
        Ok(self)
    }

    /// Where the time comes from, for proofs as well. Default: the system. Call it while setting up.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.proofs = self.proofs.clock(clock.clone());
        self.clock = clock;
        self
    }

    /// A challenge for this client, so many bits harder than usual.
    #[must_use]
    pub fn challenge(&self, ctx: &RequestContext, harder: u8) -> Challenge {
        let mut bound = Vec::with_capacity(64);
        binding(ctx, |part| bound.extend_from_slice(part));
        self.proofs.issue_harder(&bound, harder)
    }

    /// Takes a solution (`token:number`, see [`SOLUTION_HEADER`]), once, and gives the `Set-Cookie` value of a clearance.
    ///
    /// Over https the cookie is `__Host-clearance` with `Secure`, over http `clearance`; both `HttpOnly`,
    /// `SameSite=Lax`, for `/`.
    ///
    /// # Errors
    /// [`ProofError`]
    pub fn redeem(&self, ctx: &RequestContext, solution: &str) -> Result<HeaderValue, ProofError> {
        let (token, number) = solution.split_once(':').ok_or(ProofError::Malformed)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ProofError::Malformed);
        }
        let number = number.parse().map_err(|_| ProofError::Malformed)?;
        let mut bound = Vec::with_capacity(64);
        binding(ctx, |part| bound.extend_from_slice(part));
        let bits = self.proofs.work(&bound, token, number)?;
        self.cookie(ctx, bits).ok_or(ProofError::Malformed)
    }

    /// Whether the request brings a clearance that is good for its client, for work as hard as usual.
    #[must_use]
    pub fn is_cleared(&self, ctx: &RequestContext, headers: &HeaderMap) -> bool {
        self.is_cleared_for(ctx, headers, 0)
    }

    /// Whether the request brings a clearance that is good for its client, for work so many bits harder than usual.
    #[must_use]
    pub fn is_cleared_for(&self, ctx: &RequestContext, headers: &HeaderMap, harder: u8) -> bool {
        let bits = self.proofs.difficulty(harder);
        let name = name(ctx.scheme());
        let values = headers.get_all(COOKIE).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
            .filter(|(own, _)| *own == name)
            .take(MOST_COOKIES)
            .any(|(_, value)| self.verify(ctx, value, bits))
    }

    fn cookie(&self, ctx: &RequestContext, bits: u8) -> Option<HeaderValue> {
        let seconds = self.lifetime.as_secs();
        let expiry = unix(self.clock.now()).saturating_add(seconds);
        let [e0, e1, e2, e3, e4, e5, e6, e7] = expiry.to_be_bytes();
        let head: [u8; HEAD] = [VERSION, bits, e0, e1, e2, e3, e4, e5, e6, e7];
        let mut bytes = Vec::with_capacity(HEAD.saturating_add(MAC));
        bytes.extend(head);
        bytes.extend(mac(self.keys.first()?, &head, ctx).as_ref());
        let secure = if ctx.scheme().is_https() {
            "; Secure"
        } else {
            ""
        };
        let cookie = format!(
            "{}={}; Path=/; Max-Age={seconds}{secure}; HttpOnly; SameSite=Lax",
            name(ctx.scheme()),
            URL_SAFE_NO_PAD.encode(bytes),
        );
        let mut value = HeaderValue::try_from(cookie).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn verify(&self, ctx: &RequestContext, value: &str, bits: u8) -> bool {
        let mut buffer = [0; HEAD + MAC + 2];
        let bytes = URL_SAFE_NO_PAD
            .decode_slice(value, &mut buffer)
            .ok()
            .and_then(|length| buffer.get(..length));
        let Some((head, tag)) = bytes.and_then(<[u8]>::split_first_chunk::<HEAD>) else {
            return false;
        };
        let [version, worked, expiry @ ..] = *head;
        version == VERSION
            && worked >= bits
            && unix(self.clock.now()) < u64::from_be_bytes(expiry)
            && self
                .keys
                .iter()
                .any(|key| sec_core::constant_time_eq(mac(key, head, ctx).as_ref(), tag))
    }
}

fn name(scheme: Scheme) -> &'static str {
    if scheme.is_https() {
        SECURE_NAME
    } else {
        PLAIN_NAME
    }
}

fn mac(key: &hmac::Key, head: &[u8; HEAD], ctx: &RequestContext) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    mac.update(CONTEXT);
    mac.update(head);
    binding(ctx, |part| mac.update(part));
    mac.sign()
}

/// Address group and agent. All before the agent has a fixed length, so no two clients give the same bytes.
fn binding(ctx: &RequestContext, mut add: impl FnMut(&[u8])) {
    let group = ctx.client_group();
    let network = match group.network() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    add(&network.octets());
    add(&[u8::from(group.network().is_ipv4()), group.bits()]);
    add(ctx.user_agent().unwrap_or_default().as_bytes());
}

impl fmt::Debug for Clearance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clearance")
            .field("proofs", &self.proofs)
            .field("lifetime", &self.lifetime)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
