//! How much a text may cost.

use super::error::{BudgetConfigError, BudgetError, BudgetKind};
use super::scan::Scan;

/// The limits of one cleaning. All are checked before a parser runs; the output once more after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes of the text. Default 65 536.
    pub input_bytes: usize,
    /// Tags. Default 5 000.
    pub elements: usize,
    /// Levels of nesting, unclosed elements included. Default 64, at most 512.
    pub depth: usize,
    /// Attributes of one tag: the parser compares each with all before it. Default 64.
    pub attributes: usize,
    /// Character references, or `&` that could begin one: each costs the parser about a microsecond. Default 20 000.
    pub references: usize,
    /// Bytes of the result, with every reopened element and every escape counted. Default 512 KiB.
    pub output_bytes: usize,
    /// Node moves that misnested tags cause. Default 2 000 000.
    pub moves: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            input_bytes: 64 * 1024,
            elements: 5_000,
            depth: 64,
            attributes: 64,
            references: 20_000,
            output_bytes: 512 * 1024,
            moves: 2_000_000,
        }
    }
}

impl Budget {
    /// What an article may cost: 512 KiB, 20 000 tags, 128 levels, 4 MiB of output.
    #[must_use]
    pub fn article() -> Self {
        Self {
            input_bytes: 512 * 1024,
            elements: 20_000,
            depth: 128,
            references: 100_000,
            output_bytes: 4 * 1024 * 1024,
            moves: 8_000_000,
            ..Self::default()
        }
    }

    /// Sets the longest text, in bytes.
    #[must_use]
    pub fn with_input_bytes(self, input_bytes: usize) -> Self {
        Self {
            input_bytes,
            ..self
        }
    }

    /// Sets the largest count of tags.
    #[must_use]
    pub fn with_elements(self, elements: usize) -> Self {
        Self { elements, ..self }
    }

    /// Sets the deepest nesting. The cost of a tag grows with it.
    #[must_use]
    pub fn with_depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Sets the largest count of attributes on one tag.
    #[must_use]
    pub fn with_attributes(self, attributes: usize) -> Self {
        Self { attributes, ..self }
    }

    /// Sets the largest count of character references.
    #[must_use]
    pub fn with_references(self, references: usize) -> Self {
        Self { references, ..self }
    }

    /// Sets the largest result, in bytes. Memory while cleaning is some ten times as much.
    #[must_use]
    pub fn with_output_bytes(self, output_bytes: usize) -> Self {
        Self {
            output_bytes,
            ..self
        }
    }

    /// Sets how many moves misnested tags may cause.
    #[must_use]
    pub fn with_moves(self, moves: usize) -> Self {
        Self { moves, ..self }
    }

    /// Each limit must be at least 1, and none so large that it protects from nothing.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), BudgetConfigError> {
        let mib = 1024 * 1024;
        for (field, value, max) in [
            ("input_bytes", self.input_bytes, 16 * mib),
            ("elements", self.elements, 1_000_000),
            ("depth", self.depth, 512),
            ("attributes", self.attributes, 1_024),
            ("references", self.references, 1_000_000),
            ("output_bytes", self.output_bytes, 64 * mib),
            ("moves", self.moves, 100_000_000),
        ] {
            if value == 0 || value > max {
                return Err(BudgetConfigError { field, max });
            }
        }
        Ok(())
    }

    /// The check that comes before anything reads the text.
    ///
    /// # Errors
    /// When the text is too long.
    pub fn admit_length(&self, bytes: usize) -> Result<(), BudgetError> {
        BudgetError::check(BudgetKind::InputBytes, bytes, self.input_bytes)
    }

    /// Compares a scan with the limits.
    ///
    /// # Errors
    /// Names the first limit that the text exceeds.
    pub fn admit(&self, cost: &Scan) -> Result<(), BudgetError> {
        BudgetError::check(BudgetKind::Elements, cost.elements, self.elements)?;
        BudgetError::check(BudgetKind::References, cost.references, self.references)?;
        self.admit_again(cost)
    }

    /// The same for what a first pass has written: end tags and references that the author left out are in it now, so
    /// their count is bounded by the bytes alone.
    pub(super) fn admit_again(&self, cost: &Scan) -> Result<(), BudgetError> {
        BudgetError::check(BudgetKind::Depth, cost.depth, self.depth)?;
        BudgetError::check(BudgetKind::Attributes, cost.attributes, self.attributes)?;
        BudgetError::check(BudgetKind::Moves, cost.moves, self.moves)?;
        BudgetError::check(
            BudgetKind::OutputBytes,
            cost.output_bytes,
            self.output_bytes,
        )
    }
}
