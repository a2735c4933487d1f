use std::net::IpAddr;

use super::Input;
use super::html::Script;
use super::report::{Findings, Severity, excerpt};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "subresource integrity";

const NOT_HTML: Verdict = Verdict::absent("sri-not-implemented-response-not-html");
const NO_SCRIPTS: Verdict = Verdict::absent("sri-not-implemented-but-no-scripts-loaded");
const OWN: Verdict = Verdict::good(
    "sri-not-implemented-but-all-scripts-loaded-from-secure-origin",
    0,
);
const ALL: Verdict = Verdict::good("sri-implemented-and-all-scripts-loaded-securely", 5);
const EXTERNAL: Verdict = Verdict::good("sri-implemented-and-external-scripts-loaded-securely", 5);
const UNCHECKED: Verdict = Verdict::bad(
    Severity::Medium,
    "sri-not-implemented-but-external-scripts-loaded-securely",
    -5,
    "a script comes from a foreign host without integrity, so that the host can change it",
    "Add integrity and crossorigin, or serve it yourself",
);
const INSECURE: Verdict = Verdict::bad(
    Severity::High,
    "sri-implemented-but-external-scripts-not-loaded-securely",
    -20,
    "a script has integrity, but is not loaded over https",
    "Write its address with https:",
);
const OPEN: Verdict = Verdict::bad(
    Severity::High,
    "sri-not-implemented-and-external-scripts-not-loaded-securely",
    -50,
    "a script is not loaded over https and has no integrity: whoever is on the way can change it",
    "Write its address with https:, and add integrity and crossorigin",
);

/// How one script is loaded, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Own,
    OwnWithIntegrity,
    External,
    Unchecked,
    Insecure,
    Open,
}

pub(super) fn judge(input: &Input<'_>, html: bool, findings: &mut Findings) -> Outcome {
    let scripts = input.page.scripts.iter();
    let loads = scripts.map(|script| (load(script, input), script));
    let worst = loads.reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
    let src = worst.and_then(|(_, script)| script.src.as_deref());
    let verdict = match worst.map(|(load, _)| load) {
        _ if !html => NOT_HTML,
        None => NO_SCRIPTS,
        Some(Load::Own) => OWN,
        Some(Load::OwnWithIntegrity) => ALL,
        Some(Load::External) => EXTERNAL,
        Some(Load::Unchecked) => UNCHECKED,
        Some(Load::Insecure) => INSECURE,
        Some(Load::Open) => OPEN,
    };
    let cause = src.and_then(|src| verdict.why_of(&cause(src)));
    verdict.record_because(cause, Test::SubresourceIntegrity, HEADER, findings)
}

/// Which script, and what its address lacks.
fn cause(src: &str) -> String {
    let lacks = if src.trim().starts_with("//") {
        " (its address has no scheme)"
    } else {
        ""
    };
    format!("{}{lacks}", excerpt(src))
}

fn load(script: &Script, input: &Input<'_>) -> Load {
    let own = if script.integrity {
        Load::OwnWithIntegrity
    } else {
        Load::Own
    };
    let insecure = if script.integrity {
        Load::Insecure
    } else {
        Load::Open
    };
    let Some(src) = script.src.as_deref().map(str::trim) else {
        return Load::Own;
    };
    if src.starts_with("//") {
        return insecure;
    }
    // A relative address is one of the page's `<base>`, if there is one.
    let address = match (Address::read(src), input.page.base.as_deref()) {
        (None, Some(base)) => Address::read(base.trim()),
        (address, _) => address,
    };
    let Some(address) = address else {
        return own;
    };
    let same_site = input
        .host
        .is_some_and(|host| is_same_site(host, &address.host));
    match (address.secure, same_site) {
        (true, true) => own,
        (false, true) => Load::Own,
        (true, false) if script.integrity => Load::External,
        (true, false) => Load::Unchecked,
        (false, false) => insecure,
    }
}

/// An address with a scheme of the web.
struct Address {
    secure: bool,
    host: String,
}

impl Address {
    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        // The URL standard takes any number of slashes for two.
        let rest = rest.trim_start_matches(['/', '\\']);
        let authority = rest.split(['/', '\\', '?', '#']).next()?;
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host,
        };
        Some(Self {
            secure,
            host: host.to_ascii_lowercase(),
        })
    }
}

/// Whether two hosts are of one registrable domain, as far as that can be told without the list of
/// public suffixes.
fn is_same_site(one: &str, other: &str) -> bool {
    let one = one.to_ascii_lowercase();
    one == other || matches!((site(&one), site(other)), (Some(one), Some(other)) if one == other)
}

/// The last two labels, or three where the last but one is a usual second level of a country.
pub(super) fn site(host: &str) -> Option<&str> {
    const SECOND_LEVEL: [&str; 8] = ["ac", "co", "com", "edu", "gov", "ne", "net", "org"];
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return None;
    }
    let mut labels = host.rsplit('.');
    let (last, second) = (labels.next()?, labels.next()?);
    let three = last.len() == 2 && SECOND_LEVEL.contains(&second);
    let wanted: usize = if three { 3 } else { 2 };
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    match dots.nth(wanted.saturating_sub(1)) {
        Some(at) => host.get(at.saturating_add(1)..),
        None => (host.split('.').count() >= wanted).then_some(host),
    }
}
