use super::super::super::Check;
use super::{csp, with};

const SCRIPT: &str = "inline-script-blocked";
const HANDLER: &str = "inline-handler-blocked";

#[test]
fn inline_scripts_that_the_policy_does_not_run() {
    let web_app = "default-src 'none'; script-src NONCE 'strict-dynamic'; REST";
    let hashed = "default-src 'none'; script-src 'self' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST";
    let loose = "default-src 'none'; script-src 'unsafe-inline'; REST";
    let right = "<script nonce=\"MDEyMzQ1Njc4OWFiY2RlZg==\">a()</script>";
    // CSP 3, section 6.7.3.3, and HTML, section 4.12.1.1.
    let rows: &[(&str, &str, &[&str])] = &[
        (web_app, right, &[]),
        (web_app, "<script>a()</script>", &[SCRIPT]),
        (web_app, "<script nonce=>a()</script>", &[SCRIPT]),
        (
            web_app,
            "<script nonce=MDEyMzQ1Njc4OWFiY2RlZh==>a()</script>",
            &[SCRIPT],
        ),
        // A nonce is compared with its case.
        (
            web_app,
            "<script nonce=mdeymzq1njc4owfiy2rlzg==>a()</script>",
            &[SCRIPT],
        ),
        (web_app, "<script type=module>a()</script>", &[SCRIPT]),
        (web_app, "<script src=/a.js></script>", &[]),
        (web_app, "<script></script>", &[]),
        (web_app, "<script nomodule>a()</script>", &[]),
        (web_app, "<script type=application/json>{}</script>", &[]),
        (web_app, "<template><script>a()</script></template>", &[]),
        (web_app, "<noscript><script>a()</script></noscript>", &[]),
        (web_app, "<!-- <script>a()</script> -->", &[]),
        (web_app, "<svg><script>a()</script></svg>", &[SCRIPT]),
        (web_app, "<svg><script href=/a.js> </script></svg>", &[]),
        (web_app, "<button ONCLICK='a()'>", &[HANDLER]),
        (web_app, "<x once=1 on-click=2 only>", &[]),
        (web_app, "<textarea><b onclick='a()'></textarea>", &[]),
        (
            "default-src 'none'; REST",
            "<script>a()</script>",
            &[SCRIPT],
        ),
        (
            "default-src 'none'; script-src-elem 'self'; script-src 'unsafe-inline'; REST",
            "<script>a()</script>",
            &[SCRIPT],
        ),
        (
            "default-src 'none'; script-src-elem NONCE; script-src-attr 'unsafe-inline'; REST",
            "<b onclick=a()>",
            &[],
        ),
        // The first of a name counts.
        (
            "script-src 'self'; script-src 'unsafe-inline'; REST",
            "<script>a()</script>",
            &[SCRIPT],
        ),
        // It may be the one with this hash.
        (hashed, "<script>a()</script>", &[]),
        (hashed, "<b onclick=a()>", &[HANDLER]),
        (
            "script-src 'unsafe-hashes' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
            "<b onclick=a()>",
            &[],
        ),
        (loose, "<script>a()</script><b onclick=a()>", &[]),
        (
            "default-src 'none'; script-src 'unsafe-inline' NONCE; REST",
            "<b onclick=a()>",
            &[HANDLER],
        ),
        (
            "img-src 'self'; REST",
            "<script>a()</script><b onclick=a()>",
            &[],
        ),
        // Each of two policies holds.
        (
            "script-src 'unsafe-inline', script-src 'self'",
            "<script>a()</script>",
            &[SCRIPT],
        ),
    ];
    for (policy, html, codes) in rows {
        let headers = with(&[&csp(policy), "cache-control: no-store"]);
        let before = Check::new(&headers).run();
        let report = Check::new(&headers).html(html).run();
        for code in [SCRIPT, HANDLER] {
            assert_eq!(
                report.has(code),
                codes.contains(&code),
                "{policy} {html} {code}\n{report}"
            );
        }
        assert_eq!(report.score(), before.score(), "{policy} {html}");
    }
}

#[test]
fn what_is_no_page_has_no_inline_scripts() {
    let headers = with(&["content-type: application/json"]);
    let report = Check::new(&headers).html("<script>a()</script>").run();
    assert!(report.is_clean(), "{report}");
}
