mod nonce;
mod properties;
mod sources;
mod tokens;

use sec_core::Scheme;

use super::*;
use crate::{CspNonce, PolicyError};

fn text(csp: &Csp) -> String {
    let header = csp.template(Scheme::Https).unwrap().render(None);
    header.to_str().unwrap().to_owned()
}

fn error(csp: &Csp) -> PolicyError {
    csp.template(Scheme::Https).unwrap_err()
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    let base = || Csp::empty().default_src([Source::SelfOrigin]);
    let rows: [(Csp, FaultKind, &str, &str); 17] = [
        (Csp::empty(), FaultKind::Directive, "", "nothing is said"),
        (
            base().img_src([Source::None, Source::SelfOrigin]),
            FaultKind::NoneBesideOthers,
            "img-src",
            "browsers ignore 'none' there",
        ),
        (
            base().script_src([Source::StrictDynamic]),
            FaultKind::Directive,
            "script-src",
            "allows no script",
        ),
        (
            base().img_src([Source::Nonce]),
            FaultKind::Directive,
            "img-src",
            "nonces are for scripts and styles",
        ),
        (
            base().form_action([Source::Nonce]),
            FaultKind::Directive,
            "form-action",
            "nonce",
        ),
        (
            base().frame_ancestors([Source::UnsafeInline]),
            FaultKind::Directive,
            "frame-ancestors",
            "no effect",
        ),
        (
            base().style_src([Source::StrictDynamic, Source::Nonce]),
            FaultKind::Directive,
            "style-src",
            "no effect",
        ),
        (
            base().set(Directive::ScriptSrcAttr, [Source::Nonce]),
            FaultKind::Directive,
            "script-src-attr",
            "attributes have no nonce",
        ),
        (
            base().report_to("csp; script-src *"),
            FaultKind::Endpoint,
            "report-to",
            "GHSA-rqq5-2gf9-4w4q",
        ),
        (
            base().report_to("c s p"),
            FaultKind::Endpoint,
            "report-to",
            "white space",
        ),
        (
            base().report_uri("/x; script-src *"),
            FaultKind::Endpoint,
            "report-uri",
            "injection",
        ),
        (
            base().report_uri("/x\r\nA: b"),
            FaultKind::Endpoint,
            "report-uri",
            "injection",
        ),
        (
            base().trusted_types(["a; script-src *"]),
            FaultKind::Directive,
            "trusted-types",
            "injection",
        ),
        (
            base().trusted_types(["'none'", "a"]),
            FaultKind::NoneBesideOthers,
            "trusted-types",
            "'none'",
        ),
        (
            base().directive("sandbox", ["allow-scripts; script-src *"]),
            FaultKind::Directive,
            "sandbox",
            "injection (GHSA-rqq5-2gf9-4w4q)",
        ),
        (
            base().directive("scriptsrc", ["'self'"]),
            FaultKind::Directive,
            "scriptsrc",
            "unknown directive",
        ),
        (
            base().directive("img-src", ["self", "a b"]),
            FaultKind::Unquoted,
            "img-src",
            "both are told",
        ),
    ];
    for (csp, kind, field, why) in rows {
        let error = error(&csp);
        assert!(error.has(kind), "{why}: {error}");
        assert_eq!(error.faults()[0].field(), field, "{why}");
    }
    let both = error(&base().directive("img-src", ["self", "a b"]));
    assert_eq!(both.faults().len(), 2);
}

#[test]
fn directives_by_name_are_the_same_as_typed_ones() {
    let named = Csp::empty()
        .directive("Default-Src", ["'none'"])
        .directive("SCRIPT-SRC", ["'nonce'", "'strict-dynamic'"])
        .directive("upgrade-insecure-requests", [""; 0])
        .directive("require-trusted-types-for", ["'script'"])
        .directive("trusted-types", ["default", "'allow-duplicates'"])
        .directive("sandbox", ["allow-forms", "allow-same-origin"])
        .directive("report-uri", ["/a", "https://b.example/"])
        .directive("report-to", ["csp"]);
    let typed = Csp::empty()
        .default_src([Source::None])
        .script_src([Source::Nonce, Source::StrictDynamic])
        .upgrade_insecure_requests(true)
        .require_trusted_types(true)
        .trusted_types(["default", "'allow-duplicates'"])
        .sandbox([SandboxFlag::Forms, SandboxFlag::SameOrigin])
        .report_uri("/a")
        .report_uri("https://b.example/")
        .report_to("csp");
    assert_eq!(named, typed);
    assert_eq!(
        text(&named),
        "default-src 'none'; script-src 'none'; require-trusted-types-for 'script'; \
         trusted-types default 'allow-duplicates'; sandbox allow-forms allow-same-origin; \
         upgrade-insecure-requests; report-uri /a https://b.example/; report-to csp"
    );
    for (name, values) in [
        ("upgrade-insecure-requests", vec!["1"]),
        ("require-trusted-types-for", vec!["'style'"]),
        ("report-to", vec!["a", "b"]),
        ("report-to", vec![]),
        ("report-uri", vec![]),
    ] {
        let csp = Csp::api().directive(name, values);
        assert!(error(&csp).has(FaultKind::Directive), "{name}");
    }
}

