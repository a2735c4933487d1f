//! Grades a header set the way public scanners do, and finds what they do not look for: for a
//! service's own unit tests, without a network.
//!
//! ```
//! use sec_headers::check::{Grade, check};
//! # use http::{HeaderMap, HeaderValue, StatusCode};
//! # use sec_headers::{CspNonce, Scheme, SecHeaders};
//! # let mut headers = HeaderMap::new();
//! # headers.insert("content-type", HeaderValue::from_static("text/html"));
//! # let policy = SecHeaders::web_app().build().unwrap();
//! # policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&CspNonce::generate()));
//! let report = check(&headers);
//! assert!(report.grade() >= Grade::A && report.is_clean(), "{report}");
//! ```
//!
//! # The grade
//!
//! Points and grades are those of Mozilla's HTTP Observatory (scanner 1.4.8, algorithm 4), which
//! starts at 100, takes points off, and adds bonus points only where 90 are left. The agreement is
//! tested over a table of about a thousand header sets with the scanner's own answers. Where it is
//! known to differ:
//!
//! - *Cross-origin resource sharing.* Its documentation takes 50 points where every origin may read
//!   answers with credentials, and so do we. The scanner as published compares with an `Origin` that
//!   it has lost by then, and never takes them.
//! - *Preload lists and public suffixes.* Neither list is at hand: `hsts-preloaded` (5 points) and
//!   `redirection-all-redirects-preloaded` are never found, and for sub-resource integrity two hosts
//!   are of one site when their last two labels are equal, or three under such as `co.uk`. A cookie
//!   for a public suffix is counted although browsers drop it.
//! - *HTML.* The page is scanned, not parsed: markup that only an HTML parser repairs may be read
//!   in another way.
//! - *Several policies.* A source that one of several policies names twice is lost there, and kept
//!   here.
//! - *What was not asked.* The scanner also collects cookies that `/robots.txt` sets.
//!
//! # What the grade does not see
//!
//! The other findings cost no points. They are in the report all the same, and with any of them
//! [`Report::is_clean`] is false: nonces that are short or reused, directives that do not parse,
//! headers that browsers drop for one syntax error, cookies that break their prefix, CORS that
//! trusts `null`, inline scripts without the nonce, nonce'd pages that shared caches may keep, headers that tell an attacker what runs.
//! One that does not apply is named in [`Check::accept`].
//!
//! A good grade says that a browser was told to defend the page. It says nothing of the page.

mod cache;
mod codes;
mod content_type;
mod cookie_lint;
mod cookies;
mod cors;
mod csp;
mod csp_breadth;
mod csp_lint;
mod csp_tokens;
mod frames;
mod hsts;
mod html;
mod inline;
mod integrity;
mod isolation;
mod leaks;
mod redirect;
mod referrer;
mod report;
mod score;
mod structured;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use sec_core::Scheme;

pub use self::codes::CODES;
pub use self::redirect::Redirect;
use self::report::Findings;
pub use self::report::{Finding, Report, Severity};
pub use self::score::{Grade, Outcome, Standing, Test, UnknownGrade};

/// Grades the headers of one answer.
///
/// It takes for granted what headers cannot show: that the answer came over https with a valid
/// certificate, that http is redirected there, and that the page loads no foreign scripts.
/// [`Report::assumed`] lists it; [`Check`] is told it.
///
/// The cost is linear in the length of the headers.
#[must_use]
pub fn check(headers: &HeaderMap) -> Report {
    Check::new(headers).run()
}

/// [`check`] with what a scanner knows besides the headers.
///
/// ```
/// use sec_headers::Scheme;
/// use sec_headers::check::{Check, Redirect};
/// # let headers = http::HeaderMap::new();
/// let report = Check::new(&headers)
///     .scheme(Scheme::Https)
///     .redirect(Redirect::Missing)
///     .run();
/// assert!(report.has("redirection-missing"));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Check<'a> {
    headers: &'a HeaderMap,
    scheme: Option<Scheme>,
    trusted: bool,
    redirect: Option<Redirect>,
    host: Option<&'a str>,
    cors: Option<CorsAnswer<'a>>,
    html: Option<&'a str>,
    earlier: Option<&'a HeaderMap>,
    accepted: Vec<&'a str>,
}

/// What an answer to a cross-origin request said.
#[derive(Debug, Clone, Copy)]
struct CorsAnswer<'a> {
    origin: &'a str,
    headers: &'a HeaderMap,
}

