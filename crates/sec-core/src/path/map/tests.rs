use proptest::prelude::*;

use super::*;
use crate::path::PathRules;

fn map(rules: &[&'static str]) -> PathMap<&'static str> {
    let mut map = PathMap::new();
    for rule in rules {
        map.insert(rule, *rule).unwrap();
    }
    map
}

#[test]
fn the_longest_prefix_gives_the_value_in_any_order() {
    let rules = ["/*", "/a/*", "/a/b", "/a/b/c/", "/ab"];
    let mut turned = rules;
    turned.reverse();
    for map in [map(&rules), map(&turned)] {
        for (path, expected) in [
            ("/", "/*"),
            ("/x", "/*"),
            ("/a", "/a/*"),
            ("/a/x", "/a/*"),
            ("/a/bc", "/a/*"),
            ("/a/b", "/a/b"),
            ("/a/b/x", "/a/b"),
            ("/a/b/c", "/a/b/c/"),
            ("/a/b/c/x", "/a/b/c/"),
            ("/ab/c", "/ab"),
            ("/A", "/*"),
        ] {
            assert_eq!(map.find(path), PathMatch::Value(&expected), "{path}");
            assert_eq!(map.get(path), Some(&expected), "{path}");
        }
        let longest_first: Vec<_> = map.values().copied().collect();
        assert_eq!(longest_first.first(), Some(&"/a/b/c/"));
        assert_eq!(longest_first.last(), Some(&"/*"));
    }
    assert_eq!(map(&["/a"]).find("/b"), PathMatch::Nothing);
    assert_eq!(map(&["/a"]).find("/ab"), PathMatch::Nothing);
}

#[test]
fn an_empty_map_covers_nothing() {
    let map = PathMap::<()>::default();
    assert!(map.is_empty());
    assert_eq!(map.find("/a/../b"), PathMatch::Nothing);
}

/// Some of the forms in the table of `PathRules`: what could be read as another path has no value.
#[test]
fn a_doubtful_path_has_no_value() {
    let all = map(&["/*", "/embed"]);
    for path in [
        "/embed/../admin",
        "/embed//admin",
        "/embed/./admin",
        "/embed/..",
        "//embed/x",
        "/embed/%2e%2e/admin",
        "/embed/%252e%252e/admin",
        "/embed%2fadmin",
        "/embed/..%5cadmin",
        "/embed\\..\\admin",
        "/embed/..;/admin",
        "/embed;x=/admin",
        "/embed/%00",
        "/%65mbed/x",
        "/embed/%c0%af/admin",
        "/embed/%",
        "/embed?x",
        "embed/x",
        "*",
        "",
    ] {
        assert!(is_doubtful(path), "{path}");
        assert_eq!(all.find(path), PathMatch::Doubtful, "{path}");
        assert_eq!(all.get(path), None, "{path}");
    }
}

#[test]
fn another_encoding_of_a_longer_prefix_is_doubtful() {
    let map = map(&["/", "/@me", "/caf%C3%A9"]);
    for (path, expected) in [
        ("/@me/x", PathMatch::Value(&"/@me")),
        ("/%40me/x", PathMatch::Doubtful),
        ("/%40me", PathMatch::Doubtful),
        ("/%40mex", PathMatch::Value(&"/")),
        ("/caf%C3%A9", PathMatch::Value(&"/caf%C3%A9")),
        ("/caf%c3%a9", PathMatch::Doubtful),
        ("/café", PathMatch::Doubtful),
        ("/%40you", PathMatch::Value(&"/")),
    ] {
        assert_eq!(map.find(path), expected, "{path}");
    }
}

#[test]
fn a_prefix_stands_once() {
    for (first, second) in [
        ("/api", "/api"),
        ("/api", "/api/"),
        ("/api/*", "/api"),
        ("/", "/*"),
        ("/@me", "/%40me/*"),
        ("/caf%C3%A9", "/caf%c3%a9"),
    ] {
        let mut map = map(&[first]);
        let error = map.insert(second, second).unwrap_err();
        assert_eq!(
            error.to_string(),
            match first == second {
                true => format!("path rule `{second}` stands twice"),
                false => format!(
                    "path rule `{second}` covers the same paths as `{first}`, which stands already"
                ),
            }
        );
        assert_eq!(map.values().count(), 1);
    }
    assert!(map(&[]).insert("/a*", "").is_err());
    assert_eq!(
        map(&["/api"])
            .insert("/api/{id}", "")
            .unwrap_err()
            .to_string(),
        "path rule `/api/{id}` is a prefix, not a route pattern: write `/api`"
    );
}

/// Of all prefixes that match by themselves, the one with the most characters.
fn slowly<'a>(rules: &'a [String], path: &str) -> Option<&'a String> {
    let matching = rules.iter().filter(|rule| {
        let alone = PathRules::all().exclude(rule).unwrap();
        !alone.applies(path)
    });
    matching.max_by_key(|rule| rule.trim_end_matches('/').len())
}

fn prefix() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_agrees_with_a_slow_model(
        rules in prop::collection::vec(prefix(), 0..8),
        path in prefix(),
        tail in prop::sample::select(vec!["", "/", "/a", "/../a", "//", "%2e", "/%61", "x"]),
    ) {
        let mut map = PathMap::new();
        let mut unique: Vec<String> = Vec::new();
        for rule in rules {
            let known = unique.contains(&rule);
            prop_assert_eq!(map.insert(&rule, rule.clone()).is_err(), known);
            if !known {
                unique.push(rule);
            }
        }
        let path = format!("{path}{tail}");
        prop_assert_eq!(map.get(&path), slowly(&unique, &path), "{}", path);
    }

    #[test]
    fn no_text_panics(rule in "\\PC*", path in "\\PC*") {
        let mut map = PathMap::new();
        let _ = map.insert(&rule, ());
        let _ = map.find(&path);
    }
}
