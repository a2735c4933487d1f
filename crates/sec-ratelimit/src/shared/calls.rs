//! One call of the store: within its deadline, and with the breaker's leave.

use std::time::Instant;

use tokio::time::timeout_at;

use super::store::{Ask, Change, Given, Hold, StoreError, StoreFuture};
use crate::SharedLimiter;

impl SharedLimiter {
    pub(super) async fn decided(
        &self,
        ask: &Ask,
        take: bool,
        deadline: Instant,
    ) -> Result<Given, StoreError> {
        let decide = self.0.store.decide(ask, take, deadline);
        self.guarded(ask, deadline, decide).await
    }

    pub(super) async fn settled(
        &self,
        ask: &Ask,
        holds: &[Hold],
        change: Change,
        deadline: Instant,
    ) -> Result<Given, StoreError> {
        let settle = self.0.store.settle(ask, holds, change, deadline);
        self.guarded(ask, deadline, settle).await
    }

    pub(super) async fn forgotten(&self, ask: &Ask, deadline: Instant) -> Result<(), StoreError> {
        let reset = self.0.store.reset(ask, deadline);
        self.guarded(ask, deadline, reset).await
    }

    /// Asks the store, unless the part concerned has a pause, and for no longer than until the deadline.
    async fn guarded<T>(
        &self,
        ask: &Ask,
        deadline: Instant,
        call: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let pass = self.0.breakers.enter(&*self.0.store, ask);
        let pass = pass.ok_or(StoreError::Paused)?;
        let result = match timeout_at(deadline.into(), call).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Deadline),
        };
        pass.tell(result.as_ref().map(|_| ()));
        result
    }

    pub(super) fn deadline(&self) -> Instant {
        // Tokio's, which tests can stop; else it is the system's.
        let now = tokio::time::Instant::now().into_std();
        now.checked_add(self.0.deadline).unwrap_or(now)
    }
}
