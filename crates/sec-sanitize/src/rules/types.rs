//! The rules as types: what has the type has passed the rule.

use std::fmt;
use std::str::FromStr;

use sec_core::Secret;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{RuleError, email, password_length, slug, username};

/// Reads a newtype struct of the given name around a string, so that the reader of [`json`](crate::json) knows which
/// rule stands there.
struct Named<T>(std::marker::PhantomData<T>);

impl<'de, T: FromStr<Err = RuleError>> Visitor<'de> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

macro_rules! rule_type {
    ($(#[$doc:meta])* $name:ident, $token:literal, $rule:ident, $error:ident, $normal:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The normalised text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The normalised text, as a `String`.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0.into()
            }
        }

        impl FromStr for $name {
            type Err = RuleError;

            /// Normalises, then checks.
            fn from_str(text: &str) -> Result<Self, RuleError> {
                let normal: fn(&str) -> String = $normal;
                let text = normal(text);
                $rule(&text).map_err(|_| RuleError::$error)?;
                Ok(Self(text.into()))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct($token, Named(std::marker::PhantomData))
            }
        }
    };
}

rule_type! {
    /// A user name: trimmed, then [`username`](super::username()). Case is kept; compare by
    /// [`to_ascii_lowercase`](str::to_ascii_lowercase) where `Ann` and `ann` must not be two people.
    Username, "sec_sanitize::Username", username, Username, |text| text.trim().to_owned()
}

rule_type! {
    /// An e-mail address: trimmed and lower-cased, then [`email`](super::email()).
    ///
    /// The local part is lower-cased too. RFC 5321, section 2.4, lets hosts tell `Ann@` from `ann@`; none of note does, and
    /// two accounts for one mailbox are the greater risk.
    EmailAddress, "sec_sanitize::EmailAddress", email, Email,
    |text| text.trim().to_ascii_lowercase()
}

rule_type! {
    /// A name in a URL: trimmed, then [`slug`](super::slug()). Upper case is refused, not folded.
    Slug, "sec_sanitize::Slug", slug, Slug, |text| text.trim().to_owned()
}

const NEW_PASSWORD: &str = "sec_sanitize::NewPassword";

/// A password that is being chosen: [`password_length`](super::password_length()), neither trimmed nor normalised.
///
/// Shows nothing in `Debug`, and is wiped when dropped. For a log-in take `sec_core::SecretString`: a password
/// from before the rule must still be let in.
#[derive(Clone)]
pub struct NewPassword(Secret<String>);

impl NewPassword {
    /// The password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The password as the family's secret type.
    #[must_use]
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword([redacted])")
    }
}

impl FromStr for NewPassword {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        password_length(text).map_err(|_| RuleError::PasswordLength)?;
        Ok(Self(Secret::new(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NEW_PASSWORD, Named(std::marker::PhantomData))
    }
}

/// A text which the type of this name accepts.
pub(crate) fn stand_in(name: &str) -> Option<&'static str> {
    match name {
        "sec_sanitize::Username" => Some("user"),
        "sec_sanitize::EmailAddress" => Some("a@example.org"),
        "sec_sanitize::Slug" => Some("a"),
        NEW_PASSWORD => Some("password"),
        _ => None,
    }
}
