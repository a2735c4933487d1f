use crate::csp::*;
use crate::{FaultKind, Origin};

#[test]
fn sources_that_a_browser_would_read_otherwise_are_refused() {
    let rows = [
        ("", FaultKind::Source, "empty"),
        (
            "a.example;script-src",
            FaultKind::Source,
            "axum-helmet 1.0.2 emits an injected `;`",
        ),
        (
            "a.example,b.example",
            FaultKind::Source,
            "`,` begins another policy",
        ),
        (
            "a.example\r\nSet-Cookie:a=b",
            FaultKind::Source,
            "header injection",
        ),
        ("a.example\nb", FaultKind::Source, "LF"),
        ("a.example\u{0}", FaultKind::Source, "NUL"),
        (
            "'self' 'unsafe-inline' *",
            FaultKind::Source,
            "http-security-headers takes it as one source",
        ),
        ("a.example\tb.example", FaultKind::Source, "tab"),
        (" a.example", FaultKind::Source, "leading space"),
        ("bücher.example", FaultKind::Source, "not ASCII"),
        ("self", FaultKind::Unquoted, "a host name to a browser"),
        ("NONE", FaultKind::Unquoted, "a host name to a browser"),
        (
            "unsafe-inline",
            FaultKind::Unquoted,
            "a host name to a browser",
        ),
        (
            "strict-dynamic",
            FaultKind::Unquoted,
            "a host name to a browser",
        ),
        ("nonce-abc", FaultKind::Unquoted, "a host name to a browser"),
        ("nonce", FaultKind::Unquoted, "a host name to a browser"),
        (
            "sha256-abc=",
            FaultKind::Unquoted,
            "a host name to a browser",
        ),
        (
            "SHA512-abc=",
            FaultKind::Unquoted,
            "a host name to a browser",
        ),
        (
            "'nonce-abc'",
            FaultKind::Source,
            "a fixed nonce protects nothing",
        ),
        ("'selfish'", FaultKind::Source, "unknown keyword"),
        ("'self", FaultKind::Source, "stray quote"),
        ("\"self\"", FaultKind::Source, "double quotes"),
        (
            "'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='",
            FaultKind::Source,
            "no digest of CSP 3",
        ),
        ("'sha256-AAAA'", FaultKind::Hash, "too short"),
        ("'sha256-***'", FaultKind::Hash, "not base64"),
        (
            "'sha384-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='",
            FaultKind::Hash,
            "a SHA-256",
        ),
        (
            "https://u:p@a.example",
            FaultKind::Source,
            "user information",
        ),
        ("https://a.example/x?y=z", FaultKind::Source, "query"),
        ("https://a.example/#x", FaultKind::Source, "fragment"),
        (
            "https://[::1]:3000",
            FaultKind::Source,
            "IPv6 is not in the grammar",
        ),
        ("a.*.example", FaultKind::Source, "wild card inside"),
        (
            "*a.example",
            FaultKind::Source,
            "wild card on part of a label",
        ),
        ("a.example:port", FaultKind::Source, "port"),
        ("a.example:", FaultKind::Source, "empty port"),
        ("a.example:+80", FaultKind::Source, "sign"),
        ("a.example:99999", FaultKind::Source, "port out of range"),
        ("a..example", FaultKind::Source, "empty label"),
        (
            "a_b.example",
            FaultKind::Source,
            "underscore is not in the grammar",
        ),
        ("//a.example", FaultKind::Source, "scheme-relative"),
        ("/path", FaultKind::Source, "path alone"),
        ("://a.example", FaultKind::Source, "empty scheme"),
        ("a.example/\"x\"", FaultKind::Source, "quote in the path"),
        (
            "a.example//x",
            FaultKind::Source,
            "RFC 3986, section 3.3: path-absolute begins with one slash",
        ),
        (
            "a.example/100%",
            FaultKind::Source,
            "RFC 3986, section 2.1: two digits follow a percent sign",
        ),
        ("a.example/%2", FaultKind::Source, "one digit"),
        ("a.example/%zz/", FaultKind::Source, "no digits"),
    ];
    for (text, kind, why) in rows {
        let error = text.parse::<Source>().expect_err(why);
        assert!(error.has(kind), "{text:?} ({why}): {error}");
        assert!(!error.to_string().contains(['\r', '\n', '\0']), "{text:?}");
    }
}

#[test]
fn sources_read_back_as_they_were_written() {
    for text in [
        "'none'",
        "'self'",
        "'unsafe-inline'",
        "'wasm-unsafe-eval'",
        "'inline-speculation-rules'",
        "data:",
        "https:",
        "*",
        "*.example",
        "a.example",
        "https://a.example",
        "wss://a.example:8443",
        "https://a.example:*",
        "a.example/lib/",
        "https://a.example/lib/x%3B.js",
        "localhost:3000",
        "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='",
    ] {
        let source: Source = text.parse().unwrap();
        assert_eq!(source.to_string(), text);
    }
    assert_eq!("'SELF'".parse::<Source>().unwrap(), Source::SelfOrigin);
    assert_eq!(Source::scheme("DATA").unwrap().to_string(), "data:");
    assert!(Source::host("'self'").is_err());
    assert!(Source::scheme("a b").is_err());
    let origin = Origin::parse("https://A.example:443").unwrap();
    assert_eq!(Source::from(&origin).to_string(), "https://a.example");
}

#[test]
fn hashes_are_those_of_the_specification() {
    // CSP 3, section 8.3 ("alert('Hello, world.');").
    assert_eq!(
        Source::sha256("alert('Hello, world.');").to_string(),
        "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    );
    // FIPS 180-4 examples for "abc".
    let sha384 = "ywB1P0WjXou1oD1pmsZQBycsMqsO3tFjGotgWkP/W+2AhgcroefMI1i67KE0yCWn";
    let sha512 =
        "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
    assert_eq!(
        Source::sha384("abc"),
        Source::hash(HashAlgorithm::Sha384, sha384).unwrap()
    );
    assert_eq!(
        Source::sha512("abc"),
        Source::hash(HashAlgorithm::Sha512, sha512).unwrap()
    );
    // The HTML parser hands the script over with LF alone.
    assert_eq!(Source::sha256("a;\r\nb;\rc;"), Source::sha256("a;\nb;\nc;"));
    // URL-safe base64 is the same digest (CSP 3, section 2.3.1).
    let url_safe = "qznLcsROx4GACP2dm0UCKCzCG-HiZ1guq6ZZDob_Tng=";
    assert_eq!(
        Source::hash(HashAlgorithm::Sha256, url_safe).unwrap(),
        Source::sha256("alert('Hello, world.');")
    );
}
