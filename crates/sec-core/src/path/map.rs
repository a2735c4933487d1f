//! Values by path prefix.

use super::{Decoded, PathRuleError, Prefix, doubt, quoted};

#[cfg(test)]
mod tests;

/// Values by path prefix: the longest prefix of a path gives its value, whatever the order in which
/// they were inserted.
///
/// Prefixes are written and compared as in [`PathRules`](super::PathRules), and a route pattern
/// (`/api/{id}`) is an error as it is there. What is said for some
/// paths only is usually weaker than what holds for all, so a path gets a value only when it has one
/// reading: a doubtful path (see there) has none, and neither has a path whose bytes belong to one
/// prefix while their decoded form belongs to a longer one (`/%40me` where `/` and `/@me` are in the
/// map). [`find`](Self::find) tells this apart from a path that no prefix covers.
///
/// A look-up allocates nothing. It reads the path once to see whether it is doubtful, and then
/// prefixes, longest first, until one matches.
///
/// ```
/// use sec_core::path::{PathMap, PathMatch};
///
/// let mut map = PathMap::new();
/// map.insert("/static/*", "assets")?;
/// map.insert("/static/users/*", "uploads")?;
/// assert_eq!(map.get("/static/app.js"), Some(&"assets"));
/// assert_eq!(map.get("/static/users/7.png"), Some(&"uploads"));
/// assert_eq!(map.find("/other"), PathMatch::Nothing);
/// assert_eq!(map.find("/static/users/../app.js"), PathMatch::Doubtful);
/// # Ok::<(), sec_core::path::PathRuleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMap<T> {
    /// By the length of the decoded prefix, longest first.
    entries: Vec<Entry<T>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    /// As it was given, for messages.
    rule: Box<str>,
    prefix: Prefix,
    length: usize,
    value: T,
}

/// Two spellings of one prefix are the same entry.
impl<T: PartialEq> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.value == other.value
    }
}

impl<T: Eq> Eq for Entry<T> {}

/// What [`PathMap::find`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing else to find")]
pub enum PathMatch<'a, T> {
    /// The value of the longest prefix.
    Value(&'a T),
    /// No prefix covers the path.
    Nothing,
    /// The path could be read as another one, so it has no value.
    Doubtful,
}

impl<T> PathMap<T> {
    /// No prefix yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Gives everything below a prefix this value, except what is below a longer one.
    ///
    /// # Errors
    ///
    /// Those of [`PathRules::include`](super::PathRules::include), and a prefix that is there
    /// already, in this or another spelling (`/api` and `/api/*`, `/@me` and `/%40me`).
    pub fn insert(&mut self, rule: &str, value: T) -> Result<(), PathRuleError> {
        let prefix = Prefix::parse(rule)?;
        let length = Decoded(prefix.0.as_bytes()).count();
        let same = |entry: &Entry<T>| {
            entry.length == length
                && Decoded(entry.prefix.0.as_bytes()).eq(Decoded(prefix.0.as_bytes()))
        };
        if let Some(first) = self.entries.iter().find(|entry| same(entry)) {
            let reason = match *first.rule == *rule {
                true => "stands twice".into(),
                false => {
                    let first = quoted(&first.rule);
                    format!("covers the same paths as {first}, which stands already").into()
                }
            };
            return Err(PathRuleError {
                rule: rule.into(),
                reason,
            });
        }
        let place = self.entries.partition_point(|entry| entry.length >= length);
        let entry = Entry {
            rule: rule.into(),
            prefix,
            length,
            value,
        };
        self.entries.insert(place, entry);
        Ok(())
    }

    /// The value of the longest prefix of this path, given without its query; [`PathMatch::Nothing`]
    /// for every path while the map is empty.
    #[must_use]
    pub fn find(&self, path: &str) -> PathMatch<'_, T> {
        if self.entries.is_empty() {
            return PathMatch::Nothing;
        }
        if is_doubtful(path) {
            return PathMatch::Doubtful;
        }
        for entry in &self.entries {
            if entry.prefix.matches_exactly(path) {
                return PathMatch::Value(&entry.value);
            }
            if entry.prefix.matches_decoded(path) {
                return PathMatch::Doubtful;
            }
        }
        PathMatch::Nothing
    }

    /// The value of the longest prefix of this path, `None` when there is none or the path is doubtful.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&T> {
        match self.find(path) {
            PathMatch::Value(value) => Some(value),
            PathMatch::Nothing | PathMatch::Doubtful => None,
        }
    }

    /// The values, those of longer prefixes first.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.value)
    }

    /// Whether there is no prefix.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for PathMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether some hop could read this path, given without its query, as another one:
/// [`PathRules`](super::PathRules) lists the forms.
#[must_use]
pub fn is_doubtful(path: &str) -> bool {
    doubt(path).is_some()
}
