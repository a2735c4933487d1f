use std::collections::BTreeSet;
use std::str::FromStr;

use http::HeaderValue;
use sfv::{BareItem, DictSerializer, Dictionary, ListEntry, key_ref, token_ref};

use crate::error::{FaultKind, PolicyError};
use crate::structured::{check_endpoint, read, token, written};

/// What an [`IntegrityPolicy`] asks for digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum IntegrityDestination {
    /// `script`: every script that is loaded from an address.
    Script,
    /// `style`: every style sheet that is loaded from an address. Known to fewer browsers than
    /// `script`; the others pass over it.
    Style,
}

impl IntegrityDestination {
    /// The header's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Style => "style",
        }
    }
}

/// `Integrity-Policy` (W3C Subresource Integrity, "Integrity-Policy"): scripts and style sheets
/// without an `integrity` digest, or fetched in mode `no-cors`, are not loaded.
///
/// No preset has it: a page whose elements carry no digests loses its scripts. Begin with
/// [`SecHeaders::integrity_policy_report_only`](crate::SecHeaders::integrity_policy_report_only).
///
/// ```
/// use sec_headers::{IntegrityDestination, IntegrityPolicy};
///
/// let policy = IntegrityPolicy::new([IntegrityDestination::Script]).report_to("main");
/// assert_eq!(
///     policy.header()?.unwrap(),
///     "blocked-destinations=(script), sources=(inline), endpoints=(main)"
/// );
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct IntegrityPolicy {
    destinations: BTreeSet<IntegrityDestination>,
    endpoints: Vec<String>,
}

impl IntegrityPolicy {
    /// Asks for digests for these.
    pub fn new(destinations: impl IntoIterator<Item = IntegrityDestination>) -> Self {
        Self {
            destinations: destinations.into_iter().collect(),
            endpoints: Vec::new(),
        }
    }

    /// Violations are reported to this endpoint of
    /// [`SecHeaders::endpoint`](crate::SecHeaders::endpoint) as well. Default: to none.
    pub fn report_to(mut self, endpoint: impl Into<String>) -> Self {
        let endpoint = endpoint.into();
        if !self.endpoints.contains(&endpoint) {
            self.endpoints.push(endpoint);
        }
        self
    }

    /// The header's value.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Integrity`] when nothing is asked for, which browsers ignore, and
    /// [`FaultKind::Endpoint`] for a name that is none.
    pub fn header(&self) -> Result<Option<HeaderValue>, PolicyError> {
        if self.destinations.is_empty() {
            return Err(wrong("names no destination, so that browsers ignore it"));
        }
        let mut dictionary = DictSerializer::new();
        {
            let mut list = dictionary.inner_list(key_ref(DESTINATIONS));
            for destination in &self.destinations {
                _ = list.bare_item(token(destination.as_str())?);
            }
        }
        _ = dictionary
            .inner_list(key_ref(SOURCES))
            .bare_item(token_ref("inline"));
        if !self.endpoints.is_empty() {
            let mut list = dictionary.inner_list(key_ref(ENDPOINTS));
            for endpoint in &self.endpoints {
                check_endpoint(endpoint)?;
                _ = list.bare_item(token(endpoint)?);
            }
        }
        written(dictionary.finish())
    }

    pub(crate) fn endpoint_names(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(String::as_str)
    }
}

const DESTINATIONS: &str = "blocked-destinations";
const SOURCES: &str = "sources";
const ENDPOINTS: &str = "endpoints";

impl FromStr for IntegrityPolicy {
    type Err = PolicyError;

    /// Reads the header's value, such as `blocked-destinations=(script style), endpoints=(main)`.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let dictionary: Dictionary = read(text)?;
        let mut policy = Self::new([]);
        for (key, entry) in &dictionary {
            for word in words(entry)? {
                match (key.as_str(), word) {
                    (DESTINATIONS, "script") => {
                        policy.destinations.insert(IntegrityDestination::Script);
                    }
                    (DESTINATIONS, "style") => {
                        policy.destinations.insert(IntegrityDestination::Style);
                    }
                    (SOURCES, "inline") => {}
                    (ENDPOINTS, endpoint) => policy = policy.report_to(endpoint),
                    (key, word) => return Err(wrong(format!("cannot say `{word}` in `{key}`"))),
                }
            }
        }
        Ok(policy)
    }
}

fn words(entry: &ListEntry) -> Result<Vec<&str>, PolicyError> {
    let ListEntry::InnerList(list) = entry else {
        return Err(wrong("has a member that is no list in brackets"));
    };
    let words = list.items.iter().map(|item| match &item.bare_item {
        BareItem::Token(word) => Ok(word.as_str()),
        _ => Err(wrong("has a list with something else than words")),
    });
    words.collect()
}

fn wrong(message: impl Into<String>) -> PolicyError {
    PolicyError::one("", FaultKind::Integrity, message)
}

#[cfg(test)]
mod tests {
    use sfv::Parser;

    use super::*;

    #[test]
    fn reads_back_as_lists_of_words() {
        use IntegrityDestination::{Script, Style};

        for (policy, text) in [
            (
                IntegrityPolicy::new([Script]),
                "blocked-destinations=(script), sources=(inline)",
            ),
            (
                IntegrityPolicy::new([Style, Script, Style])
                    .report_to("main")
                    .report_to("b.2")
                    .report_to("main"),
                "blocked-destinations=(script style), sources=(inline), endpoints=(main b.2)",
            ),
        ] {
            let header = policy.header().unwrap().unwrap();
            assert_eq!(header, text);
            let parsed: Dictionary = Parser::new(header.as_bytes()).parse().unwrap();
            let destinations = words(&parsed[DESTINATIONS]).unwrap();
            let expected = policy.destinations.iter().map(|one| one.as_str());
            assert_eq!(destinations, expected.collect::<Vec<_>>());
            assert_eq!(text.parse::<IntegrityPolicy>().unwrap(), policy);
        }
    }

    #[test]
    fn what_browsers_would_ignore_is_refused() {
        assert!(
            IntegrityPolicy::new([])
                .header()
                .unwrap_err()
                .has(FaultKind::Integrity)
        );
        for name in ["A", "", "a b", "a)", "a\r\n"] {
            let policy = IntegrityPolicy::new([IntegrityDestination::Script]).report_to(name);
            assert!(
                policy.header().unwrap_err().has(FaultKind::Endpoint),
                "{name:?}"
            );
        }
        for text in [
            "blocked-destinations=script",
            "blocked-destinations=(\"script\")",
            "blocked-destinations=(image)",
            "blocked-destination=(script)",
            "sources=(header)",
        ] {
            let error = text.parse::<IntegrityPolicy>().unwrap_err();
            assert!(error.has(FaultKind::Integrity), "{text}");
        }
        for text in [
            "blocked-destinations=(script",
            "Blocked-Destinations=()",
            "a=(b),",
        ] {
            let error = text.parse::<IntegrityPolicy>().unwrap_err();
            assert!(error.has(FaultKind::Setting), "{text}");
        }
    }
}
