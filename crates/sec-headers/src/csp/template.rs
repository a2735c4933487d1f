use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;
use sec_core::Scheme;

use super::{Csp, Source};
use crate::error::PolicyError;
use crate::nonce::CspNonce;

/// A checked policy, written out but for the nonce.
///
/// [`render`](Self::render) copies it once (one allocation) when it has a place for a nonce, and
/// clones a prepared value (none) when it has not.
#[derive(Debug, Clone)]
pub struct CspTemplate {
    /// What stands between the nonces; one part more than there are nonces.
    parts: Box<[Box<str>]>,
    length: usize,
    without_nonce: HeaderValue,
}

impl Csp {
    /// Checks the policy and writes it out for clients that came over this scheme.
    ///
    /// # Errors
    ///
    /// All faults at once, each with the directive's name as its field.
    pub fn template(&self, scheme: Scheme) -> Result<CspTemplate, PolicyError> {
        let faults = self.find_faults();
        PolicyError::unless_empty(faults, ())?;
        let with_nonce = self.write(scheme, true);
        let without_nonce = self.write(scheme, false);
        // Every token was checked above, so this cannot fail; if it did, the fault is told here and
        // not while a request is served.
        let without_nonce = HeaderValue::try_from(without_nonce).map_err(|_| {
            PolicyError::one(
                "",
                crate::FaultKind::Source,
                "holds what no header can carry",
            )
        })?;
        let parts: Box<[Box<str>]> = with_nonce.split(MARK).map(Into::into).collect();
        let nonces = parts.len().saturating_sub(1);
        let length = parts
            .iter()
            .map(|part| part.len())
            .fold(nonces.saturating_mul(24), usize::saturating_add);
        Ok(CspTemplate {
            parts,
            length,
            without_nonce,
        })
    }

    fn write(&self, scheme: Scheme, with_nonce: bool) -> String {
        let mut text = String::with_capacity(256);
        let mut directive = |name: &str, values: &str| {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(name);
            if !values.is_empty() {
                text.push(' ');
                text.push_str(values);
            }
        };
        for (name, sources) in &self.lists {
            directive(name.as_str(), &write_sources(sources, with_nonce));
        }
        if self.require_trusted_types {
            directive("require-trusted-types-for", "'script'");
        }
        if let Some(types) = &self.trusted_types {
            directive("trusted-types", &types.0.join(" "));
        }
        if let Some(flags) = &self.sandbox {
            let flags: Vec<_> = flags.iter().map(|flag| flag.as_str()).collect();
            directive("sandbox", &flags.join(" "));
        }
        if self.upgrade_insecure_requests && scheme.is_https() {
            directive("upgrade-insecure-requests", "");
        }
        // Browsers that know `report-to` ignore `report-uri`; the others know only the latter.
        if !self.report_uri.is_empty() {
            directive("report-uri", &self.report_uri.join(" "));
        }
        // Chromium takes endpoints over https alone, and sends nothing at all where `report-to` names
        // one that it did not take.
        if let Some(endpoint) = &self.report_to
            && (scheme.is_https() || self.report_uri.is_empty())
        {
            directive("report-to", endpoint);
        }
        text
    }
}

impl CspTemplate {
    /// Whether it has a place for a nonce.
    #[must_use]
    pub fn uses_nonce(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether it says nothing: `upgrade-insecure-requests` alone does not count over plain http.
    pub(crate) fn is_empty(&self) -> bool {
        self.without_nonce.is_empty()
    }

    /// The header's value. Without a nonce, the places for it are left out, so that what needed one
    /// is refused; so is an `'unsafe-inline'` beside it, which only old browsers heeded there.
    #[must_use]
    pub fn render(&self, nonce: Option<&CspNonce>) -> HeaderValue {
        let (Some(nonce), true) = (nonce, self.uses_nonce()) else {
            return self.without_nonce.clone();
        };
        let mut text = Vec::with_capacity(self.length);
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(nonce.as_bytes());
            }
            text.extend_from_slice(part.as_bytes());
        }
        HeaderValue::from_maybe_shared(Bytes::from(text))
            .unwrap_or_else(|_| self.without_nonce.clone())
    }
}

/// Cannot come from a checked token: none holds a control character.
const MARK: char = '\0';

fn write_sources(sources: &[Source], with_nonce: bool) -> String {
    // Beside a nonce browsers ignore 'unsafe-inline'. Where the nonce is left out it goes as well, or
    // leaving out would allow every inline script.
    let needs_nonce = !with_nonce && sources.contains(&Source::Nonce);
    let kept = sources
        .iter()
        .filter(|source| !needs_nonce || !matches!(source, Source::Nonce | Source::UnsafeInline));
    // What is left of a nonce'd list is kept as it is, since dropping 'strict-dynamic' could widen
    // it; but alone it would be a list that allows nothing and reads as if it did.
    let means_something = kept
        .clone()
        .any(|source| !matches!(source, Source::StrictDynamic | Source::ReportSample));
    if !means_something {
        return Source::None.to_string();
    }
    let mut text = String::new();
    for source in kept {
        if !text.is_empty() {
            text.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = match source {
            Source::Nonce => write!(text, "'nonce-{MARK}'"),
            other => write!(text, "{other}"),
        };
    }
    text
}
