//! The error of the deserialiser: a place, and a code instead of a message.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::document::Node;
use crate::rules::RuleError;

/// What a `Deserialize` implementation objected to.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The way from the root, innermost segment first; gathered while the error travels out.
    pub(crate) path: Vec<String>,
    /// The address of the innermost node around the fault.
    pub(crate) node: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum FaultKind {
    Missing(&'static str),
    Unknown(String),
    Value {
        code: &'static str,
        detail: Option<&'static str>,
    },
}

/// Which node, by its address. The tree does not move while it is read.
pub(crate) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Fault {
    fn value(code: &'static str, detail: Option<&'static str>) -> Self {
        FaultKind::Value { code, detail }.into()
    }

    /// Called by each level that the error leaves.
    pub(crate) fn leaving(mut self, node: &Node, segment: Option<String>) -> Self {
        self.node.get_or_insert_with(|| address(node));
        self.path.extend(segment);
        self
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self {
            kind,
            path: Vec::new(),
            node: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FaultKind::Missing(_) => "required",
            FaultKind::Unknown(_) => "unknown",
            FaultKind::Value { code, .. } => code,
        })
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    /// The message may hold the value and Rust names: only the family's own rules are recognised, by
    /// the whole of their constant text.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match RuleError::ALL
            .iter()
            .find(|rule| rule.to_string() == message)
        {
            Some(rule) => Self::value(rule.code(), Some(rule.detail())),
            None => Self::value("invalid", None),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value("type", wanted(expected))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let code = if is_integer(&expected.to_string()) {
            "range"
        } else {
            "invalid"
        };
        Self::value(code, None)
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::value("length", None)
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::value("choice", Some("Not one of the values that are known here."))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        FaultKind::Unknown(field.to_owned()).into()
    }

    fn missing_field(field: &'static str) -> Self {
        FaultKind::Missing(field).into()
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::value("duplicate", None)
    }
}

/// serde names the expected type in its own words or, for structs, in Rust's: only known words are translated.
fn wanted(expected: &dyn Expected) -> Option<&'static str> {
    let expected = expected.to_string();
    Some(match expected.as_str() {
        "a string" | "a character" | "string" => "A string is needed.",
        "a boolean" => "true or false is needed.",
        "f32" | "f64" => "A number is needed.",
        "a sequence" => "A list is needed.",
        "a map" => "An object is needed.",
        integer if is_integer(integer) => "A whole number is needed.",
        other if other.starts_with("struct ") => "An object is needed.",
        _ => return None,
    })
}

fn is_integer(name: &str) -> bool {
    matches!(
        name,
        "u8" | "u16"
            | "u32"
            | "u64"
            | "u128"
            | "usize"
            | "i8"
            | "i16"
            | "i32"
            | "i64"
            | "i128"
            | "isize"
    ) || name.starts_with("a nonzero ")
}
