//! A document that passed the strict checks, before any type is asked for.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{FieldError, InputError, push_segment};
use super::limits::JsonLimits;

/// A parsed value. Its address in memory tells it from all others of the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }
}

/// A document that is well formed, within the limits, and says nothing twice.
///
/// Made by [`check`]; becomes a type by [`read`](Self::read).
#[derive(Clone, PartialEq)]
pub struct Document {
    pub(crate) root: Node,
    /// From a form or query: every value is text, and numbers are read from it.
    pub(crate) from_text: bool,
    pub(crate) max_errors: usize,
}

/// Shows nothing of what is in it: it may hold passwords.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("from_text", &self.from_text)
            .finish_non_exhaustive()
    }
}

/// Reads JSON (RFC 8259) more strictly than `serde_json` does, as I-JSON (RFC 7493) asks.
///
/// Refused: names that occur twice in an object, at any depth (a plain parser keeps the last one, the next service
/// perhaps the first); strings with U+0000; numbers beyond 64 bits, which would lose digits; nesting, count
/// of values and length beyond the limits.
///
/// ```
/// use sec_sanitize::json::{JsonLimits, check};
///
/// assert!(check(br#"{"role":"user"}"#, &JsonLimits::default()).is_ok());
/// let error = check(br#"{"a":{"role":"user","role":"admin"}}"#, &JsonLimits::default()).unwrap_err();
/// assert_eq!(error.fields()[0].pointer, "/a/role");
/// ```
///
/// # Errors
/// [`InputError::TooLarge`], [`InputError::Malformed`] for text that is no JSON, too deep or with too many values,
/// [`InputError::Invalid`] with one entry for the first value that is refused.
pub fn check(bytes: &[u8], limits: &JsonLimits) -> Result<Document, InputError> {
    if bytes.len() > limits.max_bytes {
        return Err(InputError::TooLarge {
            limit: limits.max_bytes,
        });
    }
    let text =
        str::from_utf8(bytes).map_err(|_| InputError::malformed("The body is not UTF-8."))?;
    let state = State {
        limits,
        nodes: Cell::new(0),
        fault: RefCell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Walk {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .and_then(|root| deserializer.end().map(|()| root));
    match parsed {
        Ok(root) => Ok(Document {
            root,
            from_text: false,
            max_errors: limits.max_errors,
        }),
        Err(error) => Err(match state.fault.take() {
            Some(Fault::Whole(reason)) => InputError::Malformed(reason.into()),
            Some(Fault::At { code, path }) => {
                let mut pointer = String::new();
                for segment in path.iter().rev() {
                    push_segment(&mut pointer, segment);
                }
                InputError::Invalid(vec![FieldError::new(pointer, code)])
            }
            None => InputError::malformed(format!(
                "The body is not JSON: line {}, column {}.",
                error.line(),
                error.column()
            )),
        }),
    }
}

enum Fault {
    Whole(String),
    /// The segments are gathered innermost first, on the way out.
    At {
        code: &'static str,
        path: Vec<String>,
    },
}

struct State<'a> {
    limits: &'a JsonLimits,
    nodes: Cell<usize>,
    fault: RefCell<Option<Fault>>,
}

impl State<'_> {
    fn refuse<E: serde::de::Error>(&self, fault: Fault) -> E {
        self.fault.replace(Some(fault));
        E::custom("refused")
    }

    fn refuse_at<E: serde::de::Error>(&self, code: &'static str) -> E {
        self.refuse(Fault::At {
            code,
            path: Vec::new(),
        })
    }

    /// Adds the segment to a fault that is on its way out.
    fn under<E>(&self, error: E, segment: &str) -> E {
        if let Some(Fault::At { path, .. }) = &mut *self.fault.borrow_mut() {
            path.push(segment.to_owned());
        }
        error
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    state: &'a State<'a>,
    depth: usize,
}

impl Walk<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        let max = self.state.limits.max_depth.min(100);
        if depth > max {
            let reason = format!("The body is nested deeper than {max} levels.");
            return Err(self.state.refuse(Fault::Whole(reason)));
        }
        Ok(Self { depth, ..self })
    }

    fn text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if !self.state.limits.allow_nul && text.contains('\0') {
            return Err(self.state.refuse_at("nul"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let nodes = self.state.nodes.get().saturating_add(1);
        self.state.nodes.set(nodes);
        let max = self.state.limits.max_nodes;
        if nodes > max {
            let reason = format!("The body has more than {max} values.");
            return Err(self.state.refuse(Fault::Whole(reason)));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned))
    }

    /// An integer that needs more than 64 bits arrives here too, already rounded.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63
        if !value.is_finite() || (value.abs() >= BEYOND && !self.state.limits.allow_huge_numbers) {
            return Err(self.state.refuse_at("number"));
        }
        Ok(Node::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.text(value)?;
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Node, E> {
        self.text(&value)?;
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let walk = self.deeper()?;
        let mut list = Vec::new();
        loop {
            match items.next_element_seed(walk) {
                Ok(Some(node)) => list.push(node),
                Ok(None) => return Ok(Node::List(list)),
                Err(error) => return Err(self.state.under(error, &list.len().to_string())),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let walk = self.deeper()?;
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut seen = Names::default();
        while let Some(key) = entries.next_key::<String>()? {
            if *ARBITRARY_PRECISION && map.is_empty() && key == NUMBER_TOKEN {
                return self.number(&entries.next_value::<String>()?);
            }
            if let Err(error) = walk.text::<A::Error>(&key) {
                return Err(self.state.under(error, &key));
            }
            if seen.contains(&key, &map) {
                let error = self.state.refuse_at("duplicate");
                return Err(self.state.under(error, &key));
            }
            match entries.next_value_seed(walk) {
                Ok(node) => map.push((key, node)),
                Err(error) => return Err(self.state.under(error, &key)),
            }
        }
        Ok(Node::Map(map))
    }
}

/// The names of one object so far: looked through while they are few, hashed (with a random key) when many.
#[derive(Default)]
struct Names(Option<HashSet<String>>);

impl Names {
    fn contains(&mut self, key: &str, map: &[(String, Node)]) -> bool {
        if self.0.is_none() && map.len() < 16 {
            return map.iter().any(|(name, _)| name == key);
        }
        let all = || map.iter().map(|(name, _)| name.clone()).collect();
        !self.0.get_or_insert_with(all).insert(key.to_owned())
    }
}

const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// Any crate of the host's graph can turn on serde_json's feature `arbitrary_precision`; numbers then
/// arrive as maps of one entry. Found by looking, since features of a dependency cannot be asked for.
static ARBITRARY_PRECISION: LazyLock<bool> = LazyLock::new(|| {
    struct Probe;
    impl<'de> Visitor<'de> for Probe {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            while map.next_entry::<String, String>()?.is_some() {}
            Ok(true)
        }
    }
    serde_json::Deserializer::from_str("1")
        .deserialize_any(Probe)
        .unwrap_or(false)
});

impl Walk<'_> {
    fn number<E: serde::de::Error>(self, digits: &str) -> Result<Node, E> {
        if let Ok(value) = digits.parse::<u64>() {
            return self.visit_u64(value);
        }
        if let Ok(value) = digits.parse::<i64>() {
            return self.visit_i64(value);
        }
        match digits.parse::<f64>() {
            Ok(value) => self.visit_f64(value),
            Err(_) => Err(E::custom("not a number")),
        }
    }
}

#[cfg(test)]
impl Node {
    /// The same value as `serde_json` has it.
    pub(super) fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Unsigned(value) => (*value).into(),
            Self::Signed(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.clone().into(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.clone(), node.to_value()))
                .collect(),
        }
    }
}
