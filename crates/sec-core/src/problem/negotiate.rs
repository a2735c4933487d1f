//! In which form a problem is told (RFC 9110 §12.5.1).

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};

use super::Problem;

/// The form of a problem's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `application/problem+json`, the default.
    Json,
    /// A short page without script or style.
    Html,
    /// One or two lines of text.
    Text,
}

impl Format {
    /// The form that `Accept` prefers; JSON where it is silent, undecided or cannot be met.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Self {
        let mut best = (Self::Json, 0);
        for format in [Self::Json, Self::Html, Self::Text] {
            let quality = format.quality(headers);
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// The `Content-Type` of this form.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/problem+json",
            Self::Html => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// The weight in thousandths that the most specific range matching this form has.
    fn quality(self, headers: &HeaderMap) -> u16 {
        let mut found = (0, 0);
        let lines = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|line| line.to_str().ok());
        for range in lines.flat_map(|line| line.split(',')) {
            let mut parts = range.split(';');
            let specificity = self.specificity(parts.next().unwrap_or_default().trim());
            if specificity > 0 && specificity >= found.0 {
                found = (specificity, weight(parts));
            }
        }
        found.1
    }

    fn specificity(self, range: &str) -> u8 {
        let is = |name: &str| range.eq_ignore_ascii_case(name);
        match self {
            Self::Json if is("application/problem+json") => 4,
            Self::Json if is("application/json") => 3,
            Self::Html if is("text/html") => 4,
            Self::Text if is("text/plain") => 4,
            Self::Json if is("application/*") => 2,
            Self::Html | Self::Text if is("text/*") => 2,
            _ if range == "*/*" => 1,
            _ => 0,
        }
    }
}

/// `q` in thousandths: 1000 where absent, 0 where malformed (what cannot be read is not preferred).
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> u16 {
    let mut parameters = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    let Some((_, value)) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
    else {
        return 1000;
    };
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let thousandths = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

pub(super) fn body(problem: &Problem, format: Format) -> Bytes {
    let (status, title) = (problem.status().as_u16(), problem.title());
    let detail = problem.detail().unwrap_or_default();
    match format {
        Format::Json => problem.to_json(),
        Format::Html => format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{status} {title}</h1><p>{detail}</p></body></html>\n",
            title = escape(title),
            detail = escape(detail),
        )
        .into(),
        Format::Text if detail.is_empty() => format!("{status} {title}\n").into(),
        Format::Text => format!("{status} {title}\n{detail}\n").into(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn accept_decides() {
        for (accept, format) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("application/json", Format::Json),
            ("application/problem+json", Format::Json),
            // Chromium's and Firefox's navigation requests.
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
                Format::Html,
            ),
            ("text/plain", Format::Text),
            ("text/plain;q=0.5, text/html;q=0.4", Format::Text),
            ("text/*", Format::Html),
            ("text/html;q=0, */*", Format::Json),
            ("application/json;q=0.2, text/html;q=0.3", Format::Html),
            ("text/html;q=2", Format::Json),
            ("text/html;q=0.1234", Format::Json),
            ("TEXT/HTML", Format::Html),
            ("image/png", Format::Json),
            (";;;,,,=q", Format::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Format::preferred(&headers), format, "{accept:?}");
        }
        assert_eq!(Format::preferred(&HeaderMap::new()), Format::Json);
    }
}
