//! Ready rules for what nearly every service asks for.
//!
//! Each comes in two shapes. A **type** ([`Username`], [`EmailAddress`], [`NewPassword`], [`Slug`]) normalises and checks
//! while it is read, so that nothing else can be in it; a **function** ([`username`], [`email`], [`password_length`], [`slug`])
//! checks a string as it stands, for `#[validate(custom(function = ...))]`.
//!
//! ```
//! use sec_sanitize::rules;
//!
//! #[derive(serde::Deserialize, validator::Validate)]
//! struct SignUp {
//!     username: rules::Username,      // "  Ann_1 " is read as "Ann_1"
//!     email: rules::EmailAddress,     // " Ann@Example.ORG" is read as "ann@example.org"
//!     password: rules::NewPassword,
//!     #[serde(deserialize_with = "rules::trimmed")]
//!     #[validate(custom(function = "rules::slug"))]
//!     page: String,
//! }
//! ```
//!
//! Unicode: names, addresses and slugs are ASCII, so that look-alike letters and several spellings of one text cannot
//! occur and no normalisation form is needed; other letters are refused, never folded. Passwords are taken as
//! they are, down to the code point.

mod types;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use validator::ValidationError;

pub(crate) use types::stand_in;
pub use types::{EmailAddress, NewPassword, Slug, Username};

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// See [`username`].
    Username,
    /// See [`email`].
    Email,
    /// See [`password_length`].
    PasswordLength,
    /// See [`slug`].
    Slug,
}

impl RuleError {
    pub(crate) const ALL: [Self; 4] = [
        Self::Username,
        Self::Email,
        Self::PasswordLength,
        Self::Slug,
    ];

    /// The code in answers: `username`, `email`, `password_length`, `slug`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::PasswordLength => "password_length",
            Self::Slug => "slug",
        }
    }

    /// What would be right.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Username => "From 3 to 50 letters a-z, digits, `_` and `-`.",
            Self::Email => "An address such as name@example.org, at most 100 characters.",
            Self::PasswordLength => "From 8 to 100 characters.",
            Self::Slug => {
                "From 1 to 100 lower-case letters a-z and digits, in parts joined by `-`."
            }
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail())
    }
}

impl std::error::Error for RuleError {}

impl From<RuleError> for ValidationError {
    fn from(error: RuleError) -> Self {
        ValidationError::new(error.code()).with_message(Cow::Borrowed(error.detail()))
    }
}

/// 3 to 50 ASCII letters, digits, `_` and `-`.
///
/// # Errors
/// Code `username`.
pub fn username(text: &str) -> Result<(), ValidationError> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    hold(
        (3..=50).contains(&text.len()) && text.bytes().all(fine),
        RuleError::Username,
    )
}

/// An e-mail address of at most 100 characters that can receive mail from the internet.
///
/// Stricter than `validator`'s: the domain needs a dot and a last label that is not a number, dots in the local part
/// neither lead, trail nor repeat, and there are neither IP literals nor letters beyond ASCII (an
/// internationalised domain is given in its `xn--` form).
///
/// # Errors
/// Code `email`.
pub fn email(text: &str) -> Result<(), ValidationError> {
    hold(is_email(text), RuleError::Email)
}

/// 8 to 100 code points. No rules on kinds of characters (NIST SP 800-63B, section 3.1.1.2); strength is judged apart.
///
/// # Errors
/// Code `password_length`.
pub fn password_length(text: &str) -> Result<(), ValidationError> {
    hold(
        (8..=100).contains(&text.chars().take(101).count()),
        RuleError::PasswordLength,
    )
}

/// 1 to 100 lower-case ASCII letters and digits in parts joined by single `-`.
///
/// # Errors
/// Code `slug`.
pub fn slug(text: &str) -> Result<(), ValidationError> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    hold(
        text.len() <= 100 && text.split('-').all(part),
        RuleError::Slug,
    )
}

/// For `#[serde(deserialize_with = ...)]`: a string without white space at its ends.
///
/// # Errors
/// When the value is not a string.
pub fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let trimmed = text.trim();
    Ok(if trimmed.len() == text.len() {
        text
    } else {
        trimmed.to_owned()
    })
}

fn hold(fine: bool, rule: RuleError) -> Result<(), ValidationError> {
    if fine { Ok(()) } else { Err(rule.into()) }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 100
        && local.len() <= 64
        && local.split('.').all(atom)
        && domain.split('.').all(label)
        && domain
            .rsplit_once('.')
            .is_some_and(|(_, last)| last.len() >= 2 && !last.bytes().all(|b| b.is_ascii_digit()))
}
