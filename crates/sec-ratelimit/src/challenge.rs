//! A proof of work: a stateless challenge that costs a client some computing before it goes on.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use sec_core::{Clock, Problem, SystemClock};
use serde::Serialize;

use crate::digest::Seed;
use crate::forward::Forward;
use crate::quota::{Algorithm, nanos};
use crate::store::Table;
use crate::{Answer, ConfigError, ConfigErrorKind, FixedWindow};

/// Issues and verifies proofs of work, without remembering what it issued.
///
/// A challenge is a token: difficulty, expiry and a random number under an HMAC-SHA-256 which also
/// covers the *binding*, whatever the proof is to be good for (an account, an address group). Its
/// solution is a number `n` such that `SHA-256(token ":" n)`, `n` in decimal, begins with
/// `difficulty` zero bits, found by trying: about `2^difficulty` hashes, so every bit more doubles the
/// work. It is Hashcash (Back, 2002) in short, simple enough for a page's own script with
/// `crypto.subtle`; measure there, since a browser hashes more slowly than a program.
///
/// A solved token works **once**. Only spent tokens are remembered, each until it would have expired
/// anyway, in memory fixed at construction; if there is no room for one more, it is refused. Services
/// that share a key accept one another's tokens, each of them once, and share the lifetime too: a token
/// that expires later than their own could is refused, save for the minute by which clocks of machines
/// may differ. Time only goes on here: after the machine's clock was set back it is taken to stand where it would
/// without that, so nothing expires later, until the process starts anew.
///
/// It slows a guesser down and asks nothing of a person; it does not stop one who pays for the work.
/// Use it where a plain refusal would let anyone lock an owner out.
///
/// ```
/// use std::time::Duration;
/// use sec_ratelimit::{ProofError, ProofOfWork};
///
/// let proofs = ProofOfWork::new(12, Duration::from_secs(120))?;
/// let challenge = proofs.issue(b"log-in:alice");
///
/// let solution = challenge.solve(); // the client's part
/// proofs.verify(b"log-in:alice", challenge.token(), solution)?;
/// let again = proofs.verify(b"log-in:alice", challenge.token(), solution);
/// assert_eq!(again, Err(ProofError::Spent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProofOfWork(Arc<Inner>);

struct Inner {
    key: hmac::Key,
    difficulty: u8,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    seed: Seed,
    time: Forward,
    capacity: usize,
    spent: Table,
}

/// A challenge for a client. Serialises as `{"kind": "proof-of-work", "token", "difficulty"}`; as a
/// [`Problem`] it is a 403 of the type `challenge-required` with itself as `challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    kind: &'static str,
    token: String,
    difficulty: u8,
}

/// Why a proof does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Not a token.
    #[error("the token is malformed")]
    Malformed,
    /// Not made by this key, or not for this binding.
    #[error("the token was not issued for this")]
    Foreign,
    /// It expires later than a token of this lifetime could: made with the same key and a longer lifetime, or by a
    /// machine whose clock is ahead.
    #[error("the token lives longer than it may here")]
    TooLong,
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// The number is not a solution.
    #[error("the solution has too few zero bits")]
    Wrong,
    /// It was used before.
    #[error("the token was used before")]
    Spent,
    /// No room to remember that it is used.
    #[error("too many tokens are being spent")]
    Busy,
}

/// Version, difficulty, expiry in Unix seconds, random number.
const HEAD: usize = 1 + 1 + 8 + 16;
const MAC: usize = 32;
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"sec-ratelimit proof of work v1\0";
const SPENT: usize = 65_536;
/// By how much the clocks of two machines may differ, in seconds.
const SKEW: u64 = 60;

impl ProofOfWork {
    /// The largest difficulty, 40 bits: days of work for one core.
    pub const MAX_DIFFICULTY: u8 = 40;

    /// With a key that is random per process. `difficulty` is in bits (16 to 20 suit a log-in);
    /// `lifetime` is how long a client has to solve and send it.
    ///
    /// # Errors
    ///
    /// A difficulty outside of 1 to 40, a lifetime outside of a second to a day.
    pub fn new(difficulty: u8, lifetime: Duration) -> Result<Self, ConfigError> {
        Self::with_key(&rand::random::<[u8; 32]>(), difficulty, lifetime)
    }

