use super::Input;
use super::report::{Findings, Severity};
use super::score::{Outcome, Test, Verdict};
use crate::names::CROSS_ORIGIN_RESOURCE_POLICY;

const HEADER: &str = "cross-origin-resource-policy";

const SAME_ORIGIN: Verdict = Verdict::good("corp-implemented-with-same-origin", 10);
const SAME_SITE: Verdict = Verdict::good("corp-implemented-with-same-site", 10);
const CROSS_ORIGIN: Verdict = Verdict::good("corp-implemented-with-cross-origin", 0);
const ABSENT: Verdict = Verdict::good("corp-not-implemented", 0);
const INVALID: Verdict = Verdict::bad(
    Severity::Medium,
    "corp-header-invalid",
    -5,
    "it is none of same-origin, same-site, cross-origin, or was sent twice",
    "Send same-origin, once",
);

/// `Cross-Origin-Resource-Policy`, the only one of the isolation headers that has points.
pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let header = input.joined(CROSS_ORIGIN_RESOURCE_POLICY);
    let text = header.as_deref().unwrap_or_default().to_ascii_lowercase();
    let verdict = match text.as_str() {
        "" => ABSENT,
        "same-origin" => SAME_ORIGIN,
        "same-site" => SAME_SITE,
        "cross-origin" => CROSS_ORIGIN,
        _ => INVALID,
    };
    verdict.record(Test::CrossOriginResourcePolicy, HEADER, findings)
}
