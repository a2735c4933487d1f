use http::{HeaderMap, StatusCode};
use sec_core::Scheme;

use super::*;
use crate::SecHeaders;

fn config(json: &str) -> HeadersConfig {
    serde_json::from_str(json).unwrap()
}

fn headers(json: &str) -> HeaderMap {
    let policy = HeaderPolicy::from_config(&config(json)).unwrap();
    let mut headers = HeaderMap::new();
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    headers
}

#[test]
fn the_default_is_the_web_app() {
    let built = SecHeaders::web_app().build().unwrap();
    let mut expected = HeaderMap::new();
    built.apply(&mut expected, StatusCode::OK, Scheme::Https, None);
    assert_eq!(headers("{}"), expected);
    assert_eq!(config("{}"), HeadersConfig::default());
    assert!(FieldFaults::of(&HeadersConfig::default()).is_empty());
    assert!(crate::HeadersLayer::from_config(&HeadersConfig::default()).is_ok());
}

#[test]
fn a_section_changes_what_it_names() {
    let map = headers(
        r#"{
            "preset": "strict",
            "report_endpoint": "/csp-report",
            "legacy_report_to": true,
            "hsts": {"max_age": "30d", "include_subdomains": false},
            "csp": {"img-src": ["'self'", "data:"], "Frame-Src": ["https://player.example"]},
            "csp_report_only": {"default-src": ["'self'"]},
            "permissions": {"camera": ["self", "https://meet.example"]},
            "frame_options": "sameorigin",
            "referrer_policy": "strict-origin",
            "opener_policy": "same-origin-allow-popups",
            "resource_policy": "cross-origin",
            "embedder_policy": "credentialless",
            "leave_out": ["X-DNS-Prefetch-Control"]
        }"#,
    );
    let csp = map["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("img-src 'self' data:;"), "{csp}");
    assert!(csp.contains("frame-src https://player.example;"), "{csp}");
    assert!(
        csp.ends_with("report-uri /csp-report; report-to csp"),
        "{csp}"
    );
    assert_eq!(
        map["content-security-policy-report-only"],
        "default-src 'self'; report-uri /csp-report; report-to csp"
    );
    assert_eq!(map["strict-transport-security"], "max-age=2592000");
    let permissions = map["permissions-policy"].to_str().unwrap();
    assert!(permissions.contains(r#"camera=(self "https://meet.example")"#));
    assert!(
        permissions.contains("microphone=()"),
        "the rest of the preset stays"
    );
    assert_eq!(map["x-frame-options"], "SAMEORIGIN");
    assert_eq!(map["referrer-policy"], "strict-origin");
    assert_eq!(
        map["cross-origin-opener-policy"],
        "same-origin-allow-popups"
    );
    assert_eq!(map["cross-origin-resource-policy"], "cross-origin");
    assert_eq!(map["cross-origin-embedder-policy"], "credentialless");
    assert!(map.contains_key("report-to"));
    assert!(!map.contains_key("x-dns-prefetch-control"));
}

#[test]
fn development_sources_are_for_development() {
    let with = |mode: &str| {
        let json = format!(
            r#"{{"mode": "{mode}", "csp_development": {{"connect-src": ["ws://localhost:5173"]}}}}"#
        );
        let map = headers(&json);
        map["content-security-policy"].to_str().unwrap().to_owned()
    };
    assert!(with("development").contains("connect-src 'self' ws://localhost:5173;"));
    assert!(!with("production").contains("localhost"));
}

#[test]
fn every_fault_names_its_field() {
    let wrong = config(
        r#"{
            "include": ["api"],
            "exclude": ["/a", "/b//c"],
            "hsts": {"max_age": "1d", "preload": true},
            "csp": {"img-src": ["self"], "scriptsrc": []},
            "csp_development": {"connect-src": ["a b"], "sandbox": []},
            "csp_report_only": {"style-src": ["'none'", "'self'"]},
            "report_endpoint": "csp",
            "permissions": {"Camera": [], "geolocaton": [], "usb": ["'none'"]},
            "frame_options": "ALLOW-FROM https://a.example",
            "referrer_policy": "none",
            "leave_out": ["X Frame", "X-Frame-Optoins"],
            "remove": ["Server:"]
        }"#,
    );
    let faults = FieldFaults::of(&wrong);
    let mut paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "csp.img-src",
            "csp.scriptsrc",
            "csp_development.connect-src",
            "csp_development.sandbox",
            "csp_report_only.style-src",
            "exclude[1]",
            "frame_options",
            "hsts",
            "include[0]",
            "leave_out",
            "leave_out",
            "permissions.Camera",
            "permissions.geolocaton",
            "permissions.usb",
            "referrer_policy",
            "remove",
            "report_endpoint",
        ]
    );
}

