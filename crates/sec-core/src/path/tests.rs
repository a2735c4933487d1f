#![allow(clippy::arithmetic_side_effects, reason = "indices of short texts")]

use proptest::prelude::*;

use super::*;

fn rules(include: &[&str], exclude: &[&str]) -> PathRules {
    PathRules::from_lists(include.iter().copied(), exclude.iter().copied()).unwrap()
}

#[test]
fn prefixes_end_at_segments() {
    for written in ["/api", "/api/", "/api/*"] {
        let include = rules(&[written], &[]);
        let exclude = rules(&[], &[written]);
        for (path, inside) in [
            ("/api", true),
            ("/api/", true),
            ("/api/x", true),
            ("/api/x/y.z", true),
            ("/apix", false),
            ("/ap", false),
            ("/", false),
            ("/API", false),
            ("/x/api", false),
        ] {
            assert_eq!(include.applies(path), inside, "include {written}, {path}");
            assert_eq!(exclude.applies(path), !inside, "exclude {written}, {path}");
        }
    }
}

#[test]
fn the_root_is_every_path_and_exclude_wins() {
    assert!(PathRules::all().applies("/x"));
    assert!(PathRules::all().applies("/a//b"));
    for root in ["/", "/*"] {
        assert!(rules(&[root], &[]).applies("/x"));
        assert!(!rules(&[root], &[root]).applies("/x"));
    }
    let both = rules(&["/api", "/admin"], &["/api/health", "/static"]);
    for (path, applies) in [
        ("/api/v1", true),
        ("/admin", true),
        ("/api/health", false),
        ("/api/health/db", false),
        ("/api/healthy", true),
        ("/static/x.css", false),
        ("/other", false),
    ] {
        assert_eq!(both.applies(path), applies, "{path}");
    }
}

/// One row per way in which an excluded prefix has been used to reach something else.
#[test]
fn a_doubtful_path_is_always_protected() {
    let exclude = rules(&[], &["/static"]);
    let include = rules(&["/api"], &[]);
    for (path, source) in [
        (
            "/static/../admin",
            "CVE-2025-47910: Go CrossOriginProtection, bypass pattern after cleaning",
        ),
        (
            "/static//admin",
            "CVE-2025-47910: redirecting mux collapses slashes",
        ),
        ("/static/./admin", "RFC 3986 §5.2.4 remove_dot_segments"),
        ("/static/..", "RFC 3986 §5.2.4, at the end"),
        ("/static/.", "RFC 3986 §5.2.4, at the end"),
        ("//static/x", "network-path reference, RFC 3986 §4.2"),
        (
            "/static/%2e%2e/admin",
            "CVE-2021-41773: Apache httpd path traversal",
        ),
        ("/static/.%2E/admin", "CVE-2021-41773: half encoded"),
        (
            "/static/%252e%252e/admin",
            "CVE-2021-42013: double decoding",
        ),
        (
            "/static%2fadmin",
            "CVE-2016-9879: Spring Security and an encoded slash",
        ),
        ("/static%2Fadmin", "the same, upper case"),
        (
            "/static/..%5cadmin",
            "CVE-2007-0450: Tomcat behind a proxy, %5C taken as a slash",
        ),
        (
            "/static\\..\\admin",
            "WHATWG URL: a backslash is a slash in special schemes",
        ),
        (
            "/static/..;/admin",
            "CVE-2020-5902: F5 BIG-IP in front of Tomcat",
        ),
        (
            "/static;x=/admin",
            "CVE-2016-9879: Spring Security and path parameters",
        ),
        (
            "/static%3b/admin",
            "Spring StrictHttpFirewall refuses an encoded semicolon",
        ),
        (
            "/static/%00",
            "Spring StrictHttpFirewall refuses an encoded NUL",
        ),
        (
            "/static/%0a/admin",
            "CVE-2022-22978: line ends in a regex matcher",
        ),
        ("/static/\u{b}admin", "a control character as it is"),
        ("/%73tatic/x", "RFC 3986 §6.2.2.2: %73 is s"),
        ("/static/%7euser", "RFC 3986 §2.3: ~ is unreserved"),
        (
            "/static/%c0%af/admin",
            "CVE-2008-2938: overlong UTF-8 in Tomcat",
        ),
        ("/static/%", "malformed: RFC 3986 §2.1"),
        ("/static/%2", "malformed: RFC 3986 §2.1"),
        ("/static/%zz", "malformed: RFC 3986 §2.1"),
        ("/static/%+2", "a sign is no digit"),
        ("/static?x", "a query that was not cut off"),
        ("/static#x", "a fragment"),
        ("static/x", "no leading slash"),
        ("*", "OPTIONS *: RFC 9112 §3.2.4"),
        ("", "authority form: RFC 9112 §3.2.3"),
    ] {
        assert!(exclude.applies(path), "excluded: {path:?} ({source})");
        assert!(include.applies(path), "not included: {path:?} ({source})");
    }
}

