//! The cases of helmet's tests (helmetjs/helmet, `test/*.test.ts` of its 8th version) in terms of this
//! crate: what they expect of an option, and what comes of the same wish here. Each row has the name
//! of their test; where a value differs, or is refused, the row says why.
//!
//! Not here are the cases about JavaScript itself: names and aliases of functions, `helmet` used as
//! a request handler, an option under two names at once, project set-ups and the bytes of their source
//! files.

mod csp;
mod index;

use super::*;
use crate::config::HeadersConfig;

/// One expectation of one of their tests.
struct Case {
    test: &'static str,
    header: &'static str,
    theirs: Option<&'static str>,
    /// What it is here, and why, where it is not theirs.
    differs: Option<(Option<&'static str>, &'static str)>,
    said: fn() -> SecHeaders,
}

const fn same(
    test: &'static str,
    header: &'static str,
    theirs: &'static str,
    said: fn() -> SecHeaders,
) -> Case {
    Case {
        test,
        header,
        theirs: Some(theirs),
        differs: None,
        said,
    }
}

const fn absent(test: &'static str, header: &'static str, said: fn() -> SecHeaders) -> Case {
    Case {
        test,
        header,
        theirs: None,
        differs: None,
        said,
    }
}

const fn other(
    test: &'static str,
    header: &'static str,
    theirs: &'static str,
    ours: Option<&'static str>,
    why: &'static str,
    said: fn() -> SecHeaders,
) -> Case {
    Case {
        test,
        header,
        theirs: Some(theirs),
        differs: Some((ours, why)),
        said,
    }
}

fn check(cases: &[Case]) {
    for case in cases {
        let map = applied(&(case.said)().build().unwrap(), Scheme::Https);
        let ours = map.get(case.header).map(|value| value.to_str().unwrap());
        let context = format!("{}: {}", case.test, case.header);
        match case.differs {
            None => assert_eq!(ours, case.theirs, "{context}"),
            Some((expected, why)) => {
                assert_eq!(ours, expected, "{context}: {why}");
                assert_ne!(ours, case.theirs, "{context}: no longer differs");
            }
        }
    }
}

/// What a configuration section says, with the preset `none`.
fn section(json: &str) -> Result<SecHeaders, serde_json::Error> {
    let mut config: HeadersConfig = serde_json::from_str(json)?;
    config.preset = crate::Preset::None;
    Ok(SecHeaders::from_config(&config))
}

fn said(json: &str) -> SecHeaders {
    section(json).unwrap()
}

/// Refused as a section, or when it is built, in the field that is named.
fn refuses(test: &str, field: &str, json: &str) {
    if let Ok(headers) = section(json) {
        let error = headers.build().unwrap_err();
        assert!(
            error
                .faults()
                .iter()
                .all(|fault| fault.field().starts_with(field)),
            "{test}: {json}"
        );
    }
}

