//! Policies of one's own, checked when they are built.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::budget::Budget;
use super::error::PolicyError;
use super::policy::{HtmlPolicy, Inner};
use super::url::check_link;

/// Who decides where a link opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkTarget {
    /// No `target` is written: links open where the browser likes.
    #[default]
    None,
    /// The author, if `target` is an allowed attribute of `a`: `_blank` and `_self` pass.
    Author,
    /// Each link gets `target="_blank"`.
    Blank,
}

/// Builds an [`HtmlPolicy`]; see [`HtmlPolicy::builder`].
///
/// All that would make a cleaner panic or let a script through is an error of [`build`](Self::build).
///
/// ```
/// use sec_sanitize::html::{HtmlPolicy, PolicyError};
///
/// let policy = HtmlPolicy::builder()
///     .tags(["p", "img", "code"])
///     .attributes("img", ["src", "alt"])
///     .classes("code", ["rust", "toml"])
///     .build()?;
/// let html = policy.clean(r#"<img src="https://cdn.example/a.png" alt=a onerror=x()><code class="rust x">"#).unwrap();
/// assert_eq!(html.as_str(), r#"<img src="https://cdn.example/a.png" alt="a"><code class="rust"></code>"#);
///
/// let wrong = HtmlPolicy::builder().tags(["script"]).build();
/// assert_eq!(wrong.unwrap_err(), PolicyError::ForbiddenTag("script"));
/// # Ok::<(), PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct HtmlPolicyBuilder {
    name: &'static str,
    tags: BTreeSet<&'static str>,
    attributes: BTreeMap<&'static str, BTreeSet<&'static str>>,
    classes: BTreeMap<&'static str, BTreeSet<&'static str>>,
    removed: BTreeSet<&'static str>,
    schemes: Vec<&'static str>,
    relative_links: bool,
    link_rel: Option<&'static str>,
    link_target: LinkTarget,
    id_prefix: Option<&'static str>,
    strip_hidden: bool,
    budget: Budget,
}

impl HtmlPolicy {
    /// A policy of one's own, which begins with nothing allowed.
    pub fn builder() -> HtmlPolicyBuilder {
        HtmlPolicyBuilder::new()
    }
}

