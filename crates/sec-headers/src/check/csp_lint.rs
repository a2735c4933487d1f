//! What a browser makes of a Content-Security-Policy that its author did not mean.

use std::collections::{BTreeSet, HashSet};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};
use sfv::{Dictionary, Parser};

use super::csp::NOT_IN_META;
use super::csp_tokens::{directives, nonce, policies};
use super::report::{Findings, Severity, excerpt};
use super::{Input, joined, values};
use crate::csp::Directive;
use crate::names::{REPORT_TO, REPORTING_ENDPOINTS};

const ENFORCED: &str = "content-security-policy";
const REPORT_ONLY: &str = "content-security-policy-report-only";
const META: &str = "content-security-policy in <meta>";
/// 128 bits (CSP 3, section 7.1).
const MIN_NONCE: usize = 16;

/// Directives whose values are not source lists.
const OTHER: [&str; 6] = [
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "trusted-types",
    "upgrade-insecure-requests",
];
/// Directives that browsers no longer read.
const OBSOLETE: [&str; 8] = [
    "block-all-mixed-content",
    "disown-opener",
    "navigate-to",
    "plugin-types",
    "prefetch-src",
    "referrer",
    "reflected-xss",
    "require-sri-for",
];
const KEYWORDS: [&str; 12] = [
    "none",
    "self",
    "strict-dynamic",
    "unsafe-inline",
    "unsafe-eval",
    "unsafe-hashes",
    "wasm-unsafe-eval",
    "trusted-types-eval",
    "inline-speculation-rules",
    "report-sample",
    "unsafe-allow-redirects",
    "unsafe-webtransport-hashes",
];
/// What confines nothing unless it is there, and what covers for it.
const NEEDED: [(&str, &[&str], &str, &str); 4] = [
    (
        "base-uri",
        &[],
        "csp-no-base-uri",
        "base-uri is missing and has no fall-back: an injected <base> moves relative script addresses",
    ),
    (
        "form-action",
        &[],
        "csp-no-form-action",
        "form-action is missing and has no fall-back: an injected form may send passwords anywhere",
    ),
    (
        "frame-ancestors",
        &[],
        "csp-no-frame-ancestors",
        "frame-ancestors is missing and has no fall-back: any site may frame the page",
    ),
    (
        "object-src",
        &["default-src"],
        "csp-no-object-src",
        "object-src is missing, and there is no default-src: plug-ins load from anywhere",
    ),
];

const BASE64: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, BASE64);

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    let endpoints = Endpoints::of(input);
    let mut said = HashSet::new();
    let mut any = false;
    let parts = [
        (ENFORCED, CONTENT_SECURITY_POLICY),
        (REPORT_ONLY, CONTENT_SECURITY_POLICY_REPORT_ONLY),
    ];
    for (header, name) in parts {
        for value in input.values(name) {
            for policy in policies(&value) {
                let names = lint_policy(header, policy, &endpoints, findings);
                if header == ENFORCED {
                    any = true;
                    said.extend(names);
                }
            }
        }
    }
    for meta in &input.page.policies {
        for policy in policies(meta) {
            any = true;
            for name in lint_policy(META, policy, &endpoints, findings) {
                if NOT_IN_META.contains(&name.as_str()) {
                    findings.add(
                        Severity::Medium,
                        META,
                        "csp-ignored-in-meta",
                        format!("{name} has no effect in <meta>"),
                        "Send it in the header",
                    );
                } else {
                    said.insert(name);
                }
            }
        }
    }
    if any {
        for (name, covers, code, why) in NEEDED {
            if !said.contains(name) && !covers.iter().any(|name| said.contains(*name)) {
                let mend = "Add it, with 'none' or 'self'";
                findings.add(Severity::Medium, ENFORCED, code, why, mend);
            }
        }
    }
    lint_nonces(input, findings);
}

