use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde_json::{Value, json};

use super::*;

/// RFC 8037 appendix A: private seed, public key and thumbprint.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn rfc_jwk() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC})
}

fn jwk(value: Value) -> Jwk {
    serde_json::from_value(value).unwrap()
}

fn rfc_pkcs8() -> Vec<u8> {
    // RFC 8410 §7: PrivateKeyInfo around the seed.
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend(B64.decode(SEED).unwrap());
    der
}

#[test]
fn thumbprint_and_signature_are_those_of_rfc_8037() {
    let key = SigningKey::from_pkcs8_der(&rfc_pkcs8()).unwrap();
    assert_eq!(key.kid(), THUMBPRINT);
    // Appendix A.4: the JWS over "Example of Ed25519 signing".
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt\
                     9g7sVvpAr_MuM0KAg";
    assert_eq!(B64.encode(key.sign(message).unwrap()), signature);
    let public = VerifyingKey::from_jwk(&jwk(rfc_jwk())).unwrap();
    assert!(public.verify(message, &B64.decode(signature).unwrap()));
    assert_eq!(public.kid(), THUMBPRINT);
}

#[test]
fn der_and_pem_go_round() {
    let key = SigningKey::generate_ed25519().unwrap();
    let der = SigningKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose()).unwrap();
    let pem = key.to_pkcs8_pem().unwrap();
    let windows = pem.expose().replace('\n', "\r\n");
    for again in [der, SigningKey::from_pkcs8_pem(&windows).unwrap()] {
        assert_eq!(again.kid(), key.kid());
    }
    assert_eq!(
        SigningKey::from_pkcs8_der(&rfc_pkcs8()).unwrap().kid(),
        THUMBPRINT
    );
    assert!(!format!("{key:?}").contains("pair"));
}

#[test]
fn what_is_no_private_key_is_refused() {
    let pem = SigningKey::generate_ed25519()
        .unwrap()
        .to_pkcs8_pem()
        .unwrap();
    let pem = pem.expose();
    let rows = [
        (String::new(), KeyErrorKind::PemLabel),
        (pem.replace("PRIVATE", "PUBLIC"), KeyErrorKind::PemLabel),
        (
            pem.replace("PRIVATE", "ENCRYPTED PRIVATE"),
            KeyErrorKind::PemLabel,
        ),
        (format!("{pem}{pem}"), KeyErrorKind::PemLabel),
        (pem.replace('M', "!"), KeyErrorKind::Malformed),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".into(),
            KeyErrorKind::Malformed,
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(
            SigningKey::from_pkcs8_pem(&text).unwrap_err().kind(),
            expected,
            "{text}"
        );
    }
    let mut der = rfc_pkcs8();
    der.pop();
    assert!(SigningKey::from_pkcs8_der(&der).is_err());
}

#[test]
fn points_for_which_anybody_can_sign_are_refused() {
    // The canonical encodings of all points whose order divides 8 with either sign, and those not
    // reduced by the prime. jsonwebtoken 11 takes them; so does the library below.
    let mut rows = Vec::new();
    let y = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for hex in y {
        let byte = |index: usize| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).unwrap();
        let mut point: [u8; 32] = std::array::from_fn(byte);
        rows.push(point);
        point[31] |= 0x80;
        rows.push(point);
    }
    assert_eq!(rows.len(), 16);
    for point in rows {
        let refused = VerifyingKey::from_ed25519_bytes(&point).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Weak, "{point:02x?}");
        let text = json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode(point)});
        assert_eq!(
            VerifyingKey::from_jwk(&jwk(text)).unwrap_err().kind(),
            KeyErrorKind::Weak
        );
    }
}

#[test]
fn the_forgery_which_the_check_prevents_is_real() {
    // Under the neutral element every message has the signature (R = neutral, S = 0).
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let unchecked = ParsedPublicKey::new(&ED25519, neutral).unwrap();
    assert!(
        unchecked
            .verify_sig(b"any message at all", &signature)
            .is_ok()
    );
    assert!(VerifyingKey::from_ed25519_bytes(&neutral).is_err());
}

