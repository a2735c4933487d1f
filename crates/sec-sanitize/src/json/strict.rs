//! What the strict reader refuses, and that it reads the rest as serde_json does.

use proptest::prelude::*;
use serde_json::Value;

use super::tests::{Free, Order, Search, faults, limits, listed};
use super::{InputError, check, check_form, parse};

/// serde_json keeps the last of two equal names when it reads a `Value`.
#[test]
fn duplicate_names_are_refused_at_any_depth() {
    for (body, at) in [
        (r#"{"anything":1,"anything":2}"#, "/anything"),
        (
            r#"{"anything":{"role":"user","role":"admin"}}"#,
            "/anything/role",
        ),
        (
            r#"{"anything":[[{"a":1,"b":2,"\u0061":3}]]}"#,
            "/anything/0/0/a",
        ),
        (r#"{"anything":{"x/y~":1,"x/y~":1}}"#, "/anything/x~1y~0"),
    ] {
        assert_eq!(faults::<Free>(body), [format!("{at} duplicate")]);
    }
    let many: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
    assert_eq!(
        faults::<Free>(&format!("{{\"anything\":{{{many}\"k7\":1}}}}")),
        ["/anything/k7 duplicate"]
    );
    assert!(faults::<Free>(&format!("{{\"anything\":{{{many}\"other\":1}}}}")).is_empty());
}

/// serde_json goes 128 deep.
#[test]
fn depth_count_and_length_are_bounded() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(check(nested(32).as_bytes(), &limits()).is_ok());
    for n in [33, 127, 129, 20_000] {
        let error = check(nested(n).as_bytes(), &limits()).unwrap_err();
        assert!(
            matches!(error, InputError::Malformed(ref reason) if reason.contains("32")),
            "{error:?}"
        );
    }
    assert!(check(nested(100).as_bytes(), &limits().with_max_depth(5_000)).is_ok());
    assert!(check(nested(101).as_bytes(), &limits().with_max_depth(5_000)).is_err());
    let wide = format!("[{}0]", "0,".repeat(10_000));
    assert!(matches!(
        check(wide.as_bytes(), &limits()),
        Err(InputError::Malformed(_))
    ));
    let long = " ".repeat(64 * 1024 + 1);
    assert_eq!(
        check(long.as_bytes(), &limits()),
        Err(InputError::TooLarge { limit: 65_536 })
    );
}

/// Rows after JSONTestSuite (n_* and i_*) and serde_json's lenience with numbers.
#[test]
fn what_is_no_json_is_malformed() {
    for body in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "-Infinity",
        "1e999",
        "tru",
        "\"\u{1}\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "[1] 2",
        "{} {}",
        "\u{feff}{}",
        "// x\n1",
        "\"tab\tin\"",
        "-",
        "[1 2]",
    ] {
        let error = check(body.as_bytes(), &limits()).unwrap_err();
        assert!(
            matches!(error, InputError::Malformed(_)),
            "{body:?}: {error:?}"
        );
    }
    assert!(matches!(
        check(b"\"\xff\"", &limits()),
        Err(InputError::Malformed(_))
    ));
    assert!(matches!(
        check(b"\"\xed\xa0\x80\"", &limits()),
        Err(InputError::Malformed(_))
    ));
}

#[test]
fn numbers_that_lose_digits_and_nul_are_refused() {
    for body in [
        "18446744073709551616",
        "-9223372036854775809",
        "1e300",
        "[123456789012345678901234567890]",
    ] {
        let error = check(body.as_bytes(), &limits()).unwrap_err();
        assert!(listed(&error)[0].ends_with("number"), "{body}");
        assert!(check(body.as_bytes(), &limits().allowing_huge_numbers()).is_ok());
    }
    for body in [
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "-0",
        "1E3",
    ] {
        assert!(check(body.as_bytes(), &limits()).is_ok(), "{body}");
    }
    let nul = r#"{"a":["x\u0000y"]}"#;
    assert_eq!(
        listed(&check(nul.as_bytes(), &limits()).unwrap_err()),
        ["/a/0 nul"]
    );
    assert!(check(br#"{"a\u0000":1}"#, &limits()).is_err());
    assert!(check(nul.as_bytes(), &limits().allowing_nul()).is_ok());
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        "[^\u{0}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z~/ ]{0,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_accepted_reads_as_serde_json_reads_it(value in json()) {
        let text = value.to_string();
        let document = check(text.as_bytes(), &limits()).unwrap();
        prop_assert_eq!(document.root.to_value(), serde_json::from_str::<Value>(&text).unwrap());
        let body = format!("{{\"anything\":{text}}}");
        let free: Free = parse(body.as_bytes(), &limits()).unwrap();
        prop_assert_eq!(free.anything, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:0-9a-z\\\\u]{0,60}") {
        let _ = parse::<Order>(&bytes, &limits());
        let _ = parse::<Order>(text.as_bytes(), &limits());
        let _ = check_form(&bytes, &limits()).and_then(|d| d.read::<Search>());
    }

    #[test]
    fn any_document_yields_errors_within_it(value in json()) {
        if let Err(InputError::Invalid(fields)) = parse::<Order>(value.to_string().as_bytes(), &limits()) {
            prop_assert!(!fields.is_empty() && fields.len() <= 16);
        }
    }
}
