//! Forms and queries, as documents whose values are text.

use std::collections::HashSet;

use super::document::{Document, Node};
use super::error::{FieldError, InputError, push_segment};
use super::limits::JsonLimits;

/// Reads `application/x-www-form-urlencoded` (WHATWG URL standard, section 5.1) more strictly than the standard.
///
/// Refused: a name that occurs twice (HTTP parameter pollution: which one counts differs from program to program);
/// bytes that are not UTF-8 after decoding; U+0000. Numbers and booleans are read from their text by the type that
/// asks for them. There are no lists and no nesting.
///
/// # Errors
/// [`InputError::TooLarge`], [`InputError::Malformed`] or [`InputError::Invalid`].
pub fn check_form(bytes: &[u8], limits: &JsonLimits) -> Result<Document, InputError> {
    if bytes.len() > limits.max_bytes {
        return Err(InputError::TooLarge {
            limit: limits.max_bytes,
        });
    }
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut seen = HashSet::new();
    for pair in bytes
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let mut halves = pair.splitn(2, |&byte| byte == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        if entries.len() >= limits.max_nodes {
            let reason = format!("There are more than {} values.", limits.max_nodes);
            return Err(InputError::Malformed(reason.into()));
        }
        if !limits.allow_nul && (name.contains('\0') || value.contains('\0')) {
            return Err(refused(&name, "nul"));
        }
        if !seen.insert(name.clone()) {
            return Err(refused(&name, "duplicate"));
        }
        entries.push((name, Node::Text(value)));
    }
    Ok(Document {
        root: Node::Map(entries),
        from_text: true,
        max_errors: limits.max_errors,
    })
}

fn refused(name: &str, code: &'static str) -> InputError {
    let mut pointer = String::new();
    push_segment(&mut pointer, name);
    InputError::Invalid(vec![FieldError::new(pointer, code)])
}

/// `+` is a space, `%` and two digits are a byte, any other `%` is itself.
fn decode(text: &[u8]) -> Result<String, InputError> {
    let digit = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match (byte, digit(tail.first()), digit(tail.get(1))) {
            (b'+', _, _) => b' ',
            (b'%', Some(high), Some(low)) => {
                rest = tail.get(2..).unwrap_or_default();
                u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or(b'%')
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| InputError::malformed("The form is not UTF-8."))
}
