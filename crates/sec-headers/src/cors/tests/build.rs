use std::time::Duration;

use super::*;
use crate::Mode;

#[test]
fn every_mistake_is_told_by_its_place() {
    let error = listed(&[APP, "https://a.example/", "https://*.com"])
        .origins_text("https://ok.example, , nonsense,*")
        .development_origin("localhost:5173")
        .insecure_allow_null_origin(true)
        .credentials(true)
        .methods(["PUT", "patch", "G ET", "TRACE", "*", "CONNECT"])
        .headers(["content-type", "x y", "*"])
        .expose(["etag", "", "*"])
        .build()
        .unwrap_err();
    let places: Vec<_> = error
        .faults()
        .iter()
        .map(|f| (f.field(), f.kind()))
        .collect();
    let expected = [
        ("origins[1]", FaultKind::Origin),
        ("origins[2]", FaultKind::Origin),
        ("origins[4]", FaultKind::Origin),
        ("origins[5]", FaultKind::Origin),
        ("development_origins[0]", FaultKind::Origin),
        ("insecure_allow_null_origin", FaultKind::Credentials),
        ("methods[1]", FaultKind::Method),
        ("methods[2]", FaultKind::Method),
        ("methods[3]", FaultKind::Method),
        ("methods[4]", FaultKind::Credentials),
        ("methods[5]", FaultKind::Method),
        ("headers[1]", FaultKind::Header),
        ("headers[2]", FaultKind::Credentials),
        ("expose[1]", FaultKind::Header),
        ("expose[2]", FaultKind::Credentials),
    ];
    assert_eq!(places, expected, "{error}");
    assert!(error.to_string().contains("`nonsense`"), "{error}");
}

/// chroma #4620, Apollo Router #1087, clash-rs #1457: a panic in others.
#[test]
fn everybody_with_credentials_is_an_error_value() {
    let error = Cors::builder().any_origin(true).credentials(true).build();
    assert!(error.unwrap_err().has(FaultKind::Credentials));
    let error = listed(&[APP]).any_origin(true).build();
    assert!(error.unwrap_err().has(FaultKind::Setting));
    for cors in [
        Cors::builder().methods(["*"]),
        Cors::builder().headers(["*", "authorization"]),
        Cors::builder().expose(["*"]),
    ] {
        assert!(cors.clone().build().is_ok());
        let error = cors.credentials(true).build().unwrap_err();
        assert!(error.has(FaultKind::Credentials), "{error}");
    }
}

#[test]
fn a_text_lists_origins() {
    for (given, allowed) in [
        ("", &[][..]),
        (" , ,", &[]),
        ("https://app.example", &[APP]),
        (
            " https://app.example ,\thttps://b.example,",
            &[APP, "https://b.example"],
        ),
        (
            "https://*.b.example,https://app.example:443",
            &[APP, "https://x.b.example"],
        ),
    ] {
        let cors = Cors::builder().origins_text(given).build().unwrap();
        for origin in [APP, "https://b.example", "https://x.b.example"] {
            let is = matches!(
                decide(&cors, &[("origin", origin)]),
                CorsVerdict::Allowed(_)
            );
            assert_eq!(is, allowed.contains(&origin), "{given:?} {origin}");
        }
    }
}

#[test]
fn development_origins_are_for_development() {
    let local = "http://localhost:5173";
    let with = |mode| {
        let cors = listed(&[APP]).development_origin(local).mode(mode);
        short(decide(&cors.build().unwrap(), &[("origin", local)]))
    };
    assert_eq!(with(Mode::Production), Err(CorsReason::NotListed));
    assert_eq!(with(Mode::Development), Ok(true));
    let default = listed(&[]).development_origin(local).build().unwrap();
    assert!(matches!(
        decide(&default, &[("origin", local)]),
        CorsVerdict::Refused(_)
    ));
}

#[test]
fn patterns_that_trust_too_much_or_nothing_are_refused() {
    for text in [
        "https://*",
        "https://*.",
        "https://*.com",
        "https://*.com:8443",
        "https://*example.com",
        "https://a*.example.com",
        "https://a.*.example.com",
        "https://*.*.example.com",
        "https://**.example.com",
        "https://*.example.*",
        "https://*..example.com",
        "https://*.example.com.",
        "https://*.example.com/",
        "https://*.example.com:",
        "https://*.example.com:*",
        "https://*.u@example.com",
        "https://*.127.0.0.1",
        "https://*.0x7f",
        "https://*.1",
        "https://*.[::1]",
        "https://*.bücher.example",
        "*.example.com",
        "*://*.example.com",
        "wss://*.example.com",
        "https://example.com",
    ] {
        let error = OriginPattern::parse(text).unwrap_err();
        assert!(error.has(FaultKind::Origin), "{text}");
    }
    for (text, shown) in [
        ("HTTPS://*.Example.COM:443", "https://*.example.com"),
        ("http://*.localhost:3000", "http://*.localhost:3000"),
        (
            "https://*.xn--bcher-kva.example",
            "https://*.xn--bcher-kva.example",
        ),
    ] {
        let pattern: OriginPattern = text.parse().unwrap();
        assert_eq!(pattern.to_string(), shown);
        assert_eq!(shown.parse(), Ok(pattern));
    }
    assert!(
        OriginPattern::parse("https://*.a.example")
            .unwrap()
            .is_matched_by("https://b.a.example")
    );
}

#[test]
fn the_age_is_in_whole_seconds() {
    for (age, shown) in [
        (Some(600_000), "600"),
        (Some(0), "0"),
        (Some(1999), "1"),
        (None, ""),
    ] {
        let cors = Cors::builder()
            .any_origin(true)
            .max_age(age.map(Duration::from_millis));
        let map = preflight(&cors.build().unwrap(), &[("origin", APP), (ASKED, "GET")]);
        assert_eq!(text(&map, &ACCESS_CONTROL_MAX_AGE), shown);
    }
}