/// Gives the names of the directives.
fn lint_policy(
    header: &'static str,
    policy: &str,
    endpoints: &Endpoints,
    findings: &mut Findings,
) -> Vec<String> {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for (name, value) in directives(policy) {
        if !seen.insert(name.clone()) {
            findings.add(
                Severity::Medium,
                header,
                "csp-directive-twice",
                format!("{} stands twice: browsers keep the first", excerpt(&name)),
                "Write one, with all sources",
            );
            continue;
        }
        if Directive::named(&name).is_some() {
            lint_sources(header, &name, value, findings);
        } else if name == "report-to" {
            if let Some(missing) = endpoints.missing(value) {
                findings.add(
                    Severity::Medium,
                    header,
                    "csp-report-to-unknown",
                    format!(
                        "report-to names {}, which Reporting-Endpoints does not list",
                        excerpt(missing)
                    ),
                    "Add the endpoint to Reporting-Endpoints",
                );
            }
        } else if OBSOLETE.contains(&name.as_str()) {
            findings.add(
                Severity::Low,
                header,
                "csp-obsolete-directive",
                format!("{name} is obsolete: browsers ignore it"),
                "Leave it out",
            );
        } else if !OTHER.contains(&name.as_str()) {
            findings.add(
                Severity::Medium,
                header,
                "csp-unknown-directive",
                format!("{} is no directive, and browsers ignore it", excerpt(&name)),
                "Look for a typing error, or a `;` that came with a value",
            );
        }
        names.push(name);
    }
    names
}

fn lint_sources(header: &'static str, name: &str, value: &str, findings: &mut Findings) {
    let mut count = 0_usize;
    let mut none = false;
    for token in value.split_ascii_whitespace() {
        count = count.saturating_add(1);
        none |= token.eq_ignore_ascii_case("'none'");
        let mut add = |severity, code, why: &str, mend| {
            let why = format!("{name}: {} {why}", excerpt(token));
            findings.add(severity, header, code, why, mend);
        };
        let inside = token
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        match inside {
            None if is_bare_keyword(token) => add(
                Severity::High,
                "csp-unquoted-keyword",
                "has no quotes, and is taken for a host",
                "Write it in single quotes",
            ),
            None if token.contains(['\'', '"']) => add(
                Severity::Medium,
                "csp-stray-quote",
                "is no source",
                "Put both single quotes around keywords, and none around hosts",
            ),
            None => {}
            Some(_) if nonce(token).is_some_and(|value| !is_base64(value)) => add(
                Severity::High,
                "csp-nonce-not-base64",
                "is no nonce, and browsers ignore it",
                "Write base64 of 16 random bytes or more, new for each answer",
            ),
            Some(_) if nonce(token).is_some_and(is_short) => add(
                Severity::High,
                "csp-nonce-short",
                "has less than 128 bits, and can be guessed",
                "Write base64 of 16 random bytes or more, new for each answer",
            ),
            Some(_) if nonce(token).is_some() => {}
            Some(text) => match hash_length(text) {
                Some((digest, length)) if decoded(digest) != Some(length) => add(
                    Severity::Medium,
                    "csp-hash-malformed",
                    "is no digest of that length, and allows nothing",
                    "Take the digest from SourceHash, or from the browser's message",
                ),
                Some(_) => {}
                None if KEYWORDS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(text)) => {}
                None => add(
                    Severity::Medium,
                    "csp-unknown-keyword",
                    "is no keyword, and browsers ignore it",
                    "Look for a typing error; hosts have no quotes",
                ),
            },
        }
    }
    if none && count > 1 {
        findings.add(
            Severity::Medium,
            header,
            "csp-none-beside-others",
            format!("{name}: 'none' stands beside others, and is ignored"),
            "Write 'none' alone, or leave it out",
        );
    }
}

pub(super) fn is_bare_keyword(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    let prefixed = ["nonce-", "sha256-", "sha384-", "sha512-"];
    KEYWORDS.contains(&lower.as_str()) || prefixed.iter().any(|prefix| lower.starts_with(prefix))
}

