use http::header::REFERRER_POLICY;

use super::Input;
use super::report::{Findings, Severity, excerpt};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "referrer-policy";
const PRIVATE_VALUES: [&str; 4] = [
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
];
/// With what they give away.
const UNSAFE_VALUES: [(&str, &str); 4] = [
    (
        "no-referrer-when-downgrade",
        "other sites learn the whole address of the page",
    ),
    ("origin", "plain http learns the origin of the page"),
    (
        "origin-when-cross-origin",
        "plain http learns the origin of the page",
    ),
    (
        "unsafe-url",
        "every site learns the whole address of the page, over plain http too",
    ),
];

const PRIVATE: Verdict = Verdict::good("referrer-policy-private", 5);
const ABSENT: Verdict = Verdict::absent("referrer-policy-not-implemented");
const UNSAFE: Verdict = Verdict::bad(
    Severity::Medium,
    "referrer-policy-unsafe",
    -5,
    "other sites learn the address of the page, or plain http learns its origin",
    "Send strict-origin-when-cross-origin or same-origin",
);
const INVALID: Verdict = Verdict::bad(
    Severity::Medium,
    "referrer-policy-header-invalid",
    -5,
    "it names no known policy",
    "Send strict-origin-when-cross-origin or same-origin",
);

/// The last known token counts (Referrer Policy, section 8.1), those of the last `<meta>` after the header's.
pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let header = input.joined(REFERRER_POLICY);
    let meta = input.page.referrer.as_deref();
    let mut said = false;
    let (mut verdict, mut cause) = (None, None);
    for token in header
        .as_deref()
        .into_iter()
        .chain(meta)
        .flat_map(|text| text.split(','))
    {
        said = true;
        let token = token.trim().to_ascii_lowercase();
        if PRIVATE_VALUES.contains(&token.as_str()) {
            (verdict, cause) = (Some(PRIVATE), None);
        } else if let Some((name, why)) = UNSAFE_VALUES.iter().find(|(name, _)| *name == token) {
            (verdict, cause) = (Some(UNSAFE), Some(format!("{name}: {why}")));
        } else if verdict.is_none() {
            cause = Some(format!("{} is no policy", excerpt(&token)));
        }
    }
    let verdict = verdict.unwrap_or(if said { INVALID } else { ABSENT });
    verdict.record_because(cause, Test::ReferrerPolicy, HEADER, findings)
}
