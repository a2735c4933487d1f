//! What the policy for comments lets through is read back here, tag by tag: nothing but its own
//! elements, attributes and links, and cleaning it again changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_sanitize::HtmlPolicy;

const TAGS: [&str; 15] = [
    "p",
    "br",
    "b",
    "i",
    "em",
    "strong",
    "u",
    "s",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "a",
];

fuzz_target!(|text: &str| {
    let policy = HtmlPolicy::comment();
    let Ok(clean) = policy.clean(text) else {
        return;
    };
    let again = policy.clean(clean.as_str()).expect("cheaper than before");
    assert_eq!(again, clean);

    let mut pieces = clean.as_str().split('<');
    assert!(!pieces.next().unwrap_or_default().contains('>'), "{clean}");
    for piece in pieces {
        let (tag, text) = piece.split_once('>').expect("a tag that ends");
        assert!(!text.contains('>'), "{clean}");
        check_tag(tag);
    }
});

/// The serialiser writes no `<` or `>` into values, and every value in double quotes.
fn check_tag(tag: &str) {
    let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    let closing = name.strip_prefix('/');
    assert!(TAGS.contains(&closing.unwrap_or(name)), "<{tag}>");
    assert!(attributes.is_empty() || name == "a", "<{tag}>");
    while !attributes.is_empty() {
        let (name, rest) = attributes.split_once("=\"").expect("a quoted value");
        let (value, rest) = rest.split_once('"').expect("its end");
        match name {
            "href" => check_link(&decode(value)),
            "rel" => assert_eq!(value, "nofollow noopener noreferrer ugc"),
            name => assert_eq!(name, "title", "<{tag}>"),
        }
        attributes = rest.strip_prefix(' ').unwrap_or(rest);
    }
}

/// As a browser reads it: line ends and tabs do not count, and neither does what stands before.
fn check_link(target: &str) {
    let target = target.trim_start_matches(|c: char| c <= ' ');
    let target: String = target
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect();
    let target = target.replace('\\', "/").to_ascii_lowercase();
    let head = target.split(['/', '?', '#']).next().unwrap_or_default();
    match head.split_once(':') {
        Some((scheme, _)) => assert!(["http", "https", "mailto"].contains(&scheme), "{target}"),
        None => assert!(!target.starts_with("//"), "another host: {target}"),
    }
}

fn decode(value: &str) -> String {
    let value = value.replace("&quot;", "\"").replace("&nbsp;", "\u{a0}");
    let value = value.replace("&lt;", "<").replace("&gt;", ">");
    value.replace("&amp;", "&")
}
