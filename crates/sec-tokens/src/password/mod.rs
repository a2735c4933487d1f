//! Passwords: hashed with Argon2id, off the async threads, in a pool that cannot be flooded.

mod common;
mod error;
mod generate;
mod hash;
mod params;
mod policy;
mod pool;
#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroUsize, sync::Arc, thread};

use argon2::{Algorithm, Argon2, Block, Version};
use sec_core::{Secret, SecretString, constant_time_eq};
use zeroize::Zeroizing;

pub use self::{
    error::{PasswordConfigError, PasswordConfigErrorKind, PasswordError, PasswordErrorKind},
    generate::random_password,
    hash::{PasswordHash, PasswordHashError},
    params::Argon2Params,
    policy::{PasswordFault, PasswordFaults, PasswordPolicy},
};
use self::{params::OUTPUT_LEN, pool::HashPool};

/// Longest password that is hashed. ASVS 6.2.9 asks that 64 characters fit.
const MAX_BYTES: usize = 1024;
const SALT_LEN: usize = 16;
/// How many may wait for each one that runs.
const WAITING_PER_PERMIT: usize = 16;

/// Hashes and verifies passwords. Clones share one pool: make one for the whole service.
///
/// - At most [`concurrency`](Self::concurrency) hashes run at a time, each in memory of its own (64
///   MiB by default), which is wiped after each use and kept for the next. A flood of log-ins waits
///   in a bounded queue, and what no longer fits is refused with a 503 problem and `Retry-After`.
/// - A request whose client hung up keeps its place until its hash has ended.
/// - An unknown user costs the same work in the same queue as a known one.
///
/// The size of the pool bounds the peak: `concurrency × memory`, or more while stored hashes of a
/// higher cost (up to 256 MiB each) are verified.
///
/// ```
/// use sec_core::SecretString;
/// use sec_tokens::{Argon2Params, PasswordHash, Passwords};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let passwords = Passwords::new(Argon2Params::weak_for_tests()); // `Passwords::default()` in a service
/// let hash = passwords.hash(SecretString::new("correct horse battery".into())).await?;
/// let stored = PasswordHash::parse(hash.as_str())?;
///
/// assert!(passwords.verify(SecretString::new("correct horse battery".into()), Some(&stored)).await?.ok);
/// assert!(!passwords.verify(SecretString::new("wrong".into()), Some(&stored)).await?.ok);
/// assert!(!passwords.verify(SecretString::new("no such user".into()), None).await?.ok);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    params: Argon2Params,
    pepper: Option<Arc<Secret<Vec<u8>>>>,
    pool: Arc<HashPool>,
}

/// The answer of [`Passwords::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Verified {
    /// Whether this is the user's password.
    pub ok: bool,
    /// Whether the password is right but its hash was made with another cost: hash and store it
    /// again, now that the clear text is at hand.
    pub needs_rehash: bool,
}

impl Passwords {
    /// Hashes with this cost, as many at a time as the machine has cores.
    #[must_use]
    pub fn new(params: Argon2Params) -> Self {
        let cores = thread::available_parallelism()
            .map_or(1, NonZeroUsize::get)
            .min(1024);
        let pool = pool(params, cores, cores.saturating_mul(WAITING_PER_PERMIT));
        Self {
            inner: Arc::new(Inner {
                params,
                pepper: None,
                pool: Arc::new(pool),
            }),
        }
    }