impl<'a> Check<'a> {
    /// The headers of one answer, with the assumptions of [`check`].
    pub fn new(headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            scheme: None,
            trusted: true,
            redirect: None,
            host: None,
            cors: None,
            html: None,
            earlier: None,
            accepted: Vec::new(),
        }
    }

    /// How the answer came. Default: https. [`Scheme::Http`] says that there is no https at all;
    /// the redirect is then missing unless [`redirect`](Self::redirect) says otherwise.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// The certificate is not one that browsers trust. Default: it is.
    pub fn untrusted_certificate(mut self) -> Self {
        self.trusted = false;
        self
    }

    /// What happened to a request over http. Default: [`Redirect::ToHttps`].
    pub fn redirect(mut self, redirect: Redirect) -> Self {
        self.redirect = Some(redirect);
        self
    }

    /// The host that was asked, without a port. Default: unknown. Cookies for other hosts are left out,
    /// as browsers drop them, and scripts of the same site count as its own.
    pub fn host(mut self, host: &'a str) -> Self {
        self.host = Some(host);
        self
    }

    /// The successful answer to an `OPTIONS` request with this `Origin`, of a site that is not ours, and
    /// with `Access-Control-Request-Method: GET`. Default: the `Access-Control-*` headers of
    /// the answer itself, from which it cannot be told whether any origin would be trusted. For a
    /// refusal, give an empty map.
    pub fn cors(mut self, origin: &'a str, headers: &'a HeaderMap) -> Self {
        self.cors = Some(CorsAnswer { origin, headers });
        self
    }

    /// The page, for its scripts and its `<meta>` elements. Default: none of either. Only the first
    /// mebibyte is read, and nothing unless `Content-Type` is HTML.
    ///
    /// It also tells inline scripts and event handlers that the policy in the header will not run. Hashes are not
    /// computed: where a hash could allow a script, nothing is said of it.
    pub fn html(mut self, html: &'a str) -> Self {
        self.html = Some(html);
        self
    }

    /// The headers of an earlier answer of the same service, whose nonces must not come again.
    pub fn earlier(mut self, headers: &'a HeaderMap) -> Self {
        self.earlier = Some(headers);
        self
    }

    /// Leaves out the finding of this [code](Finding::code), one of [`CODES`]. It does not change points.
    ///
    /// A code that is not among them leaves nothing out, so that a typing error shows as the finding that
    /// it was meant for.
    pub fn accept(mut self, code: &'a str) -> Self {
        self.accepted.push(code);
        self
    }

    /// Grades.
    #[must_use]
    pub fn run(self) -> Report {
        let html_type = content_type::is_html(self.headers);
        let page = match self.html {
            Some(html) if html_type => html::scan(html),
            _ => html::Page::default(),
        };
        let input = Input {
            headers: self.headers,
            scheme: self.scheme.unwrap_or(Scheme::Https),
            trusted: self.trusted,
            redirect: self.redirect,
            host: self.host,
            cors: self.cors,
            page: &page,
            earlier: self.earlier,
        };
        let mut findings = Findings::default();
        let policy = csp::Reading::of(&input);
        let hsts = hsts::judge(&input, &mut findings);
        let outcomes = vec![
            policy.judge(&mut findings),
            cookies::judge(&input, hsts.protects, &mut findings),
            cors::judge(&input, &mut findings),
            redirect::judge(&input, &mut findings).assumed_if(self.redirect.is_none()),
            referrer::judge(&input, &mut findings),
            hsts.outcome,
            integrity::judge(&input, html_type, &mut findings)
                .assumed_if(self.html.is_none() && html_type),
            content_type::judge(&input, &mut findings),
            frames::judge(&input, &policy, &mut findings),
            isolation::judge(&input, &mut findings),
        ];
        csp_lint::lint(&input, &mut findings);
        csp_breadth::lint(&input, &mut findings);
        inline::lint(&input, &mut findings);
        cache::lint(&input, &mut findings);
        structured::lint(&input, &mut findings);
        leaks::lint(&input, &mut findings);
        Report::new(
            outcomes,
            findings,
            &self.accepted,
            self.assumptions(html_type),
        )
    }

    fn assumptions(&self, html_type: bool) -> Vec<&'static str> {
        let rows = [
            (self.scheme.is_none(), "the answer came over https"),
            (
                self.redirect.is_none() && self.scheme != Some(Scheme::Http),
                "http is redirected to https on the same host",
            ),
            (
                self.cors.is_none(),
                "no foreign origin is told that it may read answers with credentials",
            ),
            (
                self.html.is_none() && html_type,
                "the page loads no foreign scripts and has no policy of its own in <meta>",
            ),
        ];
        let open = rows.into_iter().filter(|(assumed, _)| *assumed);
        open.map(|(_, what)| what).collect()
    }
}

/// Everything that the parts look at.
struct Input<'a> {
    headers: &'a HeaderMap,
    scheme: Scheme,
    trusted: bool,
    redirect: Option<Redirect>,
    host: Option<&'a str>,
    cors: Option<CorsAnswer<'a>>,
    page: &'a html::Page,
    earlier: Option<&'a HeaderMap>,
}

impl<'a> Input<'a> {
    fn joined(&self, name: HeaderName) -> Option<Cow<'a, str>> {
        joined(self.headers, &name)
    }

    fn values(&self, name: HeaderName) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        values(self.headers, name)
    }
}

/// A repeated header is the list of its values (RFC 9110, section 5.3).
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = values(headers, name.clone());
    let first = values.next()?;
    let mut all = first;
    for value in values {
        let text = all.to_mut();
        text.push_str(", ");
        text.push_str(&value);
    }
    Some(all)
}

fn values<'a>(
    headers: &'a HeaderMap,
    name: HeaderName,
) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
    let values = headers.get_all(name).iter();
    values.map(|value| match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    })
}
