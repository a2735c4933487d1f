//! One line of the trail.

mod builder;
mod diff;
mod seal;
pub(crate) mod size;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use sec_core::{EventKind, Outcome, Severity};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use self::builder::DURATION;
pub use self::builder::EntryBuilder;
pub use self::diff::{Change, diff};

/// What happened, by whom, to what, from where: masked, bounded and final.
///
/// An entry exists only after [`EntryBuilder::seal`] (which [`AuditTrail`](crate::AuditTrail) calls), so
/// whatever holds an `AuditEntry` holds no unmasked value. Its id and time are fixed before it reaches a
/// store, so that a store which takes it twice can tell.
///
/// It serialises with these names, always all of them and in this order, null where unknown: `seq`, `id`,
/// `at` (RFC 3339, UTC, microseconds), `action`, `severity`, `outcome`, `reason`, `count`, `duration_us`,
/// `actor`, `roles`, `session`, `tenant`, `entity_kind`, `entity_id`, `client`, `request_id`, `method`,
/// `path`, `user_agent`, `metadata`, `before`, `after`, `changes`.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    pub(crate) seq: u64,
    pub(crate) id: Uuid,
    pub(crate) at: SystemTime,
    pub(crate) action: EventKind,
    pub(crate) severity: Severity,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Box<str>>,
    pub(crate) count: u64,
    pub(crate) duration: Option<Duration>,
    pub(crate) actor: Option<Box<str>>,
    pub(crate) roles: Vec<Box<str>>,
    pub(crate) session: Option<Box<str>>,
    pub(crate) tenant: Option<Box<str>>,
    pub(crate) entity: Option<(Box<str>, Box<str>)>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) method: Option<Box<str>>,
    pub(crate) path: Option<Box<str>>,
    pub(crate) user_agent: Option<Box<str>>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) changes: Vec<Change>,
    pub(crate) bytes: usize,
}

impl AuditEntry {
    /// Begins an entry about an action, outside of a request. Inside one, begin with
    /// `EntryBuilder::from(ctx.event(action))`, which knows who and where.
    pub fn builder(action: impl Into<EventKind>) -> EntryBuilder {
        EntryBuilder::new(action)
    }

    /// The place in the trail, from 1 upwards without repetition; 0 before a store took it. It orders
    /// entries; the time does not, since a wall clock may step back.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The entry's id, UUID version 7, the same wherever the entry is delivered.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When it happened, in whole microseconds.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// What was done.
    #[must_use]
    pub fn action(&self) -> &EventKind {
        &self.action
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why, in words that only the trail gets to see.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// How many like events this entry stands for; 1 unless they were coalesced.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Who did it: the subject of the principal, or the name that a failed log-in claimed.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// The actor's roles at that moment.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    /// The actor's session.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The tenant it happened in.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Kind and id of the thing it was done to.
    #[must_use]
    pub fn entity(&self) -> Option<(&str, &str)> {
        self.entity.as_ref().map(|(kind, id)| (&**kind, &**id))
    }

    /// The client's address.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The request's original path, without the query.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The request's user agent.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Further facts.
    #[must_use]
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// The thing's state before.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        self.before.as_ref()
    }

    /// The thing's state after.
    #[must_use]
    pub fn after(&self) -> Option<&Value> {
        self.after.as_ref()
    }

    /// What differs between before and after.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The memory it takes in bytes, estimated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same entry at a place in the trail: for stores, which give each entry its number.
    #[must_use]
    pub fn numbered(mut self, seq: u64) -> Self {
        self.seq = seq;
        self
    }
}

impl Serialize for AuditEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (entity_kind, entity_id) = self.entity().unzip();
        let mut out = serializer.serialize_struct("AuditEntry", 24)?;
        out.serialize_field("seq", &self.seq)?;
        out.serialize_field("id", &Hyphenated(self.id))?;
        out.serialize_field("at", &crate::time::rfc3339(self.at))?;
        out.serialize_field("action", self.action.as_str())?;
        out.serialize_field("severity", self.severity.as_str())?;
        out.serialize_field("outcome", self.outcome.as_str())?;
        out.serialize_field("reason", &self.reason)?;
        out.serialize_field("count", &self.count)?;
        out.serialize_field("duration_us", &self.duration_us())?;
        out.serialize_field("actor", &self.actor)?;
        out.serialize_field("roles", &self.roles)?;
        out.serialize_field("session", &self.session)?;
        out.serialize_field("tenant", &self.tenant)?;
        out.serialize_field("entity_kind", &entity_kind)?;
        out.serialize_field("entity_id", &entity_id)?;
        out.serialize_field("client", &self.client)?;
        out.serialize_field("request_id", &self.request_id)?;
        out.serialize_field("method", &self.method)?;
        out.serialize_field("path", &self.path)?;
        out.serialize_field("user_agent", &self.user_agent)?;
        out.serialize_field("metadata", &self.metadata)?;
        out.serialize_field("before", &self.before)?;
        out.serialize_field("after", &self.after)?;
        out.serialize_field("changes", &self.changes)?;
        out.end()
    }
}

impl AuditEntry {
    pub(crate) fn duration_us(&self) -> Option<u64> {
        self.duration
            .map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A UUID in its usual form, without needing `uuid`'s `serde` feature.
struct Hyphenated(Uuid);

impl Serialize for Hyphenated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut buffer))
    }
}
