use http::header::{SERVER, X_XSS_PROTECTION};

use super::Input;
use super::report::{Findings, Severity, excerpt};
use crate::names::X_PERMITTED_CROSS_DOMAIN_POLICIES;
use crate::policy::disclosing::DISCLOSING;

/// Headers that browsers no longer read, and what took their place.
const OBSOLETE: [(&str, &str); 7] = [
    (
        "expect-ct",
        "Leave it out: certificate transparency is required anyway",
    ),
    ("feature-policy", "Send Permissions-Policy"),
    ("p3p", "Leave it out"),
    (
        "public-key-pins",
        "Leave it out: a lost key locks users out",
    ),
    ("public-key-pins-report-only", "Leave it out"),
    ("x-content-security-policy", "Send Content-Security-Policy"),
    ("x-webkit-csp", "Send Content-Security-Policy"),
];

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    for (name, mend) in OBSOLETE {
        if input.headers.contains_key(name) {
            let why = "is obsolete: browsers no longer read it";
            findings.add(Severity::Low, name, "obsolete-header", why, mend);
        }
    }
    if input
        .values(X_XSS_PROTECTION)
        .any(|value| !value.starts_with('0'))
    {
        findings.add(
            Severity::Low,
            "x-xss-protection",
            "xss-filter-on",
            "turns on a filter of old browsers that itself opens holes",
            "Send 0, or leave it out",
        );
    }
    if let Some(value) = input.joined(X_PERMITTED_CROSS_DOMAIN_POLICIES) {
        let mut values = value.split(',').map(str::trim);
        if values.any(|value| value.eq_ignore_ascii_case("all")) {
            findings.add(
                Severity::Low,
                "x-permitted-cross-domain-policies",
                "cross-domain-policies-all",
                "lets every policy file of this host open it to documents of Acrobat",
                "Send none",
            );
        }
    }
    // `Server` is apart, since it may say no more than a name.
    for name in DISCLOSING
        .into_iter()
        .filter(|name| SERVER != *name && input.headers.contains_key(*name))
    {
        let why = "tells an attacker what runs here";
        let mend = "Remove it; SecHeaders::remove_disclosing of this crate does so";
        findings.add(Severity::Low, name, "telling-header", why, mend);
    }
    for value in input.values(SERVER) {
        if value.contains(|c: char| c.is_ascii_digit()) {
            findings.add(
                Severity::Low,
                "server",
                "server-version",
                format!(
                    "{} tells an attacker which version runs here",
                    excerpt(&value)
                ),
                "Remove it, or leave the version out",
            );
        }
    }
}
