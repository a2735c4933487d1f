//! Strict JSON, and errors which name each field as the client knows it.

mod de;
mod document;
mod dummy;
mod error;
mod fault;
mod form;
mod limits;
mod names;
mod read;

#[cfg(test)]
mod strict;
#[cfg(test)]
mod tests;

pub use document::{Document, check};
pub use error::{FieldError, InputError};
pub use form::check_form;
pub use limits::JsonLimits;
pub use read::parse;
