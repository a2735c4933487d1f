//! Deleting what is over, a few pages at a time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::tokio_postgres::types::Type;
use tokio::runtime::Handle;

use super::{Inner, PostgresStore};
use crate::StoreError;

/// As many as the schema has.
const LEAVES: i32 = 4;

/// How many pages of eight kilobytes one turn looks at. At one turn in 256 decisions that is more than
/// the same decisions can fill with new keys, so the part that is over stays a small one.
const PAGES: i64 = 128;

/// How long one turn may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose turn it is.
pub(super) struct Sweeper {
    statement: Arc<str>,
    /// A turn in so many decisions; 0 for none.
    every: u32,
    decisions: AtomicU32,
    running: AtomicBool,
    place: Mutex<Place>,
}

/// Where the next turn begins.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    leaf: i32,
    page: i64,
}

impl PostgresStore {
    /// Deletes all counters that are over, and returns how many there were.
    ///
    /// It need not be called: after each 256th decision of a process (see
    /// [`sweep_every`](super::PostgresStoreBuilder::sweep_every)) a task of its own does a part of the same,
    /// faster than decisions can fill the tables. This is for hosts that would rather do it themselves,
    /// from one process or at quiet hours. It goes through the tables in small transactions, leaves rows alone
    /// that are being changed, and holds no decision up for longer than the few milliseconds of one of these.
    ///
    /// ```no_run
    /// # async fn start(store: sec_ratelimit::PostgresStore) {
    /// tokio::spawn(async move {
    ///     let mut hourly = tokio::time::interval(std::time::Duration::from_secs(3600));
    ///     loop {
    ///         hourly.tick().await;
    ///         if let Err(error) = store.sweep().await {
    ///             tracing::warn!(%error, "counters were not swept");
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was deleted until then is.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let mut swept = 0_u64;
        for leaf in 0..LEAVES {
            let mut place = Some(Place { leaf, page: 0 });
            while let Some(here) = place.filter(|place| place.leaf == leaf) {
                let (count, next) = self.inner.sweep_from(here).await?;
                swept = swept.saturating_add(count);
                place = next;
            }
        }
        Ok(swept)
    }

    /// Counts a decision, and has a turn taken when it is time. Costs the decision no waiting.
    pub(super) fn sweep_in_passing(&self) {
        let sweeper = &self.inner.sweeper;
        if sweeper.is_due()
            && let Ok(runtime) = Handle::try_current()
        {
            let inner = self.inner.clone();
            runtime.spawn(async move { inner.take_turn().await });
        }
    }
}

impl Inner {
    async fn take_turn(&self) {
        let sweeper = &self.sweeper;
        // One at a time: a server that is slow is not made slower.
        if sweeper.running.swap(true, Ordering::Acquire) {
            return;
        }
        let _turn = Turn(&sweeper.running);
        let here = *sweeper.place.lock().unwrap_or_else(PoisonError::into_inner);
        match self.sweep_from(here).await {
            Ok((_, next)) => {
                let next = next.unwrap_or_default();
                *sweeper.place.lock().unwrap_or_else(PoisonError::into_inner) = next;
            }
            // Whatever ails the store, decisions tell.
            Err(error) => tracing::debug!(%error, "counters were not swept"),
        }
    }

    /// One turn: how many rows went, and where the next one begins, the end of the last leaf aside.
    async fn sweep_from(&self, here: Place) -> Result<(u64, Option<Place>), StoreError> {
        let deadline = Instant::now();
        let deadline = deadline.checked_add(PATIENCE).unwrap_or(deadline);
        let connection = self.connections.get_patiently().await?;
        let statement = self.sweeper.statement.clone();
        let parameters: super::connections::Parameters =
            vec![Box::new(here.leaf), Box::new(here.page), Box::new(PAGES)];
        let types = &[Type::INT4, Type::INT8, Type::INT8];
        let rows = connection
            .query(statement, types, parameters, deadline)
            .await?;
        let number = |index: usize| -> Option<i64> { rows.first()?.try_get(index).ok() };
        let (Some(swept), Some(pages)) = (number(0), number(1)) else {
            return Err(StoreError::Answer("not two numbers".into()));
        };
        let page = here.page.saturating_add(PAGES);
        let next = if page < pages {
            Some(Place { page, ..here })
        } else {
            let leaf = here.leaf.saturating_add(1);
            (leaf < LEAVES).then_some(Place { leaf, page: 0 })
        };
        Ok((u64::try_from(swept).unwrap_or(0), next))
    }
}

/// Ends with the task, also when its runtime goes away in the midst.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Sweeper {
    pub(super) fn new(schema: &str, every: u32) -> Self {
        // Many processes that start together neither sweep together nor all begin at one place; and those
        // that end before their first turn would be due have had it, some of them.
        Self {
            statement: format!("SELECT swept, total FROM {schema}.sweep_1($1, $2, $3)").into(),
            every,
            decisions: AtomicU32::new(rand::random_range(0..every.max(1))),
            running: AtomicBool::new(false),
            place: Mutex::new(Place {
                leaf: rand::random_range(0..LEAVES),
                page: 0,
            }),
        }
    }

    fn is_due(&self) -> bool {
        if self.every == 0 {
            return false;
        }
        let counted = self
            .decisions
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1);
        counted.checked_rem(self.every) == Some(0)
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
