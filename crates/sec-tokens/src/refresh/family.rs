//! One family of tokens, and the decision what a presented token means for it.

use std::time::{Duration, SystemTime};

use sec_core::{Principal, constant_time_eq};

use super::token::{FamilyId, Sealed, TokenHash};

/// Whose family it is: a subject within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    subject: Box<str>,
    tenant: Option<Box<str>>,
}

impl Owner {
    /// A subject outside of any tenant.
    #[must_use]
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self {
            subject: subject.into(),
            tenant: None,
        }
    }

    /// The subject of one tenant: another owner than the same subject of another.
    #[must_use]
    pub fn in_tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

impl From<&Principal> for Owner {
    fn from(principal: &Principal) -> Self {
        let owner = Self::new(principal.subject());
        match principal.tenant() {
            Some(tenant) => owner.in_tenant(tenant),
            None => owner,
        }
    }
}

/// What may be known of a family: for a list of sessions, for instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its identifier, the session of access tokens.
    pub id: FamilyId,
    /// Whose it is.
    pub owner: Owner,
    /// What the host calls it: the browser's name, for instance.
    pub label: Option<Box<str>>,
    /// When its log-in was.
    pub created_at: SystemTime,
    /// When it was last rotated.
    pub used_at: SystemTime,
    /// When it ends, however often it was rotated.
    pub expires_at: SystemTime,
}

impl Family {
    /// A family as a store had written it down.
    #[must_use]
    pub fn new(
        id: FamilyId,
        owner: Owner,
        label: Option<Box<str>>,
        (created_at, used_at, expires_at): (SystemTime, SystemTime, SystemTime),
    ) -> Self {
        Self {
            id,
            owner,
            label,
            created_at,
            used_at,
            expires_at,
        }
    }
}

/// A family as stores keep it. It is theirs to write down whole; only [`rotate`](Self::rotate)
/// changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FamilyRecord {
    /// What may be known of it.
    pub family: Family,
    /// The hash of its current token.
    pub current: TokenHash,
    /// The token before, as long as the current one is unused.
    pub previous: Option<Previous>,
}

/// The token before the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Previous {
    /// Its hash.
    pub hash: TokenHash,
    /// The current token, sealed under it.
    pub successor: Sealed,
    /// When it was rotated.
    pub rotated_at: SystemTime,
}

/// A token was presented; what would follow it if it is the current one.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Presented {
    /// The family it leads to.
    pub family: FamilyId,
    /// Its hash.
    pub hash: TokenHash,
    /// The hash of the candidate to follow it.
    pub next: TokenHash,
    /// The candidate, sealed under the presented token.
    pub sealed: Sealed,
    /// Now.
    pub now: SystemTime,
    /// How long after its rotation a token may be presented again.
    pub grace: Duration,
}

/// What a presented token meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a store and its caller must know every case"
)]
pub enum Rotated {
    /// It was current; the candidate is now.
    Rotated(Family),
    /// It was rotated a moment ago by somebody who held it too, and nobody used the successor since:
    /// here is that same successor.
    Grace(Family, Sealed),
    /// It is an earlier token, which only a thief or a victim still presents: the family was revoked.
    Reused(Family),
    /// It leads to no living family.
    Unknown,
}

/// What a store does with the record after [`FamilyRecord::rotate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a store must act on every case")]
pub enum Change {
    /// Leave it.
    Keep,
    /// Write it.
    Write,
    /// Remove it.
    Remove,
}

impl Previous {
    /// The token before, as a store had written it down.
    #[must_use]
    pub fn new(hash: TokenHash, successor: Sealed, rotated_at: SystemTime) -> Self {
        Self {
            hash,
            successor,
            rotated_at,
        }
    }
}

impl FamilyRecord {
    /// A record as a store had written it down.
    #[must_use]
    pub fn new(family: Family, current: TokenHash, previous: Option<Previous>) -> Self {
        Self {
            family,
            current,
            previous,
        }
    }

    /// The decision, for stores that can run code where the record is. A store must make it and
    /// apply the change in one step that no other rotation can come between.
    pub fn rotate(&mut self, presented: &Presented) -> (Rotated, Change) {
        if presented.now >= self.family.expires_at {
            return (Rotated::Unknown, Change::Remove);
        }
        if same(&self.current, &presented.hash) {
            self.previous = Some(Previous {
                hash: presented.hash,
                successor: presented.sealed,
                rotated_at: presented.now,
            });
            self.current = presented.next;
            self.family.used_at = presented.now;
            return (Rotated::Rotated(self.family.clone()), Change::Write);
        }
        match &self.previous {
            Some(previous)
                if same(&previous.hash, &presented.hash)
                    && distance(previous.rotated_at, presented.now) <= presented.grace =>
            {
                (
                    Rotated::Grace(self.family.clone(), previous.successor),
                    Change::Keep,
                )
            }
            _ => (Rotated::Reused(self.family.clone()), Change::Remove),
        }
    }
}

fn same(left: &TokenHash, right: &TokenHash) -> bool {
    constant_time_eq(left.as_bytes(), right.as_bytes())
}

/// Between two readings of clocks which may belong to two machines, or have been set back.
fn distance(left: SystemTime, right: SystemTime) -> Duration {
    right
        .duration_since(left)
        .unwrap_or_else(|error| error.duration())
}
