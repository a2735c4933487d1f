//! What happened (C3): events, where they go, and how a flood of them is kept small.

mod coalesce;
mod kind;
mod sink;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use self::coalesce::Coalescer;
pub use self::kind::{EventKind, EventKindError, Outcome, Severity, UnknownName};
pub use self::sink::{CollectingSink, Delivery, EventSink, FanOut, Receipt, TracingSink};
use crate::facts::Facts;
use crate::{AddrGrouping, AddrPrefix, Clock, Identity};

/// Something that a security trail wants to know.
///
/// A snapshot: the context and the identity are those of the moment at which the event was made, however long
/// it then waits for its writer. What came from outside (path, user agent) is bounded and free of
/// control characters where the getters give it as text. Secrets never belong in it.
#[derive(Debug, Clone)]
pub struct SecurityEvent {
    id: Uuid,
    at: SystemTime,
    kind: EventKind,
    severity: Severity,
    outcome: Outcome,
    facts: Option<Arc<Facts>>,
    identity: Identity,
    client: Option<IpAddr>,
    subject: Option<Box<str>>,
    entity: Option<(Cow<'static, str>, Box<str>)>,
    reason: Option<Cow<'static, str>>,
    detail: Map<String, Value>,
    count: u64,
}

impl SecurityEvent {
    /// An event outside of any request; inside one,
    /// [`RequestContext::event`](crate::RequestContext::event) makes it.
    #[must_use]
    pub fn new(kind: EventKind, clock: &dyn Clock) -> Self {
        Self {
            id: Uuid::now_v7(),
            at: clock.now(),
            severity: kind.default_severity(),
            outcome: kind.default_outcome(),
            kind,
            facts: None,
            identity: Identity::Unresolved,
            client: None,
            subject: None,
            entity: None,
            reason: None,
            detail: Map::new(),
            count: 1,
        }
    }

    pub(crate) fn with_snapshot(mut self, facts: Arc<Facts>, identity: Identity) -> Self {
        self.facts = Some(facts);
        self.identity = identity;
        self
    }

    /// Sets the severity. Default: the kind's.
    #[must_use]
    pub const fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the outcome. Default: the kind's.
    #[must_use]
    pub const fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Says why: for operators, never for the caller.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }

    /// Names the actor where the identity cell cannot: the user name of a failed log-in. It is what the caller
    /// *claimed*.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Names what was acted on, such as `("comment", "17")`.
    #[must_use]
    pub fn with_entity(
        mut self,
        kind: impl Into<Cow<'static, str>>,
        id: impl Into<Box<str>>,
    ) -> Self {
        self.entity = Some((kind.into(), id.into()));
        self
    }

    /// Sets the client's address where there is no context to take it from.
    #[must_use]
    pub const fn with_client(mut self, client: IpAddr) -> Self {
        self.client = Some(client);
        self
    }

    /// Says how many occurrences this event stands for; at least 1.
    #[must_use]
    pub fn with_count(mut self, count: u64) -> Self {
        self.count = count.max(1);
        self
    }

    /// A UUIDv7, fixed when the event was made: a delivery that is repeated can be recognised.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// When it happened, by the context's clock.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.at
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Further details.
    #[must_use]
    pub const fn detail(&self) -> &Map<String, Value> {
        &self.detail
    }

    /// Kind and id of what was acted on.
    #[must_use]
    pub fn entity(&self) -> Option<(&str, &str)> {
        self.entity
            .as_ref()
            .map(|(kind, id)| (kind.as_ref(), id.as_ref()))
    }

    /// How many occurrences this event stands for.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Who did it: the principal's subject, else the one that was claimed.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        let known = self
            .identity
            .principal()
            .map(|principal| principal.subject());
        known.or(self.subject.as_deref())
    }

    /// The identity at that moment.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The session's public id.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.identity
            .principal()
            .and_then(|principal| principal.session())
    }

    /// The tenant: the principal's, else the context's.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        let known = self
            .identity
            .principal()
            .and_then(|principal| principal.tenant());
        known.or_else(|| self.facts.as_ref()?.tenant.as_deref())
    }

    /// The client's address.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client.or_else(|| Some(self.facts.as_ref()?.client))
    }

    /// The client's address as the family groups it.
    #[must_use]
    pub fn client_group(&self) -> Option<AddrPrefix> {
        match &self.facts {
            Some(facts) => Some(facts.client_group),
            None => self
                .client
                .map(|client| AddrGrouping::default().group(client)),
        }
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.facts.as_ref().map(|facts| facts.request_id())
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.facts.as_ref().map(|facts| facts.method.as_str())
    }

    /// The request's path, without its query, which may hold secrets.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.facts.as_ref().map(|facts| facts.path())
    }

    /// The user agent, bounded and free of control characters.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.facts.as_ref()?.user_agent.as_deref()
    }
}

impl Serialize for SecurityEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since_epoch = self
            .at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let mut out = serializer.serialize_struct("SecurityEvent", 18)?;
        out.serialize_field("id", &self.id.as_hyphenated().to_string())?;
        out.serialize_field(
            "at_unix_ms",
            &u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        )?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("outcome", &self.outcome)?;
        out.serialize_field("count", &self.count)?;
        out.serialize_field("reason", &self.reason)?;
        out.serialize_field("actor", &self.actor())?;
        out.serialize_field("session", &self.session())?;
        out.serialize_field("tenant", &self.tenant())?;
        out.serialize_field("entity_kind", &self.entity().map(|(kind, _)| kind))?;
        out.serialize_field("entity_id", &self.entity().map(|(_, id)| id))?;
        out.serialize_field("client", &self.client())?;
        out.serialize_field("request_id", &self.request_id())?;
        out.serialize_field("method", &self.method())?;
        out.serialize_field("path", &self.path())?;
        out.serialize_field("user_agent", &self.user_agent())?;
        out.serialize_field("detail", &self.detail)?;
        out.end()
    }
}
