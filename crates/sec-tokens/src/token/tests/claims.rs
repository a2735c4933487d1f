//! What a token says.

use super::*;

#[test]
fn claims_must_be_there_and_of_their_type() {
    let bench = bench();
    for name in ["iss", "aud", "sub", "jti", "iat", "exp"] {
        let refused = bench.with_claims(json!({ name: null })).unwrap_err();
        assert_eq!(refused, TokenErrorKind::MissingClaim(name));
    }
    // jsonwebtoken 11 takes a list as `iss` and rounds fractions of `exp` up.
    let rows = [
        ("iss", json!([ISS])),
        ("aud", json!([AUD, 7])),
        ("aud", json!({"0": AUD})),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("jti", json!("")),
        ("iat", json!("1800000000")),
        ("iat", json!(1_800_000_000.5)),
        ("iat", json!(-1)),
        ("exp", json!(1_800_000_000.5)),
        ("exp", json!("1800000900")),
        ("exp", json!(true)),
        ("nbf", json!("0")),
        ("roles", json!("admin")),
        ("roles", json!([["admin"]])),
        ("roles", json!([""])),
        ("scope", json!(["a"])),
        ("sid", json!(1)),
        ("tenant", json!([])),
    ];
    for (name, value) in rows {
        let refused = bench
            .with_claims(json!({ name: value.clone() }))
            .unwrap_err();
        assert_eq!(
            refused,
            TokenErrorKind::InvalidClaim(name),
            "{name} = {value}"
        );
    }
}

#[test]
fn issuer_and_audience_are_compared_whole() {
    let bench = bench();
    for iss in [
        "https://auth.example/",
        "https://auth.example.evil",
        "HTTPS://auth.example",
    ] {
        assert_eq!(
            bench.with_claims(json!({"iss": iss})).unwrap_err(),
            TokenErrorKind::WrongIssuer
        );
    }
    for aud in [
        json!("https://other.example"),
        json!([]),
        json!(["x"]),
        json!(""),
    ] {
        let refused = bench.with_claims(json!({"aud": aud})).unwrap_err();
        assert_eq!(refused, TokenErrorKind::WrongAudience);
    }
    assert!(bench.with_claims(json!({"aud": ["x", AUD]})).is_ok());
}

#[test]
fn time_is_kept_to_the_second() {
    let bench = bench();
    let rows = [
        (json!({"exp": NOW}), Some(TokenErrorKind::Expired)),
        (json!({"exp": NOW - 59}), Some(TokenErrorKind::Expired)), // inside others' default leeway
        (json!({"exp": NOW + 1}), None),
        (json!({"iat": NOW + 3}), Some(TokenErrorKind::NotYetValid)),
        (json!({"iat": NOW + 2}), None),
        (json!({"nbf": NOW + 3}), Some(TokenErrorKind::NotYetValid)),
        (json!({"nbf": NOW}), None),
        (
            json!({"exp": NOW + 901}),
            Some(TokenErrorKind::LifetimeTooLong),
        ),
        (
            json!({"iat": 0, "exp": u64::MAX}),
            Some(TokenErrorKind::LifetimeTooLong),
        ),
        (
            json!({"iat": NOW + 2, "exp": NOW + 1}),
            Some(TokenErrorKind::InvalidClaim("exp")),
        ),
    ];
    for (change, expected) in rows {
        assert_eq!(
            bench.with_claims(change.clone()).err(),
            expected,
            "{change}"
        );
    }
    let strict: Verifier = bench.issuer.verifier().leeway(Duration::ZERO).unwrap();
    let token = bench.sign(
        bench.header().to_string(),
        merged(bench.claims(), json!({"iat": NOW + 1})).to_string(),
    );
    let refused = strict.verify(&token, at(NOW)).unwrap_err();
    assert_eq!(refused.kind(), TokenErrorKind::NotYetValid);
    assert!(
        bench
            .issuer
            .verifier()
            .leeway(Duration::from_secs(6))
            .is_err()
    );
}

#[test]
fn members_that_occur_twice_are_refused_at_every_depth() {
    let bench = bench();
    let claims = bench.claims().to_string();
    let body = claims.trim_end_matches('}');
    let rows = [
        format!(r#"{body},"sub":"admin"}}"#),
        format!(r#"{body},"x":1,"x":2}}"#),
        format!(r#"{body},"x":{{"y":1,"y":2}}}}"#),
        format!(r#"{body},"x":[{{"y":1,"y":2}}]}}"#),
        format!(r#"{body},"s\u0075b":"admin"}}"#),
    ];
    for row in rows {
        let token = bench.sign(bench.header().to_string(), &row);
        assert_eq!(bench.kind(&token), TokenErrorKind::RepeatedMember, "{row}");
    }
    let header = format!(
        r#"{{"alg":"none","typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#,
        bench.key.kid()
    );
    assert_eq!(
        bench.kind(&bench.sign(header, &claims)),
        TokenErrorKind::RepeatedMember
    );
}

#[test]
fn what_is_not_a_json_object_is_malformed() {
    let bench = bench();
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    for payload in [
        "",
        "[]",
        "7",
        "null",
        "{",
        "{} {}",
        "{\"a\":1}x",
        "\u{feff}{}",
        deep.as_str(),
    ] {
        let token = bench.sign(bench.header().to_string(), payload);
        assert_eq!(bench.kind(&token), TokenErrorKind::Malformed, "{payload:?}");
    }
    let token = bench.sign(bench.header().to_string(), b"{\"sub\":\"\xff\"}");
    assert_eq!(bench.kind(&token), TokenErrorKind::Malformed);
}