#[test]
fn setting_replaces_and_adding_adds() {
    let csp = Csp::empty()
        .default_src([Source::None])
        .img_src([Source::SelfOrigin])
        .img_src([
            Source::SelfOrigin,
            Source::SelfOrigin,
            Source::scheme("data").unwrap(),
        ])
        .add(Directive::DefaultSrc, [Source::SelfOrigin])
        .add(Directive::FontSrc, [Source::SelfOrigin])
        .without(Directive::MediaSrc)
        .when(false, |csp| csp.script_src([Source::UnsafeInline]))
        .when(true, |csp| csp.media_src([]));
    assert_eq!(
        text(&csp),
        "default-src 'self'; img-src 'self' data:; font-src 'self'; media-src 'none'"
    );
}

#[test]
fn the_nonce_fills_every_place_and_leaves_none_without() {
    let nonce = CspNonce::generate();
    let csp = Csp::web_app();
    let template = csp.template(Scheme::Https).unwrap();
    assert!(csp.uses_nonce() && template.uses_nonce());
    let with = template.render(Some(&nonce));
    let with = with.to_str().unwrap();
    assert_eq!(with.matches(&format!("'nonce-{nonce}'")).count(), 2);
    let without = text(&csp);
    assert!(
        without.contains("script-src 'none'; style-src 'self';"),
        "{without}"
    );
    assert!(!without.contains("nonce"));
    // Keeping 'self' without 'strict-dynamic' would allow more than before.
    let wider = Csp::empty().script_src([Source::SelfOrigin, Source::Nonce, Source::StrictDynamic]);
    assert_eq!(text(&wider), "script-src 'self' 'strict-dynamic'");
    let api = Csp::api().template(Scheme::Https).unwrap();
    assert!(!api.uses_nonce());
    assert_eq!(api.render(Some(&nonce)), api.render(None));
}

#[test]
fn upgrading_is_for_https_alone() {
    // helmet #429 and #480, secure_headers #348: Safari breaks localhost.
    let render = |scheme| {
        let header = Csp::web_app().template(scheme).unwrap().render(None);
        header
            .to_str()
            .unwrap()
            .contains("upgrade-insecure-requests")
    };
    assert!(render(Scheme::Https));
    assert!(!render(Scheme::Http));
}

/// Seen with Chromium 156: over http://127.0.0.1 a policy with both leaves no report.
#[test]
fn over_plain_http_reports_go_by_address() {
    let csp = Csp::api().report_to("csp").report_uri("/r");
    let render = |csp: &Csp, scheme| {
        let header = csp.template(scheme).unwrap().render(None);
        header.to_str().unwrap().to_owned()
    };
    assert!(render(&csp, Scheme::Https).ends_with("; report-uri /r; report-to csp"));
    assert!(render(&csp, Scheme::Http).ends_with("; report-uri /r"));
    let alone = Csp::api().report_to("csp");
    assert!(render(&alone, Scheme::Http).ends_with("; report-to csp"));
}

#[test]
fn presets_are_what_the_scanners_ask_for() {
    for csp in [Csp::web_app(), Csp::strict(), Csp::api()] {
        let has = |directive, source| csp.sources(directive) == Some(&[source][..]);
        // Mozilla's Observatory: "default-src 'none'" is its best class; the next three do not fall
        // back to it.
        assert!(has(Directive::DefaultSrc, Source::None));
        assert!(has(Directive::BaseUri, Source::None));
        assert!(has(Directive::FormAction, Source::SelfOrigin));
        assert!(has(Directive::FrameAncestors, Source::None));
        for (directive, sources) in &csp.lists {
            for source in sources {
                let unsafe_source = matches!(
                    source,
                    Source::UnsafeInline
                        | Source::UnsafeEval
                        | Source::UnsafeHashes
                        | Source::Host(_)
                );
                assert!(!unsafe_source, "{directive} {source}");
            }
        }
    }
    // Google's CSP Evaluator, "strict CSP".
    for csp in [Csp::web_app(), Csp::strict()] {
        let script = csp.sources(Directive::ScriptSrc).unwrap();
        assert_eq!(script, [Source::Nonce, Source::StrictDynamic]);
        assert_eq!(csp.sources(Directive::ObjectSrc).unwrap(), [Source::None]);
    }
}
