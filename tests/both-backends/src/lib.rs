//! Nothing but a test: `sec-tokens` issues and verifies where jsonwebtoken itself can do neither.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests {
    use std::{panic, time::SystemTime};

    use sec_core::{AuthMethod, Principal};
    use sec_tokens::{Issuer, KeyRing, SigningKey};

    #[test]
    fn tokens_do_not_depend_on_the_process_wide_provider() {
        let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
        let issuer = Issuer::new(keys, "https://auth.example", "https://api.example").unwrap();
        let alice = Principal::new("alice", AuthMethod::Password);
        let now = SystemTime::now();
        let token = issuer.issue(&alice, now).unwrap();
        let verified = issuer.verifier().verify(token.expose(), now).unwrap();
        assert_eq!(verified.principal().subject(), "alice");
        let document = issuer.keys().jwks_document();
        assert!(document.starts_with(br#"{"keys":[{"#));
    }

    /// The reason for the test above. Should this one fail, jsonwebtoken has learnt to choose.
    #[test]
    fn jsonwebtoken_itself_panics_with_two_backends() {
        let result = panic::catch_unwind(|| {
            let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
            jsonwebtoken::encode(&jsonwebtoken::Header::default(), &"claims", &key)
        });
        assert!(result.is_err());
    }
}
