//! Refresh tokens: opaque, rotated at every use, revoked as a family when one comes back.

mod cookie;
mod family;
mod memory;
mod store;
#[cfg(test)]
mod tests;
mod token;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use self::{
    cookie::{CookieError, RefreshCookie},
    family::{Change, Family, FamilyRecord, Owner, Presented, Previous, Rotated},
    memory::MemoryRefreshStore,
    store::{RefreshStore, StoreError},
    token::{FamilyId, RefreshToken, Sealed, TokenHash},
};

const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MIN_LIFETIME: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
const MAX_GRACE: Duration = Duration::from_secs(60);
const DEFAULT_FAMILIES: usize = 10;

/// Issues and rotates refresh tokens (RFC 9700 §4.14.2). Cloning counts a reference.
///
/// - A family lives for seven days from its log-in; rotating never lengthens that.
/// - Two tabs that present one token at once both get the *same* successor: the loser's copy is
///   unsealed with the token it presented, so that the store rests on hashes and ciphertext alone.
///   So does a client whose answer was lost.
/// - A token that comes back later, or once its successor was used, or that is older still, means
///   that somebody else has it too: the whole family is revoked.
///
/// These functions decide and say what happened; they raise no event. [`TokenService`] does, and is
/// what a host uses.
///
/// [`TokenService`]: crate::TokenService
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sec_tokens::{MemoryRefreshStore, Owner, RefreshTokens, Rotation};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let refresh = RefreshTokens::new(MemoryRefreshStore::new());
/// let now = SystemTime::now();
/// let issued = refresh.issue(Owner::new("alice"), None, now).await?;
///
/// let Rotation::Rotated(next) = refresh.rotate(&issued.token, now).await? else { panic!() };
/// let Rotation::Grace(same) = refresh.rotate(&issued.token, now).await? else { panic!() };
/// assert_eq!(*next.token.expose(), *same.token.expose());
///
/// let later = now + Duration::from_secs(11);
/// assert!(matches!(refresh.rotate(&issued.token, later).await?, Rotation::Reused(_)));
/// assert!(matches!(refresh.rotate(&next.token, later).await?, Rotation::Unknown));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RefreshTokens<S = MemoryRefreshStore> {
    store: Arc<S>,
    lifetime: Duration,
    grace: Duration,
    families: usize,
}

/// A token and the family it belongs to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Issued {
    /// The token, for its owner alone.
    pub token: RefreshToken,
    /// Its family.
    pub family: Family,
    /// Families of the same owner that had to go for this one.
    pub evicted: Vec<Family>,
}

/// What became of a presented token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rotation {
    /// It was current; here is its successor.
    Rotated(Issued),
    /// It was current a moment ago; here is the successor that somebody else already got.
    Grace(Issued),
    /// It had been used before: its family is revoked. Raise the alarm.
    Reused(Family),
    /// It leads to no living family: ended, logged out, revoked, or never issued.
    Unknown,
}

/// Why a refresh token was not issued, rotated or revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no randomness, or a sealed successor does not open: the store was tampered
    /// with.
    #[error("sealing or opening a successor failed")]
    Crypto,
}

/// A fault in how [`RefreshTokens`] is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshConfigError {
    /// Shorter than a minute or longer than 90 days.
    #[error("refresh lifetime must be from 1 minute to 90 days")]
    Lifetime,
    /// More than a minute.
    #[error("grace must be at most 60 seconds")]
    Grace,
    /// None or more than a thousand.
    #[error("families per owner must be from 1 to 1000")]
    Families,
}

