//! The policies that have a name.

use std::sync::LazyLock;

use super::budget::Budget;
use super::builder::{HtmlPolicyBuilder, LinkTarget};
use super::policy::HtmlPolicy;

impl HtmlPolicy {
    /// No element at all: tags go, their text stays (that of `script`, `style`, `template`, `iframe` and the
    /// like goes too). The result is escaped text, ready to stand between tags.
    #[must_use]
    pub fn plain_text() -> Self {
        static POLICY: LazyLock<HtmlPolicy> =
            LazyLock::new(|| named("plain_text", HtmlPolicyBuilder::new()));
        POLICY.clone()
    }

    /// What a stranger may write: `p br b i em strong u s code pre blockquote ul ol li a`.
    ///
    /// `a` may have `href` (http, https, mailto, or a path of the same site) and `title`; its `rel` is
    /// `nofollow noopener noreferrer ugc`. No images: each would tell its host who reads the comment.
    #[must_use]
    pub fn comment() -> Self {
        static POLICY: LazyLock<HtmlPolicy> = LazyLock::new(|| {
            let builder = HtmlPolicyBuilder::new()
                .tags([
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
                ])
                .attributes("a", ["href", "title"])
                .link_rel("nofollow noopener noreferrer ugc");
            named("comment", builder)
        });
        POLICY.clone()
    }

    /// What an editor may write: `p br strong em u h1 h2 h3 ul ol li a blockquote code pre`.
    ///
    /// `a` may have `href`, `title` and `target` (`_blank` or `_self`); its `rel` is always
    /// `noopener noreferrer`, whatever the author wrote. The budget is [`Budget::article`].
    #[must_use]
    pub fn article() -> Self {
        static POLICY: LazyLock<HtmlPolicy> = LazyLock::new(|| {
            let builder = HtmlPolicyBuilder::new()
                .tags([
                    "p",
                    "br",
                    "strong",
                    "em",
                    "u",
                    "h1",
                    "h2",
                    "h3",
                    "ul",
                    "ol",
                    "li",
                    "a",
                    "blockquote",
                    "code",
                    "pre",
                ])
                .attributes("a", ["href", "title", "target"])
                .link_target(LinkTarget::Author)
                .budget(Budget::article());
            named("article", builder)
        });
        POLICY.clone()
    }
}

/// The named policies are constants of this crate: a test builds each. Should one ever be contradictory, it
/// becomes the policy which allows nothing, never a panic in a request.
fn named(name: &'static str, builder: HtmlPolicyBuilder) -> HtmlPolicy {
    builder
        .name(name)
        .build()
        .unwrap_or_else(|_| HtmlPolicyBuilder::new().name("empty").lenient())
}
