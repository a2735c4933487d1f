//! Whatever text comes in, one safe and bounded line goes out, and nothing else is changed.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use sec_core::text::{is_unsafe, log_safe};

fuzz_target!(|input: (u8, &str)| {
    let (most, text) = (usize::from(input.0), input.1);
    let safe = log_safe(text, most);
    assert!(!safe.chars().any(is_unsafe));
    assert!(!safe.chars().any(char::is_control));

    let (length, kept) = (text.chars().count(), safe.chars().count());
    assert_eq!(kept, length.min(most + 1));
    if length > most {
        assert!(safe.ends_with('…'));
    }
    for (before, after) in text.chars().zip(safe.chars()).take(most) {
        assert!(before == after || (is_unsafe(before) && after == '\u{FFFD}'));
    }
    if matches!(safe, Cow::Borrowed(_)) {
        assert_eq!(safe, text);
    }
    assert_eq!(log_safe(&safe, most + 1), safe);
});
