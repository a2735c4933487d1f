//! Headers that are structured fields (RFC 9651), where one syntax error drops the whole of them.

use sfv::{BareItem, Dictionary, InnerList, Item, ListEntry, Parser};

use super::Input;
use super::report::{Findings, Severity, excerpt};
use crate::names::{
    CROSS_ORIGIN_EMBEDDER_POLICY, CROSS_ORIGIN_OPENER_POLICY, CROSS_ORIGIN_RESOURCE_POLICY,
    ORIGIN_AGENT_CLUSTER, PERMISSIONS_POLICY, REPORTING_ENDPOINTS,
};
use crate::reporting::check_address;

const OPENER: [&str; 4] = [
    "unsafe-none",
    "same-origin-allow-popups",
    "same-origin",
    "noopener-allow-popups",
];
/// Features that a browser asks the user about, or that reach hardware, money or credentials.
const POWERFUL: [&str; 21] = [
    "bluetooth",
    "camera",
    "captured-surface-control",
    "clipboard-read",
    "digital-credentials-get",
    "display-capture",
    "geolocation",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "local-fonts",
    "local-network-access",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "serial",
    "usb",
    "window-management",
];
const EMBEDDER: [&str; 3] = ["unsafe-none", "require-corp", "credentialless"];

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    if let Some(value) = input.joined(PERMISSIONS_POLICY) {
        permissions(&value, findings);
    }
    if let Some(value) = input.joined(REPORTING_ENDPOINTS) {
        endpoints(&value, findings);
    }
    if let Some(value) = input.joined(CROSS_ORIGIN_OPENER_POLICY) {
        opener(&value, findings);
    }
    if let Some(value) = input.joined(CROSS_ORIGIN_EMBEDDER_POLICY) {
        embedder(input, &value, findings);
    }
    if let Some(value) = input.joined(ORIGIN_AGENT_CLUSTER) {
        let parsed = Parser::new(value.as_bytes()).parse::<Item>();
        if !matches!(
            parsed,
            Ok(Item {
                bare_item: BareItem::Boolean(_),
                ..
            })
        ) {
            findings.add(
                Severity::Low,
                "origin-agent-cluster",
                "origin-agent-cluster-invalid",
                format!("{} is no boolean, and has no effect", excerpt(&value)),
                "Send ?1",
            );
        }
    }
}

/// A token, with parameters or without.
fn is_one_of(value: &str, known: &[&str]) -> bool {
    match Parser::new(value.as_bytes()).parse::<Item>() {
        Ok(Item {
            bare_item: BareItem::Token(token),
            ..
        }) => known.contains(&token.as_str()),
        _ => false,
    }
}

fn opener(value: &str, findings: &mut Findings) {
    const HEADER: &str = "cross-origin-opener-policy";
    if !is_one_of(value, &OPENER) {
        findings.add(
            Severity::Medium,
            HEADER,
            "coop-invalid",
            format!(
                "{} is no value of it, and counts as unsafe-none",
                excerpt(value)
            ),
            "Send same-origin, once and without quotes",
        );
    } else if is_one_of(value, &["unsafe-none"]) {
        findings.add(
            Severity::Low,
            HEADER,
            "coop-unsafe-none",
            "lets pages of other origins that opened this one hold on to its window",
            "Send same-origin, or same-origin-allow-popups",
        );
    }
}

fn embedder(input: &Input<'_>, value: &str, findings: &mut Findings) {
    const HEADER: &str = "cross-origin-embedder-policy";
    if !is_one_of(value, &EMBEDDER) {
        findings.add(
            Severity::Medium,
            HEADER,
            "coep-invalid",
            format!(
                "{} is no value of it, and counts as unsafe-none",
                excerpt(value)
            ),
            "Send require-corp or credentialless, once and without quotes",
        );
    } else if !is_one_of(value, &["unsafe-none"])
        && !input.headers.contains_key(CROSS_ORIGIN_RESOURCE_POLICY)
    {
        findings.add(
            Severity::Low,
            HEADER,
            "coep-without-corp",
            "stands without Cross-Origin-Resource-Policy, so that another page under it cannot embed this answer",
            "Send Cross-Origin-Resource-Policy too",
        );
    }
}

