//! The known word that a misspelt one probably means.

/// What is longer is no misspelling of a word of ours, and would cost its length squared.
const MOST_CHARS: usize = 64;

/// The known word that is nearest to `word`, if no more than `most` letters differ. Case does not count.
pub(crate) fn within<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    let known = known
        .into_iter()
        .filter_map(|other| Some((distance(word, other)?, other)));
    let near = known.filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// The known word that `word` probably means: one letter in three may differ, three at most.
#[cfg(feature = "config")]
pub(crate) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = word.chars().count().saturating_add(1).checked_div(3)?;
    within(word, known.iter().copied(), most.min(3))
}

/// Letters that must be inserted, removed or replaced (Levenshtein); `None` where a word is too long.
fn distance(a: &str, b: &str) -> Option<usize> {
    let letters = |word: &str| {
        let letters: Vec<_> = word.chars().take(MOST_CHARS.saturating_add(1)).collect();
        (letters.len() <= MOST_CHARS).then_some(letters)
    };
    let (a, b) = (letters(a)?, letters(b)?);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, one) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (above, above.saturating_add(1));
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            let differs = usize::from(!one.eq_ignore_ascii_case(other));
            let step = left.min(*above).saturating_add(1);
            left = step.min(diagonal.saturating_add(differs));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        // The first two are the textbook's (Wagner and Fischer 1974).
        for (a, b, expected) in [
            ("kitten", "sitting", 3),
            ("saturday", "sunday", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("Host", "hosts", 1),
            ("burts", "burst", 2),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), Some(expected), "{a} {b}");
        }
        assert_eq!(distance(&"x".repeat(65), "x"), None);
    }

    #[cfg(feature = "config")]
    #[test]
    fn only_what_is_near_is_meant() {
        let known = ["host", "headers", "report_endpoint"];
        for (word, expected) in [
            ("hosts", Some("host")),
            ("header", Some("headers")),
            ("reports_endpoint", Some("report_endpoint")),
            ("report-endpoint", Some("report_endpoint")),
            ("x", None),
            ("limits", None),
            ("", None),
        ] {
            assert_eq!(meant(word, &known), expected, "{word}");
        }
    }
}
