use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header::SET_COOKIE;

use super::Input;
use super::cookie_lint;
use super::report::{Findings, Severity, excerpt};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "set-cookie";
/// A name with one of these is a session's to the Observatory.
const SESSION: [&str; 2] = ["sess", "login"];
/// Set by a load balancer, which the Observatory does not hold against the site.
const IGNORED: &str = "heroku-session-affinity";

const NOT_FOUND: Verdict = Verdict::absent("cookies-not-found");
const ALL_SAME_SITE: Verdict =
    Verdict::good("cookies-secure-with-httponly-sessions-and-samesite", 5);
const SECURE: Verdict = Verdict::good("cookies-secure-with-httponly-sessions", 0);

/// What may be wrong with a cookie, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    InsecureUnderHsts,
    InsecureSessionUnderHsts,
    Insecure,
    SameSite,
    AntiCsrf,
    SessionReadable,
    InsecureSession,
}

impl Fault {
    const fn verdict(self) -> Verdict {
        const SECURE_MEND: &str = "Add Secure; with the prefix __Host- nothing less is accepted";
        match self {
            Self::InsecureUnderHsts => Verdict::bad(
                Severity::Low,
                "cookies-without-secure-flag-but-protected-by-hsts",
                -5,
                "a cookie has no Secure; only HSTS keeps it off http",
                SECURE_MEND,
            ),
            Self::InsecureSessionUnderHsts => Verdict::bad(
                Severity::Medium,
                "cookies-session-without-secure-flag-but-protected-by-hsts",
                -10,
                "a session cookie has no Secure; only HSTS keeps it off http",
                SECURE_MEND,
            ),
            Self::Insecure => Verdict::bad(
                Severity::High,
                "cookies-without-secure-flag",
                -20,
                "a cookie has no Secure, so that plain http carries it",
                SECURE_MEND,
            ),
            Self::SameSite => Verdict::bad(
                Severity::High,
                "cookies-samesite-flag-invalid",
                -20,
                "SameSite is none of Lax, Strict and None",
                "Write SameSite=Lax, or SameSite=None; Secure",
            ),
            Self::AntiCsrf => Verdict::bad(
                Severity::High,
                "cookies-anticsrf-without-samesite-flag",
                -20,
                "an anti-CSRF cookie has no SameSite",
                "Write SameSite=Lax or Strict",
            ),
            Self::SessionReadable => Verdict::bad(
                Severity::High,
                "cookies-session-without-httponly-flag",
                -30,
                "a session cookie has no HttpOnly, so that an injected script can take it",
                "Add HttpOnly",
            ),
            Self::InsecureSession => Verdict::bad(
                Severity::High,
                "cookies-session-without-secure-flag",
                -40,
                "a session cookie has no Secure, so that plain http carries it",
                SECURE_MEND,
            ),
        }
    }
}

pub(super) fn judge(input: &Input<'_>, hsts: bool, findings: &mut Findings) -> Outcome {
    let mut jar: BTreeMap<(String, String, String), Cookie> = BTreeMap::new();
    let mut unknown_same_site = None;
    for value in input.values(SET_COOKIE) {
        cookie_lint::lint(&value, is_session, findings);
        let Some(cookie) = Cookie::parse(&value) else {
            continue;
        };
        // The Observatory tells this of cookies that browsers drop as well, if there are others.
        if cookie.same_site == SameSite::Invalid && unknown_same_site.is_none() {
            unknown_same_site = Some(excerpt(&cookie.name));
        }
        if !cookie.is_kept(input.host) {
            continue;
        }
        match jar.entry(cookie.key(input.host)) {
            Entry::Vacant(place) => {
                place.insert(cookie);
            }
            Entry::Occupied(mut place) => {
                findings.add(
                    Severity::Low,
                    HEADER,
                    "cookie-set-twice",
                    format!(
                        "{} is set twice (RFC 6265, section 4.1.1)",
                        excerpt(&cookie.name)
                    ),
                    "Set it once",
                );
                place.insert(cookie);
            }
        }
    }
    let mut cookies = jar
        .values()
        .filter(|cookie| cookie.name != IGNORED)
        .peekable();
    let none = cookies.peek().is_none();
    let mut all_same_site = true;
    let mut worst = unknown_same_site
        .filter(|_| !none)
        .map(|name| (Fault::SameSite, Fault::SameSite.verdict().why_of(&name)));
    for cookie in cookies {
        all_same_site &= cookie.same_site == SameSite::Valid;
        let fault = cookie.faults(hsts).into_iter().flatten().max();
        let known = worst.as_ref().map(|(fault, _)| *fault);
        if let Some(fault) = fault.filter(|_| fault > known) {
            worst = Some((fault, cookie.cause(fault)));
        }
    }
    let (verdict, cause) = match worst {
        Some((fault, cause)) => (fault.verdict(), cause),
        None if none => (NOT_FOUND, None),
        None if all_same_site => (ALL_SAME_SITE, None),
        None => (SECURE, None),
    };
    verdict.record_because(cause, Test::Cookies, HEADER, findings)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Absent,
    Valid,
    Invalid,
}

