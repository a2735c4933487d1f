use std::collections::BTreeMap;
use std::str::FromStr;

use http::HeaderValue;
use sfv::{
    BareItem, Decimal, DictSerializer, Dictionary, Integer, ListEntry, RefBareItem, key_ref,
};

use crate::error::{FaultKind, PolicyError};
use crate::structured::{REPORT_TO, check_endpoint, endpoint_of, key, read, token, written};

/// `Document-Policy` (WICG draft, known to Chromium): switches and bounds of the document itself, such
/// as `document-write=?0`, `js-profiling` or `oversized-images=2.0`.
///
/// The names are a browser's own and change; each is checked for its form alone.
///
/// ```
/// use sec_headers::DocumentPolicy;
///
/// let policy = DocumentPolicy::new()
///     .set("document-write", false)
///     .set("oversized-images", 2.0)
///     .report_to("main");
/// assert_eq!(
///     policy.header()?.unwrap(),
///     "document-write=?0, oversized-images=2.0, *;report-to=main"
/// );
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct DocumentPolicy {
    features: BTreeMap<String, DocumentValue>,
    endpoints: BTreeMap<String, String>,
    report_to: Option<String>,
}

/// What a [`DocumentPolicy`] says of a feature.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DocumentValue {
    /// `?1`, which is not written, or `?0`.
    Flag(bool),
    /// A whole number of at most 15 digits.
    Integer(i64),
    /// A number with up to three digits behind the point; further ones are rounded.
    Decimal(f64),
    /// A word.
    Word(String),
}

impl DocumentPolicy {
    /// Says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says this of a feature, in place of what was said before.
    pub fn set(mut self, feature: impl Into<String>, value: impl Into<DocumentValue>) -> Self {
        self.features.insert(feature.into(), value.into());
        self
    }

    /// Violations are reported to this endpoint of
    /// [`SecHeaders::endpoint`](crate::SecHeaders::endpoint), as far as
    /// [`report_feature_to`](Self::report_feature_to) names no other.
    pub fn report_to(mut self, endpoint: impl Into<String>) -> Self {
        self.report_to = Some(endpoint.into());
        self
    }

    /// Violations of this feature are reported to this endpoint.
    pub fn report_feature_to(
        mut self,
        feature: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        self.endpoints.insert(feature.into(), endpoint.into());
        self
    }

    /// The header's value; `None` when nothing was said.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Document`] for a feature or value that a structured field cannot carry, and
    /// [`FaultKind::Endpoint`] for an endpoint's name that is none.
    pub fn header(&self) -> Result<Option<HeaderValue>, PolicyError> {
        let mut faults = Vec::new();
        let mut dictionary = DictSerializer::new();
        for (feature, value) in &self.features {
            if let Err(error) = self.write(feature, value, &mut dictionary) {
                let outer = feature.escape_debug().to_string();
                let inner = error.into_faults().into_iter();
                faults.extend(inner.map(|fault| fault.within(&outer)));
            }
        }
        for feature in self.endpoints.keys() {
            if !self.features.contains_key(feature) {
                let error = wrong("is reported, but nothing is said of it");
                let outer = feature.escape_debug().to_string();
                let inner = error.into_faults().into_iter();
                faults.extend(inner.map(|fault| fault.within(&outer)));
            }
        }
        if let Some(endpoint) = self
            .report_to
            .as_ref()
            .filter(|_| !self.features.is_empty())
        {
            match endpoint_word(endpoint) {
                // The specification's `*`, the default for every feature.
                Ok(word) => {
                    _ = dictionary
                        .bare_item(key_ref(DEFAULT), true)
                        .parameter(REPORT_TO, word);
                }
                Err(error) => faults.extend(error.into_faults()),
            }
        }
        PolicyError::unless_empty(faults, ())?;
        written(dictionary.finish())
    }

    fn write(
        &self,
        feature: &str,
        value: &DocumentValue,
        dictionary: &mut DictSerializer<String>,
    ) -> Result<(), PolicyError> {
        let name = key(feature)
            .ok()
            .filter(|_| feature.starts_with(|first: char| first.is_ascii_lowercase()))
            .ok_or_else(|| wrong("is no feature name: lower-case letters, digits and `-`"))?;
        let endpoint = self.endpoints.get(feature);
        let endpoint = endpoint.map(|name| endpoint_word(name)).transpose()?;
        let member = dictionary.bare_item(name, value.bare()?);
        if let Some(word) = endpoint {
            _ = member.parameter(REPORT_TO, word);
        }
        Ok(())
    }

    pub(crate) fn endpoint_names(&self) -> impl Iterator<Item = &str> {
        let all = self.report_to.iter().chain(self.endpoints.values());
        all.map(String::as_str)
    }
}

impl DocumentValue {
    fn bare(&self) -> Result<RefBareItem<'_>, PolicyError> {
        match self {
            Self::Flag(flag) => Ok((*flag).into()),
            Self::Integer(number) => Integer::try_from(*number)
                .map(RefBareItem::from)
                .map_err(|_| wrong("is a number of more than 15 digits")),
            Self::Decimal(number) => Decimal::try_from(*number)
                .map(RefBareItem::from)
                .map_err(|_| wrong("is a number that cannot be written")),
            Self::Word(word) => token(word)
                .map(RefBareItem::from)
                .map_err(|_| wrong("is no word")),
        }
    }
}

