//! Inline scripts of the page that its own policy does not run (CSP 3, sections 4.2.3 and 6.7.3).

use http::header::CONTENT_SECURITY_POLICY;

use super::Input;
use super::csp_tokens::{directives, nonce, policies};
use super::report::{Findings, Severity};

const HEADER: &str = "content-security-policy";

pub(super) fn lint(input: &Input<'_>, findings: &mut Findings) {
    for value in input.values(CONTENT_SECURITY_POLICY) {
        for policy in policies(&value) {
            scripts(input, policy, findings);
            handlers(input, policy, findings);
        }
    }
}

fn scripts(input: &Input<'_>, policy: &str, findings: &mut Findings) {
    let names = ["script-src-elem", "script-src", "default-src"];
    let Some(allowed) = Inline::of(policy, &names) else {
        return;
    };
    // Which script has a given hash would have to be computed.
    if allowed.everything() || allowed.hash {
        return;
    }
    for script in input.page.scripts.iter().filter(|script| script.inline) {
        let given = script.nonce.as_deref().filter(|nonce| !nonce.is_empty());
        let (why, mend) = match given {
            Some(given) if allowed.nonces.contains(&given) => continue,
            Some(_) => (
                "the page has an inline script whose nonce is not the policy's, and browsers will not run it",
                "Write the nonce of this answer into the script",
            ),
            None if allowed.nonces.is_empty() => (
                "the page has an inline script, and the policy allows none: browsers will not run it",
                "Allow a nonce and write it into the script, or move the script into a file",
            ),
            None => (
                "the page has an inline script without the nonce, and browsers will not run it",
                "Write nonce=\"…\" into the script, with the nonce of this answer",
            ),
        };
        findings.add(Severity::Low, HEADER, "inline-script-blocked", why, mend);
    }
}

fn handlers(input: &Input<'_>, policy: &str, findings: &mut Findings) {
    let names = ["script-src-attr", "script-src", "default-src"];
    let (Some(handler), Some(allowed)) = (input.page.handler, Inline::of(policy, &names)) else {
        return;
    };
    // Nonces do not reach attributes, and hashes only with this keyword.
    let by_hash = allowed.hash && allowed.unsafe_hashes;
    if !(allowed.everything() || by_hash) {
        findings.add(
            Severity::Low,
            HEADER,
            "inline-handler-blocked",
            format!("the page has an {handler} attribute, and browsers will not run it"),
            "Call addEventListener in a script that has the nonce",
        );
    }
}

/// What a directive says of inline scripts.
#[derive(Default)]
struct Inline<'a> {
    nonces: Vec<&'a str>,
    hash: bool,
    dynamic: bool,
    unsafe_inline: bool,
    unsafe_hashes: bool,
}

impl<'a> Inline<'a> {
    /// That of the first of these names that the policy has; of two directives of one name the first counts.
    fn of(policy: &'a str, names: &[&str]) -> Option<Self> {
        let sources = names.iter().find_map(|wanted| {
            let mut all = directives(policy);
            all.find_map(|(name, sources)| (name == *wanted).then_some(sources))
        })?;
        let mut found = Self::default();
        for token in sources.split_ascii_whitespace() {
            let is = |keyword: &str| token.eq_ignore_ascii_case(keyword);
            let lower = token.get(..5).map(str::to_ascii_lowercase);
            found.nonces.extend(nonce(token));
            found.hash |= lower.is_some_and(|head| head.starts_with("'sha"));
            found.dynamic |= is("'strict-dynamic'");
            found.unsafe_inline |= is("'unsafe-inline'");
            found.unsafe_hashes |= is("'unsafe-hashes'");
        }
        Some(found)
    }

    /// `'unsafe-inline'` counts alone only.
    fn everything(&self) -> bool {
        self.unsafe_inline && self.nonces.is_empty() && !self.hash && !self.dynamic
    }
}
