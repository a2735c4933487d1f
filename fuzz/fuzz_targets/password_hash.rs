//! What is read as a stored hash has one spelling, and a cost that may be computed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_tokens::PasswordHash;

fuzz_target!(|text: &str| {
    let Ok(hash) = PasswordHash::parse(text) else {
        return;
    };
    assert_eq!(hash.as_str(), text);
    assert_eq!(PasswordHash::parse(hash.as_str()), Ok(hash.clone()));

    let cost = hash.params();
    let (memory, passes, lanes) = (cost.memory_kib(), cost.passes(), cost.lanes());
    assert!(memory <= 256 * 1024 && memory >= 8 * lanes, "{text}");
    assert!(
        (1..=10).contains(&passes) && (1..=16).contains(&lanes),
        "{text}"
    );

    let start = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$");
    let rest = text.strip_prefix(&start).expect("one spelling of the cost");
    let (salt, output) = rest.split_once('$').expect("salt and output");
    let shown = format!("{hash:?}");
    for part in [salt, output] {
        // 16 to 64 bytes in base64 without padding.
        assert!(
            (22..=86).contains(&part.len()) && !part.contains('$'),
            "{text}"
        );
        assert!(!shown.contains(part), "Debug shows what is stored");
    }
});
