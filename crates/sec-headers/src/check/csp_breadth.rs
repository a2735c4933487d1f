//! Whom a Content-Security-Policy lets in although it looks closed: by the directive that governs
//! what is loaded, which may be another than the one that a reader looks at.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use http::header::CONTENT_SECURITY_POLICY;

use super::Input;
use super::csp::NOT_IN_META;
use super::csp_lint::{is_bare_keyword, is_base64};
use super::csp_tokens::{directives, nonce, policies};
use super::frames::FRAMED_BY_ANYONE;
use super::integrity::site;
use super::report::{Findings, Severity, excerpt};

const HEADER: &str = "content-security-policy";
/// The Observatory's word for what [`Kind::Inline`] and [`Kind::AnyHost`] are in `style-src`.
const STYLE_KNOWN: &str = "csp-implemented-with-unsafe-inline-in-style-src-only";

/// What governs, and what stands in for it where it is missing (CSP 3, section 6.8.3).
type Chain = &'static [&'static str];
const SCRIPT: Chain = &["script-src-elem", "script-src", "default-src"];
const HANDLER: Chain = &["script-src-attr", "script-src", "default-src"];
const WORKER: Chain = &["worker-src", "child-src", "script-src", "default-src"];
const OBJECT: Chain = &["object-src", "default-src"];
const BASE: Chain = &["base-uri"];
const FORM: Chain = &["form-action"];
const ANCESTORS: Chain = &["frame-ancestors"];
const FRAME: Chain = &["frame-src", "child-src", "default-src"];
const STYLE: Chain = &["style-src-elem", "style-src", "default-src"];
const STYLE_ATTRIBUTE: Chain = &["style-src-attr", "style-src", "default-src"];

/// What a source may admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Whoever has a host: `*` with any port or path, `https:`, `*.com`.
    AnyHost,
    /// `data:`
    Data,
    /// `blob:` and `filesystem:`, which a script of the page must have filled.
    Blob,
    /// `'unsafe-inline'`
    Inline,
    /// `'unsafe-hashes'`
    Hashes,
    /// A host by its name.
    Host,
}

struct Rule {
    chain: Chain,
    kind: Kind,
    severity: Severity,
    code: &'static str,
    why: &'static str,
    mend: &'static str,
}

const fn rule(
    chain: Chain,
    kind: Kind,
    severity: Severity,
    code: &'static str,
    why: &'static str,
    mend: &'static str,
) -> Rule {
    Rule {
        chain,
        kind,
        severity,
        code,
        why,
        mend,
    }
}

const NAME_SCRIPTS: &str = "Name the hosts, or give scripts a nonce and 'strict-dynamic'";
const NAME_STYLES: &str = "Give styles a nonce or a hash, and name the hosts of style sheets";
const NO_OBJECT: &str = "Say object-src 'none'";

