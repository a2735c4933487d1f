//! The loader: sources in, sections out, all faults at the end.

use std::{ffi::OsString, fmt, io, path::Path};

use toml::de::DeTable;

use super::{
    env::Env,
    error::hint,
    fault::{Fault, Faults, Place},
    loaded::{Loaded, Unlock},
    read::Reader,
    segment::Segment,
    tree::{self, Node, Source, Value},
};
use crate::section::Section;

/// Reads files and the environment and hands out sections.
///
/// See the [module](super) for an example, the naming of variables and what is a fault.
#[derive(Default)]
#[must_use]
pub struct Loader {
    root: Option<Node>,
    env: Env,
    is_env_applied: bool,
    faults: Vec<Fault>,
    read: Vec<String>,
}

impl Loader {
    /// A loader without sources: every section has its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a TOML file. The keys of a later file replace those of an earlier one.
    ///
    /// # Errors
    ///
    /// A file that is missing or cannot be read, and every fault of its syntax.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Self, Faults> {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => self.text(&path.display().to_string(), &text),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Reads a TOML file if it is there.
    ///
    /// # Errors
    ///
    /// Those of [`file`](Self::file), except that the file may be missing.
    pub fn optional_file(self, path: impl AsRef<Path>) -> Result<Self, Faults> {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => self.text(&path.display().to_string(), &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Reads TOML text, such as one that is embedded in the program; `name` stands for it in faults.
    ///
    /// # Errors
    ///
    /// The first syntax fault of each line, as `name:line:column: reason`.
    pub fn text(mut self, name: &str, text: &str) -> Result<Self, Faults> {
        let source = Source::new(name.into(), text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let faults = errors.iter().map(|error| {
                // Only the message: the error's own form also prints the line, secrets included.
                let place = source.place(error.span().map_or(0, |span| span.start));
                Fault::new(place, "", error.message())
            });
            return Err(Faults::first_of_each_line(faults.collect()));
        }
        let node = Node::from_toml(&source, table.get_ref());
        match &mut self.root {
            Some(root) => root.merge(node),
            None => self.root = Some(node),
        }
        Ok(self)
    }

    /// Lets variables that begin with `prefix` and an underscore set values. Default: none does.
    ///
    /// The environment is read when the first section is. An empty prefix is no prefix.
    pub fn env_prefix(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('_');
        self.env.prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
        self
    }

    /// Takes these variables instead of the process's own.
    pub fn env_from<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.env.given = Some(variables.collect());
        self
    }

    /// Lets one variable, with or without the prefix, set the key at `path`: `("PORT", "server.port")`.
    pub fn env_alias(mut self, variable: &str, path: &str) -> Self {
        self.env
            .aliases
            .push((variable.to_owned(), tree::read(path)));
        self
    }

    /// Leaves out a variable that has the prefix and means something else.
    ///
    /// A `*` at the end stands for the rest: Kubernetes sets `SEC_SERVICE_HOST` and others for a
    /// service that is called `sec`; `ignore_env("SEC_SERVICE_*")` leaves them out.
    pub fn ignore_env(mut self, variable: &str) -> Self {
        self.env.ignored.push(variable.to_owned());
        self
    }

    /// Reads the table `name`, or takes the default when neither file nor environment has it.
    ///
    /// The value can be had from [`finish`](Self::finish) only, which gives it away only when the whole
    /// configuration is without fault. Reading a section twice is a fault.
    pub fn section<T: Section + Default>(&mut self, name: &str) -> Loaded<T> {
        self.apply_env();
        let prefix = [Segment::Key(name.to_owned())];
        if self.read.iter().any(|read| read == name) {
            let reason = "the program reads this section twice";
            self.faults
                .push(Fault::new(Place::Unknown, tree::show(&prefix), reason));
            return Loaded::new(name, None);
        }
        self.read.push(name.to_owned());
        let root = self.root.get_or_insert_with(Node::empty);
        let fallback = root.place.clone();
        let node = match &mut root.value {
            Value::Table(table) => table.remove(name),
            _ => None,
        };
        let is_there = node.is_some();
        let mut node = node.unwrap_or_else(Node::empty);
        let mut reader = Reader::new(&mut node, &prefix, &fallback, &mut self.faults);
        let value = if is_there {
            reader.read()
        } else {
            let section = T::default();
            reader.check(&section).then_some(section)
        };
        Loaded::new(name, value)
    }

    /// Gives the sections away if there is no fault anywhere; else every fault of the configuration.
    ///
    /// Takes what [`section`](Self::section) returned: one, a tuple of up to twelve, an `Option` or a
    /// `Vec` of them.
    ///
    /// # Errors
    ///
    /// All faults of all sections, and each section, key and variable that nobody has read.
    pub fn finish<U: Unlock>(mut self, sections: U) -> Result<U::Output, Faults> {
        self.apply_env();
        self.report_unread();
        if !self.faults.is_empty() {
            return Err(Faults::new(self.faults));
        }
        // Faulty and yet no fault here: it was read by another loader.
        sections.unlock().map_err(|name| {
            Faults::one(Fault::new(
                Place::Unknown,
                name,
                "has faults, which another loader reports",
            ))
        })
    }

    /// Reads the whole configuration as one struct.
    ///
    /// # Errors
    ///
    /// All faults, and each key and variable that no field reads.
    pub fn load<T: Section>(mut self) -> Result<T, Faults> {
        self.apply_env();
        let mut root = self.root.take().unwrap_or_else(Node::empty);
        let fallback = root.place.clone();
        let value = Reader::new(&mut root, &[], &fallback, &mut self.faults).read();
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Faults::new(self.faults)),
        }
    }

    fn apply_env(&mut self) {
        if !std::mem::replace(&mut self.is_env_applied, true) {
            let root = self.root.get_or_insert_with(Node::empty);
            self.env.apply(root, &mut self.faults);
        }
    }

    fn report_unread(&mut self) {
        let known: Vec<_> = self.read.iter().map(String::as_str).collect();
        let Some(Node {
            value: Value::Table(table),
            ..
        }) = &self.root
        else {
            return;
        };
        for (name, node) in table {
            let path = tree::show(&[Segment::Key(name.clone())]);
            let known = match known.as_slice() {
                [] => String::new(),
                known => hint(name, known, "known are"),
            };
            let what = match &node.value {
                Value::Table(_) => "section",
                _ => "section or key",
            };
            if matches!(node.place, Place::File { .. }) {
                let reason = format!("unknown {what}{known}");
                self.faults
                    .push(Fault::new(node.place.clone(), path.clone(), reason));
            }
            node.variables(&mut |place| {
                let reason = format!("unknown section `{path}`{known}");
                self.faults
                    .push(Fault::new(place.clone(), path.clone(), reason));
            });
        }
    }
}

impl fmt::Debug for Loader {
    /// Shows keys, never values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("values", &self.root)
            .field("read", &self.read)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Faults {
    let place = Place::File {
        file: path.display().to_string().into(),
        position: None,
    };
    Faults::one(Fault::new(
        place,
        "",
        format_args!("cannot be read: {error}"),
    ))
}
