//! Why serde could not make a value out of a node, and where.

use std::{error::Error, fmt};

use serde::de::{self, Unexpected};

use super::segment::Segment;
use crate::near;

#[derive(Debug, Clone)]
pub(super) struct DeError {
    /// From the innermost segment outwards, as the error climbs.
    path: Vec<Segment>,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A value of another type. `bare` is the same sentence without the value.
    Type {
        full: String,
        bare: String,
    },
    /// A value of the right type that is not possible.
    Value {
        full: String,
        bare: String,
    },
    Unknown {
        field: String,
        expected: String,
    },
    Missing(&'static str),
    /// Nothing reads this key.
    Ignored,
    /// Words of a type's own; they may quote the value.
    Custom(String),
}

impl DeError {
    pub(super) fn new(what: What) -> Self {
        Self {
            path: Vec::new(),
            what,
        }
    }

    pub(super) fn inside(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    /// The path from the outermost segment inwards.
    pub(super) fn path(&self) -> Vec<Segment> {
        self.path.iter().rev().cloned().collect()
    }

    /// A type mismatch says little about a value whose type was guessed.
    pub(super) fn is_mismatch(&self) -> bool {
        matches!(self.what, What::Type { .. })
    }
}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Custom(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Type {
            full: format!("invalid type: {unexpected}, expected {expected}"),
            bare: format!("invalid type: {}, expected {expected}", kind(unexpected)),
        })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Value {
            full: format!("invalid value: {unexpected}, expected {expected}"),
            bare: format!("invalid value: {}, expected {expected}", kind(unexpected)),
        })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let expected = one_of(expected);
        Self::new(What::Value {
            full: format!("unknown value `{variant}`{expected}"),
            bare: format!("unknown value{expected}"),
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Unknown {
            field: field.to_owned(),
            expected: hint(field, expected, "expected one of"),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Custom(format!(
            "`{field}` is given twice, under two names"
        )))
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Type { full, .. } | What::Value { full, .. } => f.write_str(full),
            What::Unknown { expected, .. } => write!(f, "unknown key{expected}"),
            What::Missing(_) => f.write_str("is missing"),
            What::Ignored => f.write_str("unknown key"),
            What::Custom(message) => f.write_str(message),
        }
    }
}

impl Error for DeError {}

/// What a misspelt name probably means, and then all that is known.
pub(super) fn hint(name: &str, known: &[&str], words: &str) -> String {
    let list = |words: &str| format!("{words} `{}`", known.join("`, `"));
    match (near::meant(name, known), known) {
        (_, []) => ", none is expected here".to_owned(),
        (Some(one), [_]) => format!(", did you mean `{one}`?"),
        (Some(one), _) => format!(", did you mean `{one}`? {}", list("Known are")),
        (None, [one]) if words.starts_with("expected") => format!(", expected `{one}`"),
        (None, _) => format!(", {}", list(words)),
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => ", none is expected here".to_owned(),
        [one] => format!(", expected `{one}`"),
        many => format!(", expected one of `{}`", many.join("`, `")),
    }
}

fn kind(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "floating point number",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        _ => "value",
    }
}
