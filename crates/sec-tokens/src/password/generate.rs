//! Passwords that nobody has to think of.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sec_core::{Secret, SecretString};
use zeroize::Zeroizing;

use super::{PasswordError, PasswordErrorKind};

/// A password of 144 random bits, as 24 letters, digits, `-` and `_`: for first administrators and
/// service accounts.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn random_password() -> Result<SecretString, PasswordError> {
    let mut bytes = Zeroizing::new([0; 18]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| PasswordErrorKind::Failed)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_and_long() {
        let (one, two) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one.expose(), two.expose());
        assert_eq!(one.expose().len(), 24);
    }
}
