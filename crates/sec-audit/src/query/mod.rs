//! Asking the trail.

mod cursor;
mod filter;
mod network;
mod page;
mod pairs;
#[cfg(test)]
mod tests;

use sec_core::Severity;
use serde::{Deserialize, Deserializer};

pub(crate) use self::cursor::CursorKey;
pub use self::filter::AuditFilter;
pub use self::page::Page;
pub(crate) use self::pairs::percent_decode;
pub(crate) use self::pairs::{Parameters, read, visit};
use crate::error::{QueryError, QueryErrorKind};

/// Entries in a page when the query does not say.
pub const DEFAULT_LIMIT: usize = 50;

/// The most entries that a page can have.
pub const MAX_LIMIT: usize = 500;

/// A filter, a page size and a place to go on from: one page of the trail, newest entries first.
///
/// | parameter | finds entries |
/// |---|---|
/// | `actor` | of exactly this actor |
/// | `action` | with exactly this action, or with this beginning when it ends in `*` (`authn_*`) |
/// | `severity` | of at least this severity: `low`, `medium`, `high`, `critical` |
/// | `outcome` | that ended so: `success`, `failure`, `pending` |
/// | `entity_kind`, `entity_id` | about this kind of thing, about this thing |
/// | `tenant`, `session`, `request_id` | of exactly this tenant, session, request |
/// | `client` | from this address, or from this network (`203.0.113.0/24`, `2001:db8::/64`) |
/// | `since`, `until` | from this moment on, before this moment: RFC 3339 in UTC, or a day |
/// | `text` | with this text in actor, action, entity, reason, path, agent or metadata; case does not matter |
/// | `limit` | at most so many, 1 to 500; 50 by default |
/// | `cursor` | after the page that handed out this cursor, with the same filter |
///
/// An empty value counts as absent, as HTML forms send it. An unknown name, a name given twice and a value
/// that cannot be read are errors that name the parameter.
///
/// ```
/// use sec_audit::AuditQuery;
///
/// let query = AuditQuery::parse("action=authn_*&severity=high&limit=20")?;
/// assert_eq!(query.limit(), 20);
/// let error = AuditQuery::parse("sverity=high").unwrap_err();
/// assert!(error.to_string().starts_with("sverity: there is no such parameter"));
/// # Ok::<(), sec_audit::QueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    filter: AuditFilter,
    limit: usize,
    cursor: Option<String>,
}

impl AuditQuery {
    /// The first page of what a filter finds.
    #[must_use]
    pub fn new(filter: AuditFilter) -> Self {
        Self {
            filter,
            limit: DEFAULT_LIMIT,
            cursor: None,
        }
    }

    /// Reads the part of a URI after the question mark (`uri.query().unwrap_or_default()`).
    ///
    /// # Errors
    /// For the first parameter that is wrong.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        read(query)
    }

    /// At most so many entries in the page; 50 by default.
    ///
    /// # Errors
    /// When it is 0 or above [`MAX_LIMIT`]: a caller who gets fewer than asked for would take it for the end.
    pub fn with_limit(mut self, limit: usize) -> Result<Self, QueryError> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(QueryError::invalid(
                "limit",
                format!("must be 1 to {MAX_LIMIT}"),
            ));
        }
        self.limit = limit;
        Ok(self)
    }

    /// Goes on where the page ended that handed out this cursor.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Confines the query to one tenant, for callers who may see no other. Call it with the tenant of the
    /// *principal*, never with one that the request names.
    ///
    /// # Errors
    /// [`QueryErrorKind::ForeignTenant`] when the query itself asks for another one.
    pub fn within_tenant(mut self, tenant: &str) -> Result<Self, QueryError> {
        self.filter = self.filter.within_tenant(tenant)?;
        Ok(self)
    }

    /// What it looks for.
    #[must_use]
    pub fn filter(&self) -> &AuditFilter {
        &self.filter
    }

    /// The page size.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Where it goes on.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self::new(AuditFilter::new())
    }
}

impl Parameters for AuditQuery {
    fn assign(&mut self, name: &str, value: &str) -> Result<bool, QueryError> {
        match name {
            "limit" => {
                let limit = value.parse().map_err(|_| {
                    QueryError::invalid("limit", format!("must be 1 to {MAX_LIMIT}"))
                })?;
                *self = std::mem::take(self).with_limit(limit)?;
                Ok(true)
            }
            "cursor" => {
                self.cursor = Some(value.to_owned());
                Ok(true)
            }
            _ => self.filter.assign(name, value),
        }
    }

    fn names() -> Vec<&'static str> {
        let mut names = AuditFilter::names();
        names.extend(["limit", "cursor"]);
        names
    }
}

/// Follows the same rules as [`AuditQuery::parse`], from any map of names to texts or numbers: axum's
/// `Query`, a JSON body, a configuration file.
impl<'de> Deserialize<'de> for AuditQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        visit(deserializer)
    }
}

/// The security events of A9: everything from medium severity upwards.
impl AuditFilter {
    /// Entries of at least medium severity: what somebody should look at.
    #[must_use]
    pub fn security_events() -> Self {
        Self::new().with_min_severity(Severity::Medium)
    }

    pub(crate) fn within_tenant(self, tenant: &str) -> Result<Self, QueryError> {
        match self.tenant() {
            Some(asked) if asked != tenant => Err(QueryError::new(
                QueryErrorKind::ForeignTenant,
                "tenant",
                "only the entries of the own tenant can be read",
            )),
            _ => Ok(self.with_tenant(tenant)),
        }
    }
}
