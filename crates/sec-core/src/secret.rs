//! Values that must not show (T11).

use std::fmt;

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A value that is wiped when dropped and that neither `Debug` nor a log line can show.
///
/// There is no `Display`, no `Serialize` and no `Deref`: every use goes through
/// [`expose`](Secret::expose), which is easy to find in a review. `Clone` exists because a secret often
/// has to reach two layers; each copy is wiped on its own.
///
/// ```
/// use sec_core::Secret;
/// let pepper = Secret::new(String::from("correct horse"));
/// assert_eq!(format!("{pepper:?}"), "Secret([redacted])");
/// assert_eq!(pepper.expose(), "correct horse");
/// ```
pub struct Secret<T: Zeroize>(T);

/// A secret text, such as a password on its way from a form to the hash function.
pub type SecretString = Secret<String>;

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Compares two byte strings in a time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Form {
        password: SecretString,
    }

    #[test]
    fn debug_of_an_enclosing_struct_shows_nothing() {
        let form: Form = serde_json::from_str(r#"{"password":"hunter2"}"#).unwrap();
        assert_eq!(form.password.expose(), "hunter2");
        assert!(!format!("{form:?}").contains("hunter2"));
    }

    #[test]
    fn constant_time_equality_is_equality() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd"));
        assert!(!constant_time_eq(b"abc", b"ab"));
    }
}