#[test]
fn tables_of_overrides_begin_with_the_section() {
    let policy = HeaderPolicy::from_config(&config(
        r#"{
            "report_endpoint": "/csp-report",
            "csp": {"img-src": ["'self'", "data:"]},
            "mode": "development",
            "routes": {
                "/embed/*": {
                    "frame_ancestors": ["'self'", "https://partner.example"],
                    "csp": {"frame-src": ["https://player.example"]},
                    "csp_development": {"connect-src": ["ws://localhost:5173"]},
                    "csp_report_only": {"default-src": ["'self'"]},
                    "permissions": {"camera": ["self"]},
                    "referrer_policy": "origin",
                    "opener_policy": "unsafe-none",
                    "resource_policy": "cross-origin",
                    "embedder_policy": "credentialless",
                    "leave_out": ["X-DNS-Prefetch-Control"],
                    "remove": ["X-Version"]
                },
                "/logout": {"clear_site_data": ["cache", "storage"]}
            },
            "named": {"print": {"frame_options": "sameorigin"}},
            "cache": {"/images/*": "public, max-age=60", "/api/*": "no-store"}
        }"#,
    ))
    .unwrap();
    let at = |path: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-version", http::HeaderValue::from_static("1"));
        let answer = crate::Answer::new(&http::Method::GET, path, StatusCode::OK);
        policy.apply_for(&mut headers, &answer.scheme(Scheme::Https));
        headers
    };
    let embed = at("/embed/x");
    let csp = embed["content-security-policy"].to_str().unwrap();
    for part in [
        "img-src 'self' data:;",
        "frame-src https://player.example;",
        "frame-ancestors 'self' https://partner.example;",
        "connect-src 'self' ws://localhost:5173;",
        "report-uri /csp-report; report-to csp",
    ] {
        assert!(csp.contains(part), "{part}: {csp}");
    }
    assert!(embed.contains_key("content-security-policy-report-only"));
    for gone in ["x-frame-options", "x-dns-prefetch-control", "x-version"] {
        assert!(!embed.contains_key(gone), "{gone}");
        assert!(at("/").contains_key(gone), "{gone}");
    }
    for (name, value) in [
        ("referrer-policy", "origin"),
        ("cross-origin-opener-policy", "unsafe-none"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("cross-origin-embedder-policy", "credentialless"),
    ] {
        assert_eq!(embed[name], value);
        assert_ne!(at("/").get(name), Some(&embed[name]));
    }
    let permissions = embed["permissions-policy"].to_str().unwrap();
    assert!(permissions.contains("camera=(self)"), "{permissions}");
    assert!(permissions.contains("usb=()"), "{permissions}");
    assert_eq!(at("/logout")["clear-site-data"], r#""cache", "storage""#);
    assert_eq!(at("/images/a")["cache-control"], "public, max-age=60");
    assert_eq!(at("/api/a")["cache-control"], "no-store");
    assert!(policy.named("print").is_ok());
}

#[test]
fn every_fault_of_an_override_names_its_key() {
    let wrong = config(
        r#"{
            "csp": {"img-src": ["self"]},
            "report_endpoint": "csp",
            "routes": {
                "/embed/*": {
                    "csp": {"font-src": ["self"]},
                    "frame_ancestors": ["'self'", "self"],
                    "frame_options": "ALLOWALL",
                    "clear_site_data": ["cache", "everything"]
                },
                "/embed": {},
                "x": {}
            },
            "named": {"print": {"leave_out": ["X Frame"], "clear_site_data": []}},
            "cache": {
                "/a": "public",
                "/b//": "no-store",
                "/c": "no-stor",
                "/d": "images"
            }
        }"#,
    );
    let faults = FieldFaults::of(&wrong);
    let mut paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "cache.\"/a\"",
            "cache.\"/b//\"",
            "cache.\"/c\"",
            "csp.img-src",
            "named.\"print\".clear_site_data",
            "named.\"print\".leave_out",
            "report_endpoint",
            "routes.\"/embed/*\"",
            "routes.\"/embed/*\".clear_site_data[1]",
            "routes.\"/embed/*\".csp.font-src",
            "routes.\"/embed/*\".frame_ancestors[1]",
            "routes.\"/embed/*\".frame_options",
            "routes.\"x\"",
        ]
    );
}

