//! Keeps secrets out of reasons: a fault ends in a terminal, a log and a ticket.

use super::{
    error::{DeError, What},
    segment::Segment,
    tree::{Node, Value},
};

/// A key with one of these in its name holds a secret, and so does everything below it.
const SECRET: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "pepper",
    "credential",
];

const REDACTED: &str = "[redacted]";

/// The words of an error about the value at `path`, the section's name included.
pub(super) fn reason(path: &[Segment], error: &DeError, value: Option<&Node>) -> String {
    match &error.what {
        What::Type { bare, .. } | What::Value { bare, .. } if is_secret(path) => bare.clone(),
        What::Unknown { .. } | What::Missing(_) | What::Ignored => error.to_string(),
        _ => text(path, &error.to_string(), value),
    }
}

/// Words of somebody else about the value at `path`: they may quote it.
pub(super) fn text(path: &[Segment], words: &str, value: Option<&Node>) -> String {
    let words = match is_secret(path) {
        true => conceal(words, value),
        false => words.to_owned(),
    };
    without_userinfo(&words)
}

/// The name of a section is not looked at: `[tokens]` holds more than secrets.
fn is_secret(path: &[Segment]) -> bool {
    let from = usize::from(path.len() > 1);
    path.iter().skip(from).any(|segment| match segment {
        Segment::Index(_) => false,
        Segment::Key(key) => {
            let key = key.to_ascii_lowercase();
            SECRET.iter().any(|word| key.contains(word))
        }
    })
}

fn conceal(words: &str, value: Option<&Node>) -> String {
    let mut values = Vec::new();
    if let Some(node) = value {
        collect(node, &mut values);
    }
    let mut concealed = words.to_owned();
    for value in values.iter().filter(|value| value.len() > 3) {
        concealed = concealed.replace(value.as_str(), REDACTED);
    }
    concealed = without_quotes(&concealed);
    // A value of three letters cannot be told from the words around it.
    match values
        .iter()
        .any(|value| !value.is_empty() && concealed.contains(value.as_str()))
    {
        true => "the value is refused (the reason may quote it and is left out)".to_owned(),
        false => concealed,
    }
}

fn collect(node: &Node, values: &mut Vec<String>) {
    match &node.value {
        Value::String(text) => values.push(text.clone()),
        Value::Integer(number) => values.push(number.to_string()),
        Value::Float(number) => values.push(number.to_string()),
        // `true` is no secret, and a word of many sentences.
        Value::Boolean(_) => {}
        Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Table(table) => table.values().for_each(|item| collect(item, values)),
    }
}

/// Empties what stands between quotation marks; an apostrophe inside a word is none.
fn without_quotes(words: &str) -> String {
    let mut kept = String::new();
    let mut open: Option<char> = None;
    let mut escaped = false;
    let mut last = ' ';
    for c in words.chars() {
        match open {
            Some(quote) if c == quote && !escaped => {
                kept.push(c);
                open = None;
            }
            Some(_) => escaped = c == '\\' && !escaped,
            None => {
                kept.push(c);
                if matches!(c, '"' | '`') || c == '\'' && !last.is_alphanumeric() {
                    kept.push_str(REDACTED);
                    open = Some(c);
                    escaped = false;
                }
            }
        }
        last = c;
    }
    kept
}

/// `redis://user:password@host` carries a secret under a harmless key.
fn without_userinfo(words: &str) -> String {
    let mut kept = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "\"`'".contains(c));
        let (authority, tail) = after.split_at(end.unwrap_or(after.len()));
        kept.push_str(before);
        kept.push_str("://");
        match authority.rsplit_once('@') {
            Some((_, host)) => kept.extend([REDACTED, "@", host]),
            None => kept.push_str(authority),
        }
        rest = tail;
    }
    kept.push_str(rest);
    kept
}