#[test]
fn ordinary_names_are_not_doubtful() {
    let exclude = rules(&[], &["/static"]);
    for path in [
        "/static/app.min.js",
        "/static/.well-known",
        "/static/..hidden",
        "/static/...",
        "/static/a..b",
        "/static/a./b",
        "/static/a%20b",
        "/static/caf%C3%A9",
        "/static/caf%c3%a9",
        "/static/café",
        "/static/%40scope/x",
        "/static/100%25",
        "/static/a+b,c=d&e@f:g!$'()~_-",
    ] {
        assert!(!exclude.applies(path), "{path}");
    }
}

#[test]
fn an_include_sees_through_encodings_and_an_exclude_does_not() {
    for (rule, other) in [
        ("/@me", "/%40me"),
        ("/café", "/caf%C3%A9"),
        ("/caf%C3%A9", "/caf%c3%a9"),
    ] {
        for path in [other.to_owned(), format!("{other}/x")] {
            assert!(rules(&[rule], &[]).applies(&path), "include {rule}, {path}");
            assert!(rules(&[], &[rule]).applies(&path), "exclude {rule}, {path}");
        }
        assert!(!rules(&[rule], &[]).applies(&format!("{other}x")));
    }
}

#[test]
fn a_wrong_rule_is_named() {
    for (rule, reason) in [
        ("", "must start with `/`"),
        ("api", "must start with `/`"),
        ("*", "must start with `/`"),
        ("/a*", "may have a `*` only as a last `/*`"),
        ("/a/*/b", "may have a `*` only as a last `/*`"),
        ("/a/**", "may have a `*` only as a last `/*`"),
        ("/a?b", "must not have a query or a fragment"),
        ("/a#b", "must not have a query or a fragment"),
        ("/a//b", "must not have an empty segment"),
        ("/a//", "must not have an empty segment"),
        ("//*", "must not have an empty segment"),
        ("/a/../b", "must not have a dot segment"),
        ("/a/.", "must not have a dot segment"),
        ("/a%2fb", "must not percent-encode a delimiter"),
        ("/%61", "must not percent-encode what needs no encoding"),
        ("/a%2541", "must not be encoded twice"),
        ("/a%", "has a malformed `%`"),
        ("/a\\b", "must not have a backslash"),
        ("/a;b", "must not have a path parameter (`;`)"),
        ("/a\n", "must not have a control character"),
    ] {
        let error = PathRules::all().include(rule).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("path rule `{}` {reason}", rule.escape_debug())
        );
        assert_eq!(error.rule(), rule);
        assert_eq!(PathRules::all().exclude(rule).unwrap_err(), error);
        assert_eq!(PathRules::from_lists([], [rule]).unwrap_err(), error);
    }
}

