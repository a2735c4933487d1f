#![no_main]
use libfuzzer_sys::fuzz_target;
use {sec_audit as _, sec_core as _, sec_headers as _, sec_sanitize as _, sec_tokens as _};
fuzz_target!(|data: &[u8]| { let _ = data; });