    /// How many hashes run at a time (default: one for each core) and how many may wait for one
    /// (default: 16 for each that runs).
    ///
    /// More at a time than cores only makes each slower and takes more memory. A longer queue makes
    /// an attack slow for everybody instead of refusing it.
    ///
    /// # Errors
    ///
    /// When `at_a_time` is 0 or above 1024.
    pub fn concurrency(
        self,
        at_a_time: usize,
        waiting: usize,
    ) -> Result<Self, PasswordConfigError> {
        if !(1..=1024).contains(&at_a_time) {
            return Err(PasswordConfigErrorKind::Concurrency.into());
        }
        let mut inner = Arc::unwrap_or_clone(self.inner);
        inner.pool = Arc::new(pool(inner.params, at_a_time, waiting));
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// A key that every hash depends on and that is not stored beside them (default: none).
    ///
    /// A stolen table of hashes is then worthless without it. It cannot be changed or lost without
    /// losing every password: keep it as safe as the signing key.
    ///
    /// # Errors
    ///
    /// When it has fewer than 16 bytes.
    pub fn pepper(self, pepper: Secret<Vec<u8>>) -> Result<Self, PasswordConfigError> {
        if pepper.expose().len() < 16 {
            return Err(PasswordConfigErrorKind::PepperTooShort.into());
        }
        let mut inner = Arc::unwrap_or_clone(self.inner);
        inner.pepper = Some(Arc::new(pepper));
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The cost of new hashes.
    #[must_use]
    pub fn params(&self) -> Argon2Params {
        self.inner.params
    }

    /// Hashes a new password with a fresh salt of 16 bytes. Check it against a [`PasswordPolicy`]
    /// before.
    ///
    /// # Errors
    ///
    /// [`PasswordErrorKind::TooLong`] above 1024 bytes, and what [`PasswordErrorKind`] says of load.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, PasswordError> {
        if password.expose().len() > MAX_BYTES {
            return Err(PasswordErrorKind::TooLong.into());
        }
        let mut salt = [0; SALT_LEN];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordErrorKind::Failed)?;
        let params = self.inner.params;
        let output = self
            .compute(password, params, salt.into(), OUTPUT_LEN)
            .await?;
        Ok(PasswordHash::new(params, &salt, &output))
    }

    /// Verifies a password against the stored hash; `None` when there is no such user, which takes
    /// as long as a hash of the current cost and is never `ok`.
    ///
    /// A password above 1024 bytes is wrong at once, whoever is asked for: it could not have been
    /// stored.
    ///
    /// # Errors
    ///
    /// What [`PasswordErrorKind`] says of load. An error says nothing about the password.
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, PasswordError> {
        if password.expose().len() > MAX_BYTES {
            return Ok(Verified {
                ok: false,
                needs_rehash: false,
            });
        }
        let current = self.inner.params;
        let (params, salt, expected) = match stored {
            Some(hash) => (hash.params(), hash.salt(), hash.output()),
            None => (current, &[0; SALT_LEN][..], &[0; OUTPUT_LEN][..]),
        };
        let output = self
            .compute(password, params, salt.into(), expected.len())
            .await?;
        let equal = constant_time_eq(&output, expected);
        let ok = equal && stored.is_some();
        let needs_rehash = ok && stored.is_some_and(|hash| !hash.is_current(current));
        Ok(Verified { ok, needs_rehash })
    }

    pub(crate) fn at_a_time(&self) -> usize {
        self.inner.pool.concurrency()
    }

    async fn compute(
        &self,
        password: SecretString,
        params: Argon2Params,
        salt: Box<[u8]>,
        output_len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let argon2 = params
            .to_argon2(output_len)
            .map_err(|_| PasswordErrorKind::Failed)?;
        let blocks = argon2.block_count();
        let pepper = self.inner.pepper.clone();
        let work = move |memory: &mut [Block]| {
            let key = pepper
                .as_ref()
                .map_or(&[][..], |pepper| pepper.expose().as_slice());
            let mut output = Zeroizing::new(vec![0; output_len]);
            Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, argon2)
                .and_then(|argon2| {
                    let password = password.expose().as_bytes();
                    argon2.hash_password_into_with_memory(password, &salt, &mut output, memory)
                })
                .map_err(|_| PasswordErrorKind::Failed)?;
            Ok(output)
        };
        Ok(self.inner.pool.run(blocks, work).await?)
    }
}

impl Default for Passwords {
    /// [`Argon2Params::default`]: 64 MiB, three passes, four lanes.
    fn default() -> Self {
        Self::new(Argon2Params::default())
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("params", &self.inner.params)
            .field("pepper", &self.inner.pepper.is_some())
            .field("concurrency", &self.inner.pool.concurrency())
            .field("max_waiting", &self.inner.pool.max_waiting())
            .finish()
    }
}

fn pool(params: Argon2Params, at_a_time: usize, waiting: usize) -> HashPool {
    let blocks = params
        .to_argon2(OUTPUT_LEN)
        .map_or(0, |params| params.block_count());
    HashPool::new(at_a_time, waiting, blocks)
}
