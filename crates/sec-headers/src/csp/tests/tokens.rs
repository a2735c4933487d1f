use super::*;
use crate::{HeaderPolicy, HeadersConfig};

/// What ends a value (CSP 3, section 2.2.1), a directive, a policy (2.2.2) or the header (RFC 9110,
/// section 5.5), and what makes a browser skip the directive (2.2.1, step 3.2: not ASCII).
const BREAKING: [(char, &str); 12] = [
    (
        ';',
        "ends the directive: GHSA-rqq5-2gf9-4w4q, axum-helmet 1.0.2",
    ),
    (',', "ends the policy"),
    ('\r', "ends the header"),
    ('\n', "ends the header"),
    (' ', "ends the token: http-security-headers 0.5.0"),
    ('\t', "ends the token"),
    ('\u{c}', "ends the token"),
    ('\0', "is in no header"),
    ('\u{7f}', "is in no header"),
    ('ü', "is not ASCII"),
    ('\u{a0}', "is not ASCII"),
    (
        '\u{ff1b}',
        "is not ASCII, and a semicolon where text is normalised",
    ),
];

type Place = (&'static str, &'static str, fn(&str) -> bool);

/// Each place that takes text, a text that it takes, and whether it took another one.
const PLACES: [Place; 16] = [
    ("host", "cdn.example", |text| Source::host(text).is_ok()),
    ("path", "cdn.example/lib/", |text| {
        Source::host(text).is_ok()
    }),
    ("scheme", "data:", |text| Source::scheme(text).is_ok()),
    ("bare scheme", "data", |text| Source::scheme(text).is_ok()),
    (
        "digest",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        |text| Source::hash(HashAlgorithm::Sha256, text).is_ok(),
    ),
    ("keyword", "'self'", |text| text.parse::<Source>().is_ok()),
    (
        "quoted digest",
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        |text| text.parse::<Source>().is_ok(),
    ),
    ("source by name", "https://a.example", |text| {
        named("img-src", text)
    }),
    ("sandbox", "allow-forms", |text| named("sandbox", text)),
    ("trusted-types", "my-policy", |text| {
        named("trusted-types", text)
    }),
    ("report-to", "csp-endpoint", |text| named("report-to", text)),
    ("report-uri", "/csp-report", |text| {
        named("report-uri", text)
    }),
    ("directive", "img-src", |text| named(text, "'self'")),
    ("typed report-to", "csp-endpoint", |text| {
        taken(&Csp::api().report_to(text))
    }),
    ("section, source", "https://a.example", |text| {
        section("img-src", text)
    }),
    ("section, directive", "img-src", |text| {
        section(text, "'self'")
    }),
];

fn taken(csp: &Csp) -> bool {
    csp.template(Scheme::Https).is_ok()
}

fn named(name: &str, value: &str) -> bool {
    taken(&Csp::api().directive(name, [value]))
}

fn section(name: &str, value: &str) -> bool {
    let json = serde_json::json!({ "csp": { name: [value] } });
    let config: HeadersConfig = serde_json::from_value(json).unwrap();
    HeaderPolicy::from_config(&config).is_ok()
}

#[test]
fn no_token_holds_what_would_end_it() {
    for (place, good, takes) in PLACES {
        assert!(takes(good), "{place}");
        for (breaking, why) in BREAKING {
            for at in [0, 1, good.len() / 2, good.len()] {
                let mut text = good.to_owned();
                text.insert(at, breaking);
                assert!(!takes(&text), "{place}: {text:?} {why}");
            }
        }
    }
}

/// Browsers keep the first of two and ignore the second (CSP 3, section 2.2.1, step 3.5).
#[test]
fn a_directive_stands_once_in_whatever_case_it_was_named() {
    let csp = Csp::empty()
        .directive("Script-Src", ["*"])
        .directive("SCRIPT-SRC", ["https://a.example"])
        .script_src([Source::SelfOrigin])
        .directive("Report-To", ["a"])
        .directive("report-to", ["b"])
        .directive("SANDBOX", ["allow-scripts"])
        .directive("sandbox", ["Allow-Forms"])
        .directive("Upgrade-Insecure-Requests", [""; 0])
        .directive("upgrade-insecure-requests", [""; 0]);
    assert_eq!(
        text(&csp),
        "script-src 'self'; sandbox allow-forms; upgrade-insecure-requests; report-to b"
    );
}
