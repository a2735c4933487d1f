//! What stands before the claims.

use super::*;

#[test]
fn types_other_than_access_tokens_are_refused() {
    // RFC 9068 §4; jsonwebtoken 11 does not look at `typ`.
    let bench = bench();
    for good in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        assert!(bench.with_header(json!({"typ": good})).is_ok(), "{good}");
    }
    let bad = [
        json!("JWT"),
        json!("id+jwt"),
        json!("at+jwt "),
        json!(""),
        json!(["at+jwt"]),
    ];
    for bad in bad
        .into_iter()
        .chain([json!(7), json!("text/at+jwt"), Value::Null])
    {
        let refused = bench.with_header(json!({"typ": bad.clone()})).unwrap_err();
        assert_eq!(refused, TokenErrorKind::WrongType, "{bad}");
    }
}

#[test]
fn algorithms_are_the_keys_own() {
    // RFC 8725 §3.1: alg none and its spellings, RS256 -> HS256 and their like.
    let bench = bench();
    let spellings = [
        "none", "None", "nOnE", "NONE", "HS256", "RS256", "ES256", "eddsa", "EdDSA ", "",
    ];
    for alg in spellings
        .map(Value::from)
        .into_iter()
        .chain([Value::Null, json!(["EdDSA"])])
    {
        let refused = bench.with_header(json!({"alg": alg.clone()})).unwrap_err();
        assert_eq!(refused, TokenErrorKind::WrongAlgorithm, "{alg}");
    }
}

#[test]
fn headers_that_change_the_meaning_or_bring_a_key_are_refused() {
    // `crit` even when empty (RFC 7515 §4.1.11; compare CVE-2025-59420), `b64` (RFC 7797), `zip`,
    // and the members by which CVE-2018-0114 and its like smuggle keys in.
    let bench = bench();
    let attacker = SigningKey::generate_ed25519().unwrap();
    let rows = [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!("b64")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        (
            "jwk",
            serde_json::to_value(attacker.verifying_key().jwk()).unwrap(),
        ),
    ];
    for (name, value) in rows {
        let refused = bench.with_header(json!({ name: value })).unwrap_err();
        assert_eq!(refused, TokenErrorKind::HeaderMember(name), "{name}");
    }
}

#[test]
fn an_embedded_key_signs_for_nobody() {
    // CVE-2018-0114: the token is signed by the key that it carries.
    let bench = bench();
    let attacker = SigningKey::generate_ed25519().unwrap();
    let header = merged(
        bench.header(),
        json!({"kid": attacker.kid(), "jwk": serde_json::to_value(attacker.verifying_key().jwk()).unwrap()}),
    );
    let message = format!(
        "{}.{}",
        B64.encode(header.to_string()),
        B64.encode(bench.claims().to_string())
    );
    let signature = B64.encode(attacker.sign(message.as_bytes()).unwrap());
    let refused = bench.kind(&format!("{message}.{signature}"));
    assert_eq!(refused, TokenErrorKind::HeaderMember("jwk"));
}

#[test]
fn key_identifiers_are_looked_up_and_nothing_else() {
    // Traversal, injection, NUL and length: none of it reaches more than a comparison.
    let bench = bench();
    let long = "k".repeat(129);
    let rows = [
        "",
        "../../dev/null",
        "x' UNION SELECT 'k",
        "a\0b",
        "a\nb",
        "unknown",
        long.as_str(),
    ];
    for kid in rows
        .map(Value::from)
        .into_iter()
        .chain([Value::Null, json!(1), json!([])])
    {
        let refused = bench.with_header(json!({"kid": kid.clone()})).unwrap_err();
        assert_eq!(refused, TokenErrorKind::UnknownKey, "{kid}");
    }
}
