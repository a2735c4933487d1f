//! Whatever comes in: no panic, no leak, no square.

use proptest::prelude::*;
use serde_json::json;

use super::{CANARY, Masker};

proptest! {
    /// No text makes the masker panic or leave a secret that stands in a pair of its own.
    #[test]
    fn any_text_around_a_pair_hides_its_value(before in "\\PC{0,40}", after in "\\PC{0,40}") {
        let masker = Masker::new();
        let text = format!("{before}&password={CANARY}&{after}");
        prop_assert!(!masker.mask_text(&text).contains(CANARY), "{}", text);
    }

    #[test]
    fn any_text_at_all_is_no_panic(text in "[-=:%\"'\\\\@/ .a-z0-9A-ZäÄ\u{2028}\n]{0,80}") {
        let masker = Masker::new();
        let once = masker.mask_text(&text).into_owned();
        prop_assert!(std::str::from_utf8(once.as_bytes()).is_ok());
    }

    /// However deep under whatever names: a secret's value is gone.
    #[test]
    fn a_canary_under_a_secret_name_is_always_gone(names in proptest::collection::vec("[a-z_]{1,8}", 0..6), array in any::<bool>()) {
        let mut value = json!({"apiKey": CANARY, "n": 1});
        for name in names {
            value = if array { json!({name: [value]}) } else { json!({name: value}) };
        }
        Masker::new().mask_value(&mut value);
        prop_assert!(!value.to_string().contains(CANARY));
    }
}

/// The texts come from outside: eight times the text may cost eight times the time, not sixty-four times.
#[test]
fn the_cost_grows_with_the_text_and_not_with_its_square() {
    let masker = Masker::new();
    // The best of several, since the machine may be busy with something else.
    let best = |text: &str| {
        (0..15)
            .map(|_| {
                let started = std::time::Instant::now();
                std::hint::black_box(masker.mask_text(std::hint::black_box(text)));
                started.elapsed()
            })
            .min()
            .unwrap()
    };
    for unit in [
        "a=", "abc=", "abc:", "abc%3D", "token:\"", "a:\\\"", "a://b@", "1 ", "eyJ.", "bearer ",
        "\"", "é=",
    ] {
        let (short, long) = (best(&unit.repeat(1_000)), best(&unit.repeat(8_000)));
        assert!(
            long < short * 24 + std::time::Duration::from_millis(2),
            "{unit:?}: {short:?} {long:?}"
        );
    }
}
