//! What can be wrong with a limiter when it is built.

use std::fmt;

use sec_core::FieldFaults;

/// A configuration that cannot be used, with the field that is wrong. Raised when a limiter, a layer
/// or a challenge is built, never per request.
///
/// `Debug` shows the same line as `Display`, because that is what `main` prints of an error that it returns.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    field: String,
    kind: ConfigErrorKind,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A limiter without tiers limits nothing.
    #[error("at least one tier is needed")]
    NoTiers,
    /// More tiers than one decision can hold.
    #[error("at most {most} tiers make one decision")]
    TooManyTiers {
        /// How many there may be.
        most: usize,
    },
    /// The name cannot be written into a header field.
    #[error("a tier's name is 1 to 64 printable ASCII characters without quotes and backslashes")]
    Name,
    /// Two tiers share a name.
    #[error("another tier has this name")]
    Duplicate,
    /// A number outside of its range.
    #[error("must be from {least} to {most}")]
    OutOfRange {
        /// The least value.
        least: u64,
        /// The largest value.
        most: u64,
    },
    /// A batch of a lease that its tier never admits at once.
    #[error("a batch must be from 1 to {most}, which is what the tier admits at once")]
    Batch {
        /// The largest batch.
        most: u64,
    },
    /// The window is empty or too long.
    #[error("must be longer than zero and at most ten years")]
    Window,
    /// A setting that does not belong to the chosen algorithm.
    #[error("{0}")]
    Misused(&'static str),
    /// A layer cannot know a key which only the caller can give.
    #[error("the key of this tier is given by the caller, so no layer can make it from a request")]
    GivenKey,
    /// A required field is missing.
    #[error("is needed unless a preset is given")]
    Missing,
    /// A preset and a setting which the preset already says.
    #[error("is already said by the preset")]
    PresetSays,
    /// A name that is not in the closed list.
    #[error("unknown: expected {expected}")]
    Unknown {
        /// What may stand here.
        expected: String,
    },
    /// A share that is none.
    #[error("must be a number from 0 to 1")]
    Share,
    /// A setting without a default is missing; what it is.
    #[error("is missing: {0}; set it here or by its environment variable")]
    NotSet(&'static str),
    /// No store of this name is registered.
    #[error("no store {name:?} is registered: expected {expected}")]
    NoSuchStore {
        /// The name that was asked for.
        name: String,
        /// What may stand here.
        expected: String,
    },
    /// A header name that is none.
    #[error("is not a header name")]
    HeaderName,
    /// A path rule that is none.
    #[error("{0}")]
    Path(String),
    /// A name that cannot be part of a key of a shared store.
    #[error("1 to 64 of the characters `a-z`, `0-9`, `-`, `_` and `.`")]
    StoreName,
    /// A setting of a store, in the store's own words.
    #[error("{0}")]
    Store(String),
    /// A key too short to sign with.
    #[error("a key of at least 32 bytes is needed")]
    ShortKey,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<String>, kind: ConfigErrorKind) -> Self {
        Self {
            field: field.into(),
            kind,
        }
    }

    /// The same where a file says nothing, so that what nobody wrote is not said to be wrong.
    pub(crate) fn or_not_set(self, field: &str, text: &str, what: &'static str) -> Self {
        if self.field == field && text.is_empty() {
            return Self::new(self.field, ConfigErrorKind::NotSet(what));
        }
        self
    }

    /// Tells the loader. What a `key` says whom a tier counts by is no secret, whatever its name suggests.
    pub(crate) fn tell(&self, faults: &mut FieldFaults) {
        if self.field == "key" || self.field.ends_with("].key") {
            faults.add_open(&self.field, &self.kind);
        } else {
            faults.add(&self.field, &self.kind);
        }
    }

    /// The same below a table of the section.
    pub(crate) fn below(mut self, table: &str) -> Self {
        self.field = format!("{table}.{}", self.field);
        self
    }

    /// The path of the field that is wrong, for example `tiers[0].per`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> &ConfigErrorKind {
        &self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.kind)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}
