//! Reads one section to its end: notes each fault, takes the faulty value out and tries again.
//!
//! Serde stops at the first error. Each round either takes a value out, tries another form of one or
//! invents a missing one, so the rounds come to an end.

use super::{
    de::NodeDe,
    error::{DeError, What},
    fault::{Fault, Place},
    guess, redact,
    segment::Segment,
    tree::{self, Node, Trial, Value},
};
use crate::section::{FieldFaults, Section};

pub(super) struct Reader<'a> {
    pub(super) root: &'a mut Node,
    /// The section's name, or nothing for the whole configuration.
    pub(super) prefix: &'a [Segment],
    /// Where a fault is that has no place of its own.
    pub(super) fallback: &'a Place,
    pub(super) faults: &'a mut Vec<Fault>,
    invented: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        root: &'a mut Node,
        prefix: &'a [Segment],
        fallback: &'a Place,
        faults: &'a mut Vec<Fault>,
    ) -> Self {
        Self {
            root,
            prefix,
            fallback,
            faults,
            invented: false,
        }
    }

    /// The section, or `None` when it has faults.
    pub(super) fn read<T: Section>(mut self) -> Option<T> {
        let before = self.faults.len();
        let section = loop {
            match T::deserialize(NodeDe(self.root)) {
                Ok(section) => break section,
                Err(error) => {
                    if !self.recover(&error, |root| T::deserialize(NodeDe(root)).err()) {
                        return None;
                    }
                }
            }
        };
        // Invented values would be faulted for what nobody wrote.
        if !self.invented {
            self.check(&section);
        }
        (self.faults.len() == before).then_some(section)
    }

    /// Runs the section's own check; true when it found nothing.
    pub(super) fn check<T: Section>(&mut self, section: &T) -> bool {
        let found = FieldFaults::of(section);
        for fault in &found {
            let path = tree::read(fault.path());
            if !self.root.along(&path).any(|node| node.gone) {
                let full = self.full(&path);
                let reason = match fault.is_open() {
                    true => fault.reason().to_owned(),
                    false => {
                        redact::text(&full, fault.reason(), self.root.at_mut(&path).as_deref())
                    }
                };
                self.note(&path, fault.path(), reason);
            }
        }
        found.is_empty()
    }

    /// True when it is worth another round.
    fn recover(&mut self, error: &DeError, attempt: impl Fn(&Node) -> Option<DeError>) -> bool {
        let path = error.path();
        match &error.what {
            What::Unknown { field, .. } => {
                let mut inner = path.clone();
                inner.push(Segment::Key(field.clone()));
                if self.root.at_mut(&inner).is_some_and(|node| !node.gone) {
                    return self.reject(&inner, error);
                }
            }
            What::Missing(field) => return self.invent(path, field, error),
            _ => {}
        }
        if self.advance(&path, error) {
            return true;
        }
        match guess::guess(self.root, &path, error, attempt) {
            Ok(()) => true,
            Err(error) => self.reject(&path, &error),
        }
    }

    /// Puts something in the place of a missing field, to see what else is wrong around it.
    fn invent(&mut self, path: Vec<Segment>, field: &str, error: &DeError) -> bool {
        let silent = self.root.along(&path).any(is_invented);
        let mut inner = path.clone();
        inner.push(Segment::Key(field.to_owned()));
        let is_table = matches!(
            self.root.at_mut(&path),
            Some(Node {
                value: Value::Table(_),
                ..
            })
        );
        match self.root.at_mut(&inner) {
            // Nothing fits: what it stands in is as lost as the field itself.
            Some(node) if is_invented(node) => return self.remove(&path),
            Some(node) if !node.gone => return self.reject(&path, error),
            None if !is_table => return self.reject(&path, error),
            // Reported when it was taken out.
            Some(_) => {}
            None if silent => {}
            None => self.report(&inner, error),
        }
        self.invented = true;
        let mut node = Node::new(Value::String(String::new()), Place::Unknown);
        let rest = vec![
            Node::empty().value,
            Value::Array(Vec::new()),
            Value::Boolean(false),
            Value::Integer(1),
        ];
        node.trial = Some(Trial {
            invented: true,
            rest,
            error: None,
        });
        if let Some(Node {
            value: Value::Table(table),
            ..
        }) = self.root.at_mut(&path)
        {
            table.insert(field.to_owned(), node);
        }
        true
    }

    /// Tries the next form of the innermost value of unknown type on the way to the error.
    fn advance(&mut self, path: &[Segment], error: &DeError) -> bool {
        for depth in (0..=path.len()).rev() {
            let node = path.get(..depth).and_then(|path| self.root.at_mut(path));
            let Some(Node {
                value,
                trial: Some(trial),
                ..
            }) = node
            else {
                continue;
            };
            if trial
                .error
                .as_ref()
                .is_none_or(|old| old.is_mismatch() && !error.is_mismatch())
            {
                trial.error = Some(error.clone());
            }
            if let Some(next) = trial.rest.pop() {
                *value = next;
                return true;
            }
        }
        false
    }

    /// Reports the value at `path` and takes it out.
    fn reject(&mut self, path: &[Segment], error: &DeError) -> bool {
        let guess = self.root.along(path).position(|node| node.trial.is_some());
        let path = guess.and_then(|depth| path.get(..depth)).unwrap_or(path);
        match self.root.at_mut(path).and_then(|node| node.trial.take()) {
            Some(trial) if trial.invented => {
                if let Some(node) = self.root.at_mut(path) {
                    node.trial = Some(trial);
                }
            }
            Some(trial) => self.report(path, trial.error.as_ref().unwrap_or(error)),
            None => self.report(path, error),
        }
        self.remove(path)
    }

    fn remove(&mut self, path: &[Segment]) -> bool {
        match self.root.at_mut(path) {
            Some(node) if !path.is_empty() && !node.gone => {
                node.gone = true;
                true
            }
            _ => false,
        }
    }

    fn report(&mut self, path: &[Segment], error: &DeError) {
        let full = self.full(path);
        let reason = redact::reason(&full, error, self.root.at_mut(path).as_deref());
        self.note(path, &tree::show(path), reason);
    }

    fn note(&mut self, path: &[Segment], shown: &str, reason: String) {
        let place = match self.root.place_of(path) {
            Place::Unknown => self.fallback.clone(),
            place => place,
        };
        let prefix = tree::show(self.prefix);
        let dot = if prefix.is_empty() || shown.is_empty() || shown.starts_with('[') {
            ""
        } else {
            "."
        };
        self.faults
            .push(Fault::new(place, format!("{prefix}{dot}{shown}"), reason));
    }

    fn full(&self, path: &[Segment]) -> Vec<Segment> {
        self.prefix.iter().chain(path).cloned().collect()
    }
}

fn is_invented(node: &Node) -> bool {
    node.trial.as_ref().is_some_and(|trial| trial.invented)
}