    /// With a key of at least 32 bytes, to be shared by the processes of one service.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and a shorter key.
    pub fn with_key(key: &[u8], difficulty: u8, lifetime: Duration) -> Result<Self, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        let range = |least, most| ConfigErrorKind::OutOfRange { least, most };
        if key.len() < 32 {
            return Err(ConfigError::new("key", ConfigErrorKind::ShortKey));
        }
        if difficulty == 0 || difficulty > Self::MAX_DIFFICULTY {
            let kind = range(1, Self::MAX_DIFFICULTY.into());
            return Err(ConfigError::new("difficulty", kind));
        }
        if !(1..=DAY).contains(&lifetime.as_secs()) {
            return Err(ConfigError::new("lifetime", range(1, DAY)));
        }
        Ok(Self(Arc::new(Inner {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            difficulty,
            lifetime,
            clock: SystemClock::shared(),
            seed: Seed::random(),
            time: Forward::default(),
            capacity: SPENT,
            spent: spent_table(SPENT, lifetime),
        })))
    }

    /// How many spent tokens are remembered at once. Default: 65 536, which is 3.9 MB. Each costs its
    /// sender the work, so this bounds the proofs accepted per lifetime. What was spent before is
    /// forgotten: call it while setting up.
    #[must_use]
    pub fn capacity(self, tokens: usize) -> Self {
        let clock = self.0.clock.clone();
        self.rebuilt(tokens, clock)
    }

    /// Where the time comes from. Default: the system. Expiry goes by the time of day, which
    /// processes share. What was spent before is forgotten: call it while setting up.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        let capacity = self.0.capacity;
        self.rebuilt(capacity, clock)
    }

    fn rebuilt(self, capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            key: self.0.key.clone(),
            difficulty: self.0.difficulty,
            lifetime: self.0.lifetime,
            clock,
            seed: Seed::random(),
            time: Forward::default(),
            capacity,
            spent: spent_table(capacity, self.0.lifetime),
        }))
    }

    /// A challenge for this binding.
    #[must_use]
    pub fn issue(&self, binding: &[u8]) -> Challenge {
        self.issue_harder(binding, 0)
    }

    /// A challenge which is so many bits harder than usual, up to
    /// [`MAX_DIFFICULTY`](Self::MAX_DIFFICULTY). The token says how hard it is, under the signature.
    #[must_use]
    pub fn issue_harder(&self, binding: &[u8], bits: u8) -> Challenge {
        let difficulty = self.difficulty(bits);
        let now = self.0.time.now(&*self.0.clock);
        let expiry = now.unix.as_secs();
        let expiry = expiry.saturating_add(self.0.lifetime.as_secs());
        let nonce: [u8; 16] = rand::random();
        let mut bytes = Vec::with_capacity(HEAD + MAC);
        bytes.extend([VERSION, difficulty]);
        bytes.extend(expiry.to_be_bytes());
        bytes.extend(nonce);
        let mac = self.mac(&bytes, binding);
        bytes.extend(mac.as_ref());
        Challenge {
            kind: "proof-of-work",
            token: URL_SAFE_NO_PAD.encode(bytes),
            difficulty,
        }
    }

    /// Accepts a solved challenge, once.
    ///
    /// # Errors
    ///
    /// [`ProofError`]; only [`Spent`](ProofError::Spent) and success use the token up.
    pub fn verify(&self, binding: &[u8], token: &str, solution: u64) -> Result<(), ProofError> {
        self.work(binding, token, solution).map(drop)
    }

    /// [`verify`](Self::verify), and how hard it was.
    pub(crate) fn work(
        &self,
        binding: &[u8],
        token: &str,
        solution: u64,
    ) -> Result<u8, ProofError> {
        let mut buffer = [0; HEAD + MAC + 2];
        let length = URL_SAFE_NO_PAD
            .decode_slice(token, &mut buffer)
            .map_err(|_| ProofError::Malformed)?;
        let bytes = buffer.get(..length).ok_or(ProofError::Malformed)?;
        let (head, mac) = bytes
            .split_first_chunk::<HEAD>()
            .filter(|(_, mac)| mac.len() == MAC)
            .ok_or(ProofError::Malformed)?;
        let [
            version,
            difficulty,
            e0,
            e1,
            e2,
            e3,
            e4,
            e5,
            e6,
            e7,
            nonce @ ..,
        ] = head;
        // A fixed-length head before the binding: no two pairs give the same input. The comparison
        // takes constant time.
        if !sec_core::constant_time_eq(self.mac(head, binding).as_ref(), mac) || *version != VERSION
        {
            return Err(ProofError::Foreign);
        }
        let expiry = u64::from_be_bytes([*e0, *e1, *e2, *e3, *e4, *e5, *e6, *e7]);
        let now = self.0.time.now(&*self.0.clock);
        let rest = Duration::from_secs(expiry).saturating_sub(now.unix);
        if rest.is_zero() {
            return Err(ProofError::Expired);
        }
        if rest > longest(self.0.lifetime) {
            return Err(ProofError::TooLong);
        }
        if zero_bits(&prefix(token), solution) < u32::from(*difficulty) {
            return Err(ProofError::Wrong);
        }
        self.spend(nonce, now.monotonic, rest)?;
        Ok(*difficulty)
    }

    /// How hard a challenge is that is so many bits harder than usual.
    pub(crate) fn difficulty(&self, harder: u8) -> u8 {
        let difficulty = self.0.difficulty.saturating_add(harder);
        difficulty.min(Self::MAX_DIFFICULTY)
    }

    /// The same with another key. What was spent before is forgotten.
    pub(crate) fn keyed(&self, key: &[u8]) -> Result<Self, ConfigError> {
        let keyed = Self::with_key(key, self.0.difficulty, self.0.lifetime)?;
        Ok(keyed.rebuilt(self.0.capacity, self.0.clock.clone()))
    }

    fn mac(&self, head: &[u8], binding: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.0.key);
        mac.update(CONTEXT);
        mac.update(head);
        mac.update(binding);
        mac.sign()
    }

    /// Remembers a token as used for the rest of its life: a limit of one per longest life, in a table that
    /// never forgets what is at its limit, taken as much before as the life is shorter.
    fn spend(&self, nonce: &[u8], now: Duration, rest: Duration) -> Result<(), ProofError> {
        let longest = longest(self.0.lifetime);
        let once = once_per(longest);
        let taken = nanos(now.saturating_add(rest));
        let now = nanos(now.saturating_add(longest));
        let mut hasher = self.0.seed.hasher();
        hasher.write(nonce);
        let digest = hasher.finish();
        let mut shard = self.0.spent.lock(digest).ok_or(ProofError::Busy)?;
        let place = shard.find(digest, now);
        if place.overflow {
            return Err(ProofError::Busy);
        }
        if shard.answer(place, &once, now, 1) != Answer::Admit {
            return Err(ProofError::Spent);
        }
        let _ = shard.take(digest, place, &once, taken, 1, false);
        Ok(())
    }
}

