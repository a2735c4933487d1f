//! What holds for every type alike: noise, bounds, and what tells two reports apart.

use serde_json::{Value, json};

use super::super::details::Key;
use super::types::one;
use super::*;

#[test]
fn extensions_are_noise_in_every_type() {
    for (kind, key) in [
        ("deprecation", "sourceFile"),
        ("intervention", "sourceFile"),
        ("potential-permissions-policy-violation", "srcAttribute"),
        ("coop", "openerURL"),
        ("coep", "blockedURL"),
        ("integrity-violation", "blockedURL"),
        ("csp-hash", "subresourceURL"),
    ] {
        for foreign in [
            "chrome-extension://abc/x.js",
            "moz-extension://abc",
            "safari-web-extension://x",
        ] {
            assert!(
                one(kind, json!({key: foreign})).is_noise(),
                "{kind} {foreign}"
            );
        }
        assert!(
            !one(kind, json!({key: "https://a.example/"})).is_noise(),
            "{kind}"
        );
    }
}

#[test]
fn texts_of_every_type_are_bounded_and_clean() {
    let evil = format!("x\r\n\u{1b}[2J\u{202e}\u{0}{}", "a".repeat(5_000));
    let body = stuffed(&evil);
    for kind in KINDS.into_iter().chain([evil.as_str()]) {
        let report = one(kind, body.clone());
        assert!(!texts(&report).is_empty());
        for text in texts(&report) {
            assert!(text.chars().count() <= 513, "{text}");
            assert!(!text.chars().any(sec_core::text::is_unsafe), "{text:?}");
        }
    }
}

#[test]
fn what_tells_reports_apart_is_what_happened() {
    use std::hash::BuildHasher as _;

    let hasher = std::hash::RandomState::new();
    let same =
        |one: &Report, other: &Report| hasher.hash_one(Key(one)) == hasher.hash_one(Key(other));
    let failure = |change: fn(&mut Value)| {
        let mut body = json!({
            "type": "tcp.reset", "phase": "connection", "method": "GET", "protocol": "", "status_code": 0,
            "elapsed_time": 10, "sampling_fraction": 1.0, "referrer": "https://b.example/",
            "server_ip": "192.0.2.1",
        });
        change(&mut body);
        one("network-error", body)
    };
    let base = failure(|_| {});
    let equal: [fn(&mut Value); 3] = [
        |body| body["elapsed_time"] = json!(99),
        |body| body["sampling_fraction"] = json!(0.5),
        |body| body["referrer"] = json!("https://c.example/"),
    ];
    for change in equal {
        assert!(same(&base, &failure(change)));
    }
    let different: [fn(&mut Value); 6] = [
        |body| body["type"] = json!("tcp.refused"),
        |body| body["phase"] = json!("application"),
        |body| body["method"] = json!("POST"),
        |body| body["protocol"] = json!("h2"),
        |body| body["status_code"] = json!(503),
        |body| body["server_ip"] = json!("192.0.2.2"),
    ];
    for change in different {
        assert!(!same(&base, &failure(change)));
    }
    let mut later = base.clone();
    (later.age, later.user_agent) = (Duration::from_secs(9), "other".to_owned());
    assert!(same(&base, &later));
    // The same words in another type or field are something else.
    let deprecation = one("deprecation", json!({"id": "x", "message": "y"}));
    let intervention = one("intervention", json!({"id": "x", "message": "y"}));
    assert!(!same(&deprecation, &intervention));
    let swapped = one("deprecation", json!({"id": "y", "message": "x"}));
    assert!(!same(&deprecation, &swapped));
}
