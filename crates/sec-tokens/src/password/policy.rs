//! What a new password must be.

use std::fmt;

use super::{
    common,
    error::{PasswordConfigError, PasswordConfigErrorKind},
};

/// Names shorter than this may occur inside a password: "al" is in too many words.
const SHORTEST_NAME: usize = 4;

/// Length first, then what everybody tries first; no composition rules (NIST SP 800-63B-4 §3.1.1.2
/// forbids them, ASVS 6.2.5 too).
///
/// The default asks for 8 to 100 code points. NIST wants 15 where the password is the only factor.
///
/// ```
/// use sec_tokens::{PasswordFault, PasswordPolicy};
///
/// let policy = PasswordPolicy::default();
/// assert!(policy.check("correct horse battery", &["alice"]).is_ok());
/// let faults = policy.check("alice99", &["alice"]).unwrap_err();
/// assert_eq!(faults.iter().map(|fault| fault.code()).collect::<Vec<_>>(), ["too_short", "contains_name"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordPolicy {
    min: usize,
    max: usize,
    common: bool,
}

impl PasswordPolicy {
    /// Bounds in code points, each inclusive.
    ///
    /// # Errors
    ///
    /// When not `1 <= min <= max <= 256` (256 code points always fit the 1024 bytes that are hashed).
    pub fn new(min: usize, max: usize) -> Result<Self, PasswordConfigError> {
        if min >= 1 && min <= max && max <= 256 {
            Ok(Self {
                min,
                max,
                common: true,
            })
        } else {
            Err(PasswordConfigErrorKind::PolicyBounds.into())
        }
    }

    /// Whether the list of the about hundred most common passwords is consulted (default: yes). It
    /// is short on purpose; a host with a longer list checks that as well.
    #[must_use]
    pub fn refuse_common(mut self, refuse: bool) -> Self {
        self.common = refuse;
        self
    }

    /// Checks a password; `names` are what must not be in it, such as the user name and the part of
    /// the mail address before the `@`. Case is ignored.
    ///
    /// # Errors
    ///
    /// All faults at once, so that one form shows them all.
    pub fn check(&self, password: &str, names: &[&str]) -> Result<(), PasswordFaults> {
        let mut faults = Vec::new();
        let length = password.chars().count();
        if length < self.min {
            faults.push(PasswordFault::TooShort { min: self.min });
        }
        if length > self.max {
            // Nothing else is looked for in what may be megabytes.
            return Err(PasswordFaults(vec![PasswordFault::TooLong {
                max: self.max,
            }]));
        }
        let folded = password.to_lowercase();
        if self.common && common::contains(&folded) {
            faults.push(PasswordFault::Common);
        }
        if names.iter().any(|name| names_match(&folded, name)) {
            faults.push(PasswordFault::ContainsName);
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(PasswordFaults(faults))
        }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min: 8,
            max: 100,
            common: true,
        }
    }
}

/// One reason to refuse a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordFault {
    /// Fewer code points than asked.
    TooShort {
        /// How many are asked.
        min: usize,
    },
    /// More code points than allowed.
    TooLong {
        /// How many are allowed.
        max: usize,
    },
    /// Among the most common passwords.
    Common,
    /// Equals or contains one of the names.
    ContainsName,
}

impl PasswordFault {
    /// A code that stays the same, for programs and translations.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Common => "common",
            Self::ContainsName => "contains_name",
        }
    }
}

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min } => write!(f, "must have at least {min} characters"),
            Self::TooLong { max } => write!(f, "must have at most {max} characters"),
            Self::Common => f.write_str("is one of the passwords that are tried first"),
            Self::ContainsName => f.write_str("must not contain the user name"),
        }
    }
}

/// Every reason to refuse a password; never the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordFaults(Vec<PasswordFault>);

impl PasswordFaults {
    /// The faults, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = &PasswordFault> {
        self.0.iter()
    }
}

impl fmt::Display for PasswordFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PasswordFaults {}

fn names_match(folded: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    !name.is_empty()
        && (folded == name || (name.chars().count() >= SHORTEST_NAME && folded.contains(&name)))
}