#[test]
fn cross_origin_tests() {
    let policy = |key: &str, value: &str| {
        let headers = said(&format!(r#"{{"{key}": "{value}"}}"#));
        let map = applied(&headers.build().unwrap(), Scheme::Https);
        assert_eq!(map.len(), 1);
        map.into_iter().next().unwrap().1
    };
    for (key, name, values) in [
        (
            "embedder_policy",
            "cross-origin-embedder-policy.test.ts",
            ["require-corp", "credentialless", "unsafe-none"],
        ),
        (
            "opener_policy",
            "cross-origin-opener-policy.test.ts",
            ["same-origin", "same-origin-allow-popups", "unsafe-none"],
        ),
        (
            "resource_policy",
            "cross-origin-resource-policy.test.ts",
            ["same-origin", "same-site", "cross-origin"],
        ),
    ] {
        // "sets … to … when told to"; "when called with no policy" has no counterpart, as every
        // setter here takes one.
        for value in values {
            assert_eq!(policy(key, value), value, "{name}");
            // "throws when setting the policy to an invalid value" refuses capitals, which are read here
            // and written small.
            assert_eq!(policy(key, &value.to_uppercase()), value, "{name}");
        }
        // `null`, which a TOML file cannot say, is as if nothing was said.
        let unsaid = said(&format!(r#"{{"{key}": null}}"#)).build().unwrap();
        assert!(applied(&unsaid, Scheme::Https).is_empty(), "{name}");
        for wrong in [
            r#""""#,
            r#""foo""#,
            "123",
            r#"["same-origin"]"#,
            r#"{"policy": "same-origin"}"#,
        ] {
            refuses(name, key, &format!(r#"{{"{key}": {wrong}}}"#));
        }
    }
}

#[test]
fn referrer_policy_test() {
    let policy = |text: &str| said(&format!(r#"{{"referrer_policy": "{text}"}}"#)).build();
    // "can set the header to … by specifying it as a string"; a list is not needed for one value.
    for value in [
        "no-referrer",
        "no-referrer-when-downgrade",
        "same-origin",
        "origin",
        "strict-origin",
        "origin-when-cross-origin",
        "strict-origin-when-cross-origin",
        "unsafe-url",
    ] {
        let map = applied(&policy(value).unwrap(), Scheme::Https);
        assert_eq!(map["referrer-policy"], value);
        refuses(
            "as an array string",
            "referrer_policy",
            &format!(r#"{{"referrer_policy": ["{value}"]}}"#),
        );
    }
    // "fails with a bad policy" refuses capitals, which are read here and written small.
    let map = applied(&policy("ORIGIN").unwrap(), Scheme::Https);
    assert_eq!(map["referrer-policy"], "origin");
    for (test, wrong) in [
        // An empty policy is the absence of one: leave the header out.
        ("can set the header to \"\"", r#""""#),
        // Lists served browsers that did not know every policy; all of today do.
        (
            "can set an array with multiple values",
            r#"["origin", "unsafe-url"]"#,
        ),
        (
            "can set an array with multiple values",
            r#""origin,unsafe-url""#,
        ),
        ("fails with a bad policy", r#""foo""#),
        ("fails with a bad policy", r#""sameorigin""#),
        ("fails with a bad policy", "123"),
        ("fails with a bad policy", "false"),
        ("fails with a bad policy", "{}"),
        ("fails with an empty array", "[]"),
        ("fails with duplicate values", r#"["origin", "origin"]"#),
        (
            "fails with duplicate values",
            r#"["same-origin", "origin", "same-origin"]"#,
        ),
    ] {
        refuses(
            test,
            "referrer_policy",
            &format!(r#"{{"referrer_policy": {wrong}}}"#),
        );
    }
}

#[test]
fn strict_transport_security_test() {
    const NAME: &str = "strict-transport-security";

    check(&[
        same(
            "by default",
            NAME,
            "max-age=31536000; includeSubDomains",
            || said(r#"{"hsts": {}}"#),
        ),
        same(
            "non-negative integer",
            NAME,
            "max-age=1234; includeSubDomains",
            || said(r#"{"hsts": {"max_age": "1234s"}}"#),
        ),
        same(
            "non-negative integer",
            NAME,
            "max-age=0; includeSubDomains",
            || said(r#"{"hsts": {"max_age": "0s"}}"#),
        ),
        same(
            "rounds non-integer max-ages down",
            NAME,
            "max-age=123; includeSubDomains",
            || {
                let age = std::time::Duration::from_millis(123_400);
                SecHeaders::none().hsts(Hsts::max_age(age).include_subdomains(true))
            },
        ),
        same(
            "rounds non-integer max-ages down",
            NAME,
            "max-age=123; includeSubDomains",
            || said(r#"{"hsts": {"max_age": "123s500ms"}}"#),
        ),
        same("disables subdomains", NAME, "max-age=31536000", || {
            said(r#"{"hsts": {"include_subdomains": false}}"#)
        }),
        same(
            "can enable preloading",
            NAME,
            "max-age=31536000; includeSubDomains; preload",
            || said(r#"{"hsts": {"preload": true}}"#),
        ),
        same(
            "can explicitly disable preloading",
            NAME,
            "max-age=31536000; includeSubDomains",
            || said(r#"{"hsts": {"preload": false}}"#),
        ),
    ]);
    for wrong in [
        r#""-123s""#,
        r#""-0.1s""#,
        r#""Infinity""#,
        r#""NaN""#,
        "-123",
        r#""123""#,
        "true",
        "false",
        "{}",
        "[]",
        "null",
    ] {
        let json = format!(r#"{{"hsts": {{"max_age": {wrong}}}}}"#);
        assert!(
            section(&json).is_err(),
            "throws an error with invalid parameters: {wrong}"
        );
    }
    for wrong in [
        r#"{"maxage": false}"#,
        r#"{"maxage": 1234}"#,
        r#"{"includeSubdomains": false}"#,
    ] {
        assert!(
            section(&format!(r#"{{"hsts": {wrong}}}"#)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn tests_of_the_older_headers() {
    check(&[
        same(
            "origin-agent-cluster.test.ts",
            "origin-agent-cluster",
            "?1",
            || SecHeaders::none().origin_agent_cluster(true),
        ),
        same(
            "x-content-type-options.test.ts",
            "x-content-type-options",
            "nosniff",
            || SecHeaders::none().nosniff(),
        ),
        // "sets the header to "off" by default", "can set header to "off" with configuration"
        same(
            "x-dns-prefetch-control.test.ts",
            "x-dns-prefetch-control",
            "off",
            || SecHeaders::none().dns_prefetch(false),
        ),
        same(
            "can set header to \"on\"",
            "x-dns-prefetch-control",
            "on",
            || SecHeaders::none().dns_prefetch(true),
        ),
        // Without a setter of its own, but nobody is kept from it.
        same(
            "x-download-options.test.ts",
            "x-download-options",
            "noopen",
            || {
                let name = HeaderName::from_static("x-download-options");
                SecHeaders::none().header(name, HeaderValue::from_static("noopen"))
            },
        ),
        same("x-xss-protection.test.ts", "x-xss-protection", "0", || {
            SecHeaders::none().xss_filter_off()
        }),
        absent(
            "x-powered-by.test.ts: was not set earlier",
            "x-powered-by",
            || SecHeaders::none().remove(names::X_POWERED_BY),
        ),
    ]);
    let mut headers = own(&[("x-powered-by", "should be destroyed")]);
    let policy = SecHeaders::none()
        .remove(names::X_POWERED_BY)
        .build()
        .unwrap();
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert!(
        headers.is_empty(),
        "removes the header if it was set earlier in the stack"
    );

    // x-frame-options.test.ts
    let frame = |text: &str| said(&format!(r#"{{"frame_options": "{text}"}}"#)).build();
    for (text, value) in [
        ("deny", "DENY"),
        ("DENY", "DENY"),
        ("deNY", "DENY"),
        ("sameorigin", "SAMEORIGIN"),
        ("SAMEORIGIN", "SAMEORIGIN"),
        ("sameORIGIN", "SAMEORIGIN"),
    ] {
        let map = applied(&frame(text).unwrap(), Scheme::Https);
        assert_eq!(map["x-frame-options"], value, "can set {text}");
    }
    for wrong in [
        // They take these two for `SAMEORIGIN`; a word that no browser knows is a mistake here.
        r#""SAME-ORIGIN""#,
        r#""same-origin""#,
        r#""""#,
        r#""foo""#,
        r#"" deny""#,
        r#""allow-from""#,
        r#""ALLOW-FROM""#,
        "123",
    ] {
        let json = format!(r#"{{"frame_options": {wrong}}}"#);
        refuses("throws when passed invalid actions", "frame_options", &json);
    }

    // x-permitted-cross-domain-policies.test.ts
    let policy = |text: &str| text.parse::<CrossDomainPolicies>();
    for value in ["none", "master-only", "by-content-type", "all"] {
        let headers = SecHeaders::none().cross_domain_policies(policy(value).unwrap());
        let map = applied(&headers.build().unwrap(), Scheme::Https);
        assert_eq!(
            map["x-permitted-cross-domain-policies"], value,
            "when told to"
        );
    }
    // They refuse capitals, which are read here and written small.
    assert_eq!(policy("NONE").unwrap(), CrossDomainPolicies::None);
    for wrong in ["", "by-ftp-filename", "123", "null"] {
        assert!(
            policy(wrong).unwrap_err().has(FaultKind::Setting),
            "{wrong}"
        );
    }
}
