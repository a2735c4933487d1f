//! An entry in the making: not yet masked, therefore not yet an [`AuditEntry`].

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sec_core::{EventKind, Outcome, SecurityEvent, Severity};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::AuditEntry;

/// Gathers what an entry says. Nothing of it can be printed, serialised or read back before
/// [`EntryBuilder::seal`] has masked it.
///
/// ```
/// use sec_audit::{AuditConfig, AuditEntry, AuditTrail};
/// use sec_core::EventKind;
/// use serde_json::json;
///
/// let trail = AuditTrail::in_memory(&AuditConfig::default())?;
/// trail.record(
///     AuditEntry::builder(EventKind::RESOURCE_UPDATED)
///         .actor("ann")
///         .entity("user", "7")
///         .before(json!({"mail": "a@example.com", "password": "old"}))
///         .after(json!({"mail": "b@example.com", "password": "new"})),
/// );
/// # Ok::<(), sec_audit::ConfigError>(())
/// ```
///
/// Its changes are `/mail` from `a@example.com` to `b@example.com`, and `/password` from `[masked]` to `[masked]`.
#[derive(Clone)]
#[must_use = "an entry does nothing until it is recorded"]
pub struct EntryBuilder {
    pub(super) raw: AuditEntry,
    pub(super) id: Option<Uuid>,
    pub(super) at: Option<SystemTime>,
}

impl EntryBuilder {
    /// Begins with an action, its default severity and its default outcome.
    pub fn new(action: impl Into<EventKind>) -> Self {
        let action = action.into();
        let (severity, outcome) = (action.default_severity(), action.default_outcome());
        let raw = AuditEntry {
            seq: 0,
            id: Uuid::nil(),
            at: UNIX_EPOCH,
            action,
            severity,
            outcome,
            reason: None,
            count: 1,
            duration: None,
            actor: None,
            roles: Vec::new(),
            session: None,
            tenant: None,
            entity: None,
            client: None,
            request_id: None,
            method: None,
            path: None,
            user_agent: None,
            metadata: Map::new(),
            before: None,
            after: None,
            changes: Vec::new(),
            bytes: 0,
        };
        Self {
            raw,
            id: None,
            at: None,
        }
    }

    /// When it happened; the moment of recording if left out.
    pub fn at(mut self, at: SystemTime) -> Self {
        self.at = Some(at);
        self
    }

    /// How much it matters.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.raw.severity = severity;
        self
    }

    /// How it ended.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.raw.outcome = outcome;
        self
    }

    /// Why, in words that only the trail gets to see; up to 1,024 characters are kept.
    pub fn reason(mut self, reason: impl Into<Box<str>>) -> Self {
        self.raw.reason = Some(reason.into());
        self
    }

    /// How many like events it stands for; at least 1.
    pub fn count(mut self, count: u64) -> Self {
        self.raw.count = count.max(1);
        self
    }

    /// How long it took; whole microseconds are kept.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.raw.duration = Some(duration);
        self
    }

    /// Who did it; up to 256 characters are kept.
    pub fn actor(mut self, actor: impl Into<Box<str>>) -> Self {
        self.raw.actor = Some(actor.into());
        self
    }

    /// The actor's roles; up to 32 are kept.
    pub fn roles<R: Into<Box<str>>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.raw.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// The actor's session: a name for it, never the secret that opens it.
    pub fn session(mut self, session: impl Into<Box<str>>) -> Self {
        self.raw.session = Some(session.into());
        self
    }

    /// The tenant it happened in.
    pub fn tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.raw.tenant = Some(tenant.into());
        self
    }

    /// The thing it was done to: its kind and its id.
    pub fn entity(mut self, kind: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        self.raw.entity = Some((kind.into(), id.into()));
        self
    }

    /// The client's address.
    pub fn client(mut self, client: IpAddr) -> Self {
        self.raw.client = Some(client);
        self
    }

    /// A further fact. A name given twice keeps the last value.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.raw.metadata.insert(name.into(), value.into());
        self
    }

    /// The thing's state before, for updates and deletions. `serde_json::to_value(&record)` makes one.
    pub fn before(mut self, state: impl Into<Value>) -> Self {
        self.raw.before = Some(state.into());
        self
    }

    /// The thing's state after, for updates and creations.
    pub fn after(mut self, state: impl Into<Value>) -> Self {
        self.raw.after = Some(state.into());
        self
    }

    /// The same words for another entry, with an id and a time of its own.
    pub(crate) fn again(mut self) -> Self {
        (self.id, self.at) = (None, None);
        self
    }

    /// The id of an entry that has one already; a new one is made if left out.
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }
}

/// Takes over all that the event knows: id, time, actor, request. A detail named `duration_us` becomes the
/// entry's duration, all others its metadata.
impl From<SecurityEvent> for EntryBuilder {
    fn from(event: SecurityEvent) -> Self {
        let mut builder = Self::new(event.kind().clone())
            .at(event.at())
            .id(event.id());
        let raw = &mut builder.raw;
        raw.severity = event.severity();
        raw.outcome = event.outcome();
        raw.reason = event.reason().map(Into::into);
        raw.count = event.count().max(1);
        raw.actor = event.actor().map(Into::into);
        if let Some(principal) = event.identity().principal() {
            raw.roles = principal.roles().map(Into::into).collect();
        }
        raw.session = event.session().map(Into::into);
        raw.tenant = event.tenant().map(Into::into);
        raw.entity = event.entity().map(|(kind, id)| (kind.into(), id.into()));
        raw.client = event.client();
        raw.request_id = event.request_id().map(Into::into);
        raw.method = event.method().map(Into::into);
        raw.path = event.path().map(Into::into);
        raw.user_agent = event.user_agent().map(Into::into);
        raw.metadata = event.detail().clone();
        if let Some(micros) = raw.metadata.get(DURATION).and_then(Value::as_u64) {
            raw.metadata.remove(DURATION);
            raw.duration = Some(Duration::from_micros(micros));
        }
        builder
    }
}

/// The detail by which an event carries a duration.
pub(crate) const DURATION: &str = "duration_us";

impl fmt::Debug for EntryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values are not masked yet.
        f.debug_struct("EntryBuilder")
            .field("action", &self.raw.action.as_str())
            .finish_non_exhaustive()
    }
}
