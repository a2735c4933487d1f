use std::fmt;
use std::str::FromStr;

use sec_core::Scheme;

use crate::error::{FaultKind, PolicyError};
use crate::origin::{Named, Origin, split_scheme};

/// The longest name that DNS has, with the dots between its labels (RFC 1035, section 3.1).
const MAX_HOST: usize = 253;

/// All sub-domains of a host, with one scheme and one port: `https://*.example.com`.
///
/// The `*` stands for one label or more: `https://a.example.com` and `https://a.b.example.com` are
/// meant, as in a host source of a Content-Security-Policy. `https://example.com` itself is not, nor
/// is `https://evil-example.com`, `http://a.example.com` or `https://a.example.com:8443`.
///
/// Whoever can put a page on any of these hosts is allowed. Never write a suffix under which strangers
/// get names, such as `https://*.github.io` or `https://*.co.uk`: a single label (`https://*.com`) is
/// refused, but longer public suffixes cannot be told from a company's own without a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    scheme: Scheme,
    /// With the dot in front.
    suffix: Box<str>,
    port: u16,
}

impl OriginPattern {
    /// Parses `http://*.host[:port]` or `https://*.host[:port]`.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Origin`] for anything else: a `*` that is not the whole first label, a second one,
    /// an address in place of a name, an empty label, a suffix of one label (except `localhost`, which
    /// is the machine itself: RFC 6761, section 6.3), and everything that [`Origin::parse`] refuses.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let wrong = |why: &str| {
            let message = format!("`{}` {why}", text.escape_debug());
            Err(PolicyError::one("", FaultKind::Origin, message))
        };
        let Some((scheme, rest)) = split_scheme(text) else {
            return wrong("does not begin with http:// or https://");
        };
        let Some(suffix) = rest.strip_prefix("*.") else {
            return wrong(
                "is no pattern: a `*` is the whole first label, as in https://*.example.com",
            );
        };
        if suffix.contains('*') {
            return wrong("has a second `*`; one, as the first label, stands for any depth");
        }
        let base = Origin::parse(&format!("{scheme}://{suffix}"));
        let Ok(base) = base else {
            return wrong("is no pattern: behind `*.` comes a host name and at most a port");
        };
        let host = base.authority().host();
        if host.starts_with('[') || ends_in_a_number(host) {
            return wrong("has an address behind the `*`, and addresses have no sub-domains");
        }
        if host.split('.').any(str::is_empty) {
            return wrong("has an empty label");
        }
        if !host.contains('.') && host != "localhost" {
            return wrong("would trust every name under a top-level domain");
        }
        Ok(Self {
            scheme,
            suffix: format!(".{host}").into(),
            port: base.authority().port().unwrap_or(scheme.default_port()),
        })
    }

    /// Whether an `Origin` header names a sub-domain. Allocates nothing.
    #[must_use]
    pub fn is_matched_by(&self, header: &str) -> bool {
        Named::read(header).is_some_and(|named| self.matches(&named))
    }

    pub(super) fn matches(&self, named: &Named<'_>) -> bool {
        if named.scheme != self.scheme || named.port != self.port || named.host.len() > MAX_HOST {
            return false;
        }
        let at = named.host.len().checked_sub(self.suffix.len());
        let parts = at.and_then(|at| named.host.split_at_checked(at));
        parts.is_some_and(|(labels, suffix)| {
            suffix.eq_ignore_ascii_case(&self.suffix) && labels.split('.').all(is_label)
        })
    }
}

impl FromStr for OriginPattern {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://*{}", self.scheme, self.suffix)?;
        if self.port == self.scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// The header goes back to the browser as it came: nothing may be in it that no host name has.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(allowed)
}

/// What makes a browser read a host as an IPv4 address (URL standard, "ends in a number checker").
fn ends_in_a_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next();
    last.is_some_and(|last| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let hex = last.strip_prefix("0x");
        !last.is_empty()
            && (digits(last)
                || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit())))
    })
}
