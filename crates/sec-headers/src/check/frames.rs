use http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};

use super::Input;
use super::csp::Reading;
use super::csp_tokens::{directives, policies};
use super::report::{Findings, Severity, excerpt, not_read};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "x-frame-options";

const NEITHER: &str = "neither DENY nor SAMEORIGIN";
/// The code of a finding about another header, which contradicts this test.
pub(super) const FRAMED_BY_ANYONE: &str = "csp-frame-ancestors-anyone";

const VIA_CSP: Verdict = Verdict::good("x-frame-options-implemented-via-csp", 5);
const CONFINED: Verdict = Verdict::good("x-frame-options-sameorigin-or-deny", 0);
const ALLOW_FROM: Verdict = Verdict::bad(
    Severity::Medium,
    "x-frame-options-allow-from-origin",
    0,
    "ALLOW-FROM is read by no browser of today, so that anybody may frame the page",
    "Name the origin in frame-ancestors",
);
const ABSENT: Verdict = Verdict::bad(
    Severity::High,
    "x-frame-options-not-implemented",
    -20,
    "any site may frame the page and have its user click in it",
    "Send frame-ancestors 'none' in the Content-Security-Policy, and X-Frame-Options: DENY",
);
const INVALID: Verdict = Verdict::bad(
    Severity::High,
    "x-frame-options-header-invalid",
    -20,
    NEITHER,
    "Send DENY or SAMEORIGIN, once",
);

pub(super) fn judge(input: &Input<'_>, policy: &Reading, findings: &mut Findings) -> Outcome {
    let header = input.joined(X_FRAME_OPTIONS);
    let text = header.as_deref().unwrap_or_default();
    let mut cause = None;
    let verdict = if policy.says_frame_ancestors() {
        VIA_CSP
    } else if text.is_empty() {
        ABSENT
    } else if text.eq_ignore_ascii_case("DENY") || text.eq_ignore_ascii_case("SAMEORIGIN") {
        CONFINED
    } else if is_allow_from(text) {
        ALLOW_FROM
    } else {
        cause = Some(not_read(input, X_FRAME_OPTIONS, NEITHER));
        INVALID
    };
    lint(input, text, policy.says_frame_ancestors(), findings);
    verdict.record_because(cause, Test::XFrameOptions, HEADER, findings)
}

fn is_allow_from(text: &str) -> bool {
    let head = text.get(..10);
    head.is_some_and(|head| head.eq_ignore_ascii_case("ALLOW-FROM"))
}

/// A value that is sent twice is still that value (HTML, section 7.5.2).
fn is_one_known(text: &str) -> bool {
    let all = |known: &str| {
        let mut values = text.split(',').map(str::trim);
        values.all(|value| value.eq_ignore_ascii_case(known))
    };
    text.is_empty() || all("DENY") || all("SAMEORIGIN")
}

fn lint(input: &Input<'_>, header: &str, via_csp: bool, findings: &mut Findings) {
    if via_csp && is_allow_from(header) {
        let why = "ALLOW-FROM is read by no browser of today";
        let mend = "Leave it out: frame-ancestors says it";
        findings.add(
            Severity::Low,
            HEADER,
            "x-frame-options-allow-from",
            why,
            mend,
        );
    } else if via_csp && !is_one_known(header) {
        findings.add(
            Severity::Low,
            HEADER,
            "x-frame-options-not-one",
            format!(
                "{} is neither DENY nor SAMEORIGIN, and what does not know frame-ancestors reads it in its own way",
                excerpt(header)
            ),
            "Send DENY or SAMEORIGIN, once, or leave it out",
        );
    }
    for value in input.values(CONTENT_SECURITY_POLICY) {
        for policy in policies(&value) {
            let ancestors = directives(policy).find(|(name, _)| name == "frame-ancestors");
            let Some((_, sources)) = ancestors else {
                continue;
            };
            let tokens: Vec<_> = sources.split_ascii_whitespace().collect();
            let own = tokens.iter().any(|t| t.eq_ignore_ascii_case("'self'"));
            let none = tokens.is_empty() || tokens.iter().all(|t| t.eq_ignore_ascii_case("'none'"));
            let contradicts = (header.eq_ignore_ascii_case("DENY") && !none)
                || (header.eq_ignore_ascii_case("SAMEORIGIN") && !(own && tokens.len() == 1));
            if contradicts {
                findings.add(
                    Severity::Low,
                    HEADER,
                    "x-frame-options-contradicts-csp",
                    format!(
                        "says {}, frame-ancestors says {}; browsers obey the second, others the first",
                        excerpt(header),
                        excerpt(sources),
                    ),
                    "Let both say the same, or leave X-Frame-Options out",
                );
            }
        }
    }
}
