use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY,
};

use super::report::{Findings, Severity, excerpt};
use super::score::{Outcome, Test, Verdict};
use super::{Input, joined, values};
use crate::origin::Origin;

const HEADER: &str = "access-control-allow-origin";

const ABSENT: Verdict = Verdict::absent("cross-origin-resource-sharing-not-implemented");
const PUBLIC: Verdict = Verdict::good(
    "cross-origin-resource-sharing-implemented-with-public-access",
    0,
);
const RESTRICTED: Verdict = Verdict::good(
    "cross-origin-resource-sharing-implemented-with-restricted-access",
    0,
);
const UNIVERSAL: Verdict = Verdict::bad(
    Severity::High,
    "cross-origin-resource-sharing-implemented-with-universal-access",
    -50,
    "any site may read answers with the user's credentials",
    "Compare Origin with a list of your own sites",
);

pub(super) fn judge(input: &Input<'_>, findings: &mut Findings) -> Outcome {
    let headers = input.cors.map_or(input.headers, |answer| answer.headers);
    let sent = input.cors.map(|answer| answer.origin);
    let allowed = joined(headers, &ACCESS_CONTROL_ALLOW_ORIGIN);
    let allowed = allowed.as_deref().unwrap_or_default();
    let credentials = joined(headers, &ACCESS_CONTROL_ALLOW_CREDENTIALS);
    let with_credentials = |text: &str| text.eq_ignore_ascii_case("true");
    let credentials = credentials.as_deref().unwrap_or_default();
    let reflected = sent.is_some_and(|origin| origin == allowed);
    let verdict = match allowed {
        "" => ABSENT,
        "*" => PUBLIC,
        _ if reflected && with_credentials(credentials) => UNIVERSAL,
        _ => RESTRICTED,
    };

    let mut add = |severity, code, why: String, mend| {
        findings.add(severity, HEADER, code, why, mend);
    };
    if allowed == "*" && with_credentials(credentials) {
        add(
            Severity::Medium,
            "cors-wildcard-with-credentials",
            "`*` with Access-Control-Allow-Credentials: browsers refuse the answer".to_owned(),
            "Name the origin, or leave the credentials out",
        );
    }
    if allowed == "null" {
        add(
            Severity::High,
            "cors-null",
            "trusts `null`, which any sandboxed frame can be".to_owned(),
            "Name real origins",
        );
    } else if headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().count() > 1
        || allowed.contains(',')
    {
        add(
            Severity::Medium,
            "cors-repeated",
            "names several origins: browsers refuse the answer".to_owned(),
            "Write the one that asked, with Vary: Origin",
        );
    } else if !allowed.is_empty() && allowed != "*" {
        if Origin::parse(allowed).is_err() {
            add(
                Severity::Medium,
                "cors-not-an-origin",
                format!("{} is no origin, and matches none", excerpt(allowed)),
                "Write scheme and host as browsers send them, without a path",
            );
        } else if !varies_by_origin(headers) && depends_on_origin(input, allowed, reflected) {
            add(
                Severity::Low,
                "cors-no-vary",
                "depends on who asks without Vary: Origin, so that a cache gives it to another"
                    .to_owned(),
                "Add Vary: Origin to every answer",
            );
        }
    }
    if !credentials.is_empty() && credentials != "true" {
        add(
            Severity::Low,
            "cors-credentials-value",
            "Access-Control-Allow-Credentials is not `true`, the only value with a meaning"
                .to_owned(),
            "Write true, or leave it out",
        );
    }
    let literal = [
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
    ];
    let stars = |name| values(headers, name).any(|value| value == "*");
    if allowed != "*" && with_credentials(credentials) && literal.into_iter().any(stars) {
        add(
            Severity::Low,
            "cors-literal-wildcard",
            "with credentials, `*` in methods or headers is a name and not a wildcard".to_owned(),
            "Name the methods and headers",
        );
    }
    // `*` is the same for everybody.
    let assumed = input.cors.is_none() && allowed != "*";
    verdict
        .record(Test::CrossOriginResourceSharing, HEADER, findings)
        .assumed_if(assumed)
}

/// Whether the origin was taken from the request, as far as the answers at hand tell. One origin that is
/// the same in all of them needs no `Vary` (Fetch, section 3.3.5).
fn depends_on_origin(input: &Input<'_>, allowed: &str, reflected: bool) -> bool {
    let others = [Some(input.headers), input.earlier].into_iter().flatten();
    let mut others = others.filter_map(|headers| joined(headers, &ACCESS_CONTROL_ALLOW_ORIGIN));
    reflected || others.any(|other| other != allowed)
}

fn varies_by_origin(headers: &http::HeaderMap) -> bool {
    values(headers, VARY).any(|value| {
        let mut names = value.split(',').map(str::trim);
        names.any(|name| name == "*" || name.eq_ignore_ascii_case("origin"))
    })
}
