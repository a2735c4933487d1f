//! `content-security-policy.test.ts`.

use std::collections::BTreeSet;

use super::*;
use crate::csp::Directive;

/// Their default policy, in our words.
fn defaults() -> Csp {
    Csp::empty()
        .directive("default-src", ["'self'"])
        .directive("base-uri", ["'self'"])
        .directive("font-src", ["'self'", "https:", "data:"])
        .directive("form-action", ["'self'"])
        .directive("frame-ancestors", ["'self'"])
        .directive("img-src", ["'self'", "data:"])
        .directive("object-src", ["'none'"])
        .directive("script-src", ["'self'"])
        .directive("script-src-attr", ["'none'"])
        .directive("style-src", ["'self'", "https:", "'unsafe-inline'"])
        .directive("upgrade-insecure-requests", [""; 0])
}

fn written(csp: Csp) -> String {
    let map = applied(&SecHeaders::none().csp(csp).build().unwrap(), Scheme::Https);
    map[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
}

/// As they compare: by directive, whatever the order.
fn is(test: &str, csp: Csp, theirs: &[&str]) {
    let text = written(csp);
    let ours: Vec<&str> = text.split("; ").collect();
    let set: BTreeSet<&str> = ours.iter().copied().collect();
    assert_eq!(set.len(), ours.len(), "{test}: a directive stands twice");
    assert_eq!(set, theirs.iter().copied().collect(), "{test}");
}

fn refused(test: &str, csp: Csp) {
    assert!(SecHeaders::none().csp(csp).build().is_err(), "{test}");
}

const DEFAULTS: [&str; 11] = [
    "default-src 'self'",
    "base-uri 'self'",
    "font-src 'self' https: data:",
    "form-action 'self'",
    "frame-ancestors 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "script-src 'self'",
    "script-src-attr 'none'",
    "style-src 'self' https: 'unsafe-inline'",
    "upgrade-insecure-requests",
];

#[test]
fn policies_are_written_as_theirs() {
    is(
        "sets a default policy when passed no directives",
        defaults(),
        &DEFAULTS,
    );
    // Ours allows less: nothing that is not named, no inline style, scripts by nonce alone.
    let ours = written(Csp::web_app());
    assert!(ours.starts_with("default-src 'none'; ") && !ours.contains("unsafe-inline"));

    let three = [
        "default-src 'self'",
        "script-src example.com",
        "style-src 'none'",
    ];
    let snake = Csp::empty()
        .directive("default-src", ["'self'"])
        .directive("script-src", ["example.com"])
        .directive("style-src", ["'none'"]);
    is("sets directives when named with snake-case", snake, &three);
    let host = || Source::host("example.com").unwrap();
    let typed = Csp::empty()
        .default_src([Source::SelfOrigin])
        .script_src([host()])
        .style_src([Source::None]);
    // Names in the style of the language are setters here, and no text.
    is("sets directives when named with camelCase", typed, &three);
    refused(
        "sets directives when named with camelCase",
        Csp::empty().directive("defaultSrc", ["'self'"]),
    );
    let mixed = Csp::empty()
        .directive("default-src", ["'self'"])
        .script_src([host()])
        .directive("Style-Src", ["'none'"])
        .object_src([Source::None]);
    is(
        "accepts a mix of snake-case and camelCase directive names",
        mixed,
        &[three[0], three[1], three[2], "object-src 'none'"],
    );
    let sandbox = Csp::empty()
        .directive("default-src", ["'self'"])
        .directive("sandbox", [""; 0]);
    is(
        "accepts an empty list of directive values",
        sandbox,
        &["default-src 'self'", "sandbox"],
    );
    let iterables = Csp::empty()
        .directive("default-src", BTreeSet::from(["'self'"]))
        .directive("sandbox", std::iter::empty::<&str>());
    is(
        "accepts non-array iterables for directive values",
        iterables,
        &["default-src 'self'", "sandbox"],
    );
    // A text holds one source; white space inside is the mistake that lets others in.
    refused(
        "accepts strings as directive values",
        Csp::empty().directive("default-src", ["'self'  example.com"]),
    );
    refused("accepts strings as directive values", sandboxed(""));
    is(
        "treats null directive values as nothing, as if they weren't set",
        Csp::empty()
            .default_src([Source::SelfOrigin])
            .script_src([host()])
            .without(Directive::ScriptSrc),
        &["default-src 'self'"],
    );
    // What differs from request to request is the nonce alone; the rest is known when it is built.
    is(
        "allows functions in directive values to generate dynamic directives",
        Csp::empty().directive(
            "default-src",
            ["'self'", "foo.example.com", "bar.example.com"],
        ),
        &["default-src 'self' foo.example.com bar.example.com"],
    );
    let changed = defaults()
        .directive("default-src", ["'self'", "example.com"])
        .without(Directive::BaseUri)
        .script_src([host()]);
    let mut expected = DEFAULTS.to_vec();
    (expected[0], expected[7]) = ("default-src 'self' example.com", "script-src example.com");
    expected.remove(1);
    is("can override the default options", changed, &expected);

    // Theirs may report nowhere; ours may not.
    let trial = Csp::empty()
        .default_src([Source::SelfOrigin])
        .report_uri("/reports");
    let trial = SecHeaders::none().csp_report_only(trial);
    let map = applied(&trial.build().unwrap(), Scheme::Https);
    assert_eq!(
        map.len(),
        1,
        "can set the \"report only\" version of the header instead"
    );
    assert_eq!(
        map[CONTENT_SECURITY_POLICY_REPORT_ONLY],
        "default-src 'self'; report-uri /reports"
    );

    is(
        "allows default-src to be explicitly disabled",
        Csp::empty().directive("script-src", ["example.com"]),
        &["script-src example.com"],
    );
    is(
        "allows default-src to be explicitly disabled",
        defaults().without(Directive::DefaultSrc),
        &DEFAULTS[1..],
    );
}

fn sandboxed(flag: &str) -> Csp {
    Csp::empty()
        .directive("default-src", ["'self'"])
        .directive("sandbox", [flag])
}

#[test]
fn what_they_throw_at_is_refused() {
    for name in [
        "",
        ";",
        "\u{e1}",
        "default src",
        "default;src",
        "default,src",
        "default!src",
        "def\u{e1}ult-src",
        "default_src",
        "__proto__",
    ] {
        refused(
            "throws if any directive names are invalid",
            defaults().directive(name, ["value.example"]),
        );
    }
    // In code the second replaces the first; in a file the same name in two spellings is a fault.
    let twice = Csp::empty()
        .directive("default-src", ["foo"])
        .directive("Default-Src", ["bar"]);
    is(
        "throws if duplicate directive names are found",
        twice,
        &["default-src bar"],
    );
    for twice in [
        r#"{"csp": {"default-src": ["foo"], "Default-Src": ["foo"]}}"#,
        r#"{"csp": {"default-src": ["'self'"], "script-src": ["foo"], "SCRIPT-SRC": ["foo"]}}"#,
    ] {
        let error = said(twice).build().unwrap_err();
        assert!(
            error.has(FaultKind::Directive),
            "throws if duplicate directive names are found"
        );
    }
    // Also "errors if any directive values are invalid when a function returns": here there is no
    // later.
    for value in [";", ",", "hello;world", "hello,world", "bad;value"] {
        for directive in [
            "default-src",
            "script-src",
            "frame-ancestors",
            "sandbox",
            "report-to",
        ] {
            refused(
                "throws if any directive values are invalid",
                Csp::empty()
                    .default_src([Source::None])
                    .directive(directive, [value]),
            );
        }
    }
    for value in [
        "none",
        "self",
        "strict-dynamic",
        "report-sample",
        "inline-speculation-rules",
        "unsafe-inline",
        "unsafe-eval",
        "unsafe-hashes",
        "wasm-unsafe-eval",
        "nonce-abc123",
        "sha256-ks9D5epDKP+c2x6DrkuHmhmfKkOM/HZ+pOlzdWbI91k=",
    ] {
        let csp = Csp::empty().directive("script-src", [value]);
        let error = SecHeaders::none().csp(csp).build().unwrap_err();
        assert!(
            error.has(FaultKind::Unquoted),
            "throws if any directive values are invalid: {value}"
        );
    }
    refused("throws if default-src is missing", Csp::empty());
    refused(
        "throws an error if default-src is disabled and there are no other directives",
        Csp::empty()
            .default_src([Source::None])
            .without(Directive::DefaultSrc),
    );
    refused(
        "throws if default-src is missing",
        Csp::empty().directive("default-src", [""]),
    );
    // They write the directive without value, which browsers read as `'none'` too.
    is(
        "throws if default-src is missing",
        Csp::empty().directive("default-src", [""; 0]),
        &["default-src 'none'"],
    );
    is(
        "throws if default-src is missing",
        Csp::empty().directive("default-src", ["foo"]),
        &["default-src foo"],
    );
    // A policy for `frame-ancestors` or `form-action` alone is a sensible one, so `default-src` is not
    // demanded; presets have it.
    is(
        "throws if default-src is missing",
        Csp::empty().directive("script-src", ["example.com"]),
        &["script-src example.com"],
    );
    for preset in [Csp::web_app(), Csp::strict(), Csp::api()] {
        assert!(preset.sources(Directive::DefaultSrc).is_some());
    }
    // Leaving out another directive needs no special word.
    is(
        "throws an error if directives other than default-src are `dangerouslyDisableDefaultSrc`",
        Csp::empty()
            .default_src([Source::SelfOrigin])
            .script_src([Source::SelfOrigin])
            .without(Directive::ScriptSrc),
        &["default-src 'self'"],
    );
}

#[test]
fn get_default_directives() {
    // "returns the middleware's default directives"
    let csp = Csp::web_app();
    assert_eq!(
        csp.sources(Directive::ImgSrc),
        Some(&[Source::SelfOrigin][..])
    );
    assert_eq!(csp.sources(Directive::WorkerSrc), None);
    // "returns a new copy each time"
    let changed = csp.add(
        Directive::ImgSrc,
        [Source::host("ignored.example").unwrap()],
    );
    assert_ne!(changed, Csp::web_app());
    assert_eq!(
        Csp::web_app().sources(Directive::ImgSrc),
        Some(&[Source::SelfOrigin][..])
    );
}
