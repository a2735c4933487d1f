//! What changed between two states of a record.

use serde::Serialize;
use serde_json::Value;

use crate::mask::{MASK, MAX_DEPTH, Masker};

/// Changes listed per entry; the rest is summed up in one that says so.
pub(crate) const MAX_CHANGES: usize = 256;

/// One field that differs. A field that only one side has leaves the other out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Where: a JSON Pointer (RFC 6901) into the record; empty for the record itself.
    pub path: String,
    /// The value before; left out when the field was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; left out when the field was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Lists the fields that differ between two states, in the order of their names, with secrets masked.
///
/// Objects are compared field by field and arrays of one length item by item; an array that grew or
/// shrank is one change. A changed secret is listed with both sides masked: that it changed is known,
/// what it was is not. `None` stands for a record that does not exist. At most 256 changes are listed, and
/// a last one with the path `…` if there are more.
#[must_use]
pub fn diff(before: Option<&Value>, after: Option<&Value>, masker: &Masker) -> Vec<Change> {
    let mut walk = Walk {
        masker,
        changes: Vec::new(),
        more: false,
    };
    walk.compare(String::new(), None, before, after, MAX_DEPTH);
    if walk.more {
        walk.changes.push(Change {
            path: "…".to_owned(),
            before: None,
            after: None,
        });
    }
    walk.changes
}

struct Walk<'a> {
    masker: &'a Masker,
    changes: Vec<Change>,
    more: bool,
}

impl Walk<'_> {
    fn compare(
        &mut self,
        path: String,
        name: Option<&str>,
        before: Option<&Value>,
        after: Option<&Value>,
        depth: usize,
    ) {
        if before == after {
            return;
        }
        if depth > 0 && !self.hidden(name, before) && !self.hidden(name, after) {
            match (before, after) {
                (Some(Value::Object(old)), Some(Value::Object(new))) => {
                    let mut names: Vec<&String> = old
                        .keys()
                        .chain(new.keys().filter(|name| !old.contains_key(*name)))
                        .collect();
                    names.sort_unstable();
                    for name in names {
                        let path = format!("{path}/{}", self.segment(name));
                        self.compare(
                            path,
                            Some(name),
                            old.get(name),
                            new.get(name),
                            depth.saturating_sub(1),
                        );
                    }
                    return;
                }
                (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                    for (index, (old, new)) in old.iter().zip(new).enumerate() {
                        let path = format!("{path}/{index}");
                        self.compare(path, None, Some(old), Some(new), depth.saturating_sub(1));
                    }
                    return;
                }
                _ => {}
            }
        }
        if self.changes.len() >= MAX_CHANGES {
            self.more = true;
            return;
        }
        let (before, after) = (self.side(name, before), self.side(name, after));
        self.changes.push(Change {
            path,
            before,
            after,
        });
    }

    fn hidden(&self, name: Option<&str>, value: Option<&Value>) -> bool {
        name.zip(value)
            .is_some_and(|(name, value)| self.masker.hides(name, value))
    }

    fn side(&self, name: Option<&str>, value: Option<&Value>) -> Option<Value> {
        if self.hidden(name, value) {
            return Some(Value::String(MASK.to_owned()));
        }
        let mut value = value?.clone();
        self.masker.mask_value(&mut value);
        Some(value)
    }

    /// RFC 6901, section 3: `~` and `/` are escaped.
    fn segment(&self, name: &str) -> String {
        self.masker
            .mask_text(name)
            .replace('~', "~0")
            .replace('/', "~1")
    }
}
