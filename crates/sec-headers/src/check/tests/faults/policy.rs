use super::super::super::{Check, check};
use super::{CLEAN, codes, csp, map, with};

#[test]
fn faults_of_a_policy() {
    let rows = [
        // CSP 3, section 7.1: 128 bits at least; section 2.3.1: base64.
        (
            "default-src 'none'; script-src 'nonce-abc'; REST",
            "csp-nonce-short",
        ),
        (
            "default-src 'none'; script-src 'nonce-MDEyMzQ1Njc4OWFiY2Q='; REST",
            "csp-nonce-short",
        ),
        (
            "default-src 'none'; script-src 'nonce-not base64!'; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'nonce-{{csp_nonce}}'; REST",
            "csp-nonce-not-base64",
        ),
        (
            "default-src 'none'; script-src 'nonce-'; REST",
            "csp-nonce-not-base64",
        ),
        // CSP 3, section 2.2.1: unknown names are ignored, of two the first counts, case does not.
        (
            "default-src 'none'; scripts-src 'self'; REST",
            "csp-unknown-directive",
        ),
        (
            "default-src 'none'; report-uri /r;x-injected *; REST",
            "csp-unknown-directive",
        ),
        (
            "default-src 'none'; script-src 'self'; Script-Src *; REST",
            "csp-directive-twice",
        ),
        (
            "default-src 'none'; block-all-mixed-content; REST",
            "csp-obsolete-directive",
        ),
        (
            "default-src 'none'; plugin-types application/pdf; REST",
            "csp-obsolete-directive",
        ),
        // Section 2.3.1: without quotes they are hosts. http-security-headers lets them pass.
        (
            "default-src 'none'; script-src self; REST",
            "csp-unquoted-keyword",
        ),
        ("default-src none; REST", "csp-unquoted-keyword"),
        (
            "default-src 'none'; script-src unsafe-inline; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src nonce-MDEyMzQ1Njc4OWFiY2RlZg==; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=; REST",
            "csp-unquoted-keyword",
        ),
        (
            "default-src 'none'; script-src \"self\"; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'self; REST",
            "csp-stray-quote",
        ),
        (
            "default-src 'none'; script-src 'https://a.example'; REST",
            "csp-unknown-keyword",
        ),
        (
            "default-src 'none'; script-src 'unsafe-scripts'; REST",
            "csp-unknown-keyword",
        ),
        (
            "default-src 'none'; script-src 'sha256-YWJj'; REST",
            "csp-hash-malformed",
        ),
        (
            "default-src 'none'; script-src 'sha512-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
            "csp-hash-malformed",
        ),
        // Section 6.7.2.4: 'none' counts only alone.
        ("default-src 'none' 'self'; REST", "csp-none-beside-others"),
        (
            "default-src 'none'; img-src https://a.example 'NONE'; REST",
            "csp-none-beside-others",
        ),
        // Sections 6.3, 6.4: these do not fall back to default-src.
        (
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'",
            "csp-no-base-uri",
        ),
        (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            "csp-no-form-action",
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'",
            "csp-no-frame-ancestors",
        ),
        (
            "script-src 'self'; style-src 'self'; REST",
            "csp-no-object-src",
        ),
        // Reporting API, section 3.2: a name without an endpoint reports nowhere.
        (
            "default-src 'none'; report-to nowhere; REST",
            "csp-report-to-unknown",
        ),
        // Section 6.4.2 with section 2.3: `*` matches every ancestor.
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *",
            "csp-frame-ancestors-anyone",
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors https:",
            "csp-frame-ancestors-anyone",
        ),
    ];
    for (policy, code) in rows {
        let report = check(&with(&[&csp(policy), "cache-control: no-store"]));
        assert!(report.has(code), "{policy}: {code} is not among\n{report}");
        assert!(!report.is_clean());
        // It is told for a policy that only reports as well, but for what is missing.
        if !code.starts_with("csp-no-") && !code.starts_with("csp-frame") {
            let line = csp(policy).replace("policy:", "policy-report-only:");
            let report = check(&with(&[&line, "cache-control: no-store"]));
            assert!(
                report.has(code),
                "{policy} as report-only: {code} is not among\n{report}"
            );
        }
    }
}

#[test]
fn a_comma_begins_another_policy() {
    // CSP 3, section 2.2.2. The Observatory reads it as a source.
    let line =
        csp("default-src 'none'; base-uri 'none', form-action 'none'; frame-ancestors 'none'");
    let report = check(&with(&[&line]));
    assert!(
        !report.has("csp-no-form-action") && !report.has("csp-unknown-directive"),
        "{report}"
    );
}

#[test]
fn nonces_over_several_headers() {
    let own = csp("default-src 'none'; script-src NONCE; REST");
    let cache = "cache-control: private";
    let same = "content-security-policy-report-only: script-src 'nonce-MDEyMzQ1Njc4OWFiY2RlZg=='";
    let other = "content-security-policy-report-only: script-src 'nonce-AAEyMzQ1Njc4OWFiY2RlZg=='";
    let report = check(&with(&[&own, same, cache]));
    assert!(report.is_clean(), "{report}");
    assert!(check(&with(&[&own, other, cache])).has("csp-nonces-differ"));

    let (first, second) = (
        with(&[&own, cache]),
        with(&[&own.replace("MDEy", "MDEz"), cache]),
    );
    assert!(Check::new(&first).earlier(&second).run().is_clean());
    assert!(
        Check::new(&first)
            .earlier(&first)
            .run()
            .has("csp-nonce-reused")
    );
}

#[test]
fn a_reporting_endpoint_may_be_named_in_either_header() {
    let own = csp("default-src 'none'; REST; report-to csp");
    for header in [
        "reporting-endpoints: csp=\"/r\"",
        "report-to: {\"group\":\"csp\",\"max_age\":60,\"endpoints\":[{\"url\":\"/r\"}]}, {\"max_age\":1}",
    ] {
        let report = check(&with(&[&own, header]));
        assert!(report.is_clean(), "{report}");
    }
    let report = check(&with(&[&own, "reporting-endpoints: CSP=\"/r\""]));
    assert_eq!(
        codes(&report),
        ["reporting-endpoints-unparsable"],
        "named once, not twice"
    );
}

#[test]
fn a_policy_in_meta_is_read() {
    let html = "<meta http-equiv=Content-Security-Policy content=\"frame-ancestors 'none'; img-src self\">";
    let report = Check::new(&map(CLEAN.iter().copied())).html(html).run();
    assert_eq!(
        codes(&report),
        ["csp-unquoted-keyword", "csp-ignored-in-meta"],
        "{report}"
    );
}
