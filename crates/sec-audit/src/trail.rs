//! The trail: takes events, answers questions.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use sec_core::{Clock, EventSink, Receipt, SecurityEvent, SystemClock};
use serde::Serialize;

use crate::config::AuditConfig;
use crate::entry::EntryBuilder;
use crate::error::{AuditError, ConfigError};
use crate::json;
use crate::mask::Masker;
use crate::query::{AuditQuery, CursorKey, Page};
use crate::store::{AuditStore, StoreStats};

/// The audit trail of a service: an [`EventSink`] for the crates of the family, a place to record for the host, and a
/// thing to ask.
///
/// A clone is another handle to the same trail (one `Arc`). Recording masks, bounds and hands over to the store;
/// it never waits for a reader or a disk and never panics, so it cannot block or fail a request. An event without
/// details costs one allocation for each text it carries and one for the entry.
///
/// ```
/// use sec_audit::{AuditConfig, AuditQuery, AuditTrail};
/// use sec_core::{ContextLayer, EventKind, EventSink, SecurityEvent, SystemClock};
/// use std::sync::Arc;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let trail = AuditTrail::in_memory(&AuditConfig::default())?;
/// let context = ContextLayer::new().sink(Arc::new(trail.clone()));
///
/// let event = SecurityEvent::new(EventKind::LOGIN_FAILURE, &SystemClock::new()).with_subject("ann");
/// let _ = trail.emit(event);
///
/// let page = trail.query(&AuditQuery::parse("actor=ann&severity=medium")?).await?;
/// assert_eq!(page.entries[0].action(), &EventKind::LOGIN_FAILURE);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuditTrail(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    store: Arc<dyn AuditStore>,
    masker: Masker,
    clock: Arc<dyn Clock>,
    cursors: CursorKey,
    max_entry_bytes: usize,
}

impl AuditTrail {
    /// A trail in memory; see [`MemoryStore`](crate::MemoryStore) for what it keeps and what it gives up.
    ///
    /// # Errors
    /// When a setting is out of its range; the error names it.
    pub fn in_memory(config: &AuditConfig) -> Result<Self, ConfigError> {
        let mut trail = Self::new(Arc::new(config.store()?));
        let inner = Arc::make_mut(&mut trail.0);
        inner.masker = config.masker()?;
        inner.max_entry_bytes = config.max_entry_bytes;
        Ok(trail)
    }

    /// A trail over a store of the host's choice, with the default masking and at most 64 KiB per entry.
    #[must_use]
    pub fn new(store: Arc<dyn AuditStore>) -> Self {
        Self(Arc::new(Inner {
            store,
            masker: Masker::new(),
            clock: SystemClock::shared(),
            cursors: CursorKey::default(),
            max_entry_bytes: AuditConfig::default().max_entry_bytes,
        }))
    }

    /// A handle that masks with this masker instead. The store stays the same.
    #[must_use]
    pub fn with_masker(mut self, masker: Masker) -> Self {
        Arc::make_mut(&mut self.0).masker = masker;
        self
    }

    /// A handle that takes the time of what the host records from this clock. Events bring their own time.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        Arc::make_mut(&mut self.0).clock = clock;
        self
    }

    /// What masks, for texts that go elsewhere (logs, error reports).
    #[must_use]
    pub fn masker(&self) -> &Masker {
        &self.0.masker
    }

    /// Records an entry or an event. Returns at once; drop the receipt unless you must know.
    pub fn record(&self, entry: impl Into<EntryBuilder>) -> Receipt {
        let inner = &self.0;
        let entry = entry
            .into()
            .seal(&inner.masker, inner.clock.now(), inner.max_entry_bytes);
        inner.store.append(entry)
    }

    /// One page of entries, newest first. Stable under writes: entries that arrive while somebody
    /// turns pages appear on none of the following ones, and none comes twice or is skipped.
    ///
    /// # Errors
    /// For a cursor that was changed or belongs to another filter, and when the store fails.
    pub async fn query(&self, query: &AuditQuery) -> Result<Page, AuditError> {
        let inner = &self.0;
        let filter = query.filter();
        let below = query
            .cursor()
            .map(|cursor| inner.cursors.open(cursor, filter))
            .transpose()?;
        // One more than asked for says whether there is a next page.
        let wanted = query.limit().saturating_add(1);
        let store = Arc::clone(&inner.store);
        let mut entries = store.scan(Arc::new(filter.clone()), below, wanted).await?;
        let more = entries.len() > query.limit();
        entries.truncate(query.limit());
        let last = entries.last().filter(|_| more);
        let next_cursor = last.map(|last| inner.cursors.seal(last.seq(), filter));
        Ok(Page::new(entries, next_cursor))
    }

    /// What the trail holds and what it has lost.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.0.store.stats()
    }

    /// Whether the trail keeps what it must.
    #[must_use]
    pub fn health(&self) -> Health {
        let stats = self.stats();
        let lost = stats.evicted.high.saturating_add(stats.evicted.critical);
        Health {
            healthy: lost == 0,
            stats,
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn AuditStore> {
        &self.0.store
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }
}

impl EventSink for AuditTrail {
    fn emit(&self, event: SecurityEvent) -> Receipt {
        self.record(event)
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditTrail")
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}

/// The state of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// False once an entry of high or critical severity was lost, until the process restarts: more room or a
    /// durable store is needed. Worth an alert, not a restart, so keep it out of liveness probes.
    pub healthy: bool,
    /// The figures behind it.
    pub stats: StoreStats,
}

impl Health {
    /// The state as an answer: 200, or 503 when unhealthy.
    #[must_use]
    pub fn respond(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(json::line(self)));
        if !self.healthy {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