struct Cookie {
    name: String,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    /// `SameSite=None`.
    cross_site: bool,
    domain: Option<String>,
    path: Option<String>,
}

impl Cookie {
    /// As RFC 6265 reads it, section 5.2. The value is not looked at.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (name, _) = parts.next()?.split_once('=')?;
        let name = name.trim();
        if name.is_empty() {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            secure: false,
            http_only: false,
            same_site: SameSite::Absent,
            cross_site: false,
            domain: None,
            path: None,
        };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "domain" if !value.is_empty() => {
                    let domain = value.strip_prefix('.').unwrap_or(value);
                    cookie.domain = Some(domain.to_ascii_lowercase());
                }
                "path" if value.starts_with('/') => cookie.path = Some(value.to_owned()),
                "samesite" => cookie.take_same_site(value),
                _ => {}
            }
        }
        Some(cookie)
    }

    fn take_same_site(&mut self, value: &str) {
        let known = ["lax", "strict", "none"].into_iter();
        let known = known
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(value));
        self.cross_site = known == Some("none");
        if known.is_none() {
            self.same_site = SameSite::Invalid;
        } else if self.same_site == SameSite::Absent {
            self.same_site = SameSite::Valid;
        }
    }

    /// Cookies of one name for another domain or path are others.
    fn key(&self, host: Option<&str>) -> (String, String, String) {
        let domain = self.domain.as_deref().or(host).unwrap_or_default();
        let path = self.path.as_deref().unwrap_or("/");
        (self.name.clone(), domain.to_owned(), path.to_owned())
    }

    /// Whether a browser keeps it.
    fn is_kept(&self, host: Option<&str>) -> bool {
        let foreign = match (&self.domain, host) {
            (Some(domain), Some(host)) => !is_within(&host.to_ascii_lowercase(), domain),
            _ => false,
        };
        !foreign && !self.breaks_prefix()
    }

    /// As the Observatory compares: with case, and a `Path` that is not said counts as `/`.
    fn breaks_prefix(&self) -> bool {
        let host = self.name.starts_with("__Host-");
        let prefixed = host || self.name.starts_with("__Secure-");
        let other_path = self.path.as_deref().is_some_and(|path| path != "/");
        prefixed && !self.secure || host && (self.domain.is_some() || other_path)
    }

    fn is_session(&self) -> bool {
        is_session(&self.name.to_ascii_lowercase())
    }

    fn is_anti_csrf(&self) -> bool {
        self.name.to_ascii_lowercase().contains("csrf")
    }

    /// Which cookie, and what is wrong with it.
    fn cause(&self, fault: Fault) -> Option<String> {
        let name = excerpt(&self.name);
        match fault {
            Fault::SameSite => Some(format!("{name}: SameSite=None stands without Secure")),
            _ => fault.verdict().why_of(&name),
        }
    }

    fn faults(&self, hsts: bool) -> [Option<Fault>; 4] {
        let session = self.is_session();
        let insecure = match (session, hsts) {
            (true, true) => Fault::InsecureSessionUnderHsts,
            (true, false) => Fault::InsecureSession,
            (false, true) => Fault::InsecureUnderHsts,
            (false, false) => Fault::Insecure,
        };
        let anti_csrf = self.is_anti_csrf() && self.same_site != SameSite::Valid;
        [
            (!self.secure).then_some(insecure),
            (self.cross_site && !self.secure).then_some(Fault::SameSite),
            anti_csrf.then_some(Fault::AntiCsrf),
            (session && !self.http_only).then_some(Fault::SessionReadable),
        ]
    }
}

fn is_session(lower: &str) -> bool {
    SESSION.iter().any(|part| lower.contains(part))
}

/// Whether a host may set cookies for this domain. A domain without a dot is a public suffix.
fn is_within(host: &str, domain: &str) -> bool {
    let parent = host
        .strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'));
    host == domain || parent && domain.contains('.')
}
