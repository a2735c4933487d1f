//! A stored hash, parsed.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::params::{Argon2Params, OUTPUT_LEN};

/// Longest string that is looked at.
const MAX_LEN: usize = 512;
/// Bytes that salt and output may have. RFC 9106 §3.1 asks for 16 bytes of salt; a short output
/// makes guessing one password out of many easier (an output of ten bytes was accepted elsewhere).
const PART_LEN: std::ops::RangeInclusive<usize> = 16..=64;

/// An Argon2id hash in PHC form, `$argon2id$v=19$m=65536,t=3,p=4$salt$output`.
///
/// A value of this type is safe to verify against: its cost lies below the ceiling (256 MiB, 10
/// passes, 16 lanes), its salt and output have 16 to 64 bytes, its version is 19 and it carries no
/// other parameter. `Debug` shows the cost alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
    params: Argon2Params,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

/// Why a string is no [`PasswordHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// Not the PHC form of Argon2.
    #[error("not a PHC string")]
    Malformed,
    /// Another algorithm than Argon2id, or another version than 19.
    #[error("not Argon2id version 19")]
    Algorithm,
    /// Costs more than 256 MiB, 10 passes or 16 lanes, or has fewer than 8 KiB for each lane.
    #[error("cost outside of what may be computed")]
    Cost,
    /// Salt or output outside of 16 to 64 bytes.
    #[error("salt and output must have 16 to 64 bytes")]
    Length,
}

impl PasswordHash {
    /// Parses what [`as_str`](Self::as_str) gave, or what another Argon2id implementation wrote.
    ///
    /// # Errors
    ///
    /// See [`PasswordHashError`]. Nothing is hashed.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_LEN {
            return Err(PasswordHashError::Malformed);
        }
        let mut parts = text.split('$');
        let mut next = || parts.next().ok_or(PasswordHashError::Malformed);
        let (before, algorithm, version) = (next()?, next()?, next()?);
        if !before.is_empty() {
            return Err(PasswordHashError::Malformed);
        }
        if algorithm != "argon2id" || version != "v=19" {
            return Err(PasswordHashError::Algorithm);
        }
        let (cost, salt, output) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(PasswordHashError::Malformed);
        }
        let params = cost_of(cost)?;
        Ok(Self {
            params,
            salt: part(salt)?,
            output: part(output)?,
            text: text.into(),
        })
    }

    /// The PHC string, for storing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What verifying against it costs.
    #[must_use]
    pub fn params(&self) -> Argon2Params {
        self.params
    }

    pub(super) fn new(params: Argon2Params, salt: &[u8], output: &[u8]) -> Self {
        let text = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            params.memory_kib(),
            params.passes(),
            params.lanes(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output),
        );
        Self {
            text: text.into(),
            params,
            salt: salt.into(),
            output: output.into(),
        }
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Whether it was made with exactly this cost and our output length.
    pub(super) fn is_current(&self, params: Argon2Params) -> bool {
        self.params == params && self.output.len() == OUTPUT_LEN
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

/// `m=65536,t=3,p=4`, in this order and nothing else: `keyid` and `data` would change the hash.
fn cost_of(text: &str) -> Result<Argon2Params, PasswordHashError> {
    let mut fields = text.split(',');
    let mut number = |prefix: &str| {
        let digits = fields
            .next()
            .and_then(|field| field.strip_prefix(prefix))
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .filter(|digits| !digits.starts_with('0'))
            .ok_or(PasswordHashError::Malformed)?;
        digits.parse::<u32>().map_err(|_| PasswordHashError::Cost)
    };
    let (memory, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    if fields.next().is_some() {
        return Err(PasswordHashError::Malformed);
    }
    Argon2Params::within_ceiling(memory, passes, lanes).ok_or(PasswordHashError::Cost)
}

fn part(text: &str) -> Result<Box<[u8]>, PasswordHashError> {
    let bytes = STANDARD_NO_PAD
        .decode(text)
        .map_err(|_| PasswordHashError::Malformed)?;
    if PART_LEN.contains(&bytes.len()) {
        Ok(bytes.into())
    } else {
        Err(PasswordHashError::Length)
    }
}
