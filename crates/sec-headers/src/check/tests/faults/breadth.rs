//! Policies that the Observatory gives an A+ although they are open.

use super::super::super::{Check, Finding, Grade, Severity, check};
use super::{codes, csp, with};
use Severity::{High, Low, Medium};

const PRIVATE: &str = "cache-control: no-store";

#[test]
fn what_a_policy_admits_by_the_directive_that_governs() {
    let rows = [
        // CSP 3, section 6.8.3: script-src-elem and script-src-attr stand before script-src.
        (
            "default-src 'none'; script-src 'none'; script-src-elem *; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src 'none'; script-src-elem https: 'unsafe-inline'; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src 'none'; script-src-elem https: 'unsafe-inline'; REST",
            "csp-script-inline",
            High,
        ),
        (
            "default-src 'none'; script-src NONCE; script-src-attr 'unsafe-inline'; REST",
            "csp-script-inline",
            High,
        ),
        (
            "default-src 'none'; script-src 'none'; script-src-elem 'self' data:; REST",
            "csp-script-data",
            High,
        ),
        (
            "default-src 'none'; style-src-elem 'unsafe-inline' *; REST",
            "csp-style-anyone",
            Low,
        ),
        (
            "default-src 'none'; style-src-elem 'unsafe-inline' *; REST",
            "csp-style-inline",
            Low,
        ),
        (
            "default-src 'none'; style-src-attr 'unsafe-inline'; REST",
            "csp-style-inline",
            Low,
        ),
        // Section 2.3.1: a port, a path, a scheme or a top-level domain confines nobody.
        (
            "default-src 'none'; script-src 'self' *:*; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src *:443; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src https://*:443; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src HTTPS://*/; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src *.com; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src https://*.com; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src https://*.co.uk:443/x; REST",
            "csp-script-anyone",
            High,
        ),
        // Section 6.7.2.8: `ws:` matches `https:` addresses too.
        (
            "default-src 'none'; script-src ws:; REST",
            "csp-script-anyone",
            High,
        ),
        (
            "default-src 'none'; script-src 'self' blob:; REST",
            "csp-script-blob",
            Medium,
        ),
        (
            "default-src 'none'; script-src 'self' filesystem:; REST",
            "csp-script-blob",
            Medium,
        ),
        // Section 8.3.
        (
            "default-src 'none'; script-src 'self' 'unsafe-hashes'; REST",
            "csp-unsafe-hashes",
            Low,
        ),
        (
            "default-src 'none'; script-src-attr 'unsafe-hashes' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
            "csp-unsafe-hashes",
            Low,
        ),
        // A nonce that is none leaves 'unsafe-inline' in force.
        (
            "default-src 'none'; script-src 'unsafe-inline' 'nonce-{{nonce}}'; REST",
            "csp-script-inline",
            High,
        ),
        (
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri *",
            "csp-base-uri-anyone",
            High,
        ),
        (
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri https:",
            "csp-base-uri-anyone",
            High,
        ),
        (
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri https://evil.example",
            "csp-base-uri-host",
            Low,
        ),
        (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action *",
            "csp-form-action-anyone",
            Medium,
        ),
        (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action https:",
            "csp-form-action-anyone",
            Medium,
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors https://*",
            "csp-frame-ancestors-anyone",
            Medium,
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *:443",
            "csp-frame-ancestors-anyone",
            Medium,
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors https://*.com",
            "csp-frame-ancestors-anyone",
            Medium,
        ),
        (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *:*",
            "csp-frame-ancestors-anyone",
            Medium,
        ),
        (
            "default-src 'none'; object-src data:; REST",
            "csp-object-data",
            High,
        ),
        (
            "default-src 'none'; object-src https://*:443; REST",
            "csp-object-anyone",
            High,
        ),
        (
            "default-src 'none'; object-src blob:; REST",
            "csp-object-blob",
            Medium,
        ),
        (
            "default-src 'none'; worker-src * data: blob:; REST",
            "csp-worker-anyone",
            Medium,
        ),
        (
            "default-src 'none'; worker-src data:; REST",
            "csp-worker-data",
            Medium,
        ),
        (
            "default-src 'none'; child-src https:; REST",
            "csp-worker-anyone",
            Medium,
        ),
        (
            "default-src 'none'; frame-src *; REST",
            "csp-frame-anyone",
            Low,
        ),
        // Section 6.8.3: script-src still governs workers where script-src-elem stands beside it.
        (
            "default-src 'none'; script-src wss:; script-src-elem 'self'; REST",
            "csp-worker-anyone",
            Medium,
        ),
    ];
    for (policy, code, severity) in rows {
        for frames in ["x-frame-options: DENY", "x-frame-options: "] {
            let headers = with(&[&csp(policy), PRIVATE, frames]);
            let report = check(&headers);
            let found: Vec<_> = report
                .findings()
                .iter()
                .filter(|f| f.code() == code)
                .collect();
            let severities: Vec<_> = found.iter().map(|finding| finding.severity()).collect();
            assert_eq!(severities, [severity], "{policy}: {code} in\n{report}");
            assert_eq!(
                found.iter().map(|finding| finding.points()).sum::<i32>(),
                0,
                "{policy}"
            );
        }
    }
}

