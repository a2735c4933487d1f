use std::str::FromStr;

use http::HeaderValue;
use sfv::{BareItem, Item, ItemSerializer};

use crate::error::{FaultKind, PolicyError};
use crate::structured::{REPORT_TO, check_endpoint, endpoint_of, read, string, token, written};
use crate::values::{EmbedderPolicy, OpenerPolicy};

/// An [`OpenerPolicy`] or [`EmbedderPolicy`] with the endpoint to which its violations are reported,
/// if any. On the wire it is a structured-field item: `same-origin;report-to="main"` (HTML, section
/// 7.1.3).
///
/// ```
/// use sec_headers::{OpenerPolicy, SecHeaders};
///
/// let policy = SecHeaders::web_app()
///     .endpoint("main", "/reports")
///     .opener_policy_report_only(OpenerPolicy::SameOrigin.report_to("main"))
///     .build()?;
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reported<P> {
    policy: P,
    word: &'static str,
    endpoint: Option<String>,
}

impl<P: Copy> Reported<P> {
    /// What is asked of browsers.
    #[must_use]
    pub const fn policy(&self) -> P {
        self.policy
    }

    /// Where violations are reported, if anywhere.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The header's value.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Endpoint`] when the endpoint's name is none.
    pub fn header(&self) -> Result<HeaderValue, PolicyError> {
        let mut item = ItemSerializer::new().bare_item(token(self.word)?);
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint)?;
            item = item.parameter(REPORT_TO, string(endpoint)?);
        }
        match written(Some(item.finish()))? {
            Some(value) => Ok(value),
            None => Ok(HeaderValue::from_static(self.word)),
        }
    }
}

macro_rules! reported {
    ($($policy:ident)*) => {
        $(
            impl $policy {
                /// The same policy, with its violations reported to this endpoint of
                /// [`SecHeaders::endpoint`](crate::SecHeaders::endpoint).
                pub fn report_to(self, endpoint: impl Into<String>) -> Reported<Self> {
                    Reported {
                        policy: self,
                        word: self.as_str(),
                        endpoint: Some(endpoint.into()),
                    }
                }
            }

            impl From<$policy> for Reported<$policy> {
                fn from(policy: $policy) -> Self {
                    Self { policy, word: policy.as_str(), endpoint: None }
                }
            }
        )*
    };
}

reported! { OpenerPolicy EmbedderPolicy }

impl<P> FromStr for Reported<P>
where
    P: FromStr<Err = PolicyError> + Into<Self>,
{
    type Err = PolicyError;

    /// Reads the header's value, such as `same-origin; report-to="main"`.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let item: Item = read(text)?;
        let BareItem::Token(word) = &item.bare_item else {
            let message = format!("`{}` is no word", text.escape_debug());
            return Err(PolicyError::one("", FaultKind::Setting, message));
        };
        let mut reported: Self = word.as_str().parse::<P>()?.into();
        reported.endpoint = endpoint_of(&item.params)?;
        Ok(reported)
    }
}

#[cfg(test)]
mod tests {
    use sfv::Parser;

    use super::*;

    #[test]
    fn every_word_reads_back_with_and_without_an_endpoint() {
        // HTML, sections 7.1.3.1 and 7.1.4.1.
        let openers = [
            (OpenerPolicy::SameOrigin, "same-origin"),
            (
                OpenerPolicy::SameOriginAllowPopups,
                "same-origin-allow-popups",
            ),
            (OpenerPolicy::NoopenerAllowPopups, "noopener-allow-popups"),
            (OpenerPolicy::UnsafeNone, "unsafe-none"),
        ];
        let embedders = [
            (EmbedderPolicy::RequireCorp, "require-corp"),
            (EmbedderPolicy::Credentialless, "credentialless"),
            (EmbedderPolicy::UnsafeNone, "unsafe-none"),
        ];
        let openers = openers.map(|(policy, word)| {
            (
                Reported::from(policy).header(),
                policy.report_to("main").header(),
                word,
            )
        });
        let embedders = embedders.map(|(policy, word)| {
            (
                Reported::from(policy).header(),
                policy.report_to("main").header(),
                word,
            )
        });
        for (plain, reported, word) in openers.into_iter().chain(embedders) {
            assert_eq!(plain.unwrap(), word);
            let header = reported.unwrap();
            assert_eq!(header, format!("{word};report-to=\"main\""));
            let item: Item = Parser::new(header.as_bytes()).parse().unwrap();
            assert!(matches!(&item.bare_item, BareItem::Token(t) if t.as_str() == word));
            // A token instead of a string is ignored by browsers (HTML, section 7.1.3.1).
            assert!(
                matches!(&item.params["report-to"], BareItem::String(s) if s.as_str() == "main")
            );
        }
    }

    #[test]
    fn the_text_of_a_header_is_read_or_refused() {
        let read = |text: &str| text.parse::<Reported<OpenerPolicy>>();
        assert_eq!(
            read("same-origin").unwrap(),
            OpenerPolicy::SameOrigin.into()
        );
        assert_eq!(
            read("Noopener-Allow-Popups; report-to=\"a.b\"").unwrap(),
            OpenerPolicy::NoopenerAllowPopups.report_to("a.b")
        );
        for wrong in [
            "",
            "same-site",
            "\"same-origin\"",
            "same-origin report-to=a",
            "same-origin, unsafe-none",
            "same-origin; report-to=\"a",
            "same-origin; report-to=?1",
            "same-origin; reportto=\"a\"",
            "same-origin\r\n",
        ] {
            assert!(read(wrong).unwrap_err().has(FaultKind::Setting), "{wrong}");
        }
        for name in ["A", "a b", "a\"; x", "", "a\r\nb"] {
            let error = EmbedderPolicy::RequireCorp.report_to(name).header();
            assert!(error.unwrap_err().has(FaultKind::Endpoint), "{name:?}");
        }
    }
}
