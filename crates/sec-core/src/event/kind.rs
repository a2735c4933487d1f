//! What can happen, in the words of the OWASP Application Logging Vocabulary where it has one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The kind of an event: a name, and the severity and outcome it has unless told otherwise.
///
/// Two kinds are equal when their names are.
#[derive(Debug, Clone)]
pub struct EventKind {
    name: Cow<'static, str>,
    severity: Severity,
    outcome: Outcome,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Part of the normal course.
    Low,
    /// Worth counting.
    Medium,
    /// Worth looking at today.
    High,
    /// Worth waking somebody.
    Critical,
}

/// How what the event tells of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused, or it failed.
    Failure,
    /// It has begun; another event tells how it ended.
    Pending,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $severity:ident, $outcome:ident;)*) => {
        impl EventKind {
            $($(#[$doc])* pub const $constant: Self = Self::known($name, Severity::$severity, Outcome::$outcome);)*

            /// Every kind that the family itself emits.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
}

kinds! {
    /// A log-in succeeded.
    LOGIN_SUCCESS = "authn_login_success", Low, Success;
    /// A log-in failed.
    LOGIN_FAILURE = "authn_login_fail", Medium, Failure;
    /// A log-in was refused, or more was demanded, because too many failed before.
    LOGIN_LOCKED = "authn_login_lock", High, Failure;
    /// A log-out.
    LOGOUT = "authn_logout", Low, Success;
    /// A password was changed.
    PASSWORD_CHANGED = "authn_password_change", Medium, Success;
    /// Credentials were issued.
    TOKEN_CREATED = "authn_token_created", Low, Success;
    /// A refresh token was rotated.
    TOKEN_REFRESHED = "authn_token_refreshed", Low, Success;
    /// Credentials were revoked.
    TOKEN_REVOKED = "authn_token_revoked", Medium, Success;
    /// A refresh token that had been used up was presented again: theft is likely.
    TOKEN_REUSED = "authn_token_reuse", Critical, Failure;
    /// Credentials were presented and not accepted.
    TOKEN_REJECTED = "authn_token_rejected", Medium, Failure;
    /// An account was made.
    USER_CREATED = "user_created", Low, Success;
    /// A known caller may not do this.
    ACCESS_DENIED = "authz_fail", High, Failure;
    /// Roles or permissions were changed.
    ACCESS_CHANGED = "authz_change", High, Success;
    /// A quota was exceeded.
    RATE_LIMITED = "excess_rate_limit_exceeded", Medium, Failure;
    /// A caller who is blocked was refused.
    BLOCKED = "excess_block", Medium, Failure;
    /// A caller was blocked for a time, after repeated refusals or by hand.
    BLOCK_STARTED = "excess_block_started", High, Success;
    /// A block came to its end, or was lifted.
    BLOCK_ENDED = "excess_block_ended", Low, Success;
    /// A route is asked for far more often than it used to be.
    SPIKE_STARTED = "excess_spike_started", High, Pending;
    /// A route is asked for as often as usual again, or what it is asked for has become usual.
    SPIKE_ENDED = "excess_spike_ended", Low, Success;
    /// A browser sent a request on behalf of another origin.
    CSRF_REFUSED = "malicious_csrf", High, Failure;
    /// An origin that is not listed asked to read.
    CORS_REFUSED = "malicious_cors", Medium, Failure;
    /// A request named a host that is not served here.
    HOST_REFUSED = "malicious_host", Medium, Failure;
    /// A browser reported that a page broke its Content-Security-Policy.
    CSP_VIOLATION = "csp_violation", Medium, Failure;
    /// A browser sent a report of another kind.
    BROWSER_REPORT = "browser_report", Low, Failure;
    /// Input was refused.
    INPUT_REJECTED = "input_validation_fail", Medium, Failure;
    /// A record was created.
    RESOURCE_CREATED = "sensitive_create", Low, Success;
    /// A record was read.
    RESOURCE_READ = "sensitive_read", Low, Success;
    /// A record was changed.
    RESOURCE_UPDATED = "sensitive_update", Low, Success;
    /// A record was deleted.
    RESOURCE_DELETED = "sensitive_delete", Medium, Success;
    /// Data left the service in bulk.
    DATA_EXPORTED = "data_export", High, Success;
    /// Something that no single rule covers.
    SUSPICIOUS = "malicious_suspicious", High, Failure;
    /// The code behind a request panicked.
    PANIC = "sys_crash", Critical, Failure;
    /// The code behind a request failed.
    ERROR = "sys_error", High, Failure;
    /// The service started.
    STARTED = "sys_startup", Low, Success;
    /// The service is stopping.
    STOPPING = "sys_shutdown", Low, Success;
    /// A request was answered.
    REQUEST = "request", Low, Success;
}

impl EventKind {
    const fn known(name: &'static str, severity: Severity, outcome: Outcome) -> Self {
        Self {
            name: Cow::Borrowed(name),
            severity,
            outcome,
        }
    }

    /// A kind of the host's own.
    ///
    /// # Errors
    /// When the name is not 1 to 64 characters of `a-z`, `0-9` and `_` that begin with a letter.
    pub fn custom(
        name: impl Into<Cow<'static, str>>,
        severity: Severity,
        outcome: Outcome,
    ) -> Result<Self, EventKindError> {
        let name = name.into();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if name.len() > 64 || !starts_well || !name.bytes().all(allowed) {
            return Err(EventKindError {
                name: name.into_owned(),
            });
        }
        Ok(Self {
            name,
            severity,
            outcome,
        })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The severity unless the event says otherwise.
    #[must_use]
    pub const fn default_severity(&self) -> Severity {
        self.severity
    }

    /// The outcome unless the event says otherwise.
    #[must_use]
    pub const fn default_outcome(&self) -> Outcome {
        self.outcome
    }
}

/// The name given to [`EventKind::custom`] cannot be one.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "event kind {name:?}: 1 to 64 characters of a-z, 0-9 and _, beginning with a letter, are allowed"
)]
pub struct EventKindError {
    name: String,
}

/// The same words: an error that ends `main` is shown in this form.
impl std::fmt::Debug for EventKindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl PartialEq for EventKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for EventKind {}

impl std::hash::Hash for EventKind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl Severity {
    /// The name in entries and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Outcome {
    /// The name in entries and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Pending => "pending",
        }
    }
}

