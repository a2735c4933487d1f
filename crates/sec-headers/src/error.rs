use std::fmt;

/// Why a policy could not be built: every fault that was found, not only the first.
///
/// It is made at construction alone; nothing in this crate fails while a request is served.
#[derive(Clone, PartialEq, Eq)]
pub struct PolicyError {
    faults: Vec<Fault>,
}

impl PolicyError {
    pub(crate) fn one(
        field: impl Into<String>,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            faults: vec![Fault::new(field, kind, message)],
        }
    }

    /// `Err` with all of them, or `Ok(value)` when there are none.
    pub(crate) fn unless_empty<T>(faults: Vec<Fault>, value: T) -> Result<T, Self> {
        if faults.is_empty() {
            Ok(value)
        } else {
            Err(Self { faults })
        }
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The same faults, those of `field` under another name.
    pub(crate) fn rename(mut self, field: &str, name: &str) -> Self {
        for fault in &mut self.faults {
            if fault.field == field {
                name.clone_into(&mut fault.field);
            }
        }
        self
    }

    /// The same faults, those whose field begins with `start` beginning with `with`.
    pub(crate) fn rename_start(mut self, start: &str, with: &str) -> Self {
        for fault in &mut self.faults {
            if let Some(rest) = fault.field.strip_prefix(start) {
                fault.field = format!("{with}{rest}");
            }
        }
        self
    }

    /// What is wrong, in the order in which it was found; never empty.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether a fault of this kind is among them.
    #[must_use]
    pub fn has(&self, kind: FaultKind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// One line for each fault: what a `main` that returns its error shows.
impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(fault, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyError {}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    field: String,
    kind: FaultKind,
    message: String,
}

impl Fault {
    pub(crate) fn new(
        field: impl Into<String>,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            kind,
            message: message.into(),
        }
    }

    /// The same fault, seen from further out: `script-src` inside `csp` is `csp.script-src`.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.field = match (outer, self.field.as_str()) {
            ("", inner) => inner.to_owned(),
            (outer, "") => outer.to_owned(),
            (outer, inner) => format!("{outer}.{inner}"),
        };
        self
    }

    /// Where it stands, as a dotted path: `csp.script-src`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What sort of fault it is.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What is wrong and what would be right.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// The sort of a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A source expression that a browser would not read as meant.
    Source,
    /// A keyword, nonce or hash without its single quotes: a browser takes it for a host name.
    Unquoted,
    /// `'none'` beside other sources: browsers ignore one or the other.
    NoneBesideOthers,
    /// A directive that does not exist, stands twice, or holds what has no effect in it.
    Directive,
    /// A digest of the wrong length, or not base64.
    Hash,
    /// A reporting endpoint's name or address is not usable.
    Endpoint,
    /// A report goes to an endpoint that nobody declared.
    UnknownEndpoint,
    /// A `Strict-Transport-Security` that the preload list would refuse, or that contradicts itself.
    Hsts,
    /// Not an origin of the form `scheme://host[:port]`.
    Origin,
    /// Not a host with or without port, or one whose redirect would lead nowhere.
    Host,
    /// Not a method that a page can send.
    Method,
    /// Credentials for everybody, or `*` where credentials make it an ordinary name.
    Credentials,
    /// Not the name of a Permissions-Policy feature.
    Feature,
    /// Not what an Integrity-Policy can say.
    Integrity,
    /// Not a feature or value of a Document-Policy.
    Document,
    /// A header that this policy does not manage, or a value that no header can carry.
    Header,
    /// A preset, mode or path rule that does not exist.
    Setting,
}