#[test]
fn all_at_once() {
    let policy = "default-src 'none'; script-src 'none'; script-src-elem *:* data: blob: 'unsafe-inline'; \
        script-src-attr 'unsafe-inline' 'unsafe-hashes'; style-src-elem 'unsafe-inline' *; worker-src *:443; \
        frame-src https:; object-src data:; base-uri https://*; form-action *.com; frame-ancestors *:*";
    let report = check(&with(&[&csp(policy), "x-frame-options: "]));
    assert_eq!(report.grade(), Grade::APlus, "the Observatory's: {report}");
    assert_eq!(
        codes(&report),
        [
            "csp-script-anyone",
            "csp-script-data",
            "csp-script-inline",
            "csp-script-inline",
            "csp-object-data",
            "csp-base-uri-anyone",
            "csp-script-blob",
            "csp-worker-anyone",
            "csp-form-action-anyone",
            "csp-frame-ancestors-anyone",
            "csp-unsafe-hashes",
            "csp-frame-anyone",
            "csp-style-anyone",
            "csp-style-inline",
        ],
        "{report}"
    );
}

/// Nothing of the breadth is told of these.
#[test]
fn what_only_looks_broad() {
    let rows = [
        // CSP 3, section 8.2: hosts and schemes are for browsers that do not know 'strict-dynamic'
        // (the strict policy of csp.withgoogle.com and web.dev).
        "object-src 'none'; base-uri 'none'; script-src NONCE 'strict-dynamic' 'unsafe-inline' https: http:; form-action 'self'; frame-ancestors 'self'",
        "default-src 'self'; script-src 'none'; script-src-elem NONCE 'strict-dynamic' * data: blob:; REST",
        // Section 6.7.3.2: beside a nonce or a hash 'unsafe-inline' is ignored, for handlers as well.
        "default-src 'none'; script-src NONCE 'unsafe-inline'; style-src NONCE 'unsafe-inline'; REST",
        "default-src 'none'; script-src-elem 'unsafe-inline' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
        // Script-src does not govern what script-src-elem and script-src-attr say.
        "default-src 'none'; script-src 'self'; script-src-elem 'self'; script-src-attr 'none'; REST",
        // github.com, shortened: hosts with paths, sub-domains, data: and blob: for images.
        "default-src 'none'; base-uri 'self'; child-src github.com/assets-cdn/worker/ gist.github.com/assets-cdn/worker/; \
         connect-src 'self' uploads.github.com wss://alive.github.com; form-action 'self' github.com gist.github.com; \
         frame-ancestors 'none'; frame-src viewscreen.githubusercontent.com; img-src 'self' data: blob: *.githubusercontent.com; \
         script-src github.githubassets.com; style-src github.githubassets.com; worker-src github.com/assets-cdn/worker/",
        // developer.mozilla.org, shortened.
        "default-src 'self'; script-src 'report-sample' 'self' 'wasm-unsafe-eval' https://www.google-analytics.com/analytics.js 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; \
         object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; frame-src 'self' https://*.mdnplay.dev https://www.youtube-nocookie.com; \
         img-src 'self' data: https:; worker-src 'self'",
        // Workers that a bundler puts together, as map and editor libraries ask for.
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; child-src blob:; REST",
        "default-src 'none'; script-src https://*.example.com:8443 https://*.example.co.uk; REST",
        "default-src 'none'; script-src http://*.localhost:3000; connect-src * ws: wss:; REST",
        "default-src 'none'; style-src 'unsafe-hashes' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; REST",
        // Section 4.1.2: of two policies both hold.
        "default-src 'none'; script-src NONCE 'strict-dynamic'; REST, script-src https: 'self'; object-src *; frame-ancestors *",
        "default-src 'self'; REST, script-src-elem data: blob: *:*",
        "default-src 'self'; script-src 'self'; Script-Src *; REST",
    ];
    for policy in rows {
        let headers = with(&[&csp(policy), PRIVATE, "x-frame-options: "]);
        let report = check(&headers);
        let broad = |finding: &&Finding| {
            let code = finding.code();
            let about = [
                "csp-script",
                "csp-object",
                "csp-worker",
                "csp-frame",
                "csp-style",
                "csp-base",
                "csp-form",
            ];
            code == "csp-unsafe-hashes" || about.iter().any(|about| code.starts_with(about))
        };
        let found: Vec<_> = report.findings().iter().filter(broad).collect();
        assert!(found.is_empty(), "{policy}\n{report}");
    }
}

#[test]
fn a_base_of_ones_own_is_no_foreign_one() {
    let line = csp(
        "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri https://www.example.com",
    );
    let headers = with(&[&line]);
    assert!(
        Check::new(&headers)
            .host("WWW.example.com")
            .run()
            .is_clean()
    );
    for host in ["example.com", "www.example.net"] {
        let report = Check::new(&headers).host(host).run();
        assert_eq!(codes(&report), ["csp-base-uri-host"], "{report}");
    }
}

#[test]
fn a_policy_in_meta_confines_scripts_but_not_frames() {
    let headers = with(&[&csp(
        "default-src 'none'; script-src-elem *; base-uri 'none'; form-action 'none'; frame-ancestors *",
    )]);
    let html = "<meta http-equiv=Content-Security-Policy content=\"script-src 'self'; frame-ancestors 'none'\">";
    let report = Check::new(&headers).html(html).run();
    assert!(!report.has("csp-script-anyone"), "{report}");
    assert!(report.has("csp-frame-ancestors-anyone"), "{report}");
}
