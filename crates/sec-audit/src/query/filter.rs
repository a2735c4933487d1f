//! Which entries are meant.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use sec_core::{Outcome, Severity};
use serde_json::Value;

use super::Parameters;
use super::network::Network;
use crate::entry::AuditEntry;
use crate::error::QueryError;
use crate::time;

/// The longest text that a parameter may have, in bytes.
const MAX_VALUE: usize = 512;

/// What an entry must be to be found. Everything that is set must hold; an empty filter finds all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    actor: Option<String>,
    action: Option<Action>,
    min_severity: Option<Severity>,
    outcome: Option<Outcome>,
    entity_kind: Option<String>,
    entity_id: Option<String>,
    tenant: Option<String>,
    session: Option<String>,
    client: Option<Network>,
    request_id: Option<String>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Exactly(String),
    Beginning(String),
}

impl AuditFilter {
    /// Finds everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries of exactly this actor.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Entries with this action, or with this beginning when it ends in `*`.
    #[must_use]
    pub fn with_action(mut self, action: impl Into<String>) -> Self {
        let action = action.into();
        self.action = Some(match action.strip_suffix('*') {
            Some(beginning) => Action::Beginning(beginning.to_owned()),
            None => Action::Exactly(action),
        });
        self
    }

    /// Entries of at least this severity.
    #[must_use]
    pub fn with_min_severity(mut self, severity: Severity) -> Self {
        self.min_severity = Some(severity);
        self
    }

    /// Entries that ended so.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Entries about one thing: its trail.
    #[must_use]
    pub fn with_entity(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.entity_kind = Some(kind.into());
        self.entity_id = Some(id.into());
        self
    }

    /// Entries of exactly this tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Entries of exactly this session.
    #[must_use]
    pub fn with_session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Entries from one client address.
    #[must_use]
    pub fn with_client(mut self, client: IpAddr) -> Self {
        self.client = Some(Network::host(client));
        self
    }

    /// Entries of one request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Entries from this moment on.
    #[must_use]
    pub fn since(mut self, at: SystemTime) -> Self {
        self.since = Some(at);
        self
    }

    /// Entries before this moment.
    #[must_use]
    pub fn until(mut self, at: SystemTime) -> Self {
        self.until = Some(at);
        self
    }

    /// Entries that hold this text somewhere; case does not matter.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.text = Some(text.to_lowercase());
        self
    }

    /// The tenant that it is confined to.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Whether an entry is meant. Allocates nothing unless a text is looked for.
    #[must_use]
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        same(&self.actor, entry.actor())
            && same(&self.tenant, entry.tenant())
            && same(&self.session, entry.session())
            && same(&self.request_id, entry.request_id())
            && same(&self.entity_kind, entry.entity().map(|(kind, _)| kind))
            && same(&self.entity_id, entry.entity().map(|(_, id)| id))
            && self.action.as_ref().is_none_or(|action| match action {
                Action::Exactly(name) => entry.action().as_str() == name,
                Action::Beginning(name) => entry.action().as_str().starts_with(name.as_str()),
            })
            && self
                .min_severity
                .is_none_or(|least| entry.severity() >= least)
            && self
                .outcome
                .is_none_or(|outcome| entry.outcome() == outcome)
            && self.since.is_none_or(|since| entry.at() >= since)
            && self.until.is_none_or(|until| entry.at() < until)
            && self
                .client
                .is_none_or(|net| entry.client().is_some_and(|ip| net.contains(ip)))
            && self
                .text
                .as_ref()
                .is_none_or(|text| holds_text(entry, text))
    }

    /// The filter as parameters, always in the same order: the identity that cursors are bound to, and what
    /// the trail says about an export.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let action = self.action.as_ref().map(|action| match action {
            Action::Exactly(name) => name.clone(),
            Action::Beginning(name) => format!("{name}*"),
        });
        [
            ("actor", self.actor.clone()),
            ("action", action),
            (
                "severity",
                self.min_severity
                    .map(|severity| severity.as_str().to_owned()),
            ),
            (
                "outcome",
                self.outcome.map(|outcome| outcome.as_str().to_owned()),
            ),
            ("entity_kind", self.entity_kind.clone()),
            ("entity_id", self.entity_id.clone()),
            ("tenant", self.tenant.clone()),
            ("session", self.session.clone()),
            ("client", self.client.map(|net| net.to_string())),
            ("request_id", self.request_id.clone()),
            ("since", self.since.map(time::rfc3339)),
            ("until", self.until.map(time::rfc3339)),
            ("text", self.text.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Parameters for AuditFilter {
    fn assign(&mut self, name: &str, value: &str) -> Result<bool, QueryError> {
        if value.len() > MAX_VALUE {
            return Err(QueryError::invalid(
                name,
                format!("is longer than {MAX_VALUE} bytes"),
            ));
        }
        let text = || Some(value.to_owned());
        match name {
            "actor" => self.actor = text(),
            "action" => *self = std::mem::take(self).with_action(value),
            "severity" => {
                self.min_severity = Some(word(name, value, "low, medium, high or critical")?);
            }
            "outcome" => self.outcome = Some(word(name, value, "success, failure or pending")?),
            "entity_kind" => self.entity_kind = text(),
            "entity_id" => self.entity_id = text(),
            "tenant" => self.tenant = text(),
            "session" => self.session = text(),
            "client" => self.client = Some(Network::parse(value)?),
            "request_id" => self.request_id = text(),
            "since" => self.since = Some(moment(name, value)?),
            "until" => self.until = Some(moment(name, value)?),
            "text" => *self = std::mem::take(self).with_text(value),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn names() -> Vec<&'static str> {
        vec![
            "actor",
            "action",
            "severity",
            "outcome",
            "entity_kind",
            "entity_id",
            "tenant",
            "session",
            "client",
            "request_id",
            "since",
            "until",
            "text",
        ]
    }
}

fn same(wanted: &Option<String>, found: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
}

fn holds_text(entry: &AuditEntry, text: &str) -> bool {
    let (kind, id) = entry.entity().unzip();
    [
        entry.actor(),
        Some(entry.action().as_str()),
        kind,
        id,
        entry.reason(),
        entry.path(),
        entry.user_agent(),
    ]
    .into_iter()
    .flatten()
    .any(|field| field.to_lowercase().contains(text))
        || entry
            .metadata()
            .values()
            .any(|value| value_holds(value, text))
}

/// Entries are at most 64 levels deep, so this cannot run out of stack.
fn value_holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(field) => field.to_lowercase().contains(text),
        Value::Number(number) => number.to_string().contains(text),
        Value::Array(items) => items.iter().any(|item| value_holds(item, text)),
        Value::Object(members) => members.values().any(|member| value_holds(member, text)),
        Value::Null | Value::Bool(_) => false,
    }
}

fn word<T: FromStr>(name: &str, value: &str, choice: &str) -> Result<T, QueryError> {
    value
        .parse()
        .map_err(|_| QueryError::invalid(name, format!("must be {choice}")))
}

fn moment(name: &str, value: &str) -> Result<SystemTime, QueryError> {
    // A plus that was not escaped arrives as a space.
    time::parse(&value.replace(' ', "+")).ok_or_else(|| {
        QueryError::invalid(
            name,
            "must be a time like 2026-01-31T08:00:00Z or a day like 2026-01-31",
        )
    })
}
