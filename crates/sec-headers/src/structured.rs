//! Structured fields (RFC 9651). One syntax error makes browsers drop a whole header, so no text is
//! written that `sfv` has not taken as a key, token or string.

use http::HeaderValue;
use sfv::{BareItem, FieldType, KeyRef, Parameters, Parser, StringRef, TokenRef, key_ref};

use crate::error::{FaultKind, PolicyError};

/// The parameter that names an endpoint.
pub(crate) const REPORT_TO: &KeyRef = key_ref("report-to");

pub(crate) fn key(text: &str) -> Result<&KeyRef, PolicyError> {
    KeyRef::from_str(text).map_err(|_| unfit(text, "dictionary key"))
}

pub(crate) fn token(text: &str) -> Result<&TokenRef, PolicyError> {
    TokenRef::from_str(text).map_err(|_| unfit(text, "token"))
}

pub(crate) fn string(text: &str) -> Result<&StringRef, PolicyError> {
    StringRef::from_str(text).map_err(|_| unfit(text, "string"))
}

fn unfit(text: &str, what: &str) -> PolicyError {
    let message = format!("`{}` is no {what} (RFC 9651)", text.escape_debug());
    PolicyError::one("", FaultKind::Header, message)
}

/// A serialised field as a header; an empty dictionary is no header at all.
pub(crate) fn written(text: Option<String>) -> Result<Option<HeaderValue>, PolicyError> {
    text.map(HeaderValue::try_from)
        .transpose()
        .map_err(|_| PolicyError::one("", FaultKind::Header, "cannot be written in a header"))
}

/// The fault of an endpoint's name, if it is none.
pub(crate) fn check_endpoint(name: &str) -> Result<(), PolicyError> {
    check_name(name).map_err(|why| PolicyError::one("report-to", FaultKind::Endpoint, why))
}

/// Reads a header's value, as configuration files quote it.
pub(crate) fn read<T: FieldType>(text: &str) -> Result<T, PolicyError> {
    Parser::new(text).parse().map_err(|error| {
        let message = format!("`{}` is no structured field: {error}", text.escape_debug());
        PolicyError::one("", FaultKind::Setting, message)
    })
}

/// The endpoint that a `report-to` parameter names. Any other parameter is a mistake.
pub(crate) fn endpoint_of(parameters: &Parameters) -> Result<Option<String>, PolicyError> {
    let mut endpoint = None;
    for (name, value) in parameters {
        endpoint = Some(match value {
            BareItem::String(text) if name.as_ref() == REPORT_TO => text.as_str().to_owned(),
            BareItem::Token(text) if name.as_ref() == REPORT_TO => text.as_str().to_owned(),
            _ => {
                let message = format!("has the parameter `{name}`; known is report-to with a name");
                return Err(PolicyError::one("", FaultKind::Setting, message));
            }
        });
    }
    Ok(endpoint)
}

/// A dictionary key of RFC 9651 that is also a token of CSP's `report-to`.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let goes_on = bytes
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte));
    if starts && goes_on {
        Ok(())
    } else {
        Err(format!(
            "`{}` is no endpoint name: a lower-case letter, then those, digits, `_`, `-` and `.`",
            name.escape_debug()
        ))
    }
}
