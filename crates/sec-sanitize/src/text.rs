//! Characters that a reader does not see.

use std::borrow::Cow;

/// Whether a character shows nothing and can mislead: controls other than tab, line feed and carriage
/// return; the bidi embeddings, overrides and isolates which make text read in another order than it
/// is stored ([Trojan Source](https://trojansource.codes), CVE-2021-42574); zero-width space, word joiner, soft hyphen,
/// byte-order mark, invisible operators and tag characters.
///
/// Kept on purpose, because scripts and emoji need them: zero-width joiner and non-joiner, variation
/// selectors, and the left-to-right and right-to-left marks, which change no order by themselves.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => true,
        '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// The text without its [hidden](is_hidden) characters; borrowed when it has none.
#[must_use]
pub fn strip_hidden(text: &str) -> Cow<'_, str> {
    if has_hidden(text) {
        Cow::Owned(text.chars().filter(|&c| !is_hidden(c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether any character is [hidden](is_hidden). ASCII is looked at byte by byte, without decoding.
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    if text.is_ascii() {
        // No early exit: this form is vectorised, and nearly every text runs through to its end.
        return text.bytes().fold(false, |found, b| {
            found | (b < 0x20 && b != b'\t' && b != b'\n' && b != b'\r') | (b == 0x7f)
        });
    }
    text.chars().any(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_go_and_visible_ones_stay() {
        assert_eq!(strip_hidden("a\u{202e}b\u{200b}c\u{7f}\u{85}\0"), "abc");
        assert_eq!(strip_hidden("user\u{e0041}name"), "username");
        for kept in [
            "tab\tline\r\n",
            "👩\u{200d}🚀",
            "می\u{200c}خواهم",
            "ש\u{200f}!",
            "❤\u{fe0f}",
        ] {
            assert!(matches!(strip_hidden(kept), Cow::Borrowed(text) if text == kept));
        }
    }

    #[test]
    fn the_ascii_way_agrees_with_the_table() {
        for byte in 0..128_u8 {
            let c = char::from(byte);
            assert_eq!(
                has_hidden(c.encode_utf8(&mut [0; 4])),
                is_hidden(c),
                "{byte:#x}"
            );
        }
    }
}
