//! Whom a limit counts.

use std::net::IpAddr;

use http::{HeaderName, Request};
use sec_core::{AddrGrouping, AuthMethod, Identity, Principal, RequestContext, RequestView};

use crate::digest::{Digest, Seed};
use crate::{Key, Limiter, MatchedRoute, Quota, Subject};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn request(client: &str, identity: impl Into<Identity>) -> Request<()> {
    let ctx = RequestContext::builder()
        .client(ip(client))
        .tenant("acme")
        .build();
    ctx.identify(identity);
    let mut request = Request::new(());
    request.extensions_mut().insert(ctx);
    request
}

fn digest(key: &Key, request: &Request<()>) -> Option<Digest> {
    let ctx = RequestContext::get(request.extensions()).unwrap();
    key.digest(Seed::fixed(1), ctx, RequestView::from(request))
        .ok()
}

fn subject(subject: Subject<'_>) -> Option<Digest> {
    subject.digest(&Seed::fixed(1)).ok()
}

fn ada() -> Principal {
    Principal::new("ada", AuthMethod::BearerToken)
}

/// tower_governor 0.8 gave every address of a /64 a quota of its own (100 000 admitted at a limit of
/// 1), and an IPv4-mapped address another than its IPv4 form.
#[test]
fn a_network_is_one_key_and_a_mapped_address_its_ipv4() {
    let key = |client: &str| digest(&Key::ip(), &request(client, Identity::Anonymous));
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("192.0.2.2"), key("192.0.2.1"));
    assert_eq!(subject(Subject::of(ip("2001:db8::7"))), key("2001:db8::8"));
}

#[test]
fn a_subject_of_the_same_parts_is_the_same_key() {
    let mut asked = request("192.0.2.1", ada());
    MatchedRoute::set(&mut asked, "/items/{id}");
    asked
        .headers_mut()
        .insert(API_KEY, "s3cret".parse().unwrap());
    let group = AddrGrouping::default().group(ip("192.0.2.1"));
    for (key, same) in [
        (Key::ip(), Subject::of(group)),
        (Key::principal().into(), Subject::of("ada")),
        (Key::principal().or_ip(), Subject::of("ada")),
        (Key::tenant(), Subject::of("acme")),
        (Key::header(API_KEY), Subject::of("s3cret")),
        (Key::role(), Subject::of(None::<&str>)),
        (Key::global(), Subject::everyone()),
        (
            Key::route().and(Key::ip()),
            Subject::of("/items/{id}").and(group),
        ),
        (Key::by("n", |_, key| key.add("one")), Subject::of("one")),
    ] {
        assert_eq!(digest(&key, &asked), subject(same), "{key:?}");
    }
}

/// `or_ip` is for who is known to be anonymous; who was never asked is a fault of the service.
#[test]
fn an_unresolved_caller_is_never_counted_by_address() {
    let unresolved = request("192.0.2.1", Identity::Unresolved);
    for key in [
        Key::principal().or_ip(),
        Key::principal().into(),
        Key::role(),
    ] {
        assert_eq!(digest(&key, &unresolved), None, "{key:?}");
    }
    let key = Key::principal().or_ip();
    let (one, other) = ("192.0.2.1", "192.0.2.2");
    let anonymous = |client| digest(&key, &request(client, Identity::Anonymous));
    assert_ne!(anonymous(one), anonymous(other));
    assert_eq!(
        digest(&key, &request(one, ada())),
        digest(&key, &request(other, ada()))
    );
    // A name chosen to look like an address is not that address.
    let named = Principal::new("192.0.2.1/32", AuthMethod::Password);
    assert_ne!(digest(&key, &request(one, named)), anonymous(one));
    // Without `or_ip` the anonymous share one key.
    let alone = Key::principal().into();
    let shared = |client| digest(&alone, &request(client, Identity::Anonymous));
    assert_eq!(shared(one), shared(other));
}

#[test]
fn roles_are_a_set() {
    let key = |roles: &[&str]| {
        let principal = ada().with_roles(roles.iter().copied());
        digest(&Key::role(), &request("192.0.2.1", principal))
    };
    assert_eq!(key(&["user", "admin"]), key(&["admin", "user"]));
    assert_ne!(key(&["user", "admin"]), key(&["user"]));
    assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    assert_eq!(
        key(&[]),
        digest(&Key::role(), &request("192.0.2.1", Identity::Anonymous))
    );
}

