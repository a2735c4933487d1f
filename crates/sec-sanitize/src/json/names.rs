//! From validator's errors, which have Rust names and hold the rejected values, to ours, which have neither.

use std::borrow::Cow;

use serde_json::Value;
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use super::de::Shapes;
use super::document::Node;
use super::error::{FieldError, push_segment};
use super::fault::address;

/// validator's name for errors of a whole struct.
const WHOLE: &str = "__all__";
const WHOLE_DETAIL: &str = "The fields do not fit together.";

/// Lists all errors with their pointers.
pub(crate) fn flatten(
    errors: &ValidationErrors,
    root: &Node,
    shapes: &Shapes,
    found: &mut Vec<FieldError>,
) {
    Walk { shapes, found }.object(errors, Some(root), "");
}

/// Whether the error is one of a whole struct.
pub(crate) fn is_whole(error: &FieldError) -> bool {
    error.detail.as_deref() == Some(WHOLE_DETAIL)
}

struct Walk<'a> {
    shapes: &'a Shapes,
    found: &'a mut Vec<FieldError>,
}

impl Walk<'_> {
    fn object(&mut self, errors: &ValidationErrors, node: Option<&Node>, pointer: &str) {
        for (rust_name, kind) in errors.errors() {
            if rust_name == WHOLE {
                if let ValidationErrorsKind::Field(errors) = kind {
                    for error in errors {
                        let own = FieldError::new(pointer.to_owned(), error.code.clone());
                        self.found.push(own.with_detail(WHOLE_DETAIL));
                    }
                }
                continue;
            }
            let value = match kind {
                ValidationErrorsKind::Field(errors) => {
                    errors.iter().find_map(|error| error.params.get("value"))
                }
                _ => None,
            };
            let Some(name) = self.wire_name(rust_name, value, node) else {
                tracing::debug!(field = %rust_name, at = pointer, "a validated field has no wire name");
                self.nameless(kind, node, pointer);
                continue;
            };
            let mut below = pointer.to_owned();
            push_segment(&mut below, &name);
            self.field(kind, node.and_then(|node| node.get(&name)), &below);
        }
    }

    fn field(&mut self, kind: &ValidationErrorsKind, node: Option<&Node>, pointer: &str) {
        match kind {
            ValidationErrorsKind::Field(errors) => self.entries(errors, pointer),
            ValidationErrorsKind::Struct(errors) => self.object(errors, node, pointer),
            ValidationErrorsKind::List(items) => {
                for (at, errors) in items {
                    match node {
                        Some(Node::List(nodes)) => {
                            let mut below = pointer.to_owned();
                            push_segment(&mut below, &at.to_string());
                            self.object(errors, nodes.get(*at), &below);
                        }
                        // A map: validator counts its entries in an order of its own.
                        _ => self.object(errors, None, pointer),
                    }
                }
            }
        }
    }

    /// A field that could not be named. A flattened one lies in the same object.
    fn nameless(&mut self, kind: &ValidationErrorsKind, node: Option<&Node>, pointer: &str) {
        let open = node.filter(|node| !self.shapes.contains_key(&address(node)));
        match kind {
            ValidationErrorsKind::Struct(errors) => self.object(errors, open, pointer),
            kind => self.field(kind, None, pointer),
        }
    }

    fn entries(&mut self, errors: &[ValidationError], pointer: &str) {
        for error in errors {
            let entry = FieldError::new(pointer.to_owned(), error.code.clone());
            self.found.push(entry.maybe_detailed(detail(error)));
        }
    }

    fn wire_name(
        &self,
        rust_name: &str,
        value: Option<&Value>,
        node: Option<&Node>,
    ) -> Option<String> {
        let rust_name = rust_name.strip_prefix("r#").unwrap_or(rust_name);
        let node = node?;
        let entries: &[(String, Node)] = match node {
            Node::Map(entries) => entries,
            _ => &[],
        };
        let expected: Vec<&str> = match self.shapes.get(&address(node)) {
            Some(fields) => fields.to_vec(),
            None => entries.iter().map(|(name, _)| name.as_str()).collect(),
        };
        if expected.contains(&rust_name) {
            return Some(rust_name.to_owned());
        }
        let folded = fold(rust_name);
        let same_letters = expected.iter().filter(|name| fold(name) == folded);
        let same_value = entries.iter().filter(|(name, node)| {
            expected.contains(&name.as_str()) && value.is_some_and(|value| is_equal(node, value))
        });
        only(same_letters.copied()).or_else(|| only(same_value.map(|(name, _)| name.as_str())))
    }
}

fn only<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = names.next()?;
    names.next().is_none().then(|| first.to_owned())
}

/// The letters of a name, whatever its case style.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_equal(node: &Node, value: &Value) -> bool {
    match (node, value) {
        (Node::Bool(a), Value::Bool(b)) => a == b,
        (Node::Unsigned(a), Value::Number(b)) => b.as_u64() == Some(*a),
        (Node::Signed(a), Value::Number(b)) => b.as_i64() == Some(*a),
        (Node::Float(a), Value::Number(b)) => b.as_f64() == Some(*a),
        (Node::Text(a), Value::String(b)) => a == b,
        (Node::List(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        _ => false,
    }
}

/// The host's own message, else a sentence from the validator's limits. The rejected value and, for
/// `must_match`, the other field's value are parameters too, and are never looked at.
fn detail(error: &ValidationError) -> Option<Cow<'static, str>> {
    if let Some(message) = &error.message {
        return Some(message.clone());
    }
    let number = |name: &str| match error.params.get(name) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    };
    let unit = match &*error.code {
        "length" => " characters or items",
        "range" => "",
        _ => return None,
    };
    Some(match (number("min"), number("max"), number("equal")) {
        (_, _, Some(equal)) => format!("Exactly {equal}{unit}.").into(),
        (Some(min), Some(max), _) => format!("From {min} to {max}{unit}.").into(),
        (Some(min), None, _) => format!("At least {min}{unit}.").into(),
        (None, Some(max), _) => format!("At most {max}{unit}.").into(),
        (None, None, None) => return None,
    })
}
