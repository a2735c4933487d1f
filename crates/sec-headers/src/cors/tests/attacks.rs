//! Ways in which other implementations were opened, one row each.

use super::*;

#[test]
fn lookalikes_are_other_origins() {
    let cors = listed(&[APP, "https://*.example.com", "http://*.localhost:3000"]);
    let cors = cors.build().unwrap();
    for origin in [
        // PortSwigger, "CORS", "Errors parsing Origin headers": suffix and prefix matches.
        "https://evilapp.example",
        "https://app.example.evil.test",
        // A Cyrillic letter.
        "https://app.exampl\u{435}",
        "https://evil-example.com",
        "https://evilexample.com",
        "https://example.com.evil.test",
        // The apex is not its own sub-domain (expressjs/cors docs #427).
        "https://example.com",
        "https://.example.com",
        "https://a..example.com",
        "https://.a.example.com",
        // PortSwigger, "Breaking TLS with poorly configured CORS".
        "http://app.example",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com:80",
        // A host that a lax matcher reads otherwise than a browser (corben.io, "Advanced CORS
        // exploitation techniques": special characters in sub-domains).
        "https://evil.test%60.example.com",
        "https://evil.test`.example.com",
        "https://evil.test!.example.com",
        "https://evil.test{.example.com",
        "https://evil.test/.example.com",
        "https://evil.test\\.example.com",
        "https://evil.test?.example.com",
        "https://evil.test#.example.com",
        "https://evil.test:443.example.com",
        "https://evil.test,.example.com",
        "https://evil.test .example.com",
        "https://[::1].example.com",
        "https://*.example.com",
        "https://a.example.com.",
        "https://a.example.com/",
        "https://a.example.com:",
        "https://a.example.com:+443",
        "https://a.example.com:65979",
        " https://app.example",
        "https://app.example ",
        "https://app.example, https://evil.test",
        "https://app.example https://evil.test",
        "app.example",
        "//app.example",
        "https:app.example",
        "https:///app.example",
        "file://",
        "chrome-extension://app.example",
        "wss://app.example",
        "http://localhost:3000",
        "http://a.localhost",
        "NULL",
        "*",
    ] {
        let verdict = short(decide(&cors, &[("origin", origin)]));
        assert_eq!(verdict, Err(CorsReason::NotListed), "{origin}");
    }
    for origin in [
        "https://a.example.com",
        "https://A-1.b_2.EXAMPLE.com:443",
        "https://xn--bcher-kva.example.com",
        "http://a.localhost:3000",
    ] {
        assert_eq!(
            short(decide(&cors, &[("origin", origin)])),
            Ok(true),
            "{origin}"
        );
    }
    let long = format!("https://{}.example.com", ["a"; 122].join("."));
    assert!(matches!(
        decide(&cors, &[("origin", &long)]),
        CorsVerdict::Refused(_)
    ));
}

#[test]
fn no_origin_is_reflected() {
    // expressjs/cors #422: any origin with credentials, in effect `*`.
    for cors in [
        listed(&[APP]).credentials(true),
        listed(&[APP, "https://b.example"])
            .mirror_headers()
            .mirror_methods(),
        listed(&["https://*.example.com"]).credentials(true),
        listed(&[]),
    ] {
        let cors = cors.enforce(false).build().unwrap();
        for headers in [
            &[("origin", "https://evil.test"), (ASKED, "PUT")][..],
            &[("origin", "null"), (ASKED, "PUT")],
            &[("origin", "https://app.example@evil.test"), (ASKED, "PUT")],
            &[
                ("origin", "https://evil.test"),
                ("origin", APP),
                (ASKED, "PUT"),
            ],
        ] {
            for map in [answer(&cors, headers), preflight(&cors, headers)] {
                let allowed: Vec<_> = map
                    .keys()
                    .filter(|name| name.as_str().starts_with("access-"))
                    .collect();
                assert!(allowed.is_empty(), "{headers:?} {map:?}");
            }
        }
    }
}

/// With one origin and nothing refused, answers are the same for all, preflights' are not: without
/// `Vary` a cache that keeps them would hand one page's grant, or its lack, to another.
#[test]
fn a_preflight_for_one_origin_varies_by_it() {
    for (origins, enforced, vary) in [
        (&[APP][..], false, true),
        (&[APP], true, true),
        (&[APP, "https://b.example"], false, true),
        (&["https://*.example.com"], false, true),
        // Nobody is told anything.
        (&[], false, false),
    ] {
        let cors = listed(origins).enforce(enforced).build().unwrap();
        for origin in [APP, "https://evil.test", "null"] {
            let map = preflight(&cors, &[("origin", origin), (ASKED, "PUT")]);
            let names = text(&map, &VARY);
            let says = names.split(", ").filter(|name| *name == "Origin").count();
            assert_eq!(says, usize::from(vary), "{origins:?} {origin} {names}");
        }
    }
}

/// What the handler writes is taken off by the beginning of its name, on answers to every method.
#[test]
fn a_handlers_own_grants_are_taken_off() {
    let cors = listed(&[APP]).credentials(true).enforce(false);
    let cors = cors.build().unwrap();
    for method in ["GET", "POST", "OPTIONS"] {
        for origin in [APP, "https://evil.test", "https://api.example"] {
            let request = request(method, &[("origin", origin)]);
            let verdict = cors.decide((&request).into(), &context());
            for preflight in [false, true] {
                let mut map = HeaderMap::new();
                for name in [
                    "access-control-allow-origin",
                    "access-control-allow-credentials",
                    "access-control-allow-foo",
                    "access-control-allow-foo",
                    "access-control-bar",
                    "access-control-request-method",
                    "x-access-control-allow-origin",
                ] {
                    let value = HeaderValue::from_static("handler");
                    map.append(HeaderName::from_static(name), value);
                }
                if preflight {
                    cors.apply_preflight(&mut map, request.headers(), &verdict);
                } else {
                    cors.apply(&mut map, &verdict);
                }
                let left: Vec<_> = map
                    .iter()
                    .filter(|(_, value)| *value == "handler")
                    .collect();
                assert_eq!(left.len(), 1, "{method} {origin} {left:?}");
                assert_eq!(left[0].0, "x-access-control-allow-origin");
            }
        }
    }
}

#[test]
fn null_needs_its_name_and_never_has_credentials() {
    let cors = Cors::builder()
        .insecure_allow_null_origin(true)
        .build()
        .unwrap();
    let map = answer(&cors, &[("origin", "null")]);
    assert_eq!(text(&map, &ACCESS_CONTROL_ALLOW_ORIGIN), "null");
    assert_eq!(text(&map, &VARY), "Accept, Origin");
    assert!(matches!(
        decide(&cors, &[("origin", "NULL")]),
        CorsVerdict::Refused(_)
    ));
    let with = Cors::builder()
        .insecure_allow_null_origin(true)
        .credentials(true);
    assert!(with.build().unwrap_err().has(FaultKind::Credentials));
    for name in ["null", "NULL"] {
        assert!(listed(&[name]).build().unwrap_err().has(FaultKind::Origin));
    }
}
