//! What a policy means: CSP 3, sections 6.1 and 6.7, for what [`crate::inputs`] can say. The page is
//! `https://app.example/`.

use sec_headers::Directive as D;

use crate::inputs::{Host, Lists, Said};

/// An address in its parts; `data:` has a scheme alone.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) scheme: &'static str,
    pub(crate) host: &'static str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'static str,
}

impl Address {
    pub(crate) fn text(&self) -> String {
        if self.scheme == "data" {
            return "data:,x".to_owned();
        }
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{}://{}{port}{}", self.scheme, self.host, self.path)
    }

    fn port(&self) -> u16 {
        let default = if self.scheme == "http" { 80 } else { 443 };
        self.port.unwrap_or(default)
    }
}

/// What an element or a request says for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nonce {
    None,
    /// That of this answer.
    This,
    Other,
}

pub(crate) const SCRIPT: &[D] = &[D::ScriptSrcElem, D::ScriptSrc, D::DefaultSrc];
pub(crate) const SCRIPT_ATTRIBUTE: &[D] = &[D::ScriptSrcAttr, D::ScriptSrc, D::DefaultSrc];
pub(crate) const STYLE: &[D] = &[D::StyleSrcElem, D::StyleSrc, D::DefaultSrc];
pub(crate) const STYLE_ATTRIBUTE: &[D] = &[D::StyleSrcAttr, D::StyleSrc, D::DefaultSrc];

/// The first of these directives that is there, and its list.
pub(crate) fn decider<'a>(lists: &'a Lists, chain: &[D]) -> Option<(D, &'a [Said])> {
    chain.iter().find_map(|directive| {
        let list = lists.get(directive)?;
        Some((*directive, list.as_slice()))
    })
}

/// Whether the page may load this.
pub(crate) fn request_allowed(
    lists: &Lists,
    chain: &[D],
    address: &Address,
    redirected: bool,
    nonce: Nonce,
    in_markup: bool,
) -> bool {
    let Some((directive, list)) = decider(lists, chain) else {
        return true;
    };
    let has_nonce = nonce == Nonce::This && list.contains(&Said::Nonce);
    let script = chain == SCRIPT || directive == D::ScriptSrc;
    if has_nonce && (script || chain == STYLE) {
        return true;
    }
    if script && list.contains(&Said::StrictDynamic) {
        return !in_markup;
    }
    address_allowed(list, address, redirected)
}

/// Whether an inline script or style, or an attribute that holds one, may run.
pub(crate) fn inline_allowed(lists: &Lists, chain: &[D], nonce: Nonce, text: usize) -> bool {
    let Some((_, list)) = decider(lists, chain) else {
        return true;
    };
    let script = chain == SCRIPT || chain == SCRIPT_ATTRIBUTE;
    let element = chain == SCRIPT || chain == STYLE;
    let switches_off = |said: &Said| match said {
        Said::Nonce | Said::Hash(..) => true,
        Said::StrictDynamic => script,
        _ => false,
    };
    let everything = list.contains(&Said::UnsafeInline) && !list.iter().any(switches_off);
    let by_nonce = element && nonce == Nonce::This && list.contains(&Said::Nonce);
    let hashes_count = element || list.contains(&Said::UnsafeHashes);
    let by_hash = list
        .iter()
        .any(|said| matches!(said, Said::Hash(_, of) if *of == text));
    everything || by_nonce || hashes_count && by_hash
}

pub(crate) fn address_allowed(list: &[Said], address: &Address, redirected: bool) -> bool {
    list.iter().any(|said| match said {
        Said::SelfOrigin => {
            (address.scheme, address.host, address.port()) == ("https", "app.example", 443)
        }
        Said::Scheme(scheme) => scheme_matches(scheme, address.scheme),
        Said::Host(host) => host_matches(host, address, redirected),
        _ => false,
    })
}

/// An upgrade is never a violation: `http:` also means https.
fn scheme_matches(said: &str, asked: &str) -> bool {
    said == asked || (said, asked) == ("http", "https") || (said, asked) == ("wss", "https")
}

fn host_matches(host: &Host, address: &Address, redirected: bool) -> bool {
    if host.text() == "*" {
        return ["http", "https"].contains(&address.scheme);
    }
    let name = match (host.name, host.subdomains) {
        ("*", _) => true,
        (name, true) => address.host.ends_with(&format!(".{name}")),
        (name, false) => address.host == name,
    };
    let port = match host.port {
        None => address.port.is_none(),
        Some("*") => true,
        Some(number) => number.parse() == Ok(address.port()),
    };
    address.scheme != "data"
        && scheme_matches(host.scheme.unwrap_or("https"), address.scheme)
        && name
        && port
        && (redirected || path_matches(host.path, address.path))
}

/// By segments; a path that ends with a slash is a folder.
fn path_matches(said: &str, asked: &str) -> bool {
    let asked = asked.replace("%2F", "\u{1}");
    let said = said.replace("%2F", "\u{1}");
    said.is_empty() || said == asked || (said.ends_with('/') && asked.starts_with(&said))
}
