//! What can happen that `sec-core` has no word for.

use std::fmt;

use sec_core::{EventKind, Outcome, Severity};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $severity:ident, $outcome:ident;)*) => {
        /// Actions beyond those of [`EventKind`], which has the words for what the crates of the family report
        /// (log-ins, tokens, records, refusals). Both go wherever `impl Into<EventKind>` is taken; a
        /// host adds its own with [`EventKind::custom`].
        ///
        /// Names follow the OWASP Application Logging Vocabulary where it has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in entries and filters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The severity unless the entry says otherwise.
            #[must_use]
            pub const fn default_severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// The outcome unless the entry says otherwise.
            #[must_use]
            pub const fn default_outcome(self) -> Outcome {
                match self {
                    $(Self::$variant => Outcome::$outcome,)*
                }
            }
        }
    };
}

actions! {
    /// Somebody asked to have a password reset.
    PasswordResetRequested = "authn_password_reset_request", Medium, Pending;
    /// A password was reset.
    PasswordReset = "authn_password_reset", High, Success;
    /// A second factor was switched on.
    SecondFactorEnabled = "authn_2fa_enable", Medium, Success;
    /// A second factor was switched off.
    SecondFactorDisabled = "authn_2fa_disable", High, Success;
    /// A session ended by itself.
    SessionExpired = "session_expired", Low, Success;
    /// A record was hidden, and can be brought back.
    SoftDeleted = "sensitive_soft_delete", Medium, Success;
    /// A hidden record was brought back.
    Restored = "sensitive_restore", Low, Success;
    /// A role was given or taken.
    RoleChanged = "user_role_change", High, Success;
    /// A permission was given.
    PermissionGranted = "authz_grant", High, Success;
    /// A permission was taken.
    PermissionRevoked = "authz_revoke", High, Success;
    /// Data came into the service in bulk.
    DataImported = "data_import", High, Success;
    /// Many records were changed at once.
    BulkUpdated = "data_bulk_update", High, Success;
    /// Many records were deleted at once.
    BulkDeleted = "data_bulk_delete", High, Success;
    /// A budget was approved.
    BudgetApproved = "finance_budget_approve", High, Success;
    /// A budget was rejected.
    BudgetRejected = "finance_budget_reject", Medium, Success;
    /// A transaction was approved.
    TransactionApproved = "finance_transaction_approve", High, Success;
    /// A transaction was rejected.
    TransactionRejected = "finance_transaction_reject", Medium, Success;
    /// An expense was approved.
    ExpenseApproved = "finance_expense_approve", High, Success;
    /// An expense was rejected.
    ExpenseRejected = "finance_expense_reject", Medium, Success;
    /// A setting was changed.
    SettingsChanged = "config_settings_change", High, Success;
    /// An API key was made.
    ApiKeyCreated = "config_api_key_create", High, Success;
    /// An API key was deleted.
    ApiKeyDeleted = "config_api_key_delete", High, Success;
    /// A connection to another service was added, changed or removed.
    IntegrationChanged = "config_integration_change", High, Success;
    /// Somebody searched the service for weak spots.
    ScanDetected = "malicious_scan", High, Failure;
    /// The trail itself lost entries; see [`MemoryStore`](crate::MemoryStore).
    AuditGap = "audit_gap", Medium, Failure;
}

impl From<Action> for EventKind {
    fn from(action: Action) -> Self {
        // Never falls back: a test makes every one of them.
        Self::custom(
            action.as_str(),
            action.default_severity(),
            action.default_outcome(),
        )
        .unwrap_or(Self::SUSPICIOUS)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_is_a_kind_of_its_own() {
        let mut names: HashSet<String> = EventKind::ALL
            .iter()
            .map(|kind| kind.as_str().to_owned())
            .collect();
        for action in Action::ALL {
            let kind = EventKind::from(*action);
            assert_eq!(kind.as_str(), action.as_str());
            assert_eq!(kind.default_severity(), action.default_severity());
            assert_eq!(kind.default_outcome(), action.default_outcome());
            assert!(names.insert(kind.as_str().to_owned()), "{action} twice");
        }
    }
}
