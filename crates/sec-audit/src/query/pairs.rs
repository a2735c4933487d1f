//! `name=value` pairs from a query string or from serde, under one set of rules.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{QueryError, QueryErrorKind};

/// Something that is filled from named parameters.
pub(crate) trait Parameters: Default {
    /// Takes one parameter over; false if there is none of this name. Never called with an empty value.
    fn assign(&mut self, name: &str, value: &str) -> Result<bool, QueryError>;

    /// The names that it knows.
    fn names() -> Vec<&'static str>;
}

/// Reads `application/x-www-form-urlencoded` text.
pub(crate) fn read<T: Parameters>(query: &str) -> Result<T, QueryError> {
    let mut filling = Filling::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = String::from_utf8_lossy(&percent_decode(name, true)).into_owned();
        let value = String::from_utf8(percent_decode(value, true))
            .map_err(|_| QueryError::invalid(&name, "is not UTF-8"))?;
        filling.set(&name, &value)?;
    }
    Ok(filling.parameters)
}

/// Reads any map that serde can offer.
pub(crate) fn visit<'de, T: Parameters, D: Deserializer<'de>>(source: D) -> Result<T, D::Error> {
    struct Pairs<T>(PhantomData<T>);

    impl<'de, T: Parameters> Visitor<'de> for Pairs<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of query parameters")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut filling = Filling::default();
            while let Some((name, value)) = map.next_entry::<String, Text>()? {
                filling.set(&name, &value.0).map_err(A::Error::custom)?;
            }
            Ok(filling.parameters)
        }
    }

    source.deserialize_map(Pairs(PhantomData))
}

#[derive(Default)]
struct Filling<T> {
    parameters: T,
    seen: Vec<String>,
}

impl<T: Parameters> Filling<T> {
    fn set(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        if !T::names().contains(&name) {
            let known = T::names().join(", ");
            let reason = format!("there is no such parameter; there are {known}");
            return Err(QueryError::new(
                QueryErrorKind::UnknownParameter,
                name,
                reason,
            ));
        }
        if self.seen.iter().any(|seen| seen == name) {
            return Err(QueryError::new(
                QueryErrorKind::Repeated,
                name,
                "is given twice",
            ));
        }
        self.seen.push(name.to_owned());
        if !value.is_empty() {
            self.parameters.assign(name, value)?;
        }
        Ok(())
    }
}

/// A value as text, also where the source has numbers.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
                Ok(Text(value.to_owned()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Text, E> {
                Ok(Text(String::new()))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// `%41` becomes `A`, and `+` a space where forms write it so. What is no valid escape stays as it is.
pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match byte {
            b'%' => match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                (Some(high), Some(low)) => {
                    out.push((high << 4) | low);
                    bytes = ahead;
                }
                _ => out.push(byte),
            },
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
