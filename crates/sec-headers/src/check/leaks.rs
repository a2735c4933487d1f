use http::header::{SERVER, X_XSS_PROTECTION};

use super::Input;
use super::report::{Findings, Severity, excerpt};
use crate::names::X_PERMITTED_CROSS_DOMAIN_POLICIES;

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

/// Headers that tell what runs here: the list of those to remove of the OWASP Secure Headers Project.
/// `Server` is apart, since it may say no more than a name.
const TELLING: [&str; 68] = [
    "$wsep",
    "host-header",
    "k-proxy-request",
    "liferay-portal",
    "oraclecommercecloud-version",
    "pega-host",
    "powered-by",
    "product",
    "sourcemap",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-atmosphere-error",
    "x-atmosphere-first-request",
    "x-atmosphere-tracking-id",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-backside-transport",
    "x-beserver",
    "x-calculatedbetarget",
    "x-cf-powered-by",
    "x-cms",
    "x-cocoon-version",
    "x-content-encoded-by",
    "x-diaginfo",
    "x-dtagentid",
    "x-dthealthcheck",
    "x-dtinjectedservlet",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-dst-host",
    "x-envoy-upstream-service-time",
    "x-feserver",
    "x-framework",
    "x-generated-by",
    "x-generator",
    "x-jitsi-release",
    "x-joomla-version",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
    "x-litespeed-cache",
    "x-litespeed-cache-control",
    "x-litespeed-purge",
    "x-litespeed-tag",
    "x-litespeed-vary",
    "x-mod-pagespeed",
    "x-nextjs-cache",
    "x-nextjs-matched-path",
    "x-nextjs-page",
    "x-nextjs-redirect",
    "x-old-content-length",
    "x-oneagent-js-injection",
    "x-owa-version",
    "x-page-speed",
    "x-php-version",
    "x-powered-by",
    "x-powered-by-plesk",
    "x-powered-cms",
    "x-redirect-by",
    "x-ruxit-js-agent",
    "x-server-powered-by",
    "x-sourcefiles",
    "x-sourcemap",
    "x-turbo-charged-by",
    "x-umbraco-version",
    "x-varnish-server",
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
    for name in TELLING
        .into_iter()
        .filter(|name| input.headers.contains_key(*name))
    {
        let why = "tells an attacker what runs here";
        let mend = "Remove it; SecHeaders::remove of this crate does so";
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
