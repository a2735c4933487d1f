use std::borrow::Cow;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, SET_COOKIE,
};

use super::Input;
use super::csp_tokens::nonce;
use super::report::{Findings, Severity, excerpt};
use crate::names::CLEAR_SITE_DATA;
use crate::policy::private::{allowing, forbids_storing};

const HEADER: &str = "cache-control";

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    let header = input
        .joined(CACHE_CONTROL)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let directives: Vec<_> = header.split(',').map(str::trim).collect();
    let has = |name: &str| {
        directives.iter().any(|directive| {
            let known = directive.split('=').next().unwrap_or_default();
            known.trim() == name
        })
    };
    let fresh = directives
        .iter()
        .any(|directive| match directive.split_once('=') {
            Some(("max-age" | "s-maxage", age)) => age.trim().trim_matches('"') != "0",
            _ => false,
        });
    let mut add = |severity, code, why: Cow<'static, str>, mend| {
        findings.add(severity, HEADER, code, why, mend);
    };
    if has_nonce(input) {
        if !forbids_storing(input.headers, &CACHE_CONTROL) {
            add(
                Severity::High,
                "nonce-cacheable",
                "a page with a nonce may be kept by shared caches, which give the nonce to everybody".into(),
                "Send no-store, or private without field names, public and s-maxage",
            );
        } else if let Some(name) = allowing(input.headers) {
            add(
                Severity::High,
                "nonce-cacheable-by-cdn",
                format!(
                    "{name} lets one cache keep a page with a nonce, which it gives to everybody"
                )
                .into(),
                "Leave that header out",
            );
        }
    }
    let public = has("public") || has("s-maxage");
    if public && (has("private") || has("no-store"))
        || has("no-store") && (fresh || has("immutable"))
    {
        add(
            Severity::Medium,
            "cache-control-contradiction",
            "contradicts itself, and caches differ in what they obey".into(),
            "Say no-store alone, or how long it is fresh",
        );
    }
    if public && input.headers.contains_key(SET_COOKIE) {
        add(
            Severity::High,
            "cache-control-public-cookie",
            "shared caches may keep an answer that sets a cookie, and give it to everybody".into(),
            "Send no-store or private with it",
        );
    }
    clear_site_data(input, findings);
}

fn has_nonce(input: &Input<'_>) -> bool {
    let headers = [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY];
    headers.into_iter().any(|name| {
        input.values(name).any(|value| {
            let mut tokens = value.split(|c: char| c.is_ascii_whitespace() || c == ';' || c == ',');
            tokens.any(|token| nonce(token).is_some())
        })
    })
}

/// Its values are strings, quotes included (W3C Clear Site Data, section 3.1).
fn clear_site_data(input: &Input<'_>, findings: &mut Findings) {
    let known = [
        "\"cache\"",
        "\"clientHints\"",
        "\"cookies\"",
        "\"executionContexts\"",
        "\"prefetchCache\"",
        "\"prerenderCache\"",
        "\"storage\"",
        "\"*\"",
    ];
    for value in input.values(CLEAR_SITE_DATA) {
        for item in value
            .split(',')
            .map(str::trim)
            .filter(|item| !known.contains(item))
        {
            findings.add(
                Severity::Medium,
                "clear-site-data",
                "clear-site-data-invalid",
                format!("{} clears nothing", excerpt(item)),
                "Write the types in double quotes: \"cookies\", \"storage\"",
            );
        }
    }
}