/// The digest of a hash source, and how many bytes it should have.
fn hash_length(text: &str) -> Option<(&str, usize)> {
    let (algorithm, digest) = text.split_at_checked(7)?;
    let known = [("sha256-", 32), ("sha384-", 48), ("sha512-", 64)];
    let found = known
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(algorithm));
    found.map(|(_, length)| (digest, *length))
}

/// How many bytes the base64 stands for, in either alphabet, as CSP 3, section 2.3.1, reads it.
fn decoded(text: &str) -> Option<usize> {
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    bytes.ok().map(|bytes| bytes.len())
}

/// The grammar of a nonce, which does not ask whether the base64 can be decoded.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(body.len());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    !body.is_empty() && padding <= 2 && body.bytes().all(allowed)
}

/// Six bits for each character: hexadecimal digits have four, but count as the base64 that they are.
fn is_short(text: &str) -> bool {
    let bits = text.trim_end_matches('=').len().saturating_mul(6);
    bits < MIN_NONCE.saturating_mul(8)
}

fn lint_nonces(input: &Input<'_>, findings: &mut Findings) {
    let enforced = nonces(input.headers, CONTENT_SECURITY_POLICY);
    let reporting = nonces(input.headers, CONTENT_SECURITY_POLICY_REPORT_ONLY);
    if !enforced.is_empty() && !reporting.is_empty() && enforced != reporting {
        findings.add(
            Severity::Low,
            REPORT_ONLY,
            "csp-nonces-differ",
            "its nonces are not those of the enforced policy: every script is reported",
            "Write the same nonce in both",
        );
    }
    if let Some(earlier) = input.earlier {
        let before = nonces(earlier, CONTENT_SECURITY_POLICY);
        if enforced.intersection(&before).next().is_some() {
            findings.add(
                Severity::High,
                ENFORCED,
                "csp-nonce-reused",
                "the nonce is that of an earlier answer, and whoever saw it can use it",
                "Make a nonce for each answer",
            );
        }
    }
}

fn nonces(headers: &HeaderMap, name: http::HeaderName) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for value in values(headers, name) {
        let tokens = value.split(|c: char| c.is_ascii_whitespace() || c == ';' || c == ',');
        found.extend(tokens.filter_map(nonce).map(str::to_owned));
    }
    found
}

/// The names that `report-to` may give.
struct Endpoints {
    names: HashSet<String>,
    /// Groups of `Report-To`, in JSON.
    groups: HashSet<String>,
    /// `Reporting-Endpoints` is there and cannot be read, which is a finding of its own.
    broken: bool,
}

impl Endpoints {
    fn of(input: &Input<'_>) -> Self {
        let header = joined(input.headers, &REPORTING_ENDPOINTS);
        let parsed = header.map(|value| Parser::new(value.as_bytes()).parse::<Dictionary>());
        let broken = matches!(parsed, Some(Err(_)));
        let dictionary = parsed.and_then(Result::ok).unwrap_or_default();
        let names = dictionary
            .keys()
            .map(|key| key.as_str().to_owned())
            .collect();
        let groups = joined(input.headers, &REPORT_TO);
        Self {
            names,
            groups: groups.map(|text| group_names(&text)).unwrap_or_default(),
            broken,
        }
    }

    fn missing<'t>(&self, value: &'t str) -> Option<&'t str> {
        let name = value.split_ascii_whitespace().next()?;
        let known = self.broken || self.names.contains(name) || self.groups.contains(name);
        (!known).then_some(name)
    }
}

fn group_names(text: &str) -> HashSet<String> {
    let groups = serde_json::from_str::<Vec<serde_json::Value>>(&format!("[{text}]"));
    let groups = groups.unwrap_or_default();
    let name = |group: &serde_json::Value| {
        let name = group.get("group").and_then(|name| name.as_str());
        name.unwrap_or("default").to_owned()
    };
    groups.iter().map(name).collect()
}
