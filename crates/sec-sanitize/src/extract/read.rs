//! Reading the parts of a request, without any framework.

use std::error::Error;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError};
use serde::de::DeserializeOwned;
use validator::Validate;

use crate::json::{InputError, JsonLimits, check_form, parse};

type BoxError = Box<dyn Error + Send + Sync>;

/// Reads and validates a JSON body: what `Valid<Json<T>>` does, for any body type.
///
/// In this order: the media type (`application/json` or `application/*+json`, UTF-8, no content coding), the
/// declared length, then the body frame by frame up to the limit, then [`parse`].
///
/// # Errors
/// Any [`InputError`].
pub async fn read_json<T, B>(
    headers: &HeaderMap,
    body: B,
    limits: &JsonLimits,
) -> Result<T, InputError>
where
    T: DeserializeOwned + Validate,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    expect_type(headers, "application/json", |media| {
        let name = media.to_ascii_lowercase();
        name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"))
    })?;
    parse(&collect(headers, body, limits.max_bytes).await?, limits)
}

/// Reads and validates a form body, `application/x-www-form-urlencoded`; see [`check_form`].
///
/// # Errors
/// Any [`InputError`].
pub async fn read_form<T, B>(
    headers: &HeaderMap,
    body: B,
    limits: &JsonLimits,
) -> Result<T, InputError>
where
    T: DeserializeOwned + Validate,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    const FORM: &str = "application/x-www-form-urlencoded";
    expect_type(headers, FORM, |media| media.eq_ignore_ascii_case(FORM))?;
    check_form(&collect(headers, body, limits.max_bytes).await?, limits)?.read()
}

/// Reads and validates a query; see [`check_form`].
///
/// # Errors
/// Any [`InputError`] but that of the media type.
pub fn read_query<T: DeserializeOwned + Validate>(
    query: Option<&str>,
    limits: &JsonLimits,
) -> Result<T, InputError> {
    check_form(query.unwrap_or_default().as_bytes(), limits)?.read()
}

/// Exactly one content type, of the right name; a charset, if named, is UTF-8; the body is not coded.
fn expect_type(
    headers: &HeaderMap,
    expected: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<(), InputError> {
    let wrong = InputError::MediaType { expected };
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return Err(wrong);
    };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let name_fits = parts.next().is_some_and(&fits);
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = charset.trim().trim_matches('"');
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    });
    let plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if name_fits && utf8 && plain {
        Ok(())
    } else {
        Err(wrong)
    }
}

/// The body, if it is not longer than `limit`: a declared length is believed only when it is too large.
async fn collect<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, InputError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_large = InputError::TooLarge { limit };
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if declared
        .and_then(|value| value.parse::<usize>().ok())
        .is_some_and(|n| n > limit)
    {
        return Err(too_large);
    }
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(error.into(), limit))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = first
            .len()
            .saturating_add(rest.len())
            .saturating_add(data.len());
        if length > limit {
            return Err(too_large);
        }
        // Most bodies come in one piece, which is then not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// A limit that stands further out (such as tower-http's) ends the body with its own error.
fn unreadable(error: BoxError, limit: usize) -> InputError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return InputError::TooLarge { limit };
        }
        cause = error.source();
    }
    InputError::Malformed("The body ended before it was complete.".into())
}
