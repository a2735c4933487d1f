//! What a section of the configuration is: a deserialisable struct that can say what is wrong with its values.
//!
//! Both types live outside the `config` feature, so that every crate can describe its section
//! without depending on a file format.

use std::{error::Error, fmt};

use serde::de::DeserializeOwned;

/// A section of the configuration: one table of the file, one struct of the program.
///
/// Give the struct `#[serde(default, deny_unknown_fields)]` and avoid `#[serde(flatten)]`: it hides
/// which keys are unknown and where a value stands.
///
/// ```
/// use sec_core::{FieldFaults, Section};
///
/// #[derive(Default, serde::Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Limits {
///     per_minute: u32,
///     burst: u32,
/// }
///
/// impl Section for Limits {
///     fn check(&self, faults: &mut FieldFaults) {
///         if self.burst > self.per_minute {
///             faults.add("burst", format_args!("must not exceed per_minute ({})", self.per_minute));
///         }
///     }
/// }
///
/// let faults = FieldFaults::of(&Limits { per_minute: 5, burst: 9 });
/// assert_eq!(faults.to_string(), "burst: must not exceed per_minute (5)");
/// ```
pub trait Section: DeserializeOwned {
    /// Reports every value that has the right type and is still wrong.
    ///
    /// Paths are relative to the section: `hsts_max_age`, `tiers[1].limit`. The default reports nothing.
    fn check(&self, faults: &mut FieldFaults) {
        let _ = faults;
    }
}

/// The faults that [`Section::check`] found, each with the path of its field.
///
/// `Debug` shows the same lines as `Display`, because that is what `main` prints of an error that it returns.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldFaults {
    faults: Vec<FieldFault>,
    prefix: String,
}

/// One wrong value: where, relative to its section, and why.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldFault {
    path: String,
    reason: String,
    open: bool,
}

impl FieldFaults {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a section's own check, for a config struct that was built in code.
    #[must_use]
    pub fn of(section: &impl Section) -> Self {
        let mut faults = Self::new();
        section.check(&mut faults);
        faults
    }

    /// Adds a fault at `path`, such as `hsts_max_age` or `tiers[1].limit`.
    ///
    /// An empty path means the value that is being checked as a whole. The reason must not quote a
    /// secret: outside the loader nothing takes it out again.
    pub fn add(&mut self, path: impl Into<String>, reason: impl fmt::Display) {
        self.push(path.into(), &reason, false);
    }

    /// [`add`](Self::add) for a field whose name sounds like that of a secret and is none, such as the `key` that a limit
    /// counts by: the loader then leaves the reason as it is.
    pub fn add_open(&mut self, path: impl Into<String>, reason: impl fmt::Display) {
        self.push(path.into(), &reason, true);
    }

    fn push(&mut self, path: String, reason: &dyn fmt::Display, open: bool) {
        self.faults.push(FieldFault {
            path: join(&self.prefix, &path),
            reason: reason.to_string(),
            open,
        });
    }

    /// Runs `check` with every path put below `prefix`.
    ///
    /// ```
    /// # use sec_core::FieldFaults;
    /// let mut faults = FieldFaults::new();
    /// faults.nested("hsts", |faults| faults.add("max_age", "is zero"));
    /// faults.nested(format_args!("tiers[{}]", 1), |faults| faults.add("limit", "is zero"));
    /// assert_eq!(faults.to_string(), "hsts.max_age: is zero\ntiers[1].limit: is zero");
    /// ```
    pub fn nested<R>(
        &mut self,
        prefix: impl fmt::Display,
        check: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let outer = self.prefix.clone();
        self.prefix = join(&outer, &prefix.to_string());
        let result = check(self);
        self.prefix = outer;
        result
    }

    /// True when nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// How many faults were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// The faults in the order in which they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldFault> {
        self.faults.iter()
    }

    /// `Ok` when nothing was found, for use with `?` in a `TryFrom`.
    ///
    /// # Errors
    ///
    /// Itself, when there is at least one fault.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl FieldFault {
    /// The field, relative to its section.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with its value.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    #[cfg(feature = "config")]
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }
}

impl IntoIterator for FieldFaults {
    type Item = FieldFault;
    type IntoIter = std::vec::IntoIter<FieldFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.faults.into_iter()
    }
}

impl<'a> IntoIterator for &'a FieldFaults {
    type Item = &'a FieldFault;
    type IntoIter = std::slice::Iter<'a, FieldFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for FieldFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl fmt::Debug for FieldFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for FieldFaults {}

fn join(prefix: &str, path: &str) -> String {
    let dot = if prefix.is_empty() || path.is_empty() || path.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{prefix}{dot}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_the_scope_ends() {
        let mut faults = FieldFaults::new();
        faults.nested("a", |faults| {
            faults.nested("b[0]", |faults| faults.add("c", 1));
            faults.add("", 2);
            faults.add("[3]", 3);
        });
        faults.add("d", 4);
        let seen: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["a.b[0].c: 1", "a: 2", "a[3]: 3", "d: 4"]);
        assert!(faults.into_result().is_err());
        assert_eq!(FieldFaults::new().into_result(), Ok(()));
    }
}
