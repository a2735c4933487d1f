use super::Input;
use super::report::{Findings, Severity, not_read};
use super::score::{Outcome, Test, Verdict};
use crate::names::CROSS_ORIGIN_RESOURCE_POLICY;

const HEADER: &str = "cross-origin-resource-policy";

const NONE_OF: &str = "none of same-origin, same-site and cross-origin";

const SAME_ORIGIN: Verdict = Verdict::good("corp-implemented-with-same-origin", 10);
const SAME_SITE: Verdict = Verdict::good("corp-implemented-with-same-site", 10);
const CROSS_ORIGIN: Verdict = Verdict::good("corp-implemented-with-cross-origin", 0);
const ABSENT: Verdict = Verdict::absent("corp-not-implemented");
const INVALID: Verdict = Verdict::bad(
    Severity::Medium,
    "corp-header-invalid",
    -5,
    NONE_OF,
    "Send same-origin, once",
);

/// `Cross-Origin-Resource-Policy`, the only one of the isolation headers that has points.
pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let header = input.joined(CROSS_ORIGIN_RESOURCE_POLICY);
    let text = header.as_deref().unwrap_or_default().to_ascii_lowercase();
    let (verdict, cause) = match text.as_str() {
        "" => (ABSENT, None),
        "same-origin" => (SAME_ORIGIN, None),
        "same-site" => (SAME_SITE, None),
        "cross-origin" => (CROSS_ORIGIN, None),
        _ => (
            INVALID,
            Some(not_read(input, CROSS_ORIGIN_RESOURCE_POLICY, NONE_OF)),
        ),
    };
    verdict.record_because(cause, Test::CrossOriginResourcePolicy, HEADER, findings)
}
