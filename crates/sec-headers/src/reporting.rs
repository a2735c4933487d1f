use std::time::Duration;

use http::HeaderValue;
use sfv::DictSerializer;

use crate::error::{Fault, FaultKind, PolicyError};
use crate::structured::{check_name, key, string, written};

/// `Reporting-Endpoints` (W3C Reporting API): names that policies refer to, and where their reports
/// go.
///
/// It is a structured-field dictionary (RFC 9651), in which one syntax error drops every endpoint,
/// so names and addresses are checked when they are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct ReportingEndpoints {
    endpoints: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl ReportingEndpoints {
    /// No endpoint yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, or replaces the one of this name. The address is a path of this service
    /// (`/csp-report`), or `https://…`; plain http counts for loopback only. Faults are kept and
    /// told by [`header`](Self::header).
    pub fn add(mut self, name: impl Into<String>, address: impl Into<String>) -> Self {
        let (name, address) = (name.into(), address.into());
        for checked in [check_name(&name), check_address(&address)] {
            if let Err(why) = checked {
                let field = name.escape_debug().to_string();
                self.faults
                    .push(Fault::new(field, FaultKind::Endpoint, why));
            }
        }
        self.endpoints.retain(|(known, _)| *known != name);
        self.endpoints.push((name, address));
        self
    }

    /// Where the reports of this name go.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<&str> {
        let known = self.endpoints.iter().find(|(known, _)| known == name);
        known.map(|(_, address)| address.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The value of `Reporting-Endpoints`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Endpoint`] for every name or address that cannot be written or that browsers
    /// would not use.
    pub fn header(&self) -> Result<Option<HeaderValue>, PolicyError> {
        self.checked()?;
        let mut dictionary = DictSerializer::new();
        for (name, address) in &self.endpoints {
            _ = dictionary.bare_item(key(name)?, string(address)?);
        }
        written(dictionary.finish())
    }

    /// The value of `Report-To`, the form that browsers read before `Reporting-Endpoints`
    /// (Chromium below 96); `None` when there is none. Browsers keep the endpoints for `max_age`.
    ///
    /// # Errors
    ///
    /// As [`header`](Self::header).
    pub fn report_to(&self, max_age: Duration) -> Result<Option<HeaderValue>, PolicyError> {
        self.checked()?;
        let groups: Vec<String> = self
            .endpoints
            .iter()
            .map(|(name, address)| {
                serde_json::json!({
                    "group": name,
                    "max_age": max_age.as_secs(),
                    "endpoints": [{ "url": address }],
                })
                .to_string()
            })
            .collect();
        written(Some(groups.join(", ")).filter(|text| !text.is_empty()))
    }

    fn checked(&self) -> Result<(), PolicyError> {
        PolicyError::unless_empty(self.faults.clone(), ())
    }
}

/// An address that may stand in `Reporting-Endpoints` and in `report-uri`, and to which a browser
/// would send.
pub(crate) fn check_address(address: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{}` {why}", address.escape_debug()));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b";,\"'\\<>^`{|}".contains(&byte);
    if !address.bytes().all(plain) {
        return wrong("holds what must be percent-encoded in an address");
    }
    if address.starts_with("//") {
        return wrong("has no scheme: write https:// or a single slash");
    }
    if address.starts_with('/') {
        return Ok(());
    }
    let host = if let Some(rest) = address.strip_prefix("https://") {
        rest
    } else if let Some(rest) = address.strip_prefix("http://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let loopback = ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| {
            host.strip_prefix(known)
                .is_some_and(|port| port.is_empty() || port.starts_with(':'))
        });
        if !loopback {
            return wrong("is plain http, to which browsers send no reports");
        }
        rest
    } else {
        return wrong("is neither a path nor an https address");
    };
    if host.is_empty() || host.starts_with(['/', '?', '#', ':']) {
        return wrong("names no host");
    }
    if host
        .split('/')
        .next()
        .is_some_and(|host| host.contains('@'))
    {
        return wrong("holds user information");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sfv::{BareItem, Dictionary, ListEntry, Parser};

    use super::*;

    #[test]
    fn reads_back_as_a_dictionary_of_strings() {
        let endpoints = ReportingEndpoints::new()
            .add("csp", "/csp-report")
            .add("default", "https://reports.example/a?b=c")
            .add("csp", "/reports");
        let header = endpoints.header().unwrap().unwrap();
        let parsed: Dictionary = Parser::new(header.as_bytes()).parse().unwrap();
        assert_eq!(parsed.len(), 2);
        for (key, address) in [
            ("csp", "/reports"),
            ("default", "https://reports.example/a?b=c"),
        ] {
            match &parsed[key] {
                ListEntry::Item(item) => match &item.bare_item {
                    BareItem::String(text) => assert_eq!(text.as_str(), address),
                    other => panic!("{other:?} is no string: browsers ignore it"),
                },
                ListEntry::InnerList(_) => panic!("an inner list is no address"),
            }
        }
        assert_eq!(ReportingEndpoints::new().header().unwrap(), None);
    }

    #[test]
    fn report_to_is_a_list_of_json_objects() {
        let endpoints = ReportingEndpoints::new().add("a", "/x").add("b", "/y");
        let header = endpoints
            .report_to(Duration::from_secs(60))
            .unwrap()
            .unwrap();
        let list = format!("[{}]", header.to_str().unwrap());
        let groups: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(groups[1]["group"], "b");
        assert_eq!(groups[1]["max_age"], 60);
        assert_eq!(groups[1]["endpoints"][0]["url"], "/y");
    }

    #[test]
    fn what_would_break_a_header_or_never_be_used_is_refused() {
        let rows = [
            (
                "Csp",
                "/x",
                "upper case key: RFC 9651 3.1.2 drops the whole header",
            ),
            (
                "1st",
                "/x",
                "http-security-headers accepts a key that begins with a digit",
            ),
            ("", "/x", "empty"),
            (
                "csp; x",
                "/x",
                "injection through the name (GHSA-rqq5-2gf9-4w4q)",
            ),
            ("a b", "/x", "white space in the name"),
            ("csp", "x", "relative without slash"),
            ("csp", "", "empty"),
            ("csp", "//evil.example/x", "scheme-relative"),
            ("csp", "http://a.example/x", "not trustworthy"),
            ("csp", "http://localhost.evil.example/x", "not loopback"),
            ("csp", "https://", "no host"),
            ("csp", "https:///x", "no host"),
            ("csp", "https://u:p@a.example/", "credentials"),
            ("csp", "/x\"", "quote"),
            ("csp", "/x;y", "would end the directive"),
            ("csp", "/x,y", "would end the policy"),
            ("csp", "/x y", "white space"),
            ("csp", "/x\r\nSet-Cookie: a=b", "header injection"),
            ("csp", "/ü", "not ASCII"),
        ];
        for (name, address, why) in rows {
            let error = ReportingEndpoints::new()
                .add(name, address)
                .header()
                .unwrap_err();
            assert!(error.has(FaultKind::Endpoint), "{why}");
        }
        for address in [
            "/x",
            "https://a.example",
            "http://localhost:3000/x",
            "http://[::1]:1/",
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
    }
}