#[test]
fn a_directive_in_two_spellings_is_refused() {
    // http-security-headers emits `Script-Src *; script-src 'self'`, of which browsers keep the first.
    let twice = config(r#"{"csp": {"Script-Src": ["*"], "script-src": ["'self'"]}}"#);
    let faults = FieldFaults::of(&twice);
    assert_eq!(faults.len(), 1, "{faults}");
    assert!(faults.to_string().contains("stands twice"));
}

#[test]
fn unknown_keys_and_words_are_refused() {
    for json in [
        r#"{"presett": "api"}"#,
        r#"{"preset": "apy"}"#,
        r#"{"mode": "dev"}"#,
        r#"{"hsts": {"age": "1d"}}"#,
        r#"{"hsts": {"max_age": "1x"}}"#,
        r#"{"csp": "default-src *"}"#,
        r#"{"routes": {"/x": {"preset": "api"}}}"#,
        r#"{"named": {"x": {"routes": {}}}}"#,
        r#"{"cache": {"/x": 60}}"#,
    ] {
        assert!(
            serde_json::from_str::<HeadersConfig>(json).is_err(),
            "{json}"
        );
    }
}

#[test]
fn every_header_that_reports_has_a_key() {
    let map = headers(
        r#"{
            "preset": "none",
            "endpoints": {"main": "/reports", "camera": "https://reports.example/"},
            "permissions": {"camera": ["self"], "usb": []},
            "permissions_endpoints": {"*": "main", "camera": "camera"},
            "permissions_report_only": {"midi": []},
            "permissions_report_only_endpoints": {"midi": "main"},
            "opener_policy": "same-origin",
            "opener_policy_report_only": "noopener-allow-popups; report-to=\"main\"",
            "embedder_policy": "unsafe-none",
            "embedder_policy_report_only": "require-corp; report-to=\"main\"",
            "integrity_policy": "blocked-destinations=(script)",
            "integrity_policy_report_only": "blocked-destinations=(style script), endpoints=(main camera)",
            "document_policy": "document-write=?0",
            "document_policy_report_only": "oversized-images=2.0;report-to=main, js-profiling",
            "require_document_policy": "unsized-media=?0",
            "remove_disclosing": true,
            "keep": ["X-B3-TraceId"]
        }"#,
    );
    let expected = [
        (
            "permissions-policy",
            r#"camera=(self);report-to="camera", usb=();report-to="main""#,
        ),
        (
            "permissions-policy-report-only",
            r#"midi=();report-to="main""#,
        ),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "cross-origin-opener-policy-report-only",
            r#"noopener-allow-popups;report-to="main""#,
        ),
        ("cross-origin-embedder-policy", "unsafe-none"),
        (
            "cross-origin-embedder-policy-report-only",
            r#"require-corp;report-to="main""#,
        ),
        (
            "integrity-policy",
            "blocked-destinations=(script), sources=(inline)",
        ),
        (
            "integrity-policy-report-only",
            "blocked-destinations=(script style), sources=(inline), endpoints=(main camera)",
        ),
        ("document-policy", "document-write=?0"),
        (
            "document-policy-report-only",
            "js-profiling, oversized-images=2.0;report-to=main",
        ),
        ("require-document-policy", "unsized-media=?0"),
        (
            "reporting-endpoints",
            r#"camera="https://reports.example/", main="/reports""#,
        ),
    ];
    assert_eq!(map.len(), expected.len(), "{map:?}");
    for (name, value) in expected {
        assert_eq!(map[name], value, "{name}");
    }
}

#[test]
fn what_is_removed_and_kept_can_be_said_in_a_file() {
    let section = config(r#"{"remove_disclosing": true, "keep": ["X-B3-TraceId"]}"#);
    let policy = HeaderPolicy::from_config(&section).unwrap();
    let mut map = HeaderMap::new();
    for name in ["server", "x-aspnet-version", "x-b3-traceid"] {
        map.insert(name, http::HeaderValue::from_static("x"));
    }
    policy.apply(&mut map, StatusCode::OK, Scheme::Https, None);
    assert!(map.contains_key("x-b3-traceid"));
    assert!(!map.contains_key("server") && !map.contains_key("x-aspnet-version"));
}

#[test]
fn faults_of_endpoints_and_texts_name_their_key() {
    let wrong = config(
        r#"{
            "report_endpoint": "/csp-report",
            "endpoints": {"csp": "/x", "Main": "/reports", "far": "http://a.example/"},
            "permissions_endpoints": {"camera": "nowhere", "Usb": "far"},
            "permissions_report_only": {"midi": ["'none'"]},
            "permissions_report_only_endpoints": {"*": "nowhere"},
            "opener_policy": "same-site",
            "opener_policy_report_only": "same-origin",
            "embedder_policy": "require-corp; report-to=\"nowhere\"",
            "embedder_policy_report_only": "require-corp; report=\"far\"",
            "integrity_policy": "blocked-destinations=(image)",
            "integrity_policy_report_only": "endpoints=(far)",
            "document_policy": "a=(b)",
            "document_policy_report_only": "f;report-to=nowhere",
            "require_document_policy": "F"
        }"#,
    );
    let faults = FieldFaults::of(&wrong);
    let mut paths: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(
        paths,
        [
            "document_policy",
            "document_policy_report_only",
            "embedder_policy",
            "embedder_policy_report_only",
            "endpoints.Main",
            "endpoints.far",
            "integrity_policy",
            "integrity_policy_report_only",
            "opener_policy",
            "opener_policy_report_only",
            "permissions_endpoints",
            "permissions_endpoints.Usb",
            "permissions_report_only.midi",
            "permissions_report_only_endpoints",
            "report_endpoint",
            "require_document_policy",
        ]
    );
}
