//! The strict reader beside `serde_json`: what it takes reads the same there, and what it calls no
//! JSON is none there either.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_sanitize::json::{InputError, JsonLimits, check};
use serde_json::Value;
use validator::{Validate, ValidationErrors};

#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
struct Free(Value);

impl Validate for Free {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = JsonLimits::default();
    let plain = serde_json::from_slice::<Value>(bytes);
    let strict = check(bytes, &limits);
    match &strict {
        Ok(document) => {
            let Free(value) = document.read().expect("any value will do");
            assert_eq!(value, plain.expect("strict means less, not more"));
            return;
        }
        Err(InputError::Invalid(faults)) => {
            let [fault] = faults.as_slice() else {
                panic!("one fault ends the reading: {faults:?}");
            };
            assert!(
                ["duplicate", "nul", "number"].contains(&&*fault.code),
                "{fault:?}"
            );
            assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'));
        }
        Err(InputError::Malformed(reason)) if reason.contains("nested deeper") => {
            assert!(bytes.iter().filter(|byte| b"[{".contains(byte)).count() > limits.max_depth);
        }
        Err(InputError::Malformed(reason)) if reason.contains("more than") => {
            assert!(bytes.len() > limits.max_nodes);
        }
        Err(InputError::TooLarge { limit }) => assert!(bytes.len() > *limit),
        Err(error) => assert!(plain.is_err(), "{error:?}"),
    }
    // With every stricter rule off but the one, only that one is left.
    let lenient = limits
        .with_max_depth(100)
        .allowing_nul()
        .allowing_huge_numbers();
    if let Err(InputError::Invalid(faults)) = check(bytes, &lenient) {
        assert_eq!(faults[0].code, "duplicate");
    }
});
