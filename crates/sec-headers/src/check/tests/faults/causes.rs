use super::super::super::Check;
use super::with;

/// A finding whose rule has several causes tells the one that applied, and none of the others.
#[test]
fn a_finding_tells_its_cause() {
    let inline = "csp-implemented-with-unsafe-inline";
    let invalid = "csp-header-invalid";
    let frames = "x-frame-options-header-invalid";
    let rows: &[(&[&str], &str, &str)] = &[
        (
            &["content-security-policy: object-src 'none'; img-src 'self'"],
            inline,
            "script-src and default-src are missing, so that any script runs",
        ),
        (
            &["content-security-policy: script-src 'self'"],
            inline,
            "object-src and default-src are missing, so that any plug-in runs",
        ),
        (
            &["content-security-policy: default-src 'self' 'unsafe-inline'"],
            inline,
            "default-src has 'unsafe-inline' without nonce or hash",
        ),
        (
            &["content-security-policy: default-src 'none'; script-src data:"],
            inline,
            "script-src has data:, which holds whatever an attacker writes",
        ),
        (
            &["content-security-policy: default-src 'none'; script-src https:; object-src *"],
            inline,
            "script-src has `https:`, which admits any host; object-src has `*`, which admits any host",
        ),
        (
            &["content-security-policy: default-src 'none'; style-src 'unsafe-inline'"],
            "csp-implemented-with-unsafe-inline-in-style-src-only",
            "style-src has 'unsafe-inline' without nonce or hash",
        ),
        (
            &["content-security-policy: default-src 'none'; font-src http://a.example"],
            "csp-implemented-with-insecure-scheme",
            "`http://a.example` of `font-src`: whoever is on the way can change what is loaded",
        ),
        (
            &["content-security-policy: default-src 'none'; script-src 'self' 'unsafe-eval'"],
            "csp-implemented-with-unsafe-eval",
            "script-src: 'unsafe-eval' lets text become code",
        ),
        (
            &["content-security-policy: default-src 'none'; img-src 'self'; Img-Src *"],
            invalid,
            "`img-src` stands twice",
        ),
        (
            &["content-security-policy: script-src 'strict-dynamic'"],
            invalid,
            "script-src: 'strict-dynamic' stands without nonce or hash",
        ),
        (&["content-security-policy: x"], invalid, "`x` is no policy"),
        (
            &["content-security-policy: default-src 'none'; report-to a; report-to b"],
            "csp-implemented-but-duplicate-directives",
            "`report-to`: stands twice, and browsers keep the first",
        ),
        (
            &[
                "content-security-policy: default-src 'none'",
                "x-frame-options: ALLOWALL",
            ],
            frames,
            "`ALLOWALL` is neither DENY nor SAMEORIGIN",
        ),
        (
            &[
                "content-security-policy: default-src 'none'",
                "x-frame-options: DENY",
                "x-frame-options: DENY",
            ],
            frames,
            "was sent 2 times",
        ),
        (
            &["x-content-type-options: none"],
            "x-content-type-options-header-invalid",
            "`none` is not nosniff, the only value with a meaning",
        ),
        (
            &["cross-origin-resource-policy: none"],
            "corp-header-invalid",
            "`none` is none of same-origin, same-site and cross-origin",
        ),
        (
            &["strict-transport-security: includeSubDomains"],
            "hsts-header-invalid",
            "it has no max-age",
        ),
        (
            &["strict-transport-security: max-age=31536000, includeSubDomains"],
            "hsts-header-invalid",
            "it has a comma, and its directives are separated by `;`",
        ),
        (
            &[
                "strict-transport-security: max-age=31536000",
                "strict-transport-security: max-age=31536000",
            ],
            "hsts-header-invalid",
            "it was sent 2 times",
        ),
        (
            &["referrer-policy: unsafe-url"],
            "referrer-policy-unsafe",
            "unsafe-url: every site learns the whole address of the page, over plain http too",
        ),
        (
            &["referrer-policy: never"],
            "referrer-policy-header-invalid",
            "`never` is no policy",
        ),
        (
            &["set-cookie: theme=x; SameSite=None"],
            "cookies-samesite-flag-invalid",
            "`theme`: SameSite=None stands without Secure",
        ),
        (
            &["set-cookie: theme=x; Secure; SameSite=Sometimes"],
            "cookies-samesite-flag-invalid",
            "`theme`: SameSite is none of Lax, Strict and None",
        ),
        (
            &[
                "set-cookie: theme=x; Secure",
                "set-cookie: session=x; Secure",
            ],
            "cookies-session-without-httponly-flag",
            "`session`: a session cookie has no HttpOnly, so that an injected script can take it",
        ),
    ];
    for (lines, code, why) in rows {
        let headers = with(lines);
        let report = Check::new(&headers).run();
        let found = report.findings().iter().find(|f| f.code() == *code);
        assert_eq!(found.map(|f| f.why()), Some(*why), "{lines:?}\n{report}");
    }
}

#[test]
fn a_script_is_named() {
    let rows = [
        (
            "<script src=//cdn.example/a.js></script>",
            "`//cdn.example/a.js` (its address has no scheme): a script is not loaded over https and has no \
             integrity: whoever is on the way can change it",
        ),
        (
            "<script src=/a.js></script><script src=https://cdn.example/a.js></script>",
            "`https://cdn.example/a.js`: a script comes from a foreign host without integrity, so that the \
             host can change it",
        ),
    ];
    let headers = with(&[]);
    for (html, why) in rows {
        let report = Check::new(&headers).html(html).run();
        assert!(report.findings().iter().any(|f| f.why() == why), "{report}");
    }
}