/// A severity or outcome that does not exist.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of {expected}")]
pub struct UnknownName {
    given: String,
    expected: &'static str,
}

/// The same words: an error that ends `main` is shown in this form.
impl std::fmt::Debug for UnknownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl FromStr for Severity {
    type Err = UnknownName;

    fn from_str(given: &str) -> Result<Self, UnknownName> {
        [Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == given)
            .ok_or_else(|| UnknownName {
                given: given.to_owned(),
                expected: "low, medium, high, critical",
            })
    }
}

impl FromStr for Outcome {
    type Err = UnknownName;

    fn from_str(given: &str) -> Result<Self, UnknownName> {
        [Self::Success, Self::Failure, Self::Pending]
            .into_iter()
            .find(|outcome| outcome.as_str() == given)
            .ok_or_else(|| UnknownName {
                given: given.to_owned(),
                expected: "success, failure, pending",
            })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_well_formed() {
        let mut seen = std::collections::HashSet::new();
        for kind in EventKind::ALL {
            assert!(seen.insert(kind.as_str()), "{kind} twice");
            EventKind::custom(kind.as_str().to_owned(), Severity::Low, Outcome::Success).unwrap();
        }
    }

    #[test]
    fn a_custom_name_cannot_forge_a_line() {
        for bad in ["", "Billing", "a b", "a\nb", "1a", "_a", &"a".repeat(65)] {
            assert!(
                EventKind::custom(bad.to_owned(), Severity::Low, Outcome::Success).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn severities_are_ordered_and_named() {
        assert!(Severity::Critical > Severity::High);
        assert_eq!("medium".parse(), Ok(Severity::Medium));
        assert!("Medium".parse::<Severity>().is_err());
        assert_eq!("pending".parse(), Ok(Outcome::Pending));
    }
}