impl HtmlPolicyBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: "own",
            tags: BTreeSet::new(),
            attributes: BTreeMap::new(),
            classes: BTreeMap::new(),
            removed: BTreeSet::from(REMOVED_WITH_CONTENT),
            schemes: vec!["http", "https", "mailto"],
            relative_links: true,
            link_rel: Some("noopener noreferrer"),
            link_target: LinkTarget::None,
            id_prefix: None,
            strip_hidden: true,
            budget: Budget::default(),
        }
    }

    pub(super) fn name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Allows elements. Script, style, frames, forms, SVG and MathML cannot be allowed.
    pub fn tags(mut self, tags: impl IntoIterator<Item = &'static str>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Allows attributes of one element. Only such can be allowed as need no check or get one: `href`,
    /// `src` and `cite` are checked as links.
    pub fn attributes(
        mut self,
        tag: &'static str,
        attributes: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        self.attributes.entry(tag).or_default().extend(attributes);
        self
    }

    /// Allows `class` on one element, with these classes only.
    pub fn classes(
        mut self,
        tag: &'static str,
        classes: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        self.classes.entry(tag).or_default().extend(classes);
        self
    }

    /// Removes elements together with their text. Always so: script, style, template, iframe, object, svg, math
    /// and the like.
    pub fn remove_with_content(mut self, tags: impl IntoIterator<Item = &'static str>) -> Self {
        self.removed.extend(tags);
        self
    }

    /// Replaces the schemes that links may have. Default `http`, `https`, `mailto`. Images and other `src` may
    /// use `http` and `https` only, as far as they are listed here.
    pub fn schemes(self, schemes: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            schemes: schemes.into_iter().collect(),
            ..self
        }
    }

    /// Whether links to paths of the same site pass. Default yes. A link can then make a reader's browser
    /// send any GET request of the site: keep GET harmless.
    pub fn relative_links(self, relative_links: bool) -> Self {
        Self {
            relative_links,
            ..self
        }
    }

    /// What `rel` each link gets. Default `noopener noreferrer`; `nofollow ugc` tells search engines that
    /// the site does not vouch for it.
    pub fn link_rel(self, rel: &'static str) -> Self {
        Self {
            link_rel: Some(rel),
            ..self
        }
    }

    /// Writes no `rel`. A page opened by `target=_blank` learns the address it came from.
    pub fn without_link_rel(self) -> Self {
        Self {
            link_rel: None,
            ..self
        }
    }

    /// Who decides where links open. Default nobody.
    pub fn link_target(self, link_target: LinkTarget) -> Self {
        Self {
            link_target,
            ..self
        }
    }

    /// The prefix of each `id`, for instance `user-content-`. Without one `id` cannot be allowed: it could take the
    /// place of an element that the page's scripts look up (DOM clobbering).
    pub fn id_prefix(self, prefix: &'static str) -> Self {
        Self {
            id_prefix: Some(prefix),
            ..self
        }
    }

    /// Keeps controls, bidi overrides and zero-width characters, which are removed by default
    /// (see [`is_hidden`](crate::text::is_hidden)).
    pub fn keep_hidden_characters(self) -> Self {
        Self {
            strip_hidden: false,
            ..self
        }
    }

    /// Replaces the limits. Default [`Budget::default`].
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Builds the policy.
    ///
    /// # Errors
    /// When the policy contradicts itself, names something that cannot be made safe, or has a limit
    /// out of range.
    pub fn build(self) -> Result<HtmlPolicy, PolicyError> {
        self.budget.validate()?;
        self.check_names()?;
        self.check_tags()?;
        self.check_attributes()?;
        for scheme in &self.schemes {
            if matches!(
                *scheme,
                "javascript" | "vbscript" | "data" | "file" | "blob" | "filesystem"
            ) || scheme.chars().any(|c| c.is_ascii_uppercase())
            {
                return Err(PolicyError::ForbiddenScheme(scheme));
            }
        }
        Ok(self.lenient())
    }

    /// Builds without checks, for what has passed them.
    pub(super) fn lenient(self) -> HtmlPolicy {
        let cleaner = Arc::new(self.cleaner());
        let Self {
            name,
            budget,
            strip_hidden,
            ..
        } = self;
        HtmlPolicy::from_inner(Inner {
            name,
            cleaner,
            budget,
            strip_hidden,
        })
    }

    fn check_names(&self) -> Result<(), PolicyError> {
        let names = self
            .tags
            .iter()
            .chain(&self.removed)
            .chain(self.attributes.keys());
        let names = names
            .chain(self.classes.keys())
            .chain(self.attributes.values().flatten());
        for name in names {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(fine) {
                return Err(PolicyError::BadName(name));
            }
        }
        Ok(())
    }

    fn check_tags(&self) -> Result<(), PolicyError> {
        for tag in &self.tags {
            if FORBIDDEN_TAGS.contains(tag) {
                return Err(PolicyError::ForbiddenTag(tag));
            }
            if self.removed.contains(tag) {
                return Err(PolicyError::AllowedAndRemoved(tag));
            }
        }
        for tag in self.attributes.keys().chain(self.classes.keys()) {
            if !self.tags.contains(tag) {
                return Err(PolicyError::TagNotAllowed(tag));
            }
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<(), PolicyError> {
        for (tag, attributes) in &self.attributes {
            for attribute in attributes {
                if *tag == "a" && *attribute == "rel" && self.link_rel.is_some() {
                    return Err(PolicyError::WrittenAndFreeRel);
                }
                if !HARMLESS_ATTRIBUTES.contains(attribute) {
                    return Err(PolicyError::ForbiddenAttribute(tag, attribute));
                }
                if *attribute == "id" && self.id_prefix.is_none_or(str::is_empty) {
                    return Err(PolicyError::IdWithoutPrefix);
                }
                if *attribute == "class" && self.classes.contains_key(tag) {
                    return Err(PolicyError::FreeAndListedClass(tag));
                }
            }
            let target = *tag == "a" && attributes.contains("target");
            if target && self.link_target != LinkTarget::Author {
                return Err(PolicyError::WrittenAndFreeTarget);
            }
        }
        Ok(())
    }

    fn cleaner(&self) -> ammonia::Builder<'static> {
        type Sets = HashMap<&'static str, HashSet<&'static str>>;
        let sets = |map: &BTreeMap<&'static str, BTreeSet<&'static str>>| -> Sets {
            map.iter()
                .map(|(tag, names)| (*tag, names.iter().copied().collect()))
                .collect()
        };
        let mut cleaner = ammonia::Builder::empty();
        cleaner
            .tags(self.tags.iter().copied().collect())
            .clean_content_tags(self.removed.iter().copied().collect())
            .tag_attributes(sets(&self.attributes))
            .generic_attributes(HashSet::new())
            .allowed_classes(sets(&self.classes))
            .url_schemes(self.schemes.iter().copied().collect())
            .url_relative(ammonia::UrlRelative::PassThrough)
            .link_rel(self.link_rel)
            .id_prefix(self.id_prefix)
            .strip_comments(true);
        if self.link_target == LinkTarget::Blank && self.tags.contains("a") {
            cleaner.set_tag_attribute_value("a", "target", "_blank");
        }
        let links = self.schemes.clone();
        let media: Vec<&'static str> = links
            .iter()
            .copied()
            .filter(|s| matches!(*s, "http" | "https"))
            .collect();
        let relative = self.relative_links;
        cleaner.attribute_filter(
            move |_: &str, attribute: &str, value: &str| match attribute {
                "href" | "cite" => check_link(value, &links, relative),
                "src" => check_link(value, &media, relative),
                "target" => matches!(value, "_blank" | "_self").then_some(Cow::Borrowed(value)),
                _ => Some(Cow::Borrowed(value)),
            },
        );
        cleaner
    }
}