/// The worst first: a source that several rules find is told once.
const RULES: [Rule; 20] = [
    rule(
        SCRIPT,
        Kind::AnyHost,
        Severity::High,
        "csp-script-anyone",
        "lets in scripts of any host",
        NAME_SCRIPTS,
    ),
    rule(
        SCRIPT,
        Kind::Data,
        Severity::High,
        "csp-script-data",
        "lets in scripts that stand in their address",
        NAME_SCRIPTS,
    ),
    rule(
        SCRIPT,
        Kind::Inline,
        Severity::High,
        "csp-script-inline",
        "lets in every script that stands in the page",
        "Give scripts a nonce or a hash",
    ),
    rule(
        HANDLER,
        Kind::Inline,
        Severity::High,
        "csp-script-inline",
        "lets in every event handler that stands in the page",
        "Take it out, and attach handlers from scripts",
    ),
    rule(
        OBJECT,
        Kind::AnyHost,
        Severity::High,
        "csp-object-anyone",
        "lets in plug-in content of any host",
        NO_OBJECT,
    ),
    rule(
        OBJECT,
        Kind::Data,
        Severity::High,
        "csp-object-data",
        "lets in plug-in content that stands in its address",
        NO_OBJECT,
    ),
    rule(
        BASE,
        Kind::AnyHost,
        Severity::High,
        "csp-base-uri-anyone",
        "lets an injected <base> move relative script addresses to any host",
        "Say base-uri 'none' or 'self'",
    ),
    rule(
        SCRIPT,
        Kind::Blob,
        Severity::Medium,
        "csp-script-blob",
        "lets in scripts that a script of the page has put together",
        "Take it out; workers have worker-src",
    ),
    rule(
        OBJECT,
        Kind::Blob,
        Severity::Medium,
        "csp-object-blob",
        "lets in plug-in content that a script of the page has put together",
        NO_OBJECT,
    ),
    rule(
        WORKER,
        Kind::AnyHost,
        Severity::Medium,
        "csp-worker-anyone",
        "lets in workers of any host",
        "Say worker-src 'self'",
    ),
    rule(
        WORKER,
        Kind::Data,
        Severity::Medium,
        "csp-worker-data",
        "lets in workers whose script stands in their address",
        "Say worker-src 'self'",
    ),
    rule(
        FORM,
        Kind::AnyHost,
        Severity::Medium,
        "csp-form-action-anyone",
        "lets an injected form send passwords to any host",
        "Say form-action 'self', and name the hosts that forms go to",
    ),
    rule(
        ANCESTORS,
        Kind::AnyHost,
        Severity::Medium,
        FRAMED_BY_ANYONE,
        "lets any site frame the page",
        "Name the origins that may, or 'none'",
    ),
    rule(
        BASE,
        Kind::Host,
        Severity::Low,
        "csp-base-uri-host",
        "lets an injected <base> move relative script addresses there",
        "Say base-uri 'none' or 'self'; Check::host tells which host is one's own",
    ),
    rule(
        SCRIPT,
        Kind::Hashes,
        Severity::Low,
        "csp-unsafe-hashes",
        "lets an injected event handler repeat code that has a hash",
        "Take it out, and attach handlers from scripts",
    ),
    rule(
        HANDLER,
        Kind::Hashes,
        Severity::Low,
        "csp-unsafe-hashes",
        "lets an injected event handler repeat code that has a hash",
        "Take it out, and attach handlers from scripts",
    ),
    rule(
        FRAME,
        Kind::AnyHost,
        Severity::Low,
        "csp-frame-anyone",
        "lets pages of any host in as frames",
        "Name the hosts of frames",
    ),
    rule(
        STYLE,
        Kind::AnyHost,
        Severity::Low,
        "csp-style-anyone",
        "lets in style sheets of any host",
        NAME_STYLES,
    ),
    rule(
        STYLE,
        Kind::Inline,
        Severity::Low,
        "csp-style-inline",
        "lets in every style that stands in the page",
        NAME_STYLES,
    ),
    rule(
        STYLE_ATTRIBUTE,
        Kind::Inline,
        Severity::Low,
        "csp-style-inline",
        "lets in every style attribute",
        NAME_STYLES,
    ),
];

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    let headers: Vec<Cow<'_, str>> = input.values(CONTENT_SECURITY_POLICY).collect();
    let in_header = headers.iter().flat_map(|value| policies(value));
    let in_header = in_header.map(|text| Policy::parse(text, input.host, false));
    let metas = input.page.policies.iter().flat_map(|meta| policies(meta));
    let in_meta = metas.map(|text| Policy::parse(text, input.host, true));
    let policies: Vec<_> = in_header
        .chain(in_meta)
        .filter(|p| !p.0.is_empty())
        .collect();

    let style_known = findings.has(STYLE_KNOWN);
    let mut said = HashSet::new();
    for rule in &RULES {
        let Some((list, token)) = admitted(&policies, rule) else {
            continue;
        };
        let told = style_known && matches!(rule.chain, STYLE | STYLE_ATTRIBUTE);
        if told && matches!(list.name, "style-src" | "default-src") {
            continue;
        }
        if said.insert((list.name, rule.kind)) {
            let why = format!("{}: {} {}", list.name, excerpt(token), rule.why);
            findings.add(rule.severity, HEADER, rule.code, why, rule.mend);
        }
    }
}

/// All policies must agree (CSP 3, section 4.1.2): what one of them keeps out is out.
fn admitted<'p, 't>(policies: &'p [Policy<'t>], rule: &Rule) -> Option<(&'p Sources<'t>, &'t str)> {
    let mut first = None;
    for list in policies
        .iter()
        .filter_map(|policy| policy.governing(rule.chain))
    {
        let token = list.admits(rule)?;
        first.get_or_insert((list, token));
    }
    first
}

/// The source lists of one policy that a rule looks at.
struct Policy<'t>(Vec<Sources<'t>>);

impl<'t> Policy<'t> {
    fn parse(text: &'t str, own: Option<&str>, in_meta: bool) -> Self {
        let mut lists: Vec<Sources<'t>> = Vec::new();
        let known = |name: &str| {
            let mut names = RULES.iter().flat_map(|rule| rule.chain);
            names.find(|known| **known == name).copied()
        };
        for (name, value) in directives(text) {
            let Some(name) = known(&name) else {
                continue;
            };
            // Of two the first counts (CSP 3, section 2.2.1).
            let again = lists.iter().any(|list| list.name == name);
            if again || in_meta && NOT_IN_META.contains(&name) {
                continue;
            }
            lists.push(Sources::parse(name, value, own));
        }
        Self(lists)
    }

