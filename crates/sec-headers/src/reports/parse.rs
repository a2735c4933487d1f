use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::Report;
use super::fields::Reader;

/// The bounds of what is read from a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportLimits {
    /// Bytes of the body. Default: 128 KiB, which takes a full batch of Chromium (100 reports).
    pub body: usize,
    /// Reports in one body. Default: 100.
    pub reports: usize,
    /// Characters of each text; what is longer is cut. Default: 512.
    pub text: usize,
}

impl Default for ReportLimits {
    fn default() -> Self {
        Self {
            body: 128 * 1024,
            reports: 100,
            text: 512,
        }
    }
}

/// Why a body holds no reports. None of them quotes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Neither `application/reports+json` nor `application/csp-report`.
    #[error("the content type is neither application/reports+json nor application/csp-report")]
    ContentType,
    /// More bytes than [`ReportLimits::body`].
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// More reports than [`ReportLimits::reports`].
    #[error("there are more than {0} reports")]
    TooMany(usize),
    /// Not the JSON that its content type promises.
    #[error("the body is not what its content type says")]
    Malformed,
}

/// Reads the reports of one body.
///
/// `application/reports+json` is an array of the Reporting API, `application/csp-report` one object
/// with hyphenated keys (CSP 2). Unknown types are kept by name, unknown fields and fields of an
/// unexpected type are passed over, elements that are no objects are left out: browsers differ, and
/// one odd field must not cost a batch.
///
/// # Errors
///
/// [`ReportError`] when the content type, the size or the JSON is wrong.
pub fn parse_reports(
    content_type: &str,
    bytes: &[u8],
    limits: &ReportLimits,
) -> Result<Vec<Report>, ReportError> {
    let form = Form::of(content_type).ok_or(ReportError::ContentType)?;
    if bytes.len() > limits.body {
        return Err(ReportError::TooLarge(limits.body));
    }
    let reader = Reader { text: limits.text };
    match form {
        Form::Batch => {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            let batch = json
                .deserialize_seq(Batch(limits.reports))
                .and_then(|batch| json.end().map(|()| batch))
                .map_err(|_| ReportError::Malformed)?;
            let elements = batch.ok_or(ReportError::TooMany(limits.reports))?;
            Ok(elements
                .iter()
                .filter_map(|element| reader.element(element))
                .collect())
        }
        Form::Single => {
            let value: Value = serde_json::from_slice(bytes).map_err(|_| ReportError::Malformed)?;
            let body = value.get("csp-report").filter(|body| body.is_object());
            let body = body.ok_or(ReportError::Malformed)?;
            Ok(vec![reader.single(body)])
        }
    }
}

/// Which of the two forms a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Batch,
    Single,
}

impl Form {
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/reports+json") {
            Some(Self::Batch)
        } else if essence.eq_ignore_ascii_case("application/csp-report") {
            Some(Self::Single)
        } else {
            None
        }
    }
}

/// Takes at most so many elements; `None` when there is one more.
struct Batch(usize);

impl<'de> Visitor<'de> for Batch {
    type Value = Option<Vec<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of reports")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        let mut whole = true;
        while whole {
            match seq.next_element::<Value>()? {
                Some(element) if elements.len() < self.0 => elements.push(element),
                Some(_) => whole = false,
                None => return Ok(Some(elements)),
            }
        }
        // The rest is read over, so that what is malformed is called so.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