/// Axum's and older routers' patterns would match nothing but themselves, and protect nothing.
#[test]
fn a_route_pattern_is_refused_with_its_prefix() {
    for (rule, prefix) in [
        // The syntax of axum since 0.8 (matchit 0.8), and of axum before it.
        ("/api/{id}", "/api"),
        ("/api/{*rest}", "/api"),
        ("/api/:id", "/api"),
        ("/api/v1/{id}/comments", "/api/v1"),
        ("/files/{name}.txt", "/files"),
        ("/api/{id}/*", "/api"),
        ("/{id}", "/"),
        ("/:id/x", "/"),
        ("/a}", "/"),
        ("/a//{id}", "/a"),
    ] {
        let error = PathRules::all().include(rule).unwrap_err();
        let expected =
            format!("path rule `{rule}` is a prefix, not a route pattern: write `{prefix}`");
        assert_eq!(error.to_string(), expected);
        assert_eq!(format!("{error:?}"), expected, "as `main` would show it");
        assert_eq!(PathRules::all().exclude(rule).unwrap_err(), error);
    }
    // A name as it stands: encoded, or with a colon inside (RFC 3986 §3.3).
    for (rule, path) in [("/%7Bid%7D", "/{id}"), ("/%3Aid", "/:id"), ("/a:b", "/a:b")] {
        assert!(rules(&[rule], &[]).applies(path), "{rule}");
    }
}

/// The obvious and slow reading of "ambiguous".
fn ambiguous(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let malformed = lower.match_indices('%').any(|(at, _)| {
        let digits: Vec<_> = lower.bytes().skip(at + 1).take(2).collect();
        digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit)
    });
    let unreserved = (0..=255_u8).any(|byte| {
        (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
            && lower.contains(&format!("%{byte:02x}"))
    });
    malformed
        || unreserved
        || ["%2e", "%2f", "%5c", "\\", "//", "/./", "/../", "%00"]
            .iter()
            .any(|bad| lower.contains(bad))
        || lower.ends_with("/.")
        || lower.ends_with("/..")
}

fn prefix() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab@é]{1,2}", 0..3).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn spelling() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a", "b", "@", "é", "/", "/", "/a", ".", "..", "%2e", "%2F", "%5c", "\\", "%61", "%", "%4",
        "%00", "%40", "%C3%A9", "%25", ";", "%3B", "*", "?", " ",
    ]);
    prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_excluded_path_has_one_spelling(exclude in prefix(), tail in spelling()) {
        let path = format!("{exclude}{tail}");
        if !rules(&[], &[&exclude]).applies(&path) {
            prop_assert!(!ambiguous(&path), "{path}");
        }
        if ambiguous(&path) {
            prop_assert!(rules(&["/elsewhere"], &["/"]).applies(&path), "{path}");
        }
    }

    #[test]
    fn ambiguity_never_turns_protection_off(
        include in prop::collection::vec(prefix(), 0..3),
        exclude in prop::collection::vec(prefix(), 0..3),
        path in prefix(),
        extra in spelling(),
        at: prop::sample::Index,
        encode: u64,
    ) {
        let rules = PathRules::from_lists(&include, &exclude).unwrap();
        if rules.applies(&path) {
            // Another encoding of the same path.
            let encoded: String = path
                .bytes()
                .enumerate()
                .map(|(index, byte)| match (encode >> (index % 64)) & 1 {
                    1 => format!("%{byte:02x}"),
                    _ if byte.is_ascii() => char::from(byte).to_string(),
                    _ => format!("%{byte:02X}"),
                })
                .collect();
            prop_assert!(rules.applies(&encoded), "{path} → {encoded}");
        }
        let mut broken = path.clone();
        let cut = at.index(path.len() + 1);
        let cut = (0..=cut).rev().find(|cut| path.is_char_boundary(*cut));
        broken.insert_str(cut.unwrap(), &extra);
        if ambiguous(&broken) {
            prop_assert!(rules.applies(&broken), "{path} → {broken}");
        }
    }

    #[test]
    fn no_text_panics(rule in "\\PC*", path in "\\PC*") {
        if let Ok(rules) = PathRules::all().include(&rule) {
            let _ = rules.applies(&path);
        }
    }
}
