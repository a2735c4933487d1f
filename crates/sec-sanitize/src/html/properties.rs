//! The budget's model against the real parser, and cleaning against itself, on random tag soup.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "tests count small things"
)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::{HtmlPolicy, scan};

const SOUP: &[&str] = &[
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b title=xx>",
    "</b>",
    "<i>",
    "</i>",
    "<a href=/x>",
    "</a>",
    "<nobr>",
    "</nobr>",
    "<code>",
    "</code>",
    "<table>",
    "</table>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<caption>",
    "</caption>",
    "<ul>",
    "</ul>",
    "<li>",
    "</li>",
    "<dd>",
    "<dt>",
    "<h1>",
    "</h1>",
    "<h2>",
    "<button>",
    "</button>",
    "<select>",
    "</select>",
    "<option>",
    "</option>",
    "<object>",
    "</object>",
    "<svg>",
    "</svg>",
    "<desc>",
    "<math>",
    "<mi>",
    "<style>",
    "</style>",
    "<title>",
    "</title>",
    "<textarea>",
    "</textarea>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "--!>",
    "<!-->",
    "<![CDATA[",
    "]]>",
    "<br>",
    "<br/>",
    "<hr>",
    "<img src=x>",
    "<link>",
    "<p/>",
    "<template>",
    "</template>",
    "<form>",
    "</form>",
    "<font color=red>",
    "</font>",
    "<span>",
    "</span>",
    "<foo>",
    "</foo>",
    "<a title=\"",
    "\">",
    "'",
    "x",
    "&lt;",
    "&",
    " ",
    "<",
    "</",
    ">",
    "\u{a0}",
    "\0",
    "<noscript>",
    "</noscript>",
    "<plaintext>",
    "<frameset>",
];

/// Lets everything through that ammonia can: what comes out is what the parser built.
fn everything() -> ammonia::Builder<'static> {
    let tags = "p div b i a nobr code table tbody tr td caption colgroup col ul li dd dt h1 h2 button select option \
                object svg desc math mi br hr img link template form font span noscript";
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(tags.split_whitespace().collect())
        .clean_content_tags(std::collections::HashSet::new());
    builder
        .generic_attributes(["title", "href", "color", "src"].into())
        .link_rel(None);
    builder
}

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(SOUP), 0..120).prop_map(|v| v.concat())
}

/// The depth of nesting of serialised HTML.
fn depth_of(html: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for at in html.match_indices('<').map(|(at, _)| at) {
        let rest = &html[at + 1..];
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !["br", "hr", "img", "link", "col", "input"].contains(&name.as_str()) {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// The model may overrate a text, never underrate it: that is the whole protection.
    #[test]
    fn the_scan_is_an_upper_bound(text in soup()) {
        let cost = scan(&text);
        let built = everything().clean(&text).to_string();
        prop_assert!(built.len() <= cost.output_bytes, "{} > {cost:?}: {built}", built.len());
        // Implied `tbody`, `tr` and `colgroup` are the parser's own, as is the element that `</p>` makes.
        prop_assert!(depth_of(&built) <= 4 * cost.depth + 1, "{} > {cost:?}: {built}", depth_of(&built));
        prop_assert!(cost.steps <= text.len());
    }

    #[test]
    fn cleaning_is_idempotent_and_tame(text in soup()) {
        for policy in [HtmlPolicy::comment(), HtmlPolicy::article(), HtmlPolicy::plain_text()] {
            if let Ok(once) = policy.clean(&text) {
                prop_assert_eq!(&policy.clean(once.as_str()).unwrap(), &once);
            }
        }
    }

    #[test]
    fn the_fast_path_agrees_with_the_parser(
        parts in proptest::collection::vec("[^<>&\u{0}\r]{0,20}|&amp;|&lt;|&gt;|&nbsp;|&|\u{a0}", 0..6),
    ) {
        let text = parts.concat();
        let mut runs = 0;
        let policy = HtmlPolicy::builder().keep_hidden_characters().build().unwrap();
        let fast = policy.clean_with(Cow::Borrowed(&text), &mut |t| { runs += 1; t.to_owned() }).unwrap();
        if runs == 0 {
            let parsed = ammonia::Builder::empty().clean(&text).to_string();
            prop_assert_eq!(fast.as_str(), parsed);
        }
    }

    #[test]
    fn any_string_can_be_scanned_and_cleaned(text in ".{0,200}") {
        let _ = scan(&text);
        let _ = HtmlPolicy::comment().clean(&text);
    }
}
