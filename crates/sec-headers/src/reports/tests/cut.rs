//! What may be secret in an address does not reach the trail, however the address is written.

use proptest::prelude::*;

use super::super::cut::{address, sentence};
use super::types::one;
use super::*;

#[test]
fn user_information_is_cut_in_every_spelling() {
    for (text, cut) in [
        ("https://user:pw@h.example/x", "https://h.example/x"),
        ("//user:pw@h.example/x", "//h.example/x"),
        ("///user:pw@h.example/x", "///h.example/x"),
        // WHATWG URL, "special authority ignore slashes state": browsers read an authority here too.
        ("https:user:pw@h.example/x", "https:h.example/x"),
        ("HTTPS:user:pw@h.example/x", "HTTPS:h.example/x"),
        ("http:/user:pw@h.example/", "http:/h.example/"),
        ("http:///user:pw@h.example/", "http:///h.example/"),
        ("wss:user@h.example", "wss:h.example"),
        // And the backslash as a slash.
        ("https:\\\\user:pw@h.example\\x", "https:\\\\h.example\\x"),
        ("/\\user:pw@h.example/", "/\\h.example/"),
        ("\\\\user:pw@h.example", "\\\\h.example"),
        // Left out by browsers: controls around, line ends and tabs within.
        ("\u{1}//user:pw@h.example/ ", "//h.example/"),
        ("ht\ntps:/\t/user:pw@h.example/", "https://h.example/"),
        ("/\n/user:pw@h.example/", "//h.example/"),
        // The last `@` counts.
        ("https://user@evil:pw@h.example/", "https://h.example/"),
        ("user:pw@h.example/x", "h.example/x"),
        ("ftp://user:pw@h.example", "ftp://h.example"),
        (
            "blob:https://user:pw@h.example/1",
            "blob:https://h.example/1",
        ),
        (
            "view-source:https://user:pw@h.example/",
            "view-source:https://h.example/",
        ),
        ("custom://user:pw@h.example/", "custom://h.example/"),
        ("https://user:pw@[::1]:8443/x?y", "https://[::1]:8443/x"),
        // Two of them, of which the second becomes one by cutting the first.
        ("//@/user:pw@h.example", "///h.example"),
        ("https:user:pw@/user:pw@h.example", "https:/h.example"),
        // Paths keep what is theirs.
        (
            "https://h.example/@user/a:b@c",
            "https://h.example/@user/a:b@c",
        ),
        ("/@scope/x", "/@scope/x"),
        ("about:blank", "about:blank"),
        ("inline", "inline"),
        ("", ""),
    ] {
        assert_eq!(address(text), cut, "{text:?}");
        if !text.contains(char::is_control) {
            assert_eq!(sentence(text), cut, "{text:?}");
            let quoted = format!("Refused to load '{text}");
            let kept = format!("Refused to load '{cut}");
            assert_eq!(
                sentence(&quoted).trim_end_matches('\''),
                kept.trim_end_matches('\'')
            );
        }
    }
}

#[test]
fn content_is_cut_in_the_midst_of_a_word() {
    for (text, cut) in [
        ("src=data:text/html,secret", "src=data"),
        (
            "<img src=\"DATA:text/html,secret and secret\">",
            "<img src=\"DATA",
        ),
        ("url(data:secret)", "url(data"),
        ("href=javascript:secret()", "href=javascript"),
        ("view-source:data:secret", "view-source:data"),
        ("href=//u:secret@h.example/?secret", "href=//h.example/"),
        ("href=https:u:secret@h.example/x", "href=https:h.example/x"),
        (
            "https://a.example/,https://u:secret@h.example",
            "https://a.example/,https://h.example",
        ),
        ("metadata: none, x-data:1", "metadata: none, x-data:1"),
        ("to '?token=secret' or (#secret)", "to ' or ("),
        ("a  sentence at 12:30", "a sentence at 12:30"),
    ] {
        assert_eq!(sentence(text), cut, "{text}");
    }
    assert_eq!(address("data:text/html,secret"), "data");
    assert_eq!(address("javascript:secret"), "javascript");
}

#[test]
fn every_text_of_every_type_is_cut() {
    for secret in [
        "x https://u:secret@h.example/?secret",
        "//u:secret@h.example/#secret",
        "https:u:secret@h.example/",
        "src=data:text/html,secret",
    ] {
        let body = stuffed(secret);
        for kind in KINDS.into_iter().chain([secret]) {
            let report = one(kind, body.clone());
            assert!(!format!("{report:?}").contains("secret"), "{report:?}");
        }
    }
}

proptest! {
    /// Read by a parser of the WHATWG's standard, what is left has no user information, query or
    /// fragment, and it names the same host.
    #[test]
    fn what_is_left_has_no_secret(
        text in "(https?|HTTP|ws|ftp|//)?:?[/\\\\]{0,3}([a-z:@%]{0,6}@)?[a-z@:./\\\\?#]{0,16}",
    ) {
        let base = url::Url::parse("https://base.example/").unwrap();
        for left in [address(&text), sentence(&text)] {
            prop_assert!(!left.contains(['?', '#']), "{} {}", text, left);
            if let Ok(url) = base.join(&left) {
                prop_assert_eq!(url.username(), "", "{} {}", &text, &left);
                prop_assert_eq!(url.password(), None, "{} {}", &text, &left);
            }
        }
    }

    #[test]
    fn whatever_comes_is_cut(text in "\\PC{0,40}") {
        let once = sentence(&text);
        prop_assert!(once.len() <= text.len());
        prop_assert!(address(&text).len() <= text.len());
    }
}
