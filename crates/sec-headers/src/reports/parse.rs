use std::fmt;

use sec_core::text::log_safe;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::{Disposition, Report, ReportKind};

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
            Ok(vec![reader.violation(body, "")])
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

struct Reader {
    text: usize,
}

impl Reader {
    /// One element of a Reporting API batch.
    fn element(&self, element: &Value) -> Option<Report> {
        let kind = element.get("type")?.as_str()?;
        let page = element.get("url").and_then(Value::as_str).unwrap_or("");
        let body = element.get("body").filter(|body| body.is_object());
        if kind == "csp-violation" {
            return Some(self.violation(body?, page));
        }
        Some(Report {
            kind: ReportKind::Other(self.clean(kind)),
            document: self.address(page),
            directive: String::new(),
            blocked: String::new(),
            source: String::new(),
            line: 0,
            column: 0,
            disposition: Disposition::default(),
            sample: String::new(),
            status: 0,
        })
    }

    /// The body of a violation, with the keys of either form.
    fn violation(&self, body: &Value, page: &str) -> Report {
        let text = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| body.get(key)?.as_str());
            found.unwrap_or("")
        };
        let number = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| body.get(key)?.as_u64());
            found.unwrap_or(0)
        };
        let document = match text(&["documentURL", "document-uri", "documentURI"]) {
            "" => page,
            document => document,
        };
        // `violated-directive` held the directive's whole value in CSP 1.
        let directive = text(&[
            "effectiveDirective",
            "effective-directive",
            "violated-directive",
        ]);
        let directive = directive.split_ascii_whitespace().next().unwrap_or("");
        Report {
            kind: ReportKind::CspViolation,
            document: self.address(document),
            directive: self.clean(directive),
            blocked: self.address(text(&["blockedURL", "blocked-uri", "blockedURI"])),
            source: self.address(text(&["sourceFile", "source-file"])),
            line: small(number(&["lineNumber", "line-number"])),
            column: small(number(&["columnNumber", "column-number"])),
            disposition: match text(&["disposition"]) {
                "report" => Disposition::Report,
                _ => Disposition::Enforce,
            },
            sample: self.clean(text(&["sample", "script-sample"])),
            status: u16::try_from(number(&["statusCode", "status-code"])).unwrap_or(0),
        }
    }

    fn clean(&self, text: &str) -> String {
        log_safe(text.trim(), self.text).into_owned()
    }

    /// An address without what may be secret in it: query, fragment, user information, and all of a
    /// `data:` address.
    fn address(&self, text: &str) -> String {
        let text = text.trim();
        if text
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        {
            return "data".to_owned();
        }
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let text = text.get(..end).unwrap_or_default();
        let Some((scheme, rest)) = text.split_once("://") else {
            return self.clean(text);
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        match authority.rsplit_once('@') {
            Some((_, host)) => self.clean(&format!("{scheme}://{host}{path}")),
            None => self.clean(text),
        }
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
