//! One form for all spellings of an account's name.

use unicode_normalization::UnicodeNormalization as _;

/// The name without surrounding space, without case, and normalised. Names have one form if they match as compatibility
/// caseless (Unicode Standard, section 3.13, D146); an i without a dot counts as one with.
pub(super) fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.trim().to_ascii_lowercase();
    }
    // Folding can undo what is normalised, and the reverse: the standard takes turns for the same reason.
    let once: String = without_case(name.nfd()).nfkd().collect();
    let twice: String = without_case(once.chars()).nfkc().collect();
    twice.trim().to_owned()
}

/// Character by character, so a sigma at the end of a word is one like the others. What has no capital of one character
/// has one of several (`ß`), and some capitals no small letter of their own but through another (`ẞ`).
fn without_case(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    chars
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spellings that a database or a look-up may well take for one.
    #[test]
    fn spellings_of_one_name_have_one_form() {
        for names in [
            &["ada", "Ada", " ADA\n", "ＡＤＡ", "\u{a0}ａda\u{3000}"][..],
            &["οδυσσεας", "οδυσσεασ", "ΟΔΥΣΣΕΑΣ"],
            &["straße", "STRASSE", "STRAẞE", "strasse"],
            &["José", "Jose\u{301}", "JOSÉ", "JOSE\u{301}"],
            &["ſam", "SAM", "sam"],
            &["ﬁona", "FIONA", "ﬁONA"],
            &["\u{212a}im", "kim"],
            &["\u{212b}sa", "Åsa", "a\u{30a}sa"],
            // The order of marks, and the iota below (D145).
            &["q\u{307}\u{323}", "q\u{323}\u{307}"],
            &["\u{3b1}\u{345}\u{301}", "\u{3b1}\u{301}\u{345}", "\u{1fb4}"],
        ] {
            let forms: Vec<_> = names.iter().map(|name| folded(name)).collect();
            assert!(
                forms.windows(2).all(|two| two[0] == two[1]),
                "{names:?} {forms:?}"
            );
        }
    }

    #[test]
    fn other_names_stay_others() {
        let names = [
            "ada",
            "àda",
            "adа",
            "a da",
            "ad",
            "",
            "1da",
            "αda",
            "a\u{200b}da",
        ];
        let forms: std::collections::HashSet<_> = names.map(folded).into();
        assert_eq!(forms.len(), names.len());
    }

    #[test]
    fn every_character_has_the_form_of_its_capital_and_of_its_small_letter() {
        let cased = |c: &char| !c.to_uppercase().eq([*c]) || !c.to_lowercase().eq([*c]);
        for c in ('\u{80}'..='\u{1ffff}').filter(cased) {
            let form = folded(&c.to_string());
            for other in [
                c.to_uppercase().collect(),
                c.to_lowercase().collect(),
                c.nfkd().collect(),
                form.clone(),
            ] as [String; 4]
            {
                assert_eq!(folded(&other), form, "{c:?} and {other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_form_is_its_own(name in any::<String>()) {
            let form = folded(&name);
            prop_assert_eq!(folded(&form), form);
        }
    }
}