/// Sources with a number of parts of their own cannot run into one another.
#[test]
fn the_parts_of_two_sources_stay_apart() {
    let split = |text: &'static str| {
        Key::by("split", move |_, key| {
            text.split(',')
                .filter(|p| !p.is_empty())
                .for_each(|p| key.add(p))
        })
    };
    let asked = request("192.0.2.1", Identity::Anonymous);
    let keys = [
        ("a", "b,c"),
        ("a,b", "c"),
        ("a,b,c", ""),
        ("", "a,b,c"),
        ("a,b", ""),
        ("a", "b"),
    ];
    let digests: Vec<_> = keys
        .iter()
        .map(|(one, other)| digest(&split(one).and(split(other)), &asked).unwrap())
        .collect();
    for (index, one) in digests.iter().enumerate() {
        assert!(!digests[index + 1..].contains(one), "{:?}", keys[index]);
    }
}

/// upstash 2.2.0: `*` as an identifier reset everyone, `{}evil}` broke the hash slot (CROSSSLOT), and an
/// empty one another. Here every text is just a key.
#[test]
fn hostile_texts_are_just_keys() {
    let long = "a".repeat(1 << 20);
    let texts = [
        "",
        "*",
        "{",
        "}",
        "{}evil}",
        "{}",
        "\0",
        "\0\0",
        "a\0b",
        "a:b",
        "a/b",
        "%00",
        "../x",
        "\u{202e}",
        "' OR 1=1 --",
        "\r\nX: y",
        "?",
        "[a-z]*",
        long.as_str(),
        long.split_at(1).1,
        "victim",
    ];
    let limiter = Limiter::builder()
        .capacity(100)
        .tier("t", Quota::per_minute(1), Key::given("text"))
        .build()
        .unwrap();
    limiter.check([Subject::of("victim")], 1).unwrap();
    for text in texts.iter().filter(|text| **text != "victim") {
        limiter.check([Subject::of(*text)], 1).unwrap();
    }
    for text in texts {
        assert!(
            limiter.check([Subject::of(text)], 1).is_err(),
            "{:.20}",
            text.escape_debug()
        );
    }
}

/// What matched no route shares one key, whatever path was invented.
#[test]
fn unmatched_paths_make_no_keys_of_their_own() {
    let key = |path: &str, route: Option<&str>| {
        let mut asked = request("192.0.2.1", Identity::Anonymous);
        *asked.uri_mut() = path.parse().unwrap();
        if let Some(route) = route {
            MatchedRoute::set(&mut asked, route);
        }
        digest(&Key::route(), &asked)
    };
    assert_eq!(key("/random/1", None), key("/random/2", None));
    assert_eq!(
        key("/items/1", Some("/items/{id}")),
        key("/items/2", Some("/items/{id}"))
    );
    assert_ne!(key("/items/1", Some("/items/{id}")), key("/items/1", None));
}

#[test]
fn a_missing_value_is_a_key_of_its_own() {
    let mut asked = request("192.0.2.1", Identity::Anonymous);
    let missing = digest(&Key::header(API_KEY), &asked);
    asked.headers_mut().insert(API_KEY, "".parse().unwrap());
    assert_ne!(digest(&Key::header(API_KEY), &asked), missing);
}

#[test]
fn nothing_shows_the_text_of_a_key() {
    let limiter = Limiter::builder()
        .tier("t", Quota::per_minute(1), Key::header(API_KEY))
        .build()
        .unwrap();
    let subject = Subject::of("s3cret");
    let reservation = limiter.reserve([subject.clone()], 1).unwrap();
    let error = limiter.reserve([subject.clone()], 1).unwrap_err();
    let shown = format!("{limiter:?} {subject:?} {reservation:?} {error:?} {error}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// Where the keys of one subject stand at one place, it has to be certain that it is one.
#[cfg(feature = "shared")]
#[test]
fn keys_of_the_same_sources_are_one_subject() {
    let header = |name: &'static str| Key::header(http::HeaderName::from_static(name));
    let closure = || Key::by("plan", |_, _| {});
    let both = |a: Key, b: Key| a.is_same_subject(&b);
    for same in [
        || Key::ip(),
        || Key::given("user"),
        || Key::given("user").and(Key::route()),
        || Key::principal().or_ip(),
    ] {
        assert!(both(same(), same()), "{:?}", same());
    }
    assert!(both(header("x-a"), header("x-a")));
    for (one, other) in [
        (Key::given("user"), Key::given("account")),
        (Key::given("user"), Key::given("user").and(Key::ip())),
        (Key::given("ip"), Key::ip()),
        (header("x-a"), header("x-b")),
        (Key::principal().into(), Key::principal().or_ip()),
        // Nobody knows beforehand what it takes.
        (closure(), closure()),
    ] {
        assert!(!both(one.clone(), other.clone()), "{one:?} {other:?}");
    }
}
