//! What a person at a configuration file is told: everything at once, and in words that help.

use sec_core::config::Loader;

use crate::RateLimitConfig;
#[cfg(feature = "shared")]
use crate::SharedLimitConfig;

fn told<T: sec_core::Section + Default>(file: &str) -> Vec<String> {
    let mut load = Loader::new().text("sec.toml", file).unwrap();
    let section = load.section::<T>("limits");
    match load.finish(section) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// Whoever mends one line at a time starts the service once for each fault; a section used to tell the first of each
/// list and of each tier, and of duplicate names and the capacity nothing until all else was right.
#[test]
fn all_faults_of_a_section_come_at_once() {
    let file = r#"[limits]
headers = ["a", "ietf", "b"]
include = ["a", "/b/../c"]
exclude = ["x", "/y"]
retry_jitter = 2.0
capacity = 0

[limits.ban]
after = 0
lengths = ["0s", "5m"]
within = "0s"
capacity = 1

[limits.spikes]
factor = 1

[[limits.tiers]]
name = "a"
limit = 0
per = "0s"
key = "principl"
on_exceed = "ban"

[[limits.tiers]]
name = "a"
preset = "fast"
burst = 1
lease = { units = 1 }

[[limits.tiers]]
algorithm = "leaky"
limit = 0
key = "ip+given"
"#;
    let lines = told::<RateLimitConfig>(file);
    let expected = [
        ("2", "headers[0]"),
        ("2", "headers[2]"),
        ("3", "include[0]"),
        ("3", "include[1]"),
        ("4", "exclude[0]"),
        ("5", "retry_jitter"),
        ("6", "capacity"),
        ("9", "ban.after"),
        ("10", "ban.lengths[0]"),
        ("11", "ban.within"),
        ("12", "ban.capacity"),
        ("15", "spikes.factor"),
        ("19", "tiers[0].limit"),
        ("20", "tiers[0].per"),
        ("21", "tiers[0].key"),
        ("22", "tiers[0].on_exceed"),
        ("25", "tiers[1].name"),
        ("26", "tiers[1].preset"),
        ("27", "tiers[1].burst"),
        ("28", "tiers[1].lease"),
        ("", "tiers[2].name"),
        ("", "tiers[2].per"),
        ("31", "tiers[2].algorithm"),
        ("32", "tiers[2].limit"),
        ("33", "tiers[2].key"),
    ];
    for (line, path) in expected {
        let found = lines.iter().find(|told| {
            told.starts_with(&format!("sec.toml:{line}"))
                && told.contains(&format!("limits.{path}: "))
        });
        assert!(found.is_some(), "{line} {path}: {lines:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    // What a tier counts by is no secret, though it is called `key`.
    let all = lines.join("\n");
    assert!(!all.contains("[redacted]"), "{all}");
    assert!(all.contains("is given by the caller"), "{all}");
}

#[test]
fn a_setting_of_another_algorithm_is_named_as_the_file_calls_it() {
    let file = "[limits]\n[[limits.tiers]]\nname = \"a\"\nlimit = 5\nper = \"1m\"\nburst = 2\n";
    assert_eq!(
        told::<RateLimitConfig>(file),
        ["sec.toml:6: limits.tiers[0].burst: belongs to `algorithm = \"gcra\"`"]
    );
}

#[cfg(feature = "shared")]
#[test]
fn what_is_typed_in_place_of_a_fallback_is_understood() {
    let words = |value: &str| {
        let file = format!(
            "[limits]\nname = \"api\"\nstore = \"redis\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
             on_store_error = {value}\ntiers = [{{ name = \"a\", preset = \"api\" }}]\n"
        );
        told::<SharedLimitConfig>(&file)
    };
    for sound in ["\"open\"", "\"closed\"", "{ local = 3 }"] {
        assert!(words(sound).is_empty(), "{:?}", words(sound));
    }
    for (value, expected) in [
        (
            "\"local\"",
            "local needs the number of processes: { local = 3 }",
        ),
        ("\"opne\"", "expected \"open\", \"closed\" or { local = 3 }"),
        ("{ locl = 3 }", "unknown key `locl`: expected { local = 3 }"),
        ("3", "expected \"open\", \"closed\" or { local = 3 }"),
        (
            "{ local = \"three\" }",
            "on_store_error.local: invalid type",
        ),
    ] {
        let lines = words(value);
        let [only] = &*lines else {
            panic!("{value}: {lines:#?}");
        };
        assert!(only.starts_with("sec.toml:5"), "{only}");
        assert!(only.contains(expected), "{value}: {only}");
    }
}

#[cfg(feature = "shared")]
#[test]
fn what_is_missing_is_said_to_be_missing() {
    let lines =
        told::<SharedLimitConfig>("[limits]\ndeadline = 50\n[[limits.tiers]]\npreset = \"api\"\n");
    for (path, words) in [
        ("name", "is missing: the limiter's name"),
        ("store", "is missing: the name of a store"),
        ("secret", "is missing: at least 32 bytes"),
        ("tiers[0].name", "is missing: the policy's name"),
        ("deadline", "write \"50ms\" for milliseconds"),
    ] {
        let path = format!("limits.{path}: ");
        let found = lines.iter().find(|told| told.contains(&path));
        let found = found.unwrap_or_else(|| panic!("{path} {lines:#?}"));
        assert!(found.contains(words), "{found}");
    }
    assert_eq!(lines.len(), 5, "{lines:#?}");
}

/// `fn main() -> Result<(), Box<dyn Error>>` prints `Debug`.
#[test]
fn an_error_that_main_returns_reads_as_it_is_told() {
    let error = crate::Limiter::builder().build().unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    #[cfg(feature = "redis")]
    {
        let error = crate::RedisStore::builder("http://x").build().unwrap_err();
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    #[cfg(feature = "postgres")]
    {
        let error = crate::PostgresStore::builder("x").build().unwrap_err();
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
