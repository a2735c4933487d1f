//! Finding the token in a request.

use http::{HeaderMap, header};

/// More than one set of credentials, or none that can be read, where a bearer token was announced
/// (RFC 6750 §3.1, `invalid_request`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerError {
    /// The `Authorization` header occurs more than once.
    #[error("more than one Authorization header")]
    Repeated,
    /// The header is not ASCII, or what follows the scheme is no `b64token`.
    #[error("malformed Authorization header")]
    Malformed,
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1); `None` without the header or with another
/// scheme. The scheme's case does not matter (RFC 9110 §11.1). Tokens in the query or in a form are
/// not looked for: they end up in logs and histories (RFC 9700 §4.3.2).
///
/// # Errors
///
/// See [`BearerError`].
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, BearerError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(BearerError::Repeated);
    }
    let line = line.to_str().map_err(|_| BearerError::Malformed)?;
    let (scheme, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_start_matches(' ');
    if is_b64token(token) {
        Ok(Some(token))
    } else {
        Err(BearerError::Malformed)
    }
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(legal)
}
