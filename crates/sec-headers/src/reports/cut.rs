//! Addresses and sentences without what may be secret in them.

/// Schemes whose address is content, and content may be anything.
const CONTENT: [&str; 3] = ["data:", "javascript:", "vbscript:"];

/// Schemes after which browsers read an authority however many slashes follow, also none (WHATWG URL,
/// "special scheme").
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];

/// What addresses in sentences stand in.
const QUOTES: [char; 9] = ['\'', '"', '`', '(', '[', '{', '<', '‘', '“'];

const SLASHES: [char; 2] = ['/', '\\'];

/// An address without query, fragment and user information, and of an address that is content the
/// scheme alone. What browsers leave out when they read an address is left out first.
pub(super) fn address(text: &str) -> String {
    let text = text.trim_matches(|c: char| c <= ' ' || c.is_whitespace());
    let cut = if text.contains(['\t', '\n', '\r']) {
        word(without_content(&text.replace(['\t', '\n', '\r'], "")))
    } else {
        word(without_content(text))
    };
    // The scheme alone is a word of its own, as browsers write it.
    let is_content = |scheme: &str| {
        let name = scheme.strip_suffix(':');
        name.is_some_and(|name| name.eq_ignore_ascii_case(&cut))
    };
    if CONTENT.iter().any(|scheme| is_content(scheme)) {
        cut.to_ascii_lowercase()
    } else {
        cut
    }
}

/// A browser's sentence, in which every word is treated as an address. It ends where content begins,
/// in which there may be spaces.
pub(super) fn sentence(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for piece in without_content(text).split_ascii_whitespace() {
        if !whole.is_empty() {
            whole.push(' ');
        }
        let bare = piece.trim_start_matches(QUOTES);
        let quotes = piece.len().saturating_sub(bare.len());
        whole.push_str(piece.get(..quotes).unwrap_or_default());
        whole.push_str(&word(bare));
    }
    whole
}

/// What stands in front of content, and its scheme. It may be in the midst of a word
/// (`src=data:…`), but is no part of a longer scheme (`metadata:`).
fn without_content(text: &str) -> &str {
    let begins = |at: usize, scheme: &str| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let inside = before.is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let tail = text.get(at..).and_then(|tail| tail.get(..scheme.len()));
        !inside && tail.is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
    };
    let end = text.match_indices(':').find_map(|(colon, _)| {
        CONTENT.iter().find_map(|scheme| {
            let at = colon.checked_add(1)?.checked_sub(scheme.len())?;
            begins(at, scheme).then_some(colon)
        })
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn word(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default();
    if text.contains('@') {
        without_user(text)
    } else {
        text.to_owned()
    }
}

/// Where a piece between slashes stands.
#[derive(Clone, Copy)]
enum Place {
    /// In front of every slash.
    Start,
    /// Behind two slashes or more, or behind a colon and one.
    Authority,
    Path,
}

/// Of each piece that may be an authority what stands behind its last `@`. In doubt it is one: a path
/// that lost a word is no harm.
fn without_user(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut rest, mut place) = (text, Place::Start);
    loop {
        let end = rest.find(SLASHES).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        match (place, piece.rsplit_once('@')) {
            (Place::Authority, Some((_, host))) => kept.push_str(host),
            (Place::Start, Some((user, host))) if user.contains(':') => {
                kept.push_str(scheme_of(user));
                kept.push_str(host);
            }
            _ => kept.push_str(piece),
        }
        if tail.is_empty() {
            return kept;
        }
        let next = tail.trim_start_matches(SLASHES);
        let slashes = tail.len().saturating_sub(next.len());
        kept.push_str(tail.get(..slashes).unwrap_or_default());
        // As it reads now: what was cut may have been all that stood between slashes.
        let head = kept.trim_end_matches(SLASHES);
        let slashes = kept.len().saturating_sub(head.len());
        place = if slashes > 1 || head.ends_with(':') {
            Place::Authority
        } else {
            Place::Path
        };
        rest = next;
    }
}

/// The beginning through the colon, where that is a scheme behind which an authority may follow at once
/// (`https:u:p@host`); else what stands there is the user's name already (`u:p@host`).
fn scheme_of(text: &str) -> &str {
    let Some((head, _)) = text.split_once(':') else {
        return "";
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let name = head.trim_end_matches(is_scheme).len();
    let name = head.get(name..).unwrap_or_default();
    let special = SPECIAL
        .iter()
        .any(|special| special.eq_ignore_ascii_case(name));
    let end = head.len().saturating_add(1);
    special.then(|| text.get(..end)).flatten().unwrap_or("")
}