impl Challenge {
    /// The token: text of the URL-safe Base64 alphabet.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How many leading zero bits the solution's hash must have.
    #[must_use]
    pub fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// Finds the solution: for clients and tests. Takes about `2^difficulty` hashes, and blocks as
    /// long.
    #[must_use]
    pub fn solve(&self) -> u64 {
        solve(&self.token, self.difficulty)
    }
}

/// Finds the solution of a token of this difficulty: [`Challenge::solve`] for a client which has only
/// its text.
#[must_use]
pub fn solve(token: &str, difficulty: u8) -> u64 {
    let prefix = prefix(token);
    let found = (0..u64::MAX).find(|n| zero_bits(&prefix, *n) >= u32::from(difficulty));
    found.unwrap_or(u64::MAX)
}

impl From<&Challenge> for Problem {
    fn from(challenge: &Challenge) -> Self {
        Self::typed(
            "challenge-required",
            StatusCode::FORBIDDEN,
            "A challenge must be solved first",
        )
        .with("challenge", serde_json::json!(challenge))
    }
}

/// The hash of everything that comes before the number.
fn prefix(token: &str) -> digest::Context {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(token.as_bytes());
    context.update(b":");
    context
}

fn zero_bits(prefix: &digest::Context, solution: u64) -> u32 {
    let mut decimal = Decimal::default();
    let _ = write!(decimal, "{solution}");
    let mut context = prefix.clone();
    context.update(decimal.bytes());
    let hash = context.finish();
    let mut bits: u32 = 0;
    for byte in hash.as_ref() {
        bits = bits.saturating_add(byte.leading_zeros());
        if *byte != 0 {
            break;
        }
    }
    bits
}

/// A decimal number on the stack.
#[derive(Default)]
struct Decimal {
    digits: [u8; 20],
    len: usize,
}

impl Decimal {
    fn bytes(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Decimal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.digits.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn once_per(lifetime: Duration) -> Algorithm {
    Algorithm::Fixed(FixedWindow::new(1, nanos(lifetime)))
}

fn spent_table(tokens: usize, lifetime: Duration) -> Table {
    let tokens = tokens.clamp(1, crate::LimiterBuilder::MAX_CAPACITY);
    Table::new(tokens, once_per(longest(lifetime)))
}

/// The longest life of a token that is accepted.
fn longest(lifetime: Duration) -> Duration {
    lifetime.saturating_add(Duration::from_secs(SKEW))
}

pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl fmt::Debug for ProofOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofOfWork")
            .field("difficulty", &self.0.difficulty)
            .field("lifetime", &self.0.lifetime)
            .finish_non_exhaustive()
    }
}
