//! Text that may stand in a log line, a header or a terminal.

use std::borrow::Cow;

/// Stands for every character that was taken out.
const REPLACEMENT: char = '\u{FFFD}';

/// Stands for the end that was cut off.
const ELLIPSIS: char = '…';

/// Makes text from outside safe to put into one log line, and bounds it.
///
/// Everything that could start a second line, move a terminal's cursor, or turn the reading direction
/// becomes U+FFFD: C0 and C1 controls with CR, LF, TAB and ESC, DEL, U+2028 and U+2029, bidirectional
/// overrides and isolates, zero-width characters and the byte order mark. Text longer than `max_chars`
/// characters is cut on a character boundary and ends in `…`. Clean text is borrowed as it is.
///
/// Follows the OWASP Logging Cheat Sheet ("sanitize all event data to prevent log injection"); the
/// bidirectional set is that of Trojan Source (CVE-2021-42574).
#[must_use]
pub fn log_safe(text: &str, max_chars: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(max_chars).map(|(at, _)| at);
    let kept = end.and_then(|at| text.get(..at)).unwrap_or(text);
    if end.is_none() && !kept.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe: String = kept
        .chars()
        .map(|c| if is_unsafe(c) { REPLACEMENT } else { c })
        .collect();
    if end.is_some() {
        safe.push(ELLIPSIS);
    }
    Cow::Owned(safe)
}

/// Whether [`log_safe`] replaces this character.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' // Arabic letter mark
            | '\u{200B}'..='\u{200F}' // zero width, direction marks
            | '\u{2028}'..='\u{202E}' // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{2069}' // word joiner, invisible operators, isolates
            | '\u{FEFF}' // byte order mark
            | '\u{E0000}'..='\u{E007F}') // tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_text_is_borrowed() {
        for text in ["", "Mozilla/5.0 (X11; Linux x86_64)", "Zoë 日本 👩"] {
            assert!(matches!(log_safe(text, 64), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_could_forge_a_line_is_replaced() {
        // Row per attack: OWASP Log Injection; terminal escapes as in RUSTSEC-2025-0055; CVE-2021-42574.
        for (attack, safe) in [
            ("a\r\nb", "a\u{FFFD}\u{FFFD}b"),
            ("a\x1b[31mb", "a\u{FFFD}[31mb"),
            ("a\u{9b}31mb", "a\u{FFFD}31mb"),
            ("a\u{2028}b", "a\u{FFFD}b"),
            ("a\u{202E}b", "a\u{FFFD}b"),
            ("a\u{2066}b", "a\u{FFFD}b"),
            ("a\u{200B}b\u{FEFF}", "a\u{FFFD}b\u{FFFD}"),
            ("nul\0", "nul\u{FFFD}"),
            ("tab\t", "tab\u{FFFD}"),
        ] {
            assert_eq!(log_safe(attack, 64), safe, "{attack:?}");
        }
    }

    #[test]
    fn long_text_is_cut_on_a_character() {
        assert_eq!(log_safe("ääää", 3), "äää…");
        assert_eq!(log_safe("ääää", 4), "ääää");
        assert_eq!(log_safe("abc", 0), "…");
    }
}
