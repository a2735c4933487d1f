//! Where families rest.

use std::{error::Error, fmt, time::SystemTime};

use super::{
    family::{Family, FamilyRecord, Owner, Presented, Rotated},
    token::FamilyId,
};

/// A store of token families. Every method is one atomic step: two callers on two machines must see
/// one of them come first.
///
/// It sees hashes and ciphertext only; what is read out of it gives no token.
pub trait RefreshStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a family. When its owner then has more than `most`, the oldest ones go, and are told.
    fn create(
        &self,
        record: FamilyRecord,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Family>, StoreError>> + Send;

    /// Decides what a presented token means and applies it: see [`FamilyRecord::rotate`].
    fn rotate(
        &self,
        presented: Presented,
    ) -> impl Future<Output = Result<Rotated, StoreError>> + Send;

    /// Removes a family; `None` when it does not live.
    fn revoke(
        &self,
        family: FamilyId,
        now: SystemTime,
    ) -> impl Future<Output = Result<Option<Family>, StoreError>> + Send;

    /// Removes all families of an owner and says which.
    fn revoke_all(
        &self,
        owner: &Owner,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Family>, StoreError>> + Send;

    /// The living families of an owner, oldest first.
    fn list(
        &self,
        owner: &Owner,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Family>, StoreError>> + Send;
}

/// The store gave no answer. Nothing is known then, and nothing is granted: a 503.
#[derive(Debug, thiserror::Error)]
#[error("the refresh token store failed: {source}")]
pub struct StoreError {
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Wraps the store's own error, which goes to the log.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}