impl<S: RefreshStore> RefreshTokens<S> {
    /// Keeps families in this store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            lifetime: DEFAULT_LIFETIME,
            grace: DEFAULT_GRACE,
            families: DEFAULT_FAMILIES,
        }
    }

    /// How long a family lives from its log-in (default: seven days), however often it is used.
    ///
    /// # Errors
    ///
    /// When it is not from one minute to 90 days.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, RefreshConfigError> {
        self.set_lifetime(lifetime)?;
        Ok(self)
    }

    /// How long a rotated token may be presented again (default: ten seconds) while its successor is
    /// unused. A thief who is as quick shares the successor; at its next use one of the two is found
    /// out. Zero makes every second tab an attack.
    ///
    /// # Errors
    ///
    /// Above one minute.
    pub fn grace(mut self, grace: Duration) -> Result<Self, RefreshConfigError> {
        self.set_grace(grace)?;
        Ok(self)
    }

    /// How many families one owner may have (default: 10). The next log-in ends the oldest.
    ///
    /// # Errors
    ///
    /// When it is not from 1 to 1000.
    pub fn families_per_owner(mut self, most: usize) -> Result<Self, RefreshConfigError> {
        self.set_families(most)?;
        Ok(self)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Starts a new family: one for each log-in, never continued from another.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`], or [`RefreshError::Crypto`] without randomness.
    pub async fn issue(
        &self,
        owner: Owner,
        label: Option<Box<str>>,
        now: SystemTime,
    ) -> Result<Issued, RefreshError> {
        let token = RefreshToken::generate().ok_or(RefreshError::Crypto)?;
        let family = Family {
            id: token.family(),
            owner,
            label,
            created_at: now,
            used_at: now,
            expires_at: now.checked_add(self.lifetime).ok_or(RefreshError::Crypto)?,
        };
        let record = FamilyRecord {
            family: family.clone(),
            current: token.hash(),
            previous: None,
        };
        let evicted = self.store.create(record, self.families).await?;
        Ok(Issued {
            token,
            family,
            evicted,
        })
    }

    /// Exchanges a token for its successor.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`], after which the same token may be presented again.
    pub async fn rotate(
        &self,
        token: &RefreshToken,
        now: SystemTime,
    ) -> Result<Rotation, RefreshError> {
        let (next, sealed) = token.successor().ok_or(RefreshError::Crypto)?;
        let presented = Presented {
            family: token.family(),
            hash: token.hash(),
            next: next.hash(),
            sealed,
            now,
            grace: self.grace,
        };
        let issued = |token, family| Issued {
            token,
            family,
            evicted: Vec::new(),
        };
        Ok(match self.store.rotate(presented).await? {
            Rotated::Rotated(family) => Rotation::Rotated(issued(next, family)),
            Rotated::Grace(family, sealed) => {
                let same = token.open(&sealed).ok_or(RefreshError::Crypto)?;
                Rotation::Grace(issued(same, family))
            }
            Rotated::Reused(family) => Rotation::Reused(family),
            Rotated::Unknown => Rotation::Unknown,
        })
    }

    /// Ends the family of any of its tokens, current or not: a log-out. `None` when it had ended.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`].
    pub async fn revoke(
        &self,
        token: &RefreshToken,
        now: SystemTime,
    ) -> Result<Option<Family>, RefreshError> {
        self.revoke_family(token.family(), now).await
    }

    /// Ends one family by its identifier, as a list of sessions shows it. Whether the one who asks
    /// may do so is the caller's to check.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`].
    pub async fn revoke_family(
        &self,
        family: FamilyId,
        now: SystemTime,
    ) -> Result<Option<Family>, RefreshError> {
        Ok(self.store.revoke(family, now).await?)
    }

    /// Ends every family of an owner: after a changed password, for instance.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`].
    pub async fn revoke_all(
        &self,
        owner: &Owner,
        now: SystemTime,
    ) -> Result<Vec<Family>, RefreshError> {
        Ok(self.store.revoke_all(owner, now).await?)
    }

    /// The living families of an owner, oldest first.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Store`].
    pub async fn list(&self, owner: &Owner, now: SystemTime) -> Result<Vec<Family>, RefreshError> {
        Ok(self.store.list(owner, now).await?)
    }
}

/// The setters by reference: a configuration reports all faults of all fields.
impl<S> RefreshTokens<S> {
    pub(crate) fn set_lifetime(&mut self, lifetime: Duration) -> Result<(), RefreshConfigError> {
        if lifetime < MIN_LIFETIME || lifetime > MAX_LIFETIME {
            return Err(RefreshConfigError::Lifetime);
        }
        self.lifetime = lifetime;
        Ok(())
    }

    pub(crate) fn set_grace(&mut self, grace: Duration) -> Result<(), RefreshConfigError> {
        if grace > MAX_GRACE {
            return Err(RefreshConfigError::Grace);
        }
        self.grace = grace;
        Ok(())
    }

    pub(crate) fn set_families(&mut self, most: usize) -> Result<(), RefreshConfigError> {
        if !(1..=1000).contains(&most) {
            return Err(RefreshConfigError::Families);
        }
        self.families = most;
        Ok(())
    }
}

impl<S> Clone for RefreshTokens<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            ..*self
        }
    }
}
