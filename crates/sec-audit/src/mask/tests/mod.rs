mod bounds;

use serde_json::{Value, json};

use super::*;

const CANARY: &str = "s3cr3t-C4NARY";

/// The names of A3, and how real services spell them (retraced and sentry-ruby #1714 leaked `Authorization`).
#[test]
fn sensitive_names_are_found_however_they_are_spelt() {
    let masker = Masker::new();
    for name in [
        "password",
        "Password",
        "PASSWORD",
        "user_password",
        "newPassword",
        "passWord",
        "password2",
        "password_hash",
        "passwordConfirmation",
        "p-a-s-s-w-o-r-d",
        "ｐａｓｓｗｏｒｄ",
        "passwords",
        "passwd",
        "pwd",
        "pw",
        "user_pw",
        "refresh",
        "__Host-refresh",
        "userpwd",
        "pass",
        "db_pass",
        "passphrase",
        "passcode",
        "pin",
        "pin_code",
        "secret",
        "clientSecret",
        "client-secret",
        "SECRET_KEY",
        "secrets",
        "token",
        "accessToken",
        "ACCESS-TOKEN",
        "refresh.token",
        "csrf_token",
        "XSRFToken",
        "authtoken",
        "id_token",
        "tokens",
        "x-auth-token",
        "jwt",
        "bearer",
        "authorization",
        "Proxy-Authorization",
        "auth",
        "basic_auth",
        "cookie",
        "Set-Cookie",
        "cookies",
        "session_id",
        "sessionId",
        "JSESSIONID",
        "PHPSESSID",
        "sid",
        "apiKey",
        "API-KEY",
        "x-api-key",
        "APIKEYPROD",
        "private_key",
        "privateKey",
        "access_key",
        "AWSAccessKeyId",
        "signing-key",
        "encryptionKey",
        "credential",
        "aws_credentials",
        "card",
        "cardNumber",
        "card_holder",
        "credit_card",
        "pan",
        "cvv",
        "cvv2",
        "CVC",
        "ssn",
        "social_security_number",
        "otp",
        "totp",
        "recovery_codes",
        "backup-code",
        "verificationCode",
        "X-Amz-Signature",
        "sig",
        "client_assertion",
        "code_verifier",
        "user[password]",
    ] {
        assert!(masker.is_sensitive(name), "{name}");
    }
}

#[test]
fn names_that_only_look_like_it_are_left_alone() {
    let masker = Masker::new();
    for name in [
        "secretary",
        "compass",
        "passenger",
        "passed",
        "bypass",
        "boarding_passenger",
        "author",
        "authority",
        "auth_method",
        "authored_by",
        "tokenizer",
        "tokenization",
        "pinned",
        "last_refresh",
        "spin",
        "shipping",
        "company",
        "expand",
        "span",
        "panel",
        "japan",
        "discard",
        "cardinal",
        "dashboard",
        "key",
        "keyboard",
        "monkey",
        "public_key",
        "primary_key",
        "id",
        "signed",
        "side",
        "inside",
        "session",
        "sessions",
        "significant",
        "assert",
        "user",
        "email",
        "name",
        "status",
        "code",
    ] {
        assert!(!masker.is_sensitive(name), "{name}");
    }
}

/// `tokens_used: 812` is a count. A number, boolean, array or object under the name of a secret is a secret.
#[test]
fn the_value_decides_where_the_name_speaks_about_a_secret() {
    let masker = Masker::new();
    for (field, masked) in [
        (json!({"tokens_used": 812}), false),
        (json!({"max_tokens": 4096}), false),
        (json!({"tokens": 17}), false),
        (json!({"token_count": 3}), false),
        (json!({"token_type": "Bearer"}), false),
        (
            json!({"password_changed_at": "2026-01-01T00:00:00Z"}),
            false,
        ),
        (json!({"has_password": true}), false),
        (json!({"password_set": true}), false),
        (json!({"passwordless": true}), false),
        (json!({"card_last4": "4242"}), false),
        (json!({"cookie_policy": "strict"}), false),
        (json!({"expires_in": 900}), false),
        (json!({"password": null}), false),
        (json!({"tokens_used": CANARY}), true),
        (json!({"token_count": {"a": CANARY}}), true),
        (json!({"tokens": [CANARY]}), true),
        (json!({"token": 123_456}), true),
        (json!({"password": 12_345}), true),
        (json!({"password": true}), true),
        (json!({"pin": 1234}), true),
        (json!({"cvv": 123}), true),
        (json!({"password": [CANARY]}), true),
        (json!({"secrets": {"a": {"b": CANARY}}}), true),
        (json!({"has_password": CANARY}), true),
    ] {
        let mut value = field.clone();
        masker.mask_value(&mut value);
        let only = value.as_object().unwrap().values().next().unwrap();
        assert_eq!(*only == json!(MASK), masked, "{field}");
        assert_eq!(value == field, !masked, "{field}");
    }
}

