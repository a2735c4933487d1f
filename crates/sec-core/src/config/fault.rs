//! What the loader says about a configuration that it cannot take.

use std::{error::Error, fmt, sync::Arc};

/// One fault: where it stands, which key it is about, and why.
///
/// Shown as `sec.toml:12: headers.hsts_max_age: reason`, or `SEC_HEADERS__HSTS_MAX_AGE: reason` for a
/// value that the environment sets.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    place: Place,
    path: String,
    reason: String,
}

/// Everything that is wrong with a configuration, one line each, in the order of the lines; then what
/// variables set, and last what stands nowhere.
///
/// Never empty when it is returned as an error. `Debug` shows the same lines as `Display`, because that is
/// what `main` prints of an error that it returns.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Unknown,
    File {
        file: Arc<str>,
        position: Option<(usize, usize)>,
    },
    Variable(Arc<str>),
}

impl Place {
    /// The order of the report: what stands somewhere, then what is missing. A section whose name is
    /// misspelt comes before the complaints that the right one is not there.
    fn order(&self) -> (u8, &str, Option<(usize, usize)>) {
        match self {
            Self::File {
                file,
                position: Some(position),
            } => (0, file, Some(*position)),
            Self::Variable(name) => (1, name, None),
            Self::File {
                file,
                position: None,
            } => (2, file, None),
            Self::Unknown => (3, "", None),
        }
    }
}

impl Fault {
    pub(super) fn new(place: Place, path: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self {
            place,
            path: path.into(),
            reason: one_line(&reason.to_string()),
        }
    }

    /// The file, unless the environment set the value or there is no file.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match &self.place {
            Place::File { file, .. } => Some(file),
            Place::Unknown | Place::Variable(_) => None,
        }
    }

    /// The line of the key in its file, from 1. `None` when the key is not in the file.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position().map(|(line, _)| line)
    }

    /// The column of the key or of the syntax fault, in characters from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position().map(|(_, column)| column)
    }

    /// The variable that set the value.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match &self.place {
            Place::Variable(name) => Some(name),
            Place::Unknown | Place::File { .. } => None,
        }
    }

    /// The key, such as `headers.hsts_max_age`; empty when the fault is about a whole source.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong. Holds no value of a key that looks like a secret.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn position(&self) -> Option<(usize, usize)> {
        match &self.place {
            Place::File { position, .. } => *position,
            Place::Unknown | Place::Variable(_) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            // Whoever set the variable chose its name.
            Place::Variable(name) => return write!(f, "{}: {}", one_line(name), self.reason),
            // A syntax fault has no key: the column takes its place.
            Place::File {
                file,
                position: Some((line, column)),
            } if self.path.is_empty() => {
                write!(f, "{}:{line}:{column}: ", one_line(file))?;
            }
            Place::File {
                file,
                position: Some((line, _)),
            } => write!(f, "{}:{line}: ", one_line(file))?,
            Place::File {
                file,
                position: None,
            } => write!(f, "{}: ", one_line(file))?,
            Place::Unknown => {}
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl Faults {
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        // Stable: two faults of one line stay in the order in which they were found.
        faults.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        faults.dedup();
        Self(faults)
    }

    /// Of several faults of one line the first: a parser that has lost its way says more than is wrong.
    pub(super) fn first_of_each_line(faults: Vec<Fault>) -> Self {
        let mut faults = Self::new(faults);
        faults
            .0
            .dedup_by(|later, first| later.file() == first.file() && later.line() == first.line());
        faults
    }

    pub(super) fn one(fault: Fault) -> Self {
        Self(vec![fault])
    }

    /// The faults in the order of their lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there are none, which no returned error is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Faults {}

/// A reason may quote a value: it must not break the line or paint the terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}
