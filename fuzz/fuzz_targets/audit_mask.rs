//! A secret under its name is gone, whatever stands around it: in any JSON document, and in any text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_audit::Masker;
use serde_json::{Value, json};

const CANARY: &str = "s3cr3t-C4NARY";

fuzz_target!(|text: &str| {
    if text.contains(CANARY) {
        return;
    }
    let masker = Masker::new();
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        hide(&mut value);
        let mut outer = json!({"password": CANARY, "around": value});
        masker.mask_value(&mut outer);
        assert!(!outer.to_string().contains(CANARY), "{outer}");
    }
    let (before, after) = text.split_once('\n').unwrap_or((text, ""));
    for pair in [
        format!("{before}&password={CANARY}&{after}"),
        format!("{before}\npassword: {CANARY}\n{after}"),
        format!("{before} \"password\": \"{CANARY}\", {after}"),
    ] {
        let masked = masker.mask_text(&pair);
        assert!(!masked.contains(CANARY), "{pair:?} became {masked:?}");
    }
});

/// Puts the canary into every object.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            members.values_mut().for_each(hide);
            members.insert("password".to_owned(), json!([CANARY, {"of": CANARY}]));
        }
        _ => {}
    }
}