    fn governing(&self, chain: Chain) -> Option<&Sources<'t>> {
        let mut lists = chain
            .iter()
            .map(|name| self.0.iter().find(|list| list.name == *name));
        lists.find_map(|list| list)
    }
}

struct Sources<'t> {
    name: &'static str,
    /// The first source of each kind.
    found: Vec<(Kind, &'t str)>,
    /// A nonce or hash, beside which `'unsafe-inline'` is ignored.
    guarded: bool,
    /// `'strict-dynamic'`, under which hosts, schemes and `'unsafe-inline'` are, for scripts.
    dynamic: bool,
}

impl<'t> Sources<'t> {
    fn parse(name: &'static str, value: &'t str, own: Option<&str>) -> Self {
        let mut list = Self {
            name,
            found: Vec::new(),
            guarded: false,
            dynamic: false,
        };
        for token in value.split_ascii_whitespace() {
            list.guarded |= is_guard(token);
            list.dynamic |= token.eq_ignore_ascii_case("'strict-dynamic'");
            if let Some(kind) = kind(token, own)
                && list.found.iter().all(|(known, _)| *known != kind)
            {
                list.found.push((kind, token));
            }
        }
        list
    }

    fn admits(&self, rule: &Rule) -> Option<&'t str> {
        let script = matches!(rule.chain, SCRIPT | HANDLER | WORKER);
        let ignored = match rule.kind {
            Kind::Hashes => false,
            Kind::Inline => self.guarded || (script && self.dynamic),
            _ => script && self.dynamic,
        };
        let found = self.found.iter().find(|(kind, _)| *kind == rule.kind);
        found.filter(|_| !ignored).map(|(_, token)| *token)
    }
}

/// A nonce or hash that browsers accept as one; others leave `'unsafe-inline'` in force.
fn is_guard(token: &str) -> bool {
    let hash = || {
        let text = token.strip_prefix('\'')?.strip_suffix('\'')?;
        let (algorithm, digest) = text.split_at_checked(7)?;
        let known = ["sha256-", "sha384-", "sha512-"];
        let known = known
            .iter()
            .any(|name| name.eq_ignore_ascii_case(algorithm));
        known.then_some(digest)
    };
    nonce(token).or_else(hash).is_some_and(is_base64)
}

fn kind(token: &str, own: Option<&str>) -> Option<Kind> {
    let token = token.to_ascii_lowercase();
    match token.as_str() {
        "'unsafe-inline'" => return Some(Kind::Inline),
        "'unsafe-hashes'" => return Some(Kind::Hashes),
        "data:" => return Some(Kind::Data),
        "blob:" | "filesystem:" => return Some(Kind::Blob),
        _ if is_broad(&token) => return Some(Kind::AnyHost),
        _ => {}
    }
    let host = host(&token).filter(|host| host.contains('.') && !is_bare_keyword(&token))?;
    let foreign = own.is_none_or(|own| !own.eq_ignore_ascii_case(host));
    foreign.then_some(Kind::Host)
}

/// Whether whoever can rent a host is let in by this source, in lower case. `ws:` stands for `http:` as
/// well, and that for `https:` (CSP 3, section 6.7.2.8).
fn is_broad(source: &str) -> bool {
    if matches!(source, "http:" | "https:" | "ws:" | "wss:") {
        return true;
    }
    let Some(host) = host(source) else {
        return false;
    };
    let Some(parent) = host.strip_prefix("*.") else {
        return host == "*";
    };
    let parent = parent.trim_end_matches('.');
    site(parent).is_none() && !is_local(parent) && parent.parse::<IpAddr>().is_err()
}

/// Names that nobody can register (RFC 6761, RFC 6762, RFC 9476).
fn is_local(name: &str) -> bool {
    ["localhost", "local", "internal", "test", "alt"].contains(&name)
}

/// The host of a host source (CSP 3, section 2.3.1), which may begin with a wildcard.
fn host(source: &str) -> Option<&str> {
    let (scheme, rest) = source.split_once("://").unwrap_or(("https", source));
    if !["http", "https", "ws", "wss"].contains(&scheme) {
        return None;
    }
    let rest = rest.split('/').next()?;
    let (host, port) = rest.split_once(':').unwrap_or((rest, "*"));
    let port = port == "*" || (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = host.strip_prefix("*.").unwrap_or(host);
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let known = host == "*" || (!name.is_empty() && name.bytes().all(letters));
    (port && known).then_some(host)
}