#[test]
fn jwks_for_other_purposes_are_refused() {
    let rows = [
        (json!({"use": "enc"}), KeyErrorKind::Purpose),
        (json!({"use": "tls"}), KeyErrorKind::Purpose),
        (json!({"key_ops": ["sign"]}), KeyErrorKind::Purpose),
        (json!({"key_ops": []}), KeyErrorKind::Purpose),
        (json!({"alg": "ES256"}), KeyErrorKind::Purpose),
        (json!({"alg": "HS256"}), KeyErrorKind::Purpose),
        (json!({"alg": "something new"}), KeyErrorKind::Purpose),
        (json!({"crv": "P-256"}), KeyErrorKind::Unsupported),
        (json!({"crv": "X25519"}), KeyErrorKind::Unsupported),
        (
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            KeyErrorKind::Unsupported,
        ),
        // Shorter than a point: a peer's backend panics on it.
        (
            json!({"x": "11qYAYKxCrfVS_7TyWQH"}),
            KeyErrorKind::Malformed,
        ),
        (json!({"x": ""}), KeyErrorKind::Malformed),
        (json!({"x": format!("{PUBLIC}=")}), KeyErrorKind::Malformed),
        (json!({"kid": ""}), KeyErrorKind::KeyId),
        (json!({"kid": "a\u{0}b"}), KeyErrorKind::KeyId),
        (json!({"kid": "k".repeat(129)}), KeyErrorKind::KeyId),
    ];
    for (change, expected) in rows {
        let mut value = rfc_jwk();
        value
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = VerifyingKey::from_jwk(&jwk(value)).unwrap_err();
        assert_eq!(refused.kind(), expected, "{change}");
    }
    // RFC 7520 has such identifiers.
    let named = json!({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": "bilbo.baggins@hobbiton.example",
        "use": "sig", "alg": "EdDSA", "key_ops": ["verify"]});
    assert_eq!(
        VerifyingKey::from_jwk(&jwk(named)).unwrap().kid(),
        "bilbo.baggins@hobbiton.example"
    );
}

#[test]
fn one_bad_key_never_drops_the_others() {
    let good = SigningKey::generate_ed25519().unwrap();
    let twice = SigningKey::generate_ed25519().unwrap();
    let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQ", "kid": "old"});
    let mut shadow = twice.verifying_key().jwk();
    shadow.common.key_id = Some("twice".into());
    let set = JwkSet {
        keys: vec![jwk(rsa), shadow.clone(), good.verifying_key().jwk(), shadow],
    };
    let (keys, refused) = KeySet::from_jwks(&set);
    assert_eq!(
        keys.iter().map(VerifyingKey::kid).collect::<Vec<_>>(),
        [good.kid()]
    );
    assert!(keys.find("twice").is_none());
    let kinds: Vec<_> = refused
        .iter()
        .map(|(kid, error)| (kid.as_deref(), error.kind()))
        .collect();
    assert_eq!(
        kinds,
        [
            (Some("old"), KeyErrorKind::Unsupported),
            (Some("twice"), KeyErrorKind::DuplicateKeyId),
            (Some("twice"), KeyErrorKind::DuplicateKeyId),
        ]
    );
}

#[test]
fn the_document_has_public_halves_only_and_reads_back() {
    let (now, former) = (
        SigningKey::generate_ed25519().unwrap(),
        SigningKey::generate_ed25519().unwrap(),
    );
    let ring = KeyRing::with_former(now.clone(), [former.verifying_key().clone()]).unwrap();
    let response = ring.jwks_response();
    assert_eq!(
        response.headers()["content-type"],
        "application/jwk-set+json"
    );
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    for key in document["keys"].as_array().unwrap() {
        let members: Vec<_> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
    let (read, refused) = KeySet::from_jwks(&serde_json::from_slice(response.body()).unwrap());
    assert!(refused.is_empty());
    assert!(read.find(now.kid()).is_some() && read.find(former.kid()).is_some());
    let twice = KeyRing::with_former(now.clone(), [now.verifying_key().clone()]);
    assert_eq!(twice.unwrap_err().kind(), KeyErrorKind::DuplicateKeyId);
}