fn endpoints(value: &str, findings: &mut Findings) {
    const HEADER: &str = "reporting-endpoints";
    let Ok(parsed) = Parser::new(value.as_bytes()).parse::<Dictionary>() else {
        findings.add(
            Severity::Medium,
            HEADER,
            "reporting-endpoints-unparsable",
            "is no dictionary of RFC 9651: browsers drop every endpoint",
            "Write lower-case names and quoted addresses: csp=\"/csp-report\"",
        );
        return;
    };
    for (name, entry) in &parsed {
        let ListEntry::Item(Item {
            bare_item: BareItem::String(address),
            ..
        }) = entry
        else {
            findings.add(
                Severity::Medium,
                HEADER,
                "reporting-endpoint-ignored",
                format!(
                    "{} is no string, and browsers ignore it",
                    excerpt(name.as_str())
                ),
                "Write the address in double quotes",
            );
            continue;
        };
        if let Err(why) = check_address(address.as_str()) {
            let address = excerpt(address.as_str());
            let mend = "Name a path of this service, or an https address";
            let why = format!("{}: {address} {}", excerpt(name.as_str()), tail(&why));
            findings.add(
                Severity::Medium,
                HEADER,
                "reporting-endpoint-address",
                why,
                mend,
            );
        }
    }
}

/// The reason alone: the address was named before, in full.
fn tail(why: &str) -> &str {
    why.rsplit_once("` ")
        .map_or("is no address for reports", |(_, tail)| tail)
}

fn permissions(value: &str, findings: &mut Findings) {
    const HEADER: &str = "permissions-policy";
    let Ok(parsed) = Parser::new(value.as_bytes()).parse::<Dictionary>() else {
        let (why, mend) = why_unparsable(value);
        findings.add(
            Severity::Medium,
            HEADER,
            "permissions-policy-unparsable",
            why,
            mend,
        );
        return;
    };
    for (feature, entry) in &parsed {
        let anyone = match entry {
            ListEntry::InnerList(list) => list.items.iter().any(|item| is_star(&item.bare_item)),
            ListEntry::Item(item) => is_star(&item.bare_item),
        };
        if anyone && POWERFUL.contains(&feature.as_str()) {
            findings.add(
                Severity::Low,
                HEADER,
                "permissions-policy-anyone",
                format!("{} may be handed to frames of any origin", feature.as_str()),
                "Name the origins: camera=(self \"https://call.example\"), or say camera=()",
            );
        }
        let wrong = match entry {
            ListEntry::InnerList(list) => wrong_member(list),
            ListEntry::Item(item) if is_star(&item.bare_item) => None,
            ListEntry::Item(_) => Some("its value is no list, and browsers ignore it".to_owned()),
        };
        if let Some(wrong) = wrong {
            findings.add(
                Severity::Medium,
                HEADER,
                "permissions-policy-ignored",
                format!("{}: {wrong}", excerpt(feature.as_str())),
                "Write a list: camera=(), geolocation=(self \"https://maps.example\")",
            );
        }
    }
}

fn is_star(item: &BareItem) -> bool {
    matches!(item, BareItem::Token(token) if token.as_str() == "*")
}

fn wrong_member(list: &InnerList) -> Option<String> {
    list.items.iter().find_map(|item| match &item.bare_item {
        BareItem::Token(token) if matches!(token.as_str(), "self" | "src" | "*") => None,
        BareItem::Token(token) => Some(format!("{} is no keyword", excerpt(token.as_str()))),
        BareItem::String(text) if text.as_str().contains("://") => None,
        BareItem::String(text) => Some(format!("{} is no origin", excerpt(text.as_str()))),
        _ => Some("a member is neither a keyword nor an origin".to_owned()),
    })
}

fn why_unparsable(value: &str) -> (&'static str, &'static str) {
    const DICTIONARY: &str = "Write name=(members), separated by commas";
    let names = value.split(',').filter_map(|part| part.split('=').next());
    let mut names = names.map(str::trim);
    if value.contains("'self'")
        || value.contains("'none'")
        || value.contains(';') && !value.contains('(')
    {
        (
            "is written as Feature-Policy was, and browsers drop it whole",
            "Write camera=() for 'none', and camera=(self) for 'self'",
        )
    } else if names.any(|name| name.contains(|c: char| c.is_ascii_uppercase())) {
        (
            "has an upper-case name, and browsers drop it whole",
            "Write names in lower case",
        )
    } else {
        (
            "is no dictionary of RFC 9651, and browsers drop it whole",
            DICTIONARY,
        )
    }
}
