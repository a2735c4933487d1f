//! RFC 9651: one fault drops a whole dictionary, so there may be none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sec_headers::{Feature, Grant, Origin, PermissionsPolicy, ReportingEndpoints};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

fn parsed(header: &http::HeaderValue) -> Dictionary {
    Parser::new(header.as_bytes())
        .parse()
        .expect("a dictionary")
}

fn feature() -> impl Strategy<Value = Feature> {
    let known = vec![
        Feature::Camera,
        Feature::Geolocation,
        Feature::Fullscreen,
        Feature::Usb,
    ];
    prop_oneof![
        prop::sample::select(known),
        "[a-z][a-z0-9-]{0,12}".prop_map(|name| Feature::named(&name).unwrap()),
    ]
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let origin = (
        prop::sample::select(vec!["https", "http", "HTTPS"]),
        "[a-zA-Z][a-z0-9-]{0,8}(\\.[a-z]{2,4}){0,2}",
        prop::option::of(1_u16..),
    );
    let origin = origin.prop_filter_map("no origin", |(scheme, host, port)| {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        Origin::parse(&format!("{scheme}://{host}{port}"))
            .ok()
            .map(Grant::Origin)
    });
    let grant = prop_oneof![Just(Grant::SelfOrigin), Just(Grant::Any), origin];
    prop::collection::vec(grant, 0..4)
}

/// What an inner list says, if it holds nothing but what a Permissions-Policy knows.
fn grant(item: &Item) -> Grant {
    assert!(item.params.is_empty());
    match &item.bare_item {
        BareItem::Token(token) if token.as_str() == "self" => Grant::SelfOrigin,
        BareItem::Token(token) if token.as_str() == "*" => Grant::Any,
        BareItem::String(origin) => {
            let read = Origin::parse(origin.as_str()).expect("an origin");
            assert_eq!(read.to_string(), origin.as_str(), "as a browser writes it");
            Grant::Origin(read)
        }
        other => panic!("{other:?}"),
    }
}

/// Text that breaks what it is put into unless somebody looks.
fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "csp",
        "a",
        "Z",
        "9",
        "*",
        "-",
        "_",
        ".",
        "/r",
        "https://a.example",
        "//",
        "?a=b",
        "\"",
        "\\",
        "=",
        ";",
        ",",
        "(",
        ")",
        " ",
        "\t",
        "\r\n",
        "\n",
        "\0",
        "\u{7f}",
        "ü",
        "?1",
        ":",
        "@",
        "%22",
        "'",
        "\", x=\"",
        ";report-to=x",
    ];
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(pieces), 0..4).prop_map(|all| all.concat()),
        1 => "\\PC{0,12}",
        1 => "[ -~]{0,12}",
        1 => "[a-z][a-z0-9_.-]{0,30}",
    ]
}

/// Calls one after the other; each replaces what was said about its feature before.
fn said<T: Clone>(calls: &[(Feature, T)]) -> BTreeMap<String, T> {
    let calls = calls.iter().cloned();
    calls
        .map(|(feature, value)| (feature.as_str().to_owned(), value))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_permissions_policy_reads_back_as_it_was_said(
        calls in prop::collection::vec((feature(), grants()), 0..6),
        name in prop::option::of(text()),
    ) {
        let policy = calls.iter().fold(PermissionsPolicy::new(), |policy, (feature, grants)| {
            policy.allow(feature.clone(), grants.clone())
        });
        let policy = name.iter().fold(policy, |policy, name| policy.report_to(name));
        let Ok(header) = policy.header() else {
            // Only the name can be wrong.
            prop_assert!(name.is_some_and(|name| !is_key(&name)));
            return Ok(());
        };
        let Some(header) = header else {
            prop_assert!(calls.is_empty());
            return Ok(());
        };
        let mut seen = BTreeMap::new();
        for (key, entry) in &parsed(&header) {
            let ListEntry::InnerList(list) = entry else {
                panic!("{key} is a bare item, which browsers ignore");
            };
            let parameters: Vec<_> = list.params.iter().map(|(key, value)| {
                let BareItem::String(value) = value else { panic!("{value:?}") };
                (key.as_str().to_owned(), value.as_str().to_owned())
            }).collect();
            let wanted = name.iter().map(|name| ("report-to".to_owned(), name.clone()));
            prop_assert_eq!(parameters, wanted.collect::<Vec<_>>());
            seen.insert(key.as_str().to_owned(), list.items.iter().map(grant).collect());
        }
        prop_assert_eq!(seen, said(&calls));
    }

    #[test]
    fn a_feature_of_any_name_is_refused_or_is_its_key(name in text()) {
        if let Ok(feature) = Feature::named(&name) {
            let header = PermissionsPolicy::new().deny(feature).header().unwrap().unwrap();
            let dictionary = parsed(&header);
            let keys: Vec<&str> = dictionary.keys().map(|key| key.as_str()).collect();
            prop_assert_eq!(keys, [name.as_str()]);
        } else {
            let key = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            prop_assert!(!key);
        }
    }

    #[test]
    fn endpoints_read_back_as_they_were_said(
        calls in prop::collection::vec((text(), text()), 1..4),
    ) {
        let endpoints = calls.iter().fold(ReportingEndpoints::new(), |endpoints, (name, address)| {
            endpoints.add(name, address)
        });
        let Ok(header) = endpoints.header() else { return Ok(()) };
        let mut seen = BTreeMap::new();
        for (key, entry) in &parsed(&header.unwrap()) {
            let ListEntry::Item(Item { bare_item: BareItem::String(address), params }) = entry else {
                panic!("{key}: {entry:?}");
            };
            prop_assert!(params.is_empty());
            seen.insert(key.as_str().to_owned(), address.as_str().to_owned());
        }
        prop_assert_eq!(seen, calls.into_iter().collect());
    }

    #[test]
    fn sound_endpoints_are_taken(
        calls in prop::collection::vec(("[a-z][a-z0-9_.-]{0,9}", "(https://a\\.example)?/[a-z0-9?&=%.-]{0,9}"), 1..4),
    ) {
        let endpoints = calls.iter().fold(ReportingEndpoints::new(), |endpoints, (name, address)| {
            endpoints.add(name, address)
        });
        let dictionary = parsed(&endpoints.header().unwrap().unwrap());
        let wanted: BTreeMap<_, _> = calls.into_iter().collect();
        prop_assert_eq!(dictionary.len(), wanted.len());
    }
}

fn is_key(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
}
