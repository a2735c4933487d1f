//! Secrets that are recognised by the name that stands before them in a text.

use std::borrow::Cow;
use std::ops::Range;

use super::key::Shape;
use super::search::{find, run_end};

/// `name=value` and `name: value`, as in query strings, forms, header lines and JSON.
pub(super) fn find_pairs(
    text: &str,
    sensitive: &impl Fn(&str, Shape) -> bool,
    spans: &mut Vec<Range<usize>>,
) {
    let bytes = text.as_bytes();
    let mut at = 0_usize;
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| matches!(b, b'=' | b':' | b'%')))
    {
        let sign = at.saturating_add(offset);
        at = sign.saturating_add(1);
        let width = match bytes.get(sign) {
            Some(b'%') if !is_encoded_sign(bytes.get(sign..sign.saturating_add(3))) => continue,
            Some(b'%') => 3,
            _ => 1,
        };
        let name = unescape(name_before(text, sign));
        // The name first: to look for the ends of all values would cost the square of their number.
        if !sensitive(&name, Shape::Text) {
            continue;
        }
        let header = bytes.get(sign) == Some(&b':');
        let span = value_after(text, sign.saturating_add(width), header);
        if !sensitive(&name, shape_of(text.get(span.clone()).unwrap_or_default())) {
            continue;
        }
        at = at.max(span.end);
        if !span.is_empty() {
            spans.push(span);
        }
    }
}

/// `%3D` and `%3A`: a pair inside a URL that is itself a parameter.
fn is_encoded_sign(bytes: Option<&[u8]>) -> bool {
    matches!(bytes, Some([b'%', b'3', b'D' | b'd' | b'A' | b'a']))
}

/// The name that ends before the sign: at most 64 characters of it, and nothing from before a separator, which may
/// itself be percent-encoded.
fn name_before(text: &str, sign: usize) -> &str {
    let before = text.get(..sign).unwrap_or_default();
    let before = before.trim_end_matches([' ', '\t', '"', '\'', '\\']);
    let mut start = before.len();
    for (at, c) in before.char_indices().rev().take(64) {
        if c == '%' && is_encoded_separator(before.as_bytes().get(at..at.saturating_add(3))) {
            start = at.saturating_add(3);
            break;
        }
        if !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '[' | ']' | '%') {
            break;
        }
        start = at;
    }
    before.get(start..).unwrap_or_default()
}

/// `%26`, `%3D`, `%3F`, `%3A`, `%2F`, `%23`.
fn is_encoded_separator(bytes: Option<&[u8]>) -> bool {
    is_encoded_sign(bytes)
        || matches!(
            bytes,
            Some([b'%', b'2', b'6' | b'3' | b'F' | b'f'] | [b'%', b'3', b'F' | b'f'])
        )
}

/// The value that begins behind the sign at `from`. Where its end is not certain, the rest of the line
/// goes with it: to mask too much is the smaller fault.
fn value_after(text: &str, from: usize, header: bool) -> Range<usize> {
    let start = run_end(text, from, |b| matches!(b, b' ' | b'\t'));
    let rest = text.get(start..).unwrap_or_default();
    let opening = ["\\\"", "\"", "'"]
        .into_iter()
        .find(|quote| rest.starts_with(quote));
    if let Some(quote) = opening {
        let inside = start.saturating_add(quote.len());
        return inside..closing_quote(text, inside, quote);
    }
    let end = run_end(text, start, |b| match b {
        b'\r' | b'\n' => false,
        b'&' | b';' | b',' | b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' => header,
        _ => header || !b.is_ascii_whitespace(),
    });
    start..end
}

/// What a value in a text would be as JSON: `max_tokens=4096` is a number there too.
fn shape_of(value: &str) -> Shape {
    match value.trim_end() {
        "true" | "false" => Shape::Boolean,
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Shape::Number,
        _ => Shape::Text,
    }
}

fn closing_quote(text: &str, from: usize, quote: &str) -> usize {
    let mut at = from;
    while let Some(found) = find(text, quote, at) {
        let escapes = text
            .get(from..found)
            .unwrap_or_default()
            .bytes()
            .rev()
            .take_while(|b| *b == b'\\')
            .count();
        if escapes % 2 == 0 {
            return found;
        }
        at = found.saturating_add(quote.len());
    }
    text.len()
}

/// Percent-decoded, so that `pass%77ord` is seen for what it is.
fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    Cow::Owned(String::from_utf8_lossy(&crate::query::percent_decode(name, false)).into_owned())
}
