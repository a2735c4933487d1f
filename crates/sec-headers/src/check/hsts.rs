use http::header::STRICT_TRANSPORT_SECURITY;
use sec_core::Scheme;

use super::Input;
use super::report::{Findings, Severity, excerpt};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "strict-transport-security";
/// 180 days: the Observatory's six months.
const SIX_MONTHS: u64 = 15_552_000;
/// What the preload list asks for (hstspreload.org).
const YEAR: u64 = 31_536_000;
const MEND: &str = "Send it once, as max-age=31536000; includeSubDomains";

const LONG: Verdict = Verdict::good("hsts-implemented-max-age-at-least-six-months", 0);
const SHORT: Verdict = Verdict::bad(
    Severity::Medium,
    "hsts-implemented-max-age-less-than-six-months",
    -10,
    "browsers forget it in less than six months",
    MEND,
);
const ABSENT: Verdict = Verdict::bad(
    Severity::High,
    "hsts-not-implemented",
    -20,
    "the first request of a visit may go over plain http, where anybody can answer it",
    MEND,
);
const INVALID: Verdict = Verdict::bad(
    Severity::High,
    "hsts-header-invalid",
    -20,
    "it has no max-age",
    MEND,
);
const NO_HTTPS: Verdict = Verdict::bad(
    Severity::High,
    "hsts-not-implemented-no-https",
    -20,
    "there is no https, and browsers ignore the header on http (RFC 6797, section 8.1)",
    "Serve https",
);
const BAD_CERTIFICATE: Verdict = Verdict::bad(
    Severity::High,
    "hsts-invalid-cert",
    -20,
    "browsers ignore it where the certificate is not trusted (RFC 6797, section 8.1)",
    "Serve a certificate that browsers trust",
);

pub(super) struct Judged {
    pub(super) outcome: Outcome,
    /// Whether no cookie goes over plain http.
    pub(super) protects: bool,
}

pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Judged {
    let header = input.joined(STRICT_TRANSPORT_SECURITY);
    let verdict = match &header {
        _ if input.scheme == Scheme::Http => NO_HTTPS,
        _ if !input.trusted => BAD_CERTIFICATE,
        None => ABSENT,
        Some(text) => lenient(text),
    };
    let times = input.values(STRICT_TRANSPORT_SECURITY).count();
    let cause = match &header {
        // What is not invalid tells its own cause.
        Some(_) if verdict.code() == INVALID.code() && times > 1 => {
            Some(format!("it was sent {times} times"))
        }
        Some(text) if verdict.code() == INVALID.code() && text.contains(',') => {
            Some("it has a comma, and its directives are separated by `;`".to_owned())
        }
        _ => None,
    };
    if let Some(text) = &header {
        lint(input, text, findings);
    }
    Judged {
        protects: verdict_protects(input, header.as_deref()),
        outcome: verdict.record_because(cause, Test::StrictTransportSecurity, HEADER, findings),
    }
}

fn verdict_protects(input: &Input<'_>, header: Option<&str>) -> bool {
    let long = header.is_some_and(|text| lenient_max_age(text).is_some_and(|long| long));
    long && input.scheme == Scheme::Https && input.trusted
}

/// The Observatory's reading, which a `max-age` that is no number passes.
fn lenient(text: &str) -> Verdict {
    match lenient_max_age(text) {
        None => INVALID,
        Some(true) => LONG,
        Some(false) => SHORT,
    }
}

/// Whether the last `max-age` is long enough; `None` where the header is invalid.
fn lenient_max_age(text: &str) -> Option<bool> {
    if text.contains(',') {
        return None;
    }
    let mut ages = text.split(';').filter_map(|directive| {
        let lower = directive.trim().to_ascii_lowercase();
        lower.strip_prefix("max-age=").map(leading_number)
    });
    let last = ages.next_back()?;
    Some(match last {
        Number::Is(seconds) => seconds >= SIX_MONTHS,
        Number::Negative => false,
        Number::None => true,
    })
}

enum Number {
    Is(u64),
    Negative,
    None,
}

fn leading_number(text: &str) -> Number {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value: Option<u64> = None;
    for digit in digits.chars().map_while(|c| c.to_digit(10)) {
        let so_far = value.unwrap_or(0).saturating_mul(10);
        value = Some(so_far.saturating_add(u64::from(digit)));
    }
    match value {
        None => Number::None,
        Some(_) if negative => Number::Negative,
        Some(seconds) => Number::Is(seconds),
    }
}

/// As a browser reads it (RFC 6797, section 6.1).
fn lint(input: &Input<'_>, text: &str, findings: &mut Findings) {
    let mut add = |severity, code, why: String, mend| {
        findings.add(severity, HEADER, code, why, mend);
    };
    if input.scheme == Scheme::Http {
        let why = "was sent over plain http (RFC 6797, section 7.2)".to_owned();
        add(
            Severity::Low,
            "hsts-over-http",
            why,
            "Send it over https only",
        );
    }
    let mut seen: Vec<String> = Vec::new();
    let mut max_age = None;
    let (mut subdomains, mut preload) = (false, false);
    for directive in text
        .split(';')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .take(16)
    {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim().to_ascii_lowercase();
        if seen.contains(&name) {
            let why = format!("{} stands twice", excerpt(&name));
            add(Severity::Medium, "hsts-directive-twice", why, MEND);
        }
        match name.as_str() {
            "max-age" => {
                max_age = seconds(value.trim());
                if max_age.is_none() {
                    let why = format!("max-age is {}, which is no number", excerpt(value));
                    add(Severity::High, "hsts-max-age-invalid", why, MEND);
                }
            }
            "includesubdomains" => subdomains = true,
            "preload" => preload = true,
            _ => {
                let why = format!("{} is no directive of it", excerpt(directive));
                add(Severity::Low, "hsts-unknown-directive", why, MEND);
            }
        }
        seen.push(name);
    }
    let year = max_age.is_some_and(|seconds| seconds >= YEAR);
    if preload && !(subdomains && year) {
        let why =
            "preload without includeSubDomains and a year: the preload list refuses it".to_owned();
        add(
            Severity::Medium,
            "hsts-preload-conditions",
            why,
            "Meet the conditions of hstspreload.org, or leave preload out",
        );
    }
    if max_age.is_some_and(|seconds| (SIX_MONTHS..YEAR).contains(&seconds)) {
        let why = "max-age is less than a year".to_owned();
        add(Severity::Low, "hsts-under-a-year", why, MEND);
    }
}

/// `max-age` is digits, or digits in double quotes (RFC 6797, section 6.1.1).
fn seconds(value: &str) -> Option<u64> {
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let digits = quoted.unwrap_or(value);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Longer than a u64 can tell is long enough.
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}
