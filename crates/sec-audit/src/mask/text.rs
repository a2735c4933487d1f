//! Secrets that are recognised by their look, anywhere in a text.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::MASK;
use super::key::Shape;
use super::pairs::find_pairs;
use super::search::{find, run_end};

/// Replaces every secret in `text`; `sensitive` says whether a name in a `name=value` pair is.
pub(super) fn mask<'a>(text: &'a str, sensitive: impl Fn(&str, Shape) -> bool) -> Cow<'a, str> {
    let mut spans = Vec::new();
    find_pem(text, &mut spans);
    find_jwt(text, &mut spans);
    find_words(text, &mut spans);
    find_cards(text, &mut spans);
    find_userinfo(text, &mut spans);
    find_pairs(text, &sensitive, &mut spans);
    if spans.is_empty() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(cut(text, spans))
    }
}

/// `spans` replaced by one [`MASK`] each, overlapping ones by one together.
fn cut(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_by_key(|span| span.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0_usize;
    for span in spans {
        if span.start > done || done == 0 {
            out.push_str(text.get(done..span.start).unwrap_or_default());
            out.push_str(MASK);
        } else if span.start == done && !out.ends_with(MASK) {
            out.push_str(MASK);
        }
        done = done.max(span.end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// RFC 7468 blocks, up to their end line or, when that is missing, to the end.
fn find_pem(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(start) = find(text, "-----BEGIN ", from) {
        let end = find(text, "-----END ", start)
            .and_then(|at| find(text, "-----", at.saturating_add(9)))
            .map_or(text.len(), |at| at.saturating_add(5));
        spans.push(start..end);
        from = end;
    }
}

/// RFC 7515 and 7516 compact form: base64url of `{"`, two to four dots.
fn find_jwt(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(start) = find(text, "eyJ", from) {
        let end = run_end(text, start, |b| is_word(b) || b == b'.' || b == b'-');
        let token = text.get(start..end).unwrap_or_default();
        let mut parts = token.split('.');
        let header = parts.next().unwrap_or_default();
        let payload = parts.next().unwrap_or_default();
        if header.len() >= 8 && payload.len() >= 4 && parts.next().is_some() {
            spans.push(start..end);
        }
        from = end;
    }
}

/// What begins a word: keys that carry their vendor's prefix (GitHub, GitLab, Slack, Stripe, AWS, Google, npm, PyPI), and
/// RFC 9110 credentials, when what follows `Bearer` or `Basic` can be one.
fn find_words(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut done = 0;
    let mut before = b' ';
    for (start, byte) in text.bytes().enumerate() {
        let begins = is_word(byte) && !is_word(before) && start >= done;
        before = byte;
        if !begins {
            continue;
        }
        let rest = text.get(start..).unwrap_or_default();
        let found = match byte {
            b'b' | b'B' => credential_at(text, start),
            _ if PREFIXES.iter().any(|prefix| rest.starts_with(prefix)) => {
                let end = run_end(text, start, |b| is_word(b) || b == b'-');
                Some(start..end).filter(|span| span.len() >= 16)
            }
            _ => None,
        };
        if let Some(span) = found {
            done = span.end;
            spans.push(span);
        }
    }
}

const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "pypi-",
];

fn credential_at(text: &str, at: usize) -> Option<Range<usize>> {
    let scheme = ["bearer", "basic"].into_iter().find(|scheme| {
        let word = text.as_bytes().get(at..at.saturating_add(scheme.len()));
        word.is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
    })?;
    let after = at.saturating_add(scheme.len());
    let start = run_end(text, after, |b| b == b' ' || b == b'\t');
    let end = run_end(text, start, is_token68);
    let credential = start > after && is_credential(scheme, text.get(start..end)?);
    credential.then_some(start..end)
}

/// "Basic authentication failed" and "bearer realm=…" are prose, not credentials.
fn is_credential(scheme: &str, token: &str) -> bool {
    if scheme == "basic" {
        return STANDARD
            .decode(token)
            .is_ok_and(|pair| pair.contains(&b':'))
            || token.len() >= 16 && token.ends_with('=');
    }
    token.len() >= 20
        || token.len() >= 8
            && !token.ends_with('=')
            && token.bytes().any(|b| !b.is_ascii_lowercase())
}

/// Payment card numbers, also in groups (`4111 1111 1111 1111`). Every group may be the first of one: "4111
/// 1111 1111 1111 12 27" also holds the expiry.
fn find_cards(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for start in 0..bytes.len() {
        if is_digit(bytes, start) && !inside_number(bytes, start) {
            find_card_at(bytes, start, spans);
        }
    }
}

/// Adds up digit groups, split by single spaces or hyphens, until they are no card number any more.
fn find_card_at(bytes: &[u8], start: usize, spans: &mut Vec<Range<usize>>) {
    let mut digits = [0; 19];
    let mut len = 0_usize;
    let mut at = start;
    loop {
        while is_digit(bytes, at) {
            let (Some(slot), Some(digit)) = (digits.get_mut(len), bytes.get(at)) else {
                return;
            };
            *slot = *digit;
            len = len.saturating_add(1);
            at = at.saturating_add(1);
        }
        if bytes.get(at).is_some_and(|b| is_word(*b)) {
            return;
        }
        if digits.get(..len).is_some_and(is_pan) {
            spans.push(start..at);
        }
        at = at.saturating_add(1);
        let separated = at.checked_sub(1).and_then(|i| bytes.get(i));
        if !matches!(separated, Some(b' ' | b'-')) || !is_digit(bytes, at) {
            return;
        }
    }
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

/// Whether the digit here goes on with a word or with the places behind a decimal point.
fn inside_number(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1);
    before.and_then(|i| bytes.get(i)).is_some_and(|b| {
        is_word(*b) || *b == b'.' && at.checked_sub(2).is_some_and(|i| is_digit(bytes, i))
    })
}

/// Whether these digits are a card number by scheme, length and Luhn check digit (ISO/IEC 7812-1).
pub(super) fn is_pan(digits: &[u8]) -> bool {
    let len = digits.len();
    let scheme = match digits {
        [b'4', ..] => matches!(len, 13 | 16 | 19),
        [b'5', b'1'..=b'5', ..] | [b'2', b'2'..=b'7', ..] => len == 16,
        [b'3', b'4' | b'7', ..] => len == 15,
        [b'3', b'0' | b'6' | b'8' | b'9', ..] => (14..=19).contains(&len),
        [b'3', b'5', ..] | [b'6', ..] => (16..=19).contains(&len),
        _ => false,
    };
    scheme && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0_u32, |sum, (index, digit)| {
            let value = u32::from(digit.saturating_sub(b'0'));
            let value = if index % 2 == 0 {
                value
            } else {
                value.saturating_mul(2)
            };
            sum.saturating_add(if value > 9 {
                value.saturating_sub(9)
            } else {
                value
            })
        });
    sum % 10 == 0
}

/// RFC 3986 user information: the password of `scheme://user:password@host`, or all of it without a colon.
fn find_userinfo(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = find(text, "://", from) {
        let start = at.saturating_add(3);
        let end = run_end(text, start, |b| {
            !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>')
                && !b.is_ascii_whitespace()
        });
        let authority = text.get(start..end).unwrap_or_default();
        if let Some((info, _)) = authority.rsplit_once('@') {
            let skip = info.find(':').map_or(0, |colon| colon.saturating_add(1));
            spans.push(start.saturating_add(skip)..start.saturating_add(info.len()));
        }
        from = end.max(start);
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// The characters of RFC 9110's `token68`.
fn is_token68(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}
