use sec_core::Scheme;

use super::Input;
use super::report::{Findings, Severity};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "location";
const MEND: &str = "Redirect every http address to the same one at https, in the first step";

/// What became of a request over plain http.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redirect {
    /// The first redirect goes to https on the same host, and all ends at https.
    ToHttps,
    /// There is none: http serves pages.
    Missing,
    /// All ends at http.
    NotToHttps,
    /// The first redirect goes to another http address, the last to https.
    NotAtOnce,
    /// The first redirect goes to https on another host, so that HSTS of the first is never seen.
    OffHost,
    /// Nothing listens for http.
    NoHttp,
}

impl Redirect {
    /// What a chain of addresses is, the asked one first, the one that answered last. An address that
    /// is not `http://host…` or `https://host…` counts as http on another host.
    ///
    /// ```
    /// use sec_headers::check::Redirect;
    ///
    /// let seen = ["http://example.com/", "https://www.example.com/"];
    /// assert_eq!(Redirect::of(&seen), Redirect::OffHost);
    /// ```
    #[must_use]
    pub fn of(chain: &[&str]) -> Self {
        let [asked, rest @ ..] = chain else {
            return Self::NoHttp;
        };
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            return Self::Missing;
        };
        let ((_, from), (secure, to)) = (origin(asked), origin(first));
        if !origin(last).0 {
            Self::NotToHttps
        } else if !secure {
            Self::NotAtOnce
        } else if from == to {
            Self::ToHttps
        } else {
            Self::OffHost
        }
    }
}

/// Whether it is https, and the host in lower case.
fn origin(address: &str) -> (bool, Option<String>) {
    let Some((scheme, rest)) = address.split_once("://") else {
        return (false, None);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let secure = scheme.eq_ignore_ascii_case("https");
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    (secure, Some(host.to_ascii_lowercase()))
}

const TO_HTTPS: Verdict = Verdict::good("redirection-to-https", 0);
const NO_HTTP: Verdict = Verdict::good("redirection-not-needed-no-http", 0);
const MISSING: Verdict = Verdict::bad(
    Severity::High,
    "redirection-missing",
    -20,
    "http is not redirected to https",
    MEND,
);
const NOT_TO_HTTPS: Verdict = Verdict::bad(
    Severity::High,
    "redirection-not-to-https",
    -20,
    "the redirects end at http",
    MEND,
);
const NOT_AT_ONCE: Verdict = Verdict::bad(
    Severity::Medium,
    "redirection-not-to-https-on-initial-redirection",
    -10,
    "the first redirect stays at http",
    MEND,
);
const OFF_HOST: Verdict = Verdict::bad(
    Severity::Medium,
    "redirection-off-host-from-http",
    -5,
    "the first redirect goes to another host, so that HSTS of this one is never seen",
    MEND,
);
const BAD_CERTIFICATE: Verdict = Verdict::bad(
    Severity::High,
    "redirection-invalid-cert",
    -20,
    "the redirect leads to a certificate that browsers do not trust",
    "Serve a certificate that browsers trust",
);

pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let redirect = input.redirect.unwrap_or(match input.scheme {
        Scheme::Https => Redirect::ToHttps,
        Scheme::Http => Redirect::Missing,
    });
    let verdict = match redirect {
        Redirect::NoHttp => NO_HTTP,
        Redirect::Missing => MISSING,
        Redirect::NotToHttps => NOT_TO_HTTPS,
        _ if !input.trusted => BAD_CERTIFICATE,
        Redirect::ToHttps => TO_HTTPS,
        Redirect::NotAtOnce => NOT_AT_ONCE,
        Redirect::OffHost => OFF_HOST,
    };
    verdict.record(Test::Redirection, HEADER, findings)
}
