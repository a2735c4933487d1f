//! What is wrong with an input, said so that the caller can mend it and learns nothing else.

use std::borrow::Cow;

use serde::Serialize;

/// One fault of an input: where, what, and in some cases what would be right.
///
/// Never in it: the rejected value, a Rust name, a message of the parser or of a `Deserialize` implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// RFC 6901 pointer into the document, with the names that are on the wire: `/items/0/name`.
    pub pointer: String,
    /// `required`, `unknown`, `type`, `range`, `choice`, `duplicate`, `nul`, `number`, `invalid`, the code of a
    /// [rule](crate::rules), or that of a validator (`length`, `email`, ...).
    pub code: Cow<'static, str>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

impl FieldError {
    /// A fault that only the host can find, such as a name that is taken, in the shape of all others.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: None,
        }
    }

    /// Adds a sentence for people. It reaches the caller: no rejected value belongs in it.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.maybe_detailed(Some(detail))
    }

    pub(crate) fn maybe_detailed(self, detail: Option<impl Into<Cow<'static, str>>>) -> Self {
        Self {
            detail: detail.map(Into::into),
            ..self
        }
    }
}

/// Why an input was not accepted. Converts into a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// 415: not the media type, charset or encoding that is read here.
    #[error("the content type is not {expected}")]
    MediaType {
        /// The type that is read.
        expected: &'static str,
    },
    /// 413: the body is longer than allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// 400: the input cannot be read at all.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// 422: it can be read, and these of its fields are wrong.
    #[error("{} fields are not acceptable", .0.len())]
    Invalid(Vec<FieldError>),
}

impl InputError {
    pub(crate) fn malformed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(reason.into())
    }

    /// The faults by field; empty unless the input could be read.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Invalid(fields) => fields,
            _ => &[],
        }
    }
}

/// Appends one segment to a pointer (RFC 6901, section 3). Names that a client chose are cut at 100 characters.
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for c in segment.chars().take(100) {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}
