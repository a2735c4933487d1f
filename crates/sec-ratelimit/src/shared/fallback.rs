//! How a configuration file says who decides without the store.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::config::FallbackConfig;

impl<'de> Deserialize<'de> for FallbackConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

struct Words;

/// By hand, since `"local"` alone and a misspelt `local` deserve better words than those for an enum.
impl<'de> Visitor<'de> for Words {
    type Value = FallbackConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""open", "closed" or { local = 3 }"#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FallbackConfig, E> {
        match text {
            "open" => Ok(FallbackConfig::Open),
            "closed" => Ok(FallbackConfig::Closed),
            "local" => Err(E::custom(
                "local needs the number of processes: { local = 3 }",
            )),
            _ => Err(E::custom(
                r#"unknown: expected "open", "closed" or { local = 3 }, where 3 is the number of processes"#,
            )),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FallbackConfig, A::Error> {
        let mut nodes = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "local" {
                // As words about the whole: taken out alone, it would leave a table that says nothing.
                let words = format_args!("unknown key `{key}`: expected {{ local = 3 }}");
                return Err(A::Error::custom(words));
            }
            nodes = Some(map.next_value()?);
        }
        match nodes {
            Some(nodes) => Ok(FallbackConfig::Local(nodes)),
            None => Err(A::Error::missing_field("local")),
        }
    }
}
