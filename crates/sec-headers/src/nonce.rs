use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;

/// 18 bytes are 144 bits (CSP 3 asks for at least 128) and fill 24 base64 characters without padding.
const RANDOM: usize = 18;
const TEXT: usize = 24;

/// One request's nonce: it goes into the `nonce` attribute of inline scripts and styles, and
/// [`HeadersLayer`](crate::HeadersLayer) puts the same one into the policies of that answer.
///
/// It is in the request's extensions, and under the feature `axum` it is an extractor. `Display`
/// writes the base64 text, which needs no escaping inside a quoted attribute. When no layer has
/// made one, the extractor answers a loud 500 instead of handing out a nonce that no policy names.
///
/// 144 bits come from the thread's ChaCha generator, which is seeded by the operating system: no
/// system call and no allocation for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CspNonce([u8; TEXT]);

impl CspNonce {
    /// A fresh one. [`HeadersLayer`](crate::HeadersLayer) does this once per request; call it where
    /// you use [`HeaderPolicy::apply`](crate::HeaderPolicy::apply) without the layer.
    #[must_use]
    pub fn generate() -> Self {
        let mut random = [0_u8; RANDOM];
        rand::rng().fill_bytes(&mut random);
        let mut text = [0_u8; TEXT];
        let written = STANDARD.encode_slice(random, &mut text);
        debug_assert_eq!(written, Ok(TEXT));
        Self(text)
    }

    /// The base64 text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Base64 is ASCII, so this never falls back.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows nothing of it: who reads a nonce while its page loads may run scripts there.
impl fmt::Debug for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CspNonce([redacted])")
    }
}

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Sync> axum_core::extract::FromRequestParts<S> for CspNonce {
    type Rejection = sec_core::MissingLayer;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        let nonce = parts.extensions.get::<Self>().copied();
        nonce.ok_or_else(|| {
            sec_core::MissingLayer::new("sec_headers::HeadersLayer with a nonce in its policy")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn is_long_base64_and_never_the_same() {
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let nonce = CspNonce::generate();
            let text = nonce.to_string();
            assert_eq!(STANDARD.decode(&text).unwrap().len(), RANDOM);
            const { assert!(RANDOM * 8 >= 128) };
            assert!(!format!("{nonce:?}").contains(&text));
            assert!(seen.insert(text));
        }
    }
}
