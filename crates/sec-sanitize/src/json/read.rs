//! From a document to a value, or to all that is wrong with it.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use validator::Validate;

use super::de::{Pass, Patches, Shapes};
use super::document::{Document, check};
use super::error::{FieldError, InputError, push_segment};
use super::fault::{Fault, FaultKind};
use super::limits::JsonLimits;
use super::names;

/// [`check`]s the text, reads it into `T` and validates that: what `Valid<Json<T>>` does, without a request.
///
/// ```
/// use sec_sanitize::json::{JsonLimits, parse};
/// use sec_sanitize::rules;
///
/// #[derive(Debug, serde::Deserialize, validator::Validate)]
/// #[serde(deny_unknown_fields)]
/// struct SignUp {
///     username: rules::Username,
///     email: rules::EmailAddress,
///     #[validate(length(min = 2))]
///     motto: String,
///     age: u8,
/// }
///
/// let body = br#"{"username": "x", "motto": "y", "age": "four", "admin": true}"#;
/// let error = parse::<SignUp>(body, &JsonLimits::default()).unwrap_err();
/// let faults: Vec<_> = error.fields().iter().map(|f| (&*f.pointer, &*f.code)).collect();
/// assert_eq!(faults, [
///     ("/admin", "unknown"),
///     ("/age", "type"),
///     ("/email", "required"),
///     ("/motto", "length"),
///     ("/username", "username"),
/// ]);
/// ```
///
/// # Errors
/// As [`check`] and [`Document::read`].
pub fn parse<T: DeserializeOwned + Validate>(
    bytes: &[u8],
    limits: &JsonLimits,
) -> Result<T, InputError> {
    check(bytes, limits)?.read()
}

impl Document {
    /// Reads the document into `T` and validates it. Errors are sorted by pointer.
    ///
    /// All faults are reported at once, not the first: after a fault (a missing field, a wrong type, an unknown
    /// name) the document is read again with a stand-in at that place, at most `max_errors` times, and what comes
    /// of it is validated as well, except for the places with stand-ins. `Deserialize` and `Validate`
    /// implementations therefore must not have effects. Rules that compare fields (`must_match`, `schema`) are
    /// only reported when nothing else is wrong.
    ///
    /// Pointers have the names of the wire. validator knows only Rust's names, so each is looked up among
    /// the names that serde expects at that place: the same name, else the same letters in another case
    /// style (`rename_all`), else the only entry that has the rejected value (`rename = "..."`). Where none fits the
    /// error is reported at the object around it, and the Rust name goes to the log (debug level). Behind
    /// `flatten` and in untagged and internally tagged enums serde hides which names it expects: errors there
    /// point at the names which the client sent, or at the object.
    ///
    /// # Errors
    /// [`InputError::Invalid`] with one entry for each fault.
    pub fn read<T: DeserializeOwned + Validate>(&self) -> Result<T, InputError> {
        let plain = Pass {
            from_text: self.from_text,
            patches: None,
            shapes: None,
        };
        let fault = match self.pass::<T>(plain) {
            Ok(value) => {
                // The common case ends here: one pass, nothing noted.
                let Err(errors) = value.validate() else {
                    return Ok(value);
                };
                let shapes = RefCell::new(Shapes::new());
                // The same text gives the same value; only the names are wanted from this pass.
                let _ = self.pass::<T>(Pass {
                    shapes: Some(&shapes),
                    ..plain
                });
                let mut found = Vec::new();
                names::flatten(&errors, &self.root, &shapes.borrow(), &mut found);
                return Err(self.invalid(found));
            }
            Err(fault) => fault,
        };
        Err(self.invalid(self.collect::<T>(fault)))
    }

    fn pass<T: DeserializeOwned>(&self, pass: Pass<'_>) -> Result<T, Fault> {
        pass.read(PhantomData::<T>, &self.root, || None)
    }

    /// Finds what else is wrong besides the first fault.
    fn collect<T: DeserializeOwned + Validate>(&self, first: Fault) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut patches = Patches::default();
        let shapes = RefCell::new(Shapes::new());
        let mut fault = first;
        loop {
            let node = fault.node.unwrap_or_default();
            // A fault at a place that already has a stand-in is about the stand-in.
            let ours = matches!(fault.kind, FaultKind::Value { .. }) && patches.touches(node);
            if ours {
                return found;
            }
            found.push(describe(&fault));
            if found.len() >= self.max_errors {
                return found;
            }
            match fault.kind {
                FaultKind::Missing(name) if !patches.added.contains(&(node, name)) => {
                    patches.added.push((node, name));
                }
                FaultKind::Unknown(name) if patches.left_out.insert((node, name.clone())) => {}
                FaultKind::Value { .. } if patches.replaced.insert(node) => {}
                _ => return found,
            }
            let pass = Pass {
                from_text: self.from_text,
                patches: Some(&patches),
                shapes: Some(&shapes),
            };
            match self.pass::<T>(pass) {
                Err(next) => fault = next,
                Ok(value) => {
                    if let Err(errors) = value.validate() {
                        let mut more = Vec::new();
                        names::flatten(&errors, &self.root, &shapes.borrow(), &mut more);
                        more.retain(|error| {
                            error.code != "must_match"
                                && !names::is_whole(error)
                                // Inside of a stand-in, or a nameless error of an object that holds one.
                                && !found.iter().any(|k| covers(k, error) || covers(error, k))
                        });
                        found.extend(more);
                    }
                    return found;
                }
            }
        }
    }

    fn invalid(&self, mut errors: Vec<FieldError>) -> InputError {
        errors.sort_by(|a, b| (&a.pointer, &a.code).cmp(&(&b.pointer, &b.code)));
        errors.dedup();
        errors.truncate(self.max_errors.max(1));
        InputError::Invalid(errors)
    }
}

/// Whether the place of `error` is that of `known`, or inside of it.
fn covers(known: &FieldError, error: &FieldError) -> bool {
    error
        .pointer
        .strip_prefix(known.pointer.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && known.code != "unknown"
}

fn describe(fault: &Fault) -> FieldError {
    let mut pointer = String::new();
    for segment in fault.path.iter().rev() {
        push_segment(&mut pointer, segment);
    }
    match &fault.kind {
        FaultKind::Missing(name) => {
            push_segment(&mut pointer, name);
            FieldError::new(pointer, "required").with_detail("This field is required.")
        }
        FaultKind::Unknown(name) => {
            push_segment(&mut pointer, name);
            FieldError::new(pointer, "unknown").with_detail("No such field is known here.")
        }
        FaultKind::Value { code, detail } => {
            FieldError::new(pointer, *code).maybe_detailed(*detail)
        }
    }
}
