//! How large and how deep a document may be.

/// The limits of one JSON document, form or query.
///
/// Put one into the request's extensions (axum: `Extension(JsonLimits::default().with_max_bytes(..))`
/// as a layer of the routes it is for) to change what `Valid<Json<T>>` accepts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonLimits {
    /// Bytes of the body, counted while it is read. Default 65 536; more answers 413.
    pub max_bytes: usize,
    /// Objects and lists inside one another. Default 32, at most 100; more answers 400.
    pub max_depth: usize,
    /// Values in all: a value of two bytes takes some 40 in memory. Default 10 000; more answers 400.
    pub max_nodes: usize,
    /// Entries in the list of errors. Each costs one more pass over the document. Default 16, at most 64.
    pub max_errors: usize,
    /// Whether strings may hold U+0000, which ends strings in C libraries and which Postgres refuses. Default no.
    pub allow_nul: bool,
    /// Whether numbers may lie beyond what 64-bit integers hold. They lose digits. Default no.
    pub allow_huge_numbers: bool,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024,
            max_depth: 32,
            max_nodes: 10_000,
            max_errors: 16,
            allow_nul: false,
            allow_huge_numbers: false,
        }
    }
}

impl JsonLimits {
    /// Sets the longest body, in bytes. Memory may be twenty times as much.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// Sets the deepest nesting. Beyond 100 the parser's own limit of 128 comes near.
    #[must_use]
    pub fn with_max_depth(self, max_depth: usize) -> Self {
        Self {
            max_depth: max_depth.min(100),
            ..self
        }
    }

    /// Sets the largest count of values.
    #[must_use]
    pub fn with_max_nodes(self, max_nodes: usize) -> Self {
        Self { max_nodes, ..self }
    }

    /// Sets the longest list of errors (1 to 64).
    #[must_use]
    pub fn with_max_errors(self, max_errors: usize) -> Self {
        Self {
            max_errors: max_errors.clamp(1, 64),
            ..self
        }
    }

    /// Lets strings hold U+0000.
    #[must_use]
    pub fn allowing_nul(self) -> Self {
        Self {
            allow_nul: true,
            ..self
        }
    }

    /// Lets numbers lie beyond 64-bit integers.
    #[must_use]
    pub fn allowing_huge_numbers(self) -> Self {
        Self {
            allow_huge_numbers: true,
            ..self
        }
    }
}
