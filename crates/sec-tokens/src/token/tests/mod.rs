//! One row per attack; the source stands beside it.

mod claims;
mod header;
mod issuing;

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sec_core::{AuthMethod, Principal};

use serde_json::{Value, json};

use super::*;
use crate::key::{KeyRing, SigningKey};

const ISS: &str = "https://auth.example";
const AUD: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;

struct Bench {
    key: SigningKey,
    issuer: Issuer,
    verifier: Verifier,
}

fn bench() -> Bench {
    let key = SigningKey::generate_ed25519().unwrap();
    let issuer = Issuer::new(KeyRing::new(key.clone()).unwrap(), ISS, AUD).unwrap();
    let verifier = issuer.verifier();
    Bench {
        key,
        issuer,
        verifier,
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn alice() -> Principal {
    Principal::new("alice", AuthMethod::Password)
        .with_roles(["user", "moderator"])
        .with_scopes(["comments:read", "comments:write"])
        .with_tenant("acme")
        .with_session("s1")
}

impl Bench {
    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": self.key.kid()})
    }

    fn claims(&self) -> Value {
        json!({"iss": ISS, "aud": AUD, "sub": "alice", "jti": "j1", "iat": NOW, "exp": NOW + 900})
    }

    /// Signs whatever it is given with the right key.
    fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_parts(&B64.encode(header), &B64.encode(payload))
    }

    fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = B64.encode(self.key.sign(message.as_bytes()).unwrap());
        format!("{message}.{signature}")
    }

    fn kind(&self, token: &str) -> TokenErrorKind {
        self.verifier.verify(token, at(NOW)).unwrap_err().kind()
    }

    fn with_header(&self, change: Value) -> Result<Token, TokenErrorKind> {
        let token = self.sign(
            merged(self.header(), change).to_string(),
            self.claims().to_string(),
        );
        self.verifier
            .verify(&token, at(NOW))
            .map_err(|error| error.kind())
    }

    fn with_claims(&self, change: Value) -> Result<Token, TokenErrorKind> {
        let token = self.sign(
            self.header().to_string(),
            merged(self.claims(), change).to_string(),
        );
        self.verifier
            .verify(&token, at(NOW))
            .map_err(|error| error.kind())
    }
}

/// `null` in the change removes a member.
fn merged(mut base: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

#[test]
fn a_token_says_what_its_principal_was() {
    let bench = bench();
    let issued = bench.issuer.issue(&alice(), at(NOW)).unwrap();
    let token = bench
        .verifier
        .verify(issued.expose(), at(NOW + 899))
        .unwrap();
    let who = token.principal();
    assert_eq!(who.subject(), "alice");
    assert_eq!(who.roles().collect::<Vec<_>>(), ["user", "moderator"]);
    assert_eq!(
        who.scopes().collect::<Vec<_>>(),
        ["comments:read", "comments:write"]
    );
    assert_eq!((who.tenant(), who.session()), (Some("acme"), Some("s1")));
    assert_eq!(who.method(), &AuthMethod::BearerToken);
    assert_eq!(
        (token.issued_at(), token.expires_at()),
        (at(NOW), at(NOW + 900))
    );
    assert_eq!(token.id(), issued.id());
    assert_ne!(
        issued.id(),
        bench.issuer.issue(&alice(), at(NOW)).unwrap().id()
    );
}

#[test]
fn both_ways_of_reading_a_header_accept_the_same_token() {
    let bench = bench();
    // In another order than ours, so that it is parsed rather than recognised.
    let header = format!(
        r#"{{"kid":"{}","alg":"EdDSA","typ":"at+jwt"}}"#,
        bench.key.kid()
    );
    let token = bench.sign(header, bench.claims().to_string());
    assert!(bench.verifier.verify(&token, at(NOW)).is_ok());
}

#[test]
fn signatures_must_be_whole_and_the_keys_own() {
    let bench = bench();
    let good = bench.issuer.issue(&alice(), at(NOW)).unwrap();
    let (message, signature) = good.expose().rsplit_once('.').unwrap();
    let attacker = SigningKey::generate_ed25519().unwrap();
    let other = B64.encode(attacker.sign(message.as_bytes()).unwrap());
    let rows = [
        (format!("{message}."), TokenErrorKind::WrongSignature), // stripped
        (format!("{message}.{other}"), TokenErrorKind::WrongSignature),
        (
            format!("{message}.{}", &signature[..40]),
            TokenErrorKind::WrongSignature,
        ),
        (message.to_owned(), TokenErrorKind::Malformed),
    ];
    for (token, expected) in rows {
        assert_eq!(bench.kind(&token), expected, "{token}");
    }
    // Another subject under the old signature.
    let header = message.split('.').next().unwrap();
    let claims = merged(bench.claims(), json!({"sub": "admin"})).to_string();
    let swapped = format!("{header}.{}.{signature}", B64.encode(claims));
    assert_eq!(bench.kind(&swapped), TokenErrorKind::WrongSignature);
}

#[test]
fn one_token_has_one_spelling() {
    // RFC 7515 §2: no padding, no whitespace, one alphabet, no stray bits. The signature covers the
    // encoded form, so each row is signed anew where it can be.
    let bench = bench();
    let header = B64.encode(bench.header().to_string());
    let payload = B64.encode(bench.claims().to_string());
    let good = bench.sign_parts(&header, &payload);
    assert!(bench.verifier.verify(&good, at(NOW)).is_ok());

    let mut rows = vec![
        bench.sign_parts(&format!("{header}="), &payload),
        bench.sign_parts(&header, &format!("{payload}==")),
        bench.sign_parts(&header, &format!("{payload} ")),
        bench.sign_parts(&header, &format!("{payload}\n")),
        bench.sign_parts(&header, &format!("{payload}.{payload}")),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}.x"),
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "\u{e9}.\u{e9}.\u{e9}".into(),
    ];
    // 86 characters of a signature leave four bits unused.
    let (rest, last) = good.split_at(good.len() - 1);
    let stray = B64_ALPHABET.iter().copied().map(char::from);
    rows.extend(
        stray
            .filter(|c| c.to_string() != last)
            .map(|c| format!("{rest}{c}")),
    );
    // The other alphabet.
    let plus = good.replace('-', "+").replace('_', "/");
    if plus != good {
        rows.push(plus);
    }
    for row in rows {
        assert!(bench.verifier.verify(&row, at(NOW)).is_err(), "{row:?}");
    }
}

const B64_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn length_is_checked_before_anything_is_decoded() {
    let bench = bench();
    // Not base64 at all: only its length can be what is found.
    assert_eq!(
        bench.kind(&"!".repeat(8 * 1024 + 1)),
        TokenErrorKind::TooLong
    );
    assert_eq!(bench.kind(&"!".repeat(8 * 1024)), TokenErrorKind::Malformed);
}

proptest::proptest! {
    #[test]
    fn no_input_panics_and_none_is_believed(token in "\\PC{0,200}") {
        proptest::prop_assert!(bench().verifier.verify(&token, at(NOW)).is_err());
    }

    #[test]
    fn no_changed_token_is_believed(at_byte in 0usize..400, to in 0u8..128) {
        let bench = bench();
        let issued = bench.issuer.issue(&alice(), at(NOW)).unwrap();
        let mut bytes = issued.expose().as_bytes().to_vec();
        let index = at_byte % bytes.len();
        proptest::prop_assume!(bytes[index] != to);
        bytes[index] = to;
        let changed = String::from_utf8(bytes).unwrap();
        proptest::prop_assert!(bench.verifier.verify(&changed, at(NOW)).is_err());
    }
}
