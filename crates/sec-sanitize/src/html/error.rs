//! What can be wrong with a policy (when it is built) and with a text (when it is cleaned).

/// A text costs more than its policy allows. Nothing else makes cleaning fail.
///
/// Converts into a problem: 413 for the length of the text, 422 for what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text exceeds the budget: {found} {what}, at most {limit} allowed")]
pub struct BudgetError {
    what: BudgetKind,
    found: usize,
    limit: usize,
}

/// Which part of the budget was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetKind {
    /// Bytes of the text.
    InputBytes,
    /// Tags.
    Elements,
    /// Elements inside one another.
    Depth,
    /// Attributes of one tag.
    Attributes,
    /// Character references.
    References,
    /// Bytes of the result, or what they could become.
    OutputBytes,
    /// Moves caused by misnested tags.
    Moves,
}

impl std::fmt::Display for BudgetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InputBytes => "bytes of text",
            Self::Elements => "tags",
            Self::Depth => "levels of nesting",
            Self::Attributes => "attributes on one tag",
            Self::References => "character references",
            Self::OutputBytes => "bytes of output",
            Self::Moves => "moves by misnested tags",
        })
    }
}

impl BudgetError {
    pub(super) fn check(what: BudgetKind, found: usize, limit: usize) -> Result<(), Self> {
        if found > limit {
            Err(Self { what, found, limit })
        } else {
            Ok(())
        }
    }

    /// Which part of the budget was exceeded.
    #[must_use]
    pub fn kind(&self) -> BudgetKind {
        self.what
    }

    /// What the text has (for output and moves: an upper bound).
    #[must_use]
    pub fn found(&self) -> usize {
        self.found
    }

    /// What the policy allows.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// A policy that contradicts itself or would let scripts through. Reported when the policy is built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The element runs or loads code, or its content is not HTML.
    #[error("<{0}> cannot be allowed")]
    ForbiddenTag(&'static str),
    /// The name is not a lower-case HTML name.
    #[error("`{0}` is not a name of lower-case ASCII letters, digits and `-`")]
    BadName(&'static str),
    /// The attribute runs code, carries style, or loads something that no check covers.
    #[error("attribute `{1}` of <{0}> cannot be allowed")]
    ForbiddenAttribute(&'static str, &'static str),
    /// An attribute or class is given for an element that is not allowed.
    #[error("<{0}> has attributes or classes, but is not an allowed element")]
    TagNotAllowed(&'static str),
    /// The element is both allowed and removed with its content.
    #[error("<{0}> is both allowed and removed with its content")]
    AllowedAndRemoved(&'static str),
    /// `class` is both free and limited to a list.
    #[error("`class` of <{0}> is allowed without limit and also limited to a list")]
    FreeAndListedClass(&'static str),
    /// `rel` is written by the policy and also allowed from the author.
    #[error("`rel` of <a> is both written by the policy and allowed from the author")]
    WrittenAndFreeRel,
    /// `target` is written by the policy and also allowed from the author.
    #[error("`target` of <a> is both written by the policy and allowed from the author")]
    WrittenAndFreeTarget,
    /// `id` without a prefix lets a text replace what scripts look up by name (DOM clobbering).
    #[error("`id` needs an id_prefix")]
    IdWithoutPrefix,
    /// The scheme runs code or opens local files.
    #[error("URL scheme `{0}` cannot be allowed")]
    ForbiddenScheme(&'static str),
    /// A limit is zero or too large to protect.
    #[error("budget: {0}")]
    Budget(#[from] BudgetConfigError),
}

/// A limit outside of what protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be from 1 to {max}")]
pub struct BudgetConfigError {
    pub(crate) field: &'static str,
    pub(crate) max: usize,
}
