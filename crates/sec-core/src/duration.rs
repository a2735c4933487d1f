//! Durations as people write them: `"15m"`, `"1h30m"`, `"500ms"`, or a plain number of seconds.
//!
//! ```
//! use std::time::Duration;
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Session {
//!     #[serde(with = "sec_core::duration")]
//!     idle: Duration,
//!     #[serde(with = "sec_core::duration::option", default)]
//!     absolute: Option<Duration>,
//! }
//!
//! let session: Session = serde_json::from_str(r#"{"idle": "1h30m", "absolute": 90}"#)?;
//! assert_eq!(session.idle, Duration::from_secs(5400));
//! assert_eq!(session.absolute, Some(Duration::from_secs(90)));
//! assert_eq!(serde_json::to_string(&session)?, r#"{"idle":"1h30m","absolute":"1m30s"}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::{error::Error, fmt, time::Duration};

use serde::{Deserializer, Serializer, de};

#[cfg(test)]
mod tests;

/// The units, largest first, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads `"15m"`, `"1h30m"` or `"500ms"`.
///
/// Units are `w`, `d`, `h`, `m`, `s`, `ms`, `us` and `ns`; the larger one comes first and each comes
/// once. Minutes are `m`, never months.
///
/// # Errors
///
/// A text that is empty, has a number without unit, an unknown unit, units in the wrong order, a sign
/// or a fraction, or is longer than [`Duration::MAX`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total: u128 = 0;
    let mut smallest = u128::MAX;
    while !rest.is_empty() {
        let (digits, tail) = split_where(rest, |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(DurationError::NoNumber(rest.into()));
        }
        let (unit, tail) = split_where(tail, |c| c.is_ascii_digit());
        if unit.is_empty() {
            return Err(DurationError::NoUnit(digits.into()));
        }
        let Some(&(_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit(unit.into()));
        };
        if nanos >= smallest {
            return Err(DurationError::Order(unit.into()));
        }
        smallest = nanos;
        total = digits
            .parse::<u128>()
            .ok()
            .and_then(|number| number.checked_mul(nanos))
            .and_then(|part| total.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    from_nanos(total).ok_or(DurationError::TooLong)
}

/// Shows a duration in the form that [`parse`] reads, without loss: `1h30m`, `1d`, `0s`.
#[must_use]
pub fn display(duration: Duration) -> impl fmt::Display {
    Human(duration)
}

/// Serialises a duration as [`display`] shows it; the other half of `#[serde(with = "sec_core::duration")]`.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Human(*duration))
}

/// Deserialises a text as [`parse`] reads it, or an integer as seconds.
///
/// # Errors
///
/// Those of [`parse`], and a negative number or another type.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Visitor)
}

/// The same for an `Option<Duration>`: `#[serde(with = "sec_core::duration::option", default)]`.
pub mod option {
    use super::{Deserializer, Duration, Human, Serializer, Visitor, de, fmt};

    /// Serialises the duration, or nothing.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&Human(*duration).to_string()),
            None => serializer.serialize_none(),
        }
    }

    /// Deserialises a duration that may be absent.
    ///
    /// # Errors
    ///
    /// Those of [`deserialize`](super::deserialize).
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        struct Optional;
        impl<'de> de::Visitor<'de> for Optional {
            type Value = Option<Duration>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                de::Visitor::expecting(&Visitor, f)
            }

            fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                super::deserialize(inner).map(Some)
            }
        }
        deserializer.deserialize_option(Optional)
    }
}

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurationError {
    /// The text is empty.
    Empty,
    /// A number was expected here: a sign, a fraction, a blank or a unit without number.
    NoNumber(Box<str>),
    /// A number without unit.
    NoUnit(Box<str>),
    /// No unit has this name.
    UnknownUnit(Box<str>),
    /// This unit stands behind a smaller one or comes twice.
    Order(Box<str>),
    /// More than [`Duration::MAX`], about 585 billion years.
    TooLong,
}

/// The same words: an error that ends `main` is shown in this form.
impl std::fmt::Debug for DurationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a duration is missing, such as \"15m\" or \"1h30m\""),
            Self::NoNumber(at) => write!(f, "a whole number is expected at {at:?}"),
            Self::NoUnit(number) => {
                write!(f, "{number:?} needs a unit: w, d, h, m, s, ms, us or ns")
            }
            Self::UnknownUnit(unit) => {
                write!(f, "{unit:?} is no unit: use w, d, h, m, s, ms, us or ns")
            }
            Self::Order(unit) => {
                write!(
                    f,
                    "unit {unit:?} must stand before the smaller ones, and only once"
                )
            }
            Self::TooLong => f.write_str("the duration is too long"),
        }
    }
}

impl Error for DurationError {}

struct Human(Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        // Weeks are read but not written: "14d" is what people say.
        for (name, nanos) in UNITS.iter().skip(1) {
            let count = rest.checked_div(*nanos).unwrap_or(0);
            if count > 0 {
                write!(f, "{count}{name}")?;
            }
            rest = rest.checked_rem(*nanos).unwrap_or(0);
        }
        Ok(())
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"15m\" or a whole number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
    }
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let second = UNITS
        .iter()
        .find(|(name, _)| *name == "s")
        .map(|(_, nanos)| *nanos)?;
    let seconds = u64::try_from(nanos.checked_div(second)?).ok()?;
    let rest = u32::try_from(nanos.checked_rem(second)?).ok()?;
    Some(Duration::new(seconds, rest))
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}