/// One row per look; every secret is gone and what stands around it stays.
#[test]
fn secrets_are_found_by_their_look_inside_of_texts() {
    let masker = Masker::new();
    let jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";
    for (text, expected) in [
        (format!("got {jwt} today"), "got [masked] today".to_owned()),
        (format!("/reset/{jwt}"), "/reset/[masked]".into()),
        (
            "Bearer abcdef123456 sent".into(),
            "Bearer [masked] sent".into(),
        ),
        (
            "sent bearer  ABCDEFGH".into(),
            "sent bearer  [masked]".into(),
        ),
        ("Basic YW5uOmh1bnRlcjI=".into(), "Basic [masked]".into()),
        (
            "Authorization: Digest a=b, c=d\nHost: x".into(),
            "Authorization: [masked]\nHost: x".into(),
        ),
        ("cookie: a=1; sid=2".into(), "cookie: [masked]".into()),
        ("a=1&token=xyz&b=2".into(), "a=1&token=[masked]&b=2".into()),
        (
            "?pass%77ord=hunter2&x=1".into(),
            "?pass%77ord=[masked]&x=1".into(),
        ),
        (
            "next=https%3A%2F%2Fa%2F%3Ftoken%3Dxyz&b=1".into(),
            "next=https%3A%2F%2Fa%2F%3Ftoken%3D[masked]&b=1".into(),
        ),
        (
            r#"{"user":"ann","password":"a\"b","n":1}"#.into(),
            r#"{"user":"ann","password":"[masked]","n":1}"#.into(),
        ),
        (
            r#"{\"password\":\"hunter2\",\"n\":1}"#.into(),
            r#"{\"password\":\"[masked]\",\"n\":1}"#.into(),
        ),
        ("password=hunter2".into(), "password=[masked]".into()),
        (
            "password = 'hunter 2' for ann".into(),
            "password = '[masked]' for ann".into(),
        ),
        (
            "postgres://app:hunter2@db/x".into(),
            "postgres://app:[masked]@db/x".into(),
        ),
        (
            "https://ghtoken@host/x".into(),
            "https://[masked]@host/x".into(),
        ),
        (
            "paid with 4111111111111111.".into(),
            "paid with [masked].".into(),
        ),
        ("4111 1111 1111 1111 12 27".into(), "[masked] 12 27".into()),
        ("amex 3782-822463-10005".into(), "amex [masked]".into()),
        (
            "key ghp_abcdefghijklmnopqrst!".into(),
            "key [masked]!".into(),
        ),
        ("AKIAIOSFODNN7EXAMPLE".into(), "[masked]".into()),
        ("sk_live_abcdefghijklmnop".into(), "[masked]".into()),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nend".into(),
            "[masked]\nend".into(),
        ),
        (
            "cut -----BEGIN RSA PRIVATE KEY-----\nMIIE".into(),
            "cut [masked]".into(),
        ),
        (
            "ключ token=секрет&я=1".into(),
            "ключ token=[masked]&я=1".into(),
        ),
    ] {
        assert_eq!(masker.mask_text(&text), expected, "{text}");
    }
}

#[test]
fn innocent_texts_are_borrowed() {
    let masker = Masker::new();
    for text in [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0",
        "Basic authentication failed",
        "bearer realm missing",
        "https://example.com:8443/a?b=c",
        "a retired refresh token was presented again",
        "order 4111111111111112",
        "3.14159265358979312",
        "2026-11-21 02:38:39.123456",
        "1767225600000",
        "018f3b2e-7c1a-7e2b-8a3c-4111111111111111x",
        "0190d3c8-4111-7111-8111-111111111111",
        "tel +49 170 1234567",
        "tokens_used=812&x=1",
        "eyJ",
        "",
        "::1",
        "=",
        ":",
        "%3D",
        "name=",
        "Zoë 日本",
    ] {
        assert!(
            matches!(masker.mask_text(text), Cow::Borrowed(_)),
            "{text}: {}",
            masker.mask_text(text)
        );
    }
}

#[test]
fn card_numbers_are_masked_as_numbers_too() {
    let mut value = json!({"a": 4_111_111_111_111_111_u64, "b": 4_111_111_111_111_112_u64, "c": [5_555_555_555_554_444_u64]});
    Masker::new().mask_value(&mut value);
    assert_eq!(
        value,
        json!({"a": MASK, "b": 4_111_111_111_111_112_u64, "c": [MASK]})
    );
}

#[test]
fn a_host_adds_and_exempts_names() {
    let masker = Masker::new()
        .with_key("patient id")
        .unwrap()
        .without_key("card")
        .unwrap();
    assert!(masker.is_sensitive("oldPatientId"));
    assert!(!masker.is_sensitive("patient"));
    assert!(!masker.is_sensitive("card_title"));
    assert!(masker.is_sensitive("password"));
    let mut value = json!({"patient_id": 7, "card": "4111111111111111"});
    masker.mask_value(&mut value);
    assert_eq!(
        value,
        json!({"patient_id": MASK, "card": MASK}),
        "by look the card stays a card"
    );
    for empty in ["", "-", "123"] {
        assert_eq!(
            Masker::new().with_key(empty).unwrap_err().field(),
            "mask_keys",
            "{empty}"
        );
    }
}

#[test]
fn a_rule_of_the_host_cannot_break_anything() {
    let masker =
        Masker::new().with_rule(|text| text.contains("/reset/").then(|| "/reset/…".to_owned()));
    assert_eq!(masker.mask_text("/reset/abc"), "/reset/…");
    let panicking =
        Masker::new().with_rule(|text| if text == "x" { panic!("a rule") } else { None });
    assert_eq!(panicking.mask_text("x"), MASK);
    assert_eq!(panicking.mask_text("y"), "y");
}

#[test]
fn what_is_too_deep_to_look_into_is_not_kept() {
    let mut value = json!({"note": CANARY});
    for _ in 0..(MAX_DEPTH + 5) {
        value = json!([value]);
    }
    Masker::new().mask_value(&mut value);
    let text = value.to_string();
    assert!(text.contains(TOO_DEEP) && !text.contains(CANARY), "{text}");
}

#[test]
fn members_come_out_sorted() {
    let mut value: Value = serde_json::from_str(r#"{"b":1,"a":{"d":1,"c":2}}"#).unwrap();
    Masker::new().mask_value(&mut value);
    assert_eq!(value.to_string(), r#"{"a":{"c":2,"d":1},"b":1}"#);
}