impl From<bool> for DocumentValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for DocumentValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for DocumentValue {
    fn from(number: f64) -> Self {
        Self::Decimal(number)
    }
}

impl From<&str> for DocumentValue {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

impl FromStr for DocumentPolicy {
    type Err = PolicyError;

    /// Reads the header's value, such as `document-write=?0;report-to=main, js-profiling`.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let dictionary: Dictionary = read(text)?;
        let mut policy = Self::new();
        for (feature, entry) in &dictionary {
            let ListEntry::Item(item) = entry else {
                return Err(wrong("has a list where one value is wanted"));
            };
            let endpoint = endpoint_of(&item.params)?;
            if feature.as_str() == DEFAULT {
                policy.report_to = endpoint;
                continue;
            }
            let value = match &item.bare_item {
                BareItem::Boolean(flag) => DocumentValue::Flag(*flag),
                BareItem::Integer(number) => DocumentValue::Integer((*number).into()),
                BareItem::Decimal(number) => DocumentValue::Decimal((*number).into()),
                BareItem::Token(word) => DocumentValue::Word(word.as_str().to_owned()),
                _ => return Err(wrong("has a value that is neither flag, number nor word")),
            };
            policy = policy.set(feature.as_str(), value);
            if let Some(endpoint) = endpoint {
                policy = policy.report_feature_to(feature.as_str(), endpoint);
            }
        }
        Ok(policy)
    }
}

/// What stands for all features.
const DEFAULT: &str = "*";

/// Unlike elsewhere the name is a word here; Chromium drops a feature that has a string. To it
/// `none` means no endpoint at all.
fn endpoint_word(name: &str) -> Result<&sfv::TokenRef, PolicyError> {
    check_endpoint(name)?;
    if name == "none" {
        let message = "`none` means no endpoint here; give it another name";
        return Err(PolicyError::one("report-to", FaultKind::Endpoint, message));
    }
    token(name)
}

fn wrong(message: &str) -> PolicyError {
    PolicyError::one("", FaultKind::Document, message)
}

#[cfg(test)]
mod tests {
    use sfv::Parser;

    use super::*;

    #[test]
    fn reads_back_as_the_same_policy() {
        // The forms of Chromium's document_policy_parser_test.cc.
        for text in [
            "document-write=?0",
            "js-profiling",
            "oversized-images=2.0",
            "f-bool=?0, f-double=1.0",
            "f-double=4.125;report-to=not_none, f-enum=some-word, f-int=-7",
            "f-bool=?0, f-double=2.0, *;report-to=default",
            "f-bool;report-to=a, f-double=2.0, *;report-to=default",
        ] {
            let policy: DocumentPolicy = text.parse().unwrap();
            let header = policy.header().unwrap().unwrap();
            assert_eq!(header, text);
            let parsed: Dictionary = Parser::new(header.as_bytes()).parse().unwrap();
            for (feature, entry) in &parsed {
                let ListEntry::Item(item) = entry else {
                    panic!("{feature} is a list, which Chromium drops");
                };
                let mut parameters = item.params.values();
                assert!(
                    parameters.all(|value| matches!(value, BareItem::Token(_))),
                    "{text}"
                );
            }
        }
        assert_eq!(DocumentPolicy::new().report_to("a").header().unwrap(), None);
    }

    #[test]
    fn what_would_drop_the_header_is_refused() {
        for feature in [
            "",
            "Document-Write",
            "a b",
            "*",
            "1st",
            "ü",
            "a,b",
            "a;b",
            "a\r\nb",
        ] {
            let policy = DocumentPolicy::new().set(feature, true);
            assert!(
                policy.header().unwrap_err().has(FaultKind::Document),
                "{feature}"
            );
        }
        for value in [
            DocumentValue::Decimal(f64::NAN),
            DocumentValue::Decimal(f64::INFINITY),
            DocumentValue::Decimal(1e13),
            DocumentValue::Integer(1_000_000_000_000_000),
            DocumentValue::Word(String::new()),
            DocumentValue::Word("a b".to_owned()),
            DocumentValue::Word("a;b".to_owned()),
        ] {
            let policy = DocumentPolicy::new().set("f", value.clone());
            let error = policy.header().unwrap_err();
            assert_eq!(error.faults()[0].field(), "f", "{value:?}");
            assert!(error.has(FaultKind::Document), "{value:?}");
        }
        let base = DocumentPolicy::new().set("f", true);
        for name in ["A", "a b", "", "none"] {
            let one = base.clone().report_feature_to("f", name).header();
            let all = base.clone().report_to(name).header();
            assert!(one.unwrap_err().has(FaultKind::Endpoint), "{name}");
            assert!(all.unwrap_err().has(FaultKind::Endpoint), "{name}");
        }
        let other = base.report_feature_to("g", "a").header();
        assert!(other.unwrap_err().has(FaultKind::Document));
        for text in ["f=(a b)", "f=\"text\"", "f=:YQ==:"] {
            let error = text.parse::<DocumentPolicy>().unwrap_err();
            assert!(error.has(FaultKind::Document), "{text}");
        }
        for text in ["f;value=1", "F", "f=?2", "f,"] {
            let error = text.parse::<DocumentPolicy>().unwrap_err();
            assert!(error.has(FaultKind::Setting), "{text}");
        }
    }
}
