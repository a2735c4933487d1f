mod cache;
mod helmet;
mod layer;
mod layer_routes;
mod nested;
mod nonce;
mod owasp;
mod properties;
mod reporting;
mod routes;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, CONTENT_TYPE,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, VARY,
};
use http::{HeaderMap, StatusCode};
use sec_core::Scheme;

use super::*;
use crate::CspNonce;
use crate::csp::Source;
use crate::permissions::Feature;
use crate::values::EmbedderPolicy;

fn applied(policy: &HeaderPolicy, scheme: Scheme) -> HeaderMap {
    let mut headers = HeaderMap::new();
    policy.apply(
        &mut headers,
        StatusCode::OK,
        scheme,
        Some(&CspNonce::generate()),
    );
    headers
}

fn presets() -> [(&'static str, SecHeaders); 3] {
    [
        ("web_app", SecHeaders::web_app()),
        ("strict", SecHeaders::strict()),
        ("api", SecHeaders::api()),
    ]
}

fn own(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

/// What the README quotes in full.
#[test]
fn the_documented_policies_are_true() {
    let readme = include_str!("../../../README.md").replace('\n', " ");
    let nonce = CspNonce::generate();
    let mut headers = HeaderMap::new();
    let policy = SecHeaders::web_app().build().unwrap();
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
    let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(readme.contains(&csp.replace(nonce.as_str(), "…")), "{csp}");
    let permissions = headers["permissions-policy"].to_str().unwrap();
    for feature in permissions
        .split(", ")
        .map(|member| member.trim_end_matches("=()"))
    {
        assert!(readme.contains(&format!("`{feature}`")), "{feature}");
    }
}

/// The README's table is what the presets do, cell by cell.
#[test]
fn the_documented_table_is_true() {
    let readme = include_str!("../../../README.md");
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 5)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut compared = 0;
    for (column, preset) in [(2, "web_app"), (3, "strict"), (4, "api")] {
        let (_, headers) = presets()
            .into_iter()
            .find(|(name, _)| *name == preset)
            .unwrap();
        let headers = headers.build().unwrap();
        let map = applied(&headers, Scheme::Https);
        let mut documented = 0;
        for row in &rows {
            let name = row[1].trim_matches('`').to_ascii_lowercase();
            let cell = row[column].trim_matches('`');
            match map.get(name.as_str()) {
                None => assert_eq!(cell, "–", "{preset} {name}"),
                Some(_) if cell.starts_with("see") => documented += 1,
                Some(value) => {
                    assert_eq!(value, cell, "{preset} {name}");
                    documented += 1;
                    compared += 1;
                }
            }
        }
        assert_eq!(documented, map.len(), "{preset}: {map:?}");
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn no_preset_does_what_breaks_sites() {
    for (name, headers) in presets() {
        let map = applied(&headers.build().unwrap(), Scheme::Https);
        assert_ne!(
            map["referrer-policy"], "no-referrer",
            "{name}: Origin would be null"
        );
        assert!(
            !map["strict-transport-security"]
                .to_str()
                .unwrap()
                .contains("preload"),
            "{name}"
        );
        assert!(
            !map.contains_key("cross-origin-embedder-policy"),
            "{name}: helmet #411"
        );
        assert_eq!(map["x-xss-protection"], "0", "{name}");
        let csp = map["content-security-policy"].to_str().unwrap();
        assert!(
            csp.contains("form-action 'self'"),
            "{name}: the same-origin form must post"
        );
    }
}

#[test]
fn https_alone_is_told_about_https() {
    // RFC 6797 section 7.2; also when the handler says it itself.
    let policy = SecHeaders::web_app().build().unwrap();
    let mut headers = own(&[("strict-transport-security", "max-age=1")]);
    policy.apply(&mut headers, StatusCode::OK, Scheme::Http, None);
    assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
    let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(!csp.contains("upgrade-insecure-requests"));
    let https = applied(&policy, Scheme::Https);
    assert_eq!(
        https[STRICT_TRANSPORT_SECURITY],
        "max-age=31536000; includeSubDomains"
    );
}

#[test]
fn preload_needs_what_the_list_needs() {
    let year = Hsts::years(1);
    assert!(year.preload().unwrap_err().has(FaultKind::Hsts));
    let short = Hsts::max_age(std::time::Duration::from_secs(31_535_999));
    assert!(short.include_subdomains(true).preload().is_err());
    let good = year.include_subdomains(true).preload().unwrap();
    let map = applied(
        &SecHeaders::none().hsts(good).build().unwrap(),
        Scheme::Https,
    );
    assert_eq!(
        map[STRICT_TRANSPORT_SECURITY],
        "max-age=31536000; includeSubDomains; preload"
    );
    let undone = SecHeaders::none().hsts(good.include_subdomains(false));
    assert_eq!(undone.build().unwrap_err().faults()[0].field(), "hsts");
}

#[test]
fn a_header_is_there_once_whoever_wins() {
    let csp = ("content-security-policy", "default-src *");
    let mine = [
        ("x-frame-options", "SAMEORIGIN"),
        csp,
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ];
    for (precedence, frame, csp_is_mine) in [
        (Precedence::Handler, "SAMEORIGIN", true),
        (Precedence::Policy, "DENY", false),
    ] {
        let policy = SecHeaders::web_app()
            .precedence(precedence)
            .build()
            .unwrap();
        let mut headers = own(&mine);
        let nonce = CspNonce::generate();
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, Some(&nonce));
        assert_eq!(
            headers
                .get_all("x-frame-options")
                .iter()
                .collect::<Vec<_>>(),
            [frame]
        );
        assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 1);
        let value = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert_eq!(value == "default-src *", csp_is_mine);
        assert_eq!(value.contains(nonce.as_str()), !csp_is_mine);
        // rune-axum-csrf 0.1.1 destroyed the session's cookie.
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }
    let mixed = SecHeaders::web_app().precedence_for(header::X_FRAME_OPTIONS, Precedence::Policy);
    let mut headers = own(&mine);
    mixed
        .build()
        .unwrap()
        .apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src *");
}

/// A policy sets no type and no length, and takes none away that it does not remove.
#[test]
fn what_the_handler_leaves_out_is_left_out() {
    let plain = SecHeaders::web_app();
    let removing = SecHeaders::api().remove(CONTENT_TYPE);
    let own_type = SecHeaders::none().header(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    for (headers, mine, expected) in [
        (&plain, vec![], [None, None]),
        (
            &plain,
            vec![("content-type", "text/html")],
            [Some("text/html"), None],
        ),
        (&plain, vec![("content-length", "1")], [None, Some("1")]),
        (
            &plain,
            vec![
                ("x-a", "b"),
                ("content-length", "1"),
                ("content-type", "a/b"),
            ],
            [Some("a/b"), Some("1")],
        ),
        (&removing, vec![("content-type", "text/html")], [None, None]),
        (&own_type, vec![], [Some("text/plain"), None]),
        (
            &own_type,
            vec![("content-type", "a/b")],
            [Some("a/b"), None],
        ),
    ] {
        let policy = headers.build().unwrap();
        for status in [StatusCode::OK, StatusCode::NOT_MODIFIED] {
            let mut map = own(&mine);
            policy.apply(&mut map, status, Scheme::Https, None);
            let seen = ["content-type", "content-length"]
                .map(|name| map.get(name).map(|value| value.to_str().unwrap()));
            assert_eq!(seen, expected, "{mine:?}");
            assert!(map.values().all(|value| !value.is_empty()));
        }
    }
}

#[test]
fn every_header_can_be_left_out_and_replaced() {
    let all = applied(&SecHeaders::strict().build().unwrap(), Scheme::Https);
    for name in all.keys().filter(|name| *name != CACHE_CONTROL) {
        let map = applied(
            &SecHeaders::strict().without(name.clone()).build().unwrap(),
            Scheme::Https,
        );
        assert!(!map.contains_key(name), "{name}");
        let nonced = usize::from(name == CONTENT_SECURITY_POLICY);
        assert_eq!(map.len() + 1 + nonced, all.len(), "{name}");
    }
    let map = applied(
        &SecHeaders::strict()
            .frame_options(FrameOptions::SameOrigin)
            .resource_policy(ResourcePolicy::CrossOrigin)
            .dns_prefetch(true)
            .origin_agent_cluster(false)
            .embedder_policy(EmbedderPolicy::RequireCorp)
            .header(
                HeaderName::from_static("x-robots-tag"),
                HeaderValue::from_static("none"),
            )
            .build()
            .unwrap(),
        Scheme::Https,
    );
    assert_eq!(map["x-frame-options"], "SAMEORIGIN");
    assert_eq!(map["cross-origin-resource-policy"], "cross-origin");
    assert_eq!(map["x-dns-prefetch-control"], "on");
    assert_eq!(map["origin-agent-cluster"], "?0");
    assert_eq!(map["cross-origin-embedder-policy"], "require-corp");
    assert_eq!(map["x-robots-tag"], "none");
    let raw = SecHeaders::none().header(
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("ALLOW-FROM x"),
    );
    assert!(raw.build().unwrap_err().has(FaultKind::Header));
    assert!(applied(&SecHeaders::none().build().unwrap(), Scheme::Https).is_empty());
}

#[test]
fn vary_and_cookies_are_added_to_what_is_there() {
    let policy = SecHeaders::none()
        .precedence(Precedence::Policy)
        .header(VARY, HeaderValue::from_static("Cookie"))
        .header(SET_COOKIE, HeaderValue::from_static("c=3"))
        .build()
        .unwrap();
    for (mine, expected) in [
        ("Accept-Encoding", vec!["Accept-Encoding", "Cookie"]),
        ("accept, cookie", vec!["accept, cookie"]),
        ("*", vec!["*"]),
    ] {
        let mut headers = own(&[("vary", mine), ("set-cookie", "a=1")]);
        policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(),
            ["a=1", "c=3"]
        );
    }
}

#[test]
fn reports_have_a_place_to_go_or_the_policy_is_refused() {
    let policy = SecHeaders::web_app()
        .report_to("csp", "/reports")
        .csp_report_only(Csp::strict())
        .report_to("csp", "/csp-report")
        .legacy_report_to(true)
        .build()
        .unwrap();
    let nonce = CspNonce::generate();
    let mut map = HeaderMap::new();
    policy.apply(&mut map, StatusCode::OK, Scheme::Https, Some(&nonce));
    assert_eq!(map["reporting-endpoints"], "csp=\"/csp-report\"");
    assert!(
        map["report-to"]
            .to_str()
            .unwrap()
            .contains("\"/csp-report\"")
    );
    for name in [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY] {
        let value = map[&name].to_str().unwrap();
        assert!(
            value.ends_with("; report-uri /csp-report; report-to csp"),
            "{value}"
        );
        assert!(value.contains(nonce.as_str()), "the same nonce in both");
    }
    let trial = map[CONTENT_SECURITY_POLICY_REPORT_ONLY].to_str().unwrap();
    assert!(
        !trial.contains("upgrade-insecure-requests"),
        "ignored by browsers there"
    );

    let nowhere = SecHeaders::web_app()
        .edit_csp(|csp| csp.report_to("other"))
        .report_to("csp", "/x");
    let error = nowhere.build().unwrap_err();
    assert!(error.has(FaultKind::UnknownEndpoint));
    assert_eq!(error.faults()[0].field(), "csp.report-to");
    let permissions = PermissionsPolicy::new()
        .deny(Feature::Usb)
        .report_to("other");
    let error = SecHeaders::none()
        .permissions(permissions)
        .build()
        .unwrap_err();
    assert!(error.has(FaultKind::UnknownEndpoint));
    let wrong = SecHeaders::web_app()
        .report_to("csp", "x y")
        .build()
        .unwrap_err();
    assert_eq!(wrong.faults().len(), 1, "{wrong}");
}

#[test]
fn all_faults_are_told_at_once() {
    let error = SecHeaders::web_app()
        .edit_csp(|csp| {
            csp.img_src([Source::None, Source::SelfOrigin])
                .directive("font-src", ["self"])
        })
        .csp_report_only(Csp::empty())
        .endpoint("Bad", "/x")
        .build()
        .unwrap_err();
    let fields: Vec<_> = error.faults().iter().map(Fault::field).collect();
    assert_eq!(
        fields,
        [
            "csp_report_only.report-to",
            "endpoints.Bad",
            "csp.font-src",
            "csp.img-src",
            "csp_report_only"
        ]
    );
    assert!(
        error
            .to_string()
            .contains("csp.img-src: 'none' stands beside other sources; ")
    );
}
