//! The values of all sources in one tree, each with the place it came from.

use std::{collections::BTreeMap, fmt, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::{error::DeError, fault::Place, segment::Segment};

/// One value and what is known about it.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    /// Set while the type of the value is still being found out.
    pub(super) trial: Option<Trial>,
    /// Found faulty: no longer there for serde, still there for the lines of later faults.
    pub(super) gone: bool,
}

#[derive(Clone)]
pub(super) enum Value {
    String(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// The forms that a value of unknown type may still take.
#[derive(Clone)]
pub(super) struct Trial {
    /// Invented to get past a missing field: its own faults are of no interest.
    pub(super) invented: bool,
    /// What to try next is last.
    pub(super) rest: Vec<Value>,
    /// The error to report when no form fits.
    pub(super) error: Option<DeError>,
}

impl Node {
    pub(super) fn new(value: Value, place: Place) -> Self {
        Self {
            value,
            place,
            trial: None,
            gone: false,
        }
    }

    pub(super) fn empty() -> Self {
        Self::new(Value::Table(BTreeMap::new()), Place::Unknown)
    }

    pub(super) fn from_toml(source: &Source<'_>, table: &DeTable<'_>) -> Self {
        Self::new(
            from_table(source, table),
            Place::File {
                file: source.name.clone(),
                position: None,
            },
        )
    }

    pub(super) fn child(&self, segment: &Segment) -> Option<&Self> {
        match (&self.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get(key),
            (Value::Array(array), Segment::Index(index)) => array.get(*index),
            _ => None,
        }
    }

    pub(super) fn child_mut(&mut self, segment: &Segment) -> Option<&mut Self> {
        match (&mut self.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get_mut(key),
            (Value::Array(array), Segment::Index(index)) => array.get_mut(*index),
            _ => None,
        }
    }

    pub(super) fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        path.iter().try_fold(self, Self::child_mut)
    }

    /// The nodes from this one down to where `path` leads, as far as it exists.
    pub(super) fn along<'a>(&'a self, path: &'a [Segment]) -> impl Iterator<Item = &'a Self> {
        let mut rest = path.iter();
        std::iter::successors(Some(self), move |node| node.child(rest.next()?))
    }

    /// The nearest known place of `path`: its own, or that of what it stands in.
    pub(super) fn place_of(&self, path: &[Segment]) -> Place {
        let mut place = Place::Unknown;
        let mut depth = 0_usize;
        for node in self.along(path) {
            if !matches!(node.place, Place::Unknown) {
                place = node.place.clone();
            } else if depth == path.len() {
                // A table that was made for one variable is that variable's.
                let mut inside = Vec::new();
                node.variables(&mut |place| inside.push(place.clone()));
                if let [one] = inside.as_slice() {
                    place = one.clone();
                }
            }
            depth = depth.saturating_add(1);
        }
        place
    }

    /// Calls `found` with each variable that set something here.
    pub(super) fn variables(&self, found: &mut impl FnMut(&Place)) {
        match (&self.place, &self.value) {
            (place @ Place::Variable(_), _) => found(place),
            (_, Value::Table(table)) => table.values().for_each(|child| child.variables(found)),
            (_, Value::Array(array)) => array.iter().for_each(|child| child.variables(found)),
            _ => {}
        }
    }

    /// Lays `other` over this one: tables are joined, everything else is replaced.
    pub(super) fn merge(&mut self, other: Self) {
        match (&mut self.value, other.value) {
            (Value::Table(ours), Value::Table(theirs)) => {
                for (key, node) in theirs {
                    match ours.get_mut(&key) {
                        Some(ours) => ours.merge(node),
                        None => drop(ours.insert(key, node)),
                    }
                }
            }
            (ours, theirs) => *ours = theirs,
        }
        self.place = other.place;
    }
}

/// One text and where its lines begin.
pub(super) struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
    breaks: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: Arc<str>, text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { name, text, breaks }
    }

    /// Line and column, both from 1; the column counts characters.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.breaks.partition_point(|at| *at < offset);
        let start = line.checked_sub(1).and_then(|line| self.breaks.get(line));
        let start = start.map_or(0, |at| at.saturating_add(1));
        let before = self.text.get(start..offset.min(self.text.len()));
        let column = before.map_or(0, |before| before.chars().count());
        let position = Some((line.saturating_add(1), column.saturating_add(1)));
        Place::File {
            file: self.name.clone(),
            position,
        }
    }
}

fn from_table(source: &Source<'_>, table: &DeTable<'_>) -> Value {
    let entries = table.iter().map(|(key, value)| {
        // The line of the key: a value may run over several.
        let place = source.place(key.span().start);
        (
            key.get_ref().to_string(),
            Node::new(from_value(source, value.get_ref()), place),
        )
    });
    Value::Table(entries.collect())
}

pub(super) fn from_value(source: &Source<'_>, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::String(number.to_string()), Value::Float),
        DeValue::Boolean(value) => Value::Boolean(*value),
        // Date types of every library read the text.
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| {
                    Node::new(
                        from_value(source, item.get_ref()),
                        source.place(item.span().start),
                    )
                })
                .collect(),
        ),
        DeValue::Table(table) => from_table(source, table),
    }
}

/// `headers.hsts.max_age`, `tiers[1].limit`; a key that is not plain is quoted.
pub(super) fn show(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                match is_plain(key) {
                    true => text.push_str(key),
                    false => text.push_str(&format!("{key:?}")),
                }
            }
        }
    }
    text
}

/// Reads what [`show`] writes; anything else becomes a key that exists nowhere.
pub(super) fn read(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let (segment, tail) = match first {
            '.' => (None, rest.strip_prefix('.').unwrap_or_default()),
            '[' => {
                let (inside, tail) = rest.split_once(']').unwrap_or((rest, ""));
                let index = inside.trim_start_matches('[').parse().map(Segment::Index);
                (
                    Some(index.unwrap_or_else(|_| Segment::Key(inside.to_owned()))),
                    tail,
                )
            }
            '"' => {
                let inside = rest.strip_prefix('"').unwrap_or_default();
                let (inside, tail) = inside.split_once('"').unwrap_or((inside, ""));
                (Some(Segment::Key(inside.to_owned())), tail)
            }
            _ => {
                let (key, tail) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
                (Some(Segment::Key(key.to_owned())), tail)
            }
        };
        segments.extend(segment);
        rest = tail;
    }
    segments
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

impl fmt::Debug for Node {
    /// Values may be secrets: only how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Table(table) => f.debug_map().entries(table).finish(),
            Value::Array(array) => f.debug_list().entries(array).finish(),
            _ => f.write_str("_"),
        }
    }
}
