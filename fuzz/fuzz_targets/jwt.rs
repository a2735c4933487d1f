//! The first byte of the input says what the rest is: `t` a token, `e` an edit of the valid token
//! (two bytes where, one how much goes, then what comes), `c` claims or `h` a header that the right
//! key signs.
//!
//! Only the token as it was issued is believed, and signed claims only when they are for us and now.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use sec_core::{AuthMethod, Principal};
use sec_tokens::{Issuer, KeyRing, SigningKey, Verifier};
use serde_json::Value;

const ISSUER: &str = "https://auth.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;

struct Setup {
    key: SigningKey,
    verifier: Verifier,
    token: String,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    // PKCS#8 (RFC 8410, section 7) around a seed that everybody knows: a crash can be repeated.
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([7; 32]);
    let key = SigningKey::from_pkcs8_der(&der).unwrap();
    let issuer = Issuer::new(KeyRing::new(key.clone()).unwrap(), ISSUER, AUDIENCE).unwrap();
    let alice = Principal::new("alice", AuthMethod::Password).with_role("user");
    let token = issuer.issue(&alice, now()).unwrap().expose().to_owned();
    let verifier = issuer.verifier();
    Setup {
        key,
        verifier,
        token,
    }
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let issued = SETUP.token.as_str();
    assert!(is_believed(issued));
    match (kind, rest) {
        (b't', rest) => expect_refused(&String::from_utf8_lossy(rest)),
        (b'e', [high, low, gone, new @ ..]) => {
            let mut bytes = issued.as_bytes().to_vec();
            let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
            let end = (at + usize::from(*gone)).min(bytes.len());
            bytes.splice(at..end, new.iter().copied());
            expect_refused(&String::from_utf8_lossy(&bytes));
        }
        (b'c', claims) => {
            let header = issued.split('.').next().unwrap_or_default();
            if is_believed(&sign(header, &URL_SAFE_NO_PAD.encode(claims))) {
                check_claims(claims);
            }
        }
        (b'h', header) => {
            let claims = issued.split('.').nth(1).unwrap_or_default();
            if is_believed(&sign(&URL_SAFE_NO_PAD.encode(header), claims)) {
                check_header(header);
            }
        }
        _ => {}
    }
});

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn is_believed(token: &str) -> bool {
    SETUP.verifier.verify(token, now()).is_ok()
}

fn expect_refused(token: &str) {
    assert!(token == SETUP.token || !is_believed(token), "{token}");
}

fn sign(header: &str, claims: &str) -> String {
    let message = format!("{header}.{claims}");
    let signature = SETUP.key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn check_claims(claims: &[u8]) {
    let claims: Value = serde_json::from_slice(claims).expect("believed, and no JSON");
    let audience = Value::from(AUDIENCE);
    assert_eq!(claims["iss"], ISSUER);
    assert!(claims["aud"] == audience || claims["aud"].as_array().unwrap().contains(&audience));
    let (start, end) = (
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    assert!(
        start <= NOW + 2 && NOW < end && end - start <= 15 * 60,
        "{claims}"
    );
    assert!(claims["nbf"].as_u64().unwrap_or(0) <= NOW + 2, "{claims}");
    for name in ["sub", "jti"] {
        assert!(
            claims[name].as_str().is_some_and(|text| !text.is_empty()),
            "{claims}"
        );
    }
}

fn check_header(header: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("believed, and no JSON");
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["kid"], SETUP.key.kid());
    let typ = header["typ"].as_str().unwrap().to_ascii_lowercase();
    assert!(typ == "at+jwt" || typ == "application/at+jwt", "{header}");
    for name in ["crit", "b64", "zip", "jku", "x5u", "x5c", "jwk"] {
        assert!(header.get(name).is_none(), "{header}");
    }
}
