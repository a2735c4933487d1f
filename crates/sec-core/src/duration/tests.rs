use proptest::prelude::*;

use super::*;

#[test]
fn what_people_write() {
    for (text, millis) in [
        ("15m", 900_000),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("500ms", 500),
        ("1m500ms", 60_500),
        ("2w", 1_209_600_000),
        ("0s", 0),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn what_is_refused_and_why() {
    for (text, error) in [
        ("", DurationError::Empty),
        ("15", DurationError::NoUnit("15".into())),
        ("1h30", DurationError::NoUnit("30".into())),
        ("m", DurationError::NoNumber("m".into())),
        ("-5s", DurationError::NoNumber("-5s".into())),
        (" 5s", DurationError::NoNumber(" 5s".into())),
        ("1.5h", DurationError::UnknownUnit(".".into())),
        ("5 s", DurationError::UnknownUnit(" s".into())),
        ("5M", DurationError::UnknownUnit("M".into())),
        ("5min", DurationError::UnknownUnit("min".into())),
        ("30m1h", DurationError::Order("h".into())),
        ("1h1h", DurationError::Order("h".into())),
        ("99999999999999999999w", DurationError::TooLong),
        (
            "999999999999999999999999999999999999999999s",
            DurationError::TooLong,
        ),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn numbers_are_seconds_and_never_negative() {
    let read = |json: &str| deserialize(&mut serde_json::Deserializer::from_str(json));
    assert_eq!(read("90").unwrap(), Duration::from_secs(90));
    assert!(
        read("-1")
            .unwrap_err()
            .to_string()
            .starts_with("invalid value: integer `-1`")
    );
    assert!(read("1.5").is_err());
    assert!(read("true").is_err());
}

proptest! {
    #[test]
    fn shown_and_read_again(seconds: u64, nanos in 0_u32..1_000_000_000) {
        let duration = Duration::new(seconds, nanos);
        prop_assert_eq!(parse(&display(duration).to_string()), Ok(duration));
    }

    #[test]
    fn no_text_panics(text in "\\PC*|[0-9a-z]{0,40}") {
        let _ = parse(&text);
    }
}
