//! What the environment sets, and how a variable names a key.

use std::{ffi::OsString, sync::Arc};

use toml::de::DeValue;

use super::{
    fault::{Fault, Place},
    segment::Segment,
    tree::{self, Node, Source, Trial, Value},
};

#[derive(Default)]
pub(super) struct Env {
    pub(super) prefix: Option<String>,
    /// Variable and path.
    pub(super) aliases: Vec<(String, Vec<Segment>)>,
    pub(super) ignored: Vec<String>,
    /// In place of the process's own.
    pub(super) given: Option<Vec<(OsString, OsString)>>,
}

impl Env {
    /// Lays every variable over the tree.
    pub(super) fn apply(&mut self, root: &mut Node, faults: &mut Vec<Fault>) {
        if self.prefix.is_none() && self.aliases.is_empty() {
            return;
        }
        let mut variables = self
            .given
            .take()
            .unwrap_or_else(|| std::env::vars_os().collect());
        // The process's order is by chance; the faults' order must not be.
        variables.sort();
        let mut set: Vec<(Vec<Segment>, Arc<str>)> = Vec::new();
        for (name, value) in variables {
            let shown: Arc<str> = name.to_string_lossy().into();
            let Some(wanted) = self.path(&shown) else {
                continue;
            };
            let outcome = match (name.to_str(), value.to_str()) {
                _ if wanted.iter().any(is_empty) => Err(
                    "two underscores separate a section and a key; one of them has no name"
                        .to_owned(),
                ),
                (Some(_), Some(value)) => {
                    let path = existing(root, wanted);
                    match set.iter().find(|(other, _)| *other == path) {
                        Some((_, other)) => {
                            Err(format!("`{}` is also set by {other}", tree::show(&path)))
                        }
                        None => {
                            set.push((path.clone(), shown.clone()));
                            insert(
                                root,
                                &path,
                                of_unknown_type(value, &Place::Variable(shown.clone())),
                            )
                        }
                    }
                }
                _ => Err("is not valid UTF-8".to_owned()),
            };
            if let Err(reason) = outcome {
                faults.push(Fault::new(Place::Variable(shown), "", reason));
            }
        }
    }

    /// The key that a variable means; `None` when it is none of ours.
    fn path(&self, name: &str) -> Option<Vec<Segment>> {
        let is_ignored = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => strip_start(name, start).is_some(),
            None => name.eq_ignore_ascii_case(pattern),
        };
        if self.ignored.iter().any(is_ignored) {
            return None;
        }
        if let Some((_, path)) = self.aliases.iter().find(|(alias, _)| alias == name) {
            return Some(path.clone());
        }
        let rest = strip_start(name, self.prefix.as_deref()?)?.strip_prefix('_')?;
        Some(
            // Deeper than any section: what lies below is one key, which nobody knows.
            rest.splitn(MOST_SEGMENTS, "__")
                .map(|key| Segment::Key(key.to_ascii_lowercase()))
                .collect(),
        )
    }
}

/// Tables are walked by recursion, and whoever sets variables need not be able to end the process.
const MOST_SEGMENTS: usize = 32;

/// The path in the spelling of the file, where the file has it; a number may be an index.
fn existing(root: &Node, wanted: Vec<Segment>) -> Vec<Segment> {
    let mut node = Some(root);
    let mut path = Vec::new();
    for segment in wanted {
        let found = match (node.map(|node| &node.value), &segment) {
            (Some(Value::Table(table)), Segment::Key(key)) if !table.contains_key(key) => table
                .keys()
                .find(|other| other.eq_ignore_ascii_case(key))
                .map(|other| Segment::Key(other.clone())),
            (Some(Value::Array(_)), Segment::Key(key)) => key.parse().ok().map(Segment::Index),
            _ => None,
        };
        let segment = found.unwrap_or(segment);
        node = node.and_then(|node| node.child(&segment));
        path.push(segment);
    }
    path
}

fn insert(root: &mut Node, path: &[Segment], leaf: Node) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        return Ok(());
    };
    let mut node = root;
    for (depth, segment) in parents.iter().enumerate() {
        node = open(node, segment, path.get(..depth).unwrap_or_default())?;
    }
    let is_section = parents.is_empty();
    let slot = open(node, last, parents)?;
    if is_section && matches!(&slot.value, Value::Table(table) if !table.is_empty()) {
        return Err("names a section: put two underscores and a key behind it".to_owned());
    }
    *slot = leaf;
    Ok(())
}

/// The child of a table, which is made when it is missing, or of an array.
fn open<'a>(
    node: &'a mut Node,
    segment: &Segment,
    path: &[Segment],
) -> Result<&'a mut Node, String> {
    let set_by = match &node.place {
        Place::Variable(name) => format!("is set by {name} and "),
        Place::Unknown | Place::File { .. } => String::new(),
    };
    match (&mut node.value, segment) {
        (Value::Table(table), Segment::Key(key)) => {
            Ok(table.entry(key.clone()).or_insert_with(Node::empty))
        }
        (Value::Array(array), Segment::Index(index)) => array
            .get_mut(*index)
            .ok_or_else(|| format!("`{}` has no element {index}", tree::show(path))),
        (Value::Array(_), _) => Err(format!(
            "`{}` is a list: a number must follow",
            tree::show(path)
        )),
        _ => Err(format!(
            "`{}` {set_by}has no keys of its own",
            tree::show(path)
        )),
    }
}

/// A string first, then a number or a boolean, then a list divided by commas.
fn of_unknown_type(text: &str, place: &Place) -> Node {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let list = items.map(|item| trial(item, place, Vec::new())).collect();
    trial(text, place, vec![Value::Array(list)])
}

fn trial(text: &str, place: &Place, mut rest: Vec<Value>) -> Node {
    rest.extend(scalar(text));
    let mut node = Node::new(Value::String(text.to_owned()), place.clone());
    node.trial = Some(Trial {
        invented: false,
        rest,
        error: None,
    });
    node
}

fn scalar(text: &str) -> Option<Value> {
    let text = text.trim();
    let value = DeValue::parse(text).ok()?;
    let value = tree::from_value(&Source::new("".into(), text), value.get_ref());
    matches!(
        value,
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_)
    )
    .then_some(value)
}

fn strip_start<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let (head, tail) = name.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(tail)
}

fn is_empty(segment: &Segment) -> bool {
    matches!(segment, Segment::Key(key) if key.is_empty())
}