/// Elements whose text is code, a fallback, or parsed by other rules.
const REMOVED_WITH_CONTENT: [&str; 13] = [
    "script", "style", "template", "iframe", "noembed", "noframes", "noscript", "object", "applet",
    "svg", "math", "title", "xmp",
];

/// Elements that run, load or embed, send, or whose content is not parsed as HTML.
const FORBIDDEN_TAGS: &[&str] = &[
    "script",
    "style",
    "template",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "applet",
    "svg",
    "math",
    "title",
    "xmp",
    "plaintext",
    "textarea",
    "embed",
    "frame",
    "frameset",
    "base",
    "basefont",
    "meta",
    "link",
    "html",
    "head",
    "body",
    "form",
    "input",
    "button",
    "select",
    "option",
    "optgroup",
    "keygen",
    "isindex",
    "portal",
    "fencedframe",
    "slot",
    "param",
    "dialog",
    "marquee",
    "bgsound",
    "image",
    "listing",
    "selectedcontent",
    "area",
    "map",
    "animate",
    "set",
];

/// The attributes that can be allowed. Not among them: handlers, `style`, `name` (clobbers like `id`, and has no
/// prefix), `srcset`, `srcdoc`, `background`, `longdesc`, `ping`, `poster`, `formaction`, `data-*` (script gadgets).
const HARMLESS_ATTRIBUTES: &[&str] = &[
    "abbr",
    "align",
    "alt",
    "cite",
    "class",
    "colspan",
    "controls",
    "datetime",
    "dir",
    "height",
    "href",
    "hreflang",
    "id",
    "lang",
    "loading",
    "open",
    "rel",
    "reversed",
    "rowspan",
    "scope",
    "span",
    "src",
    "start",
    "target",
    "title",
    "translate",
    "type",
    "valign",
    "value",
    "width",
];
