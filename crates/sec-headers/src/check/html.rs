//! Finds the scripts and the `<meta>` elements of a page. It follows the HTML tokenizer as far as it
//! must so as not to take text for markup, and builds no tree.

/// How much of a page is read.
const MAX_BYTES: usize = 1 << 20;
/// How many scripts or `<meta>` elements are kept.
const MAX_ELEMENTS: usize = 4096;
/// Elements whose content is text (HTML, section 13.2.6.2); scripts count as without scripting.
const TEXT: [&str; 8] = [
    "script", "style", "textarea", "title", "iframe", "xmp", "noembed", "noframes",
];

/// Event handlers that pages are written with (HTML, section 8.1.8.2).
const HANDLERS: [&str; 34] = [
    "onbeforeunload",
    "onblur",
    "onchange",
    "onclick",
    "oncontextmenu",
    "oncopy",
    "ondblclick",
    "ondragstart",
    "ondrop",
    "onerror",
    "onfocus",
    "onhashchange",
    "oninput",
    "oninvalid",
    "onkeydown",
    "onkeypress",
    "onkeyup",
    "onload",
    "onmousedown",
    "onmouseenter",
    "onmouseleave",
    "onmousemove",
    "onmouseout",
    "onmouseover",
    "onmouseup",
    "onpaste",
    "onpopstate",
    "onreset",
    "onresize",
    "onscroll",
    "onselect",
    "onsubmit",
    "onunload",
    "onwheel",
];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The contents of `<meta http-equiv="Content-Security-Policy">`.
    pub(super) policies: Vec<String>,
    /// The content of the last `<meta name="referrer">`.
    pub(super) referrer: Option<String>,
    pub(super) scripts: Vec<Script>,
    /// The first attribute with an event handler.
    pub(super) handler: Option<&'static str>,
    /// The first `<base href>`.
    pub(super) base: Option<String>,
}

#[derive(Debug)]
pub(super) struct Script {
    /// `None` for an inline script.
    pub(super) src: Option<String>,
    /// Whether `integrity` says anything.
    pub(super) integrity: bool,
    /// Whether the element has code of its own that a browser would run.
    pub(super) inline: bool,
    pub(super) nonce: Option<String>,
}

pub(super) fn scan(html: &str) -> Page {
    let mut rest = head(html, MAX_BYTES);
    let mut page = Page::default();
    // What is in a template is not in the page, and scripts in SVG have no src.
    let (mut templates, mut svgs, mut noscripts) = (0_usize, 0_usize, 0_usize);
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (closing, name) = match after.strip_prefix('/') {
            Some(name) => (true, name),
            None => (false, after),
        };
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            rest = after;
            continue;
        }
        let end = name.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
        let (name, attributes) = name
            .split_at_checked(end.unwrap_or(name.len()))
            .unwrap_or((name, ""));
        let name = name.to_ascii_lowercase();
        let (tag, after) = Tag::read(attributes);
        rest = after;
        let step = |depth: usize| {
            if closing {
                depth.saturating_sub(1)
            } else {
                depth.saturating_add(1)
            }
        };
        match name.as_str() {
            "template" => templates = step(templates),
            "noscript" => noscripts = step(noscripts),
            "svg" => svgs = step(svgs),
            _ if closing => continue,
            _ => {}
        }
        if !closing && templates == 0 {
            let empty = rest.starts_with("</");
            page.take(&name, tag, svgs > 0, noscripts == 0 && !empty);
        }
        if !closing && TEXT.contains(&name.as_str()) {
            rest = after_text(rest, &name);
        }
    }
    page
}

impl Page {
    /// `runs` is whether code may run here, and there is some.
    fn take(&mut self, name: &str, tag: Tag, in_svg: bool, runs: bool) {
        self.handler = self.handler.or(tag.handler);
        match name {
            "script" if self.scripts.len() < MAX_ELEMENTS => self.scripts.push(Script {
                inline: runs && tag.is_inline_code(in_svg),
                nonce: tag.nonce,
                src: tag.src.filter(|src| !in_svg && !src.trim().is_empty()),
                integrity: tag.integrity.is_some_and(|text| !text.is_empty()),
            }),
            "base" if self.base.is_none() => self.base = tag.href,
            "meta" => self.take_meta(tag),
            _ => {}
        }
    }

    fn take_meta(&mut self, tag: Tag) {
        let is = |field: &Option<String>, known: &str| {
            field
                .as_deref()
                .is_some_and(|text| text.trim().eq_ignore_ascii_case(known))
        };
        let content = tag.content.filter(|content| !content.trim().is_empty());
        if is(&tag.http_equiv, "content-security-policy") {
            if self.policies.len() < MAX_ELEMENTS {
                self.policies.extend(content);
            }
        } else if is(&tag.name, "referrer") {
            self.referrer = content.or(self.referrer.take());
        }
    }
}

/// The attributes that matter. The first of a name counts.
#[derive(Debug, Default)]
struct Tag {
    src: Option<String>,
    integrity: Option<String>,
    href: Option<String>,
    http_equiv: Option<String>,
    name: Option<String>,
    content: Option<String>,
    nonce: Option<String>,
    kind: Option<String>,
    no_module: Option<String>,
    handler: Option<&'static str>,
}

impl Tag {
    /// Reads attributes up to the end of the tag, and gives what comes after it.
    fn read(mut rest: &str) -> (Self, &str) {
        let mut tag = Self::default();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if let Some(after) = rest.strip_prefix('>') {
                return (tag, after);
            }
            let Some(first) = rest.chars().next() else {
                return (tag, "");
            };
            // A `=` in front is part of the name (HTML, section 13.2.5.32).
            let from = first.len_utf8();
            let ends = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>' || c == '=';
            let tail = rest.get(from..).unwrap_or_default();
            let end = tail
                .find(ends)
                .map_or(rest.len(), |at| at.saturating_add(from));
            let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let value = after
                .trim_ascii_start()
                .strip_prefix('=')
                .map(str::trim_ascii_start);
            let Some(value) = value else {
                tag.set(name, "");
                rest = after;
                continue;
            };
            let (value, after) = attribute_value(value);
            tag.set(name, value);
            rest = after;
        }
    }

    /// Whether a `<script>` with these attributes has its code in the page, and browsers run it (HTML, section
    /// 4.12.1.1): of other types it is data.
    fn is_inline_code(&self, in_svg: bool) -> bool {
        let outside = if in_svg { &self.href } else { &self.src };
        let kind = self.kind.as_deref().map(str::trim).unwrap_or_default();
        let runs = ["", "module", "text/javascript", "application/javascript"];
        let runs = runs.iter().any(|known| known.eq_ignore_ascii_case(kind));
        outside.is_none() && runs && self.no_module.is_none()
    }

    fn set(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if name.starts_with("on") && self.handler.is_none() {
            self.handler = HANDLERS.into_iter().find(|known| *known == name);
        }
        let field = match name.as_str() {
            "src" => &mut self.src,
            "integrity" => &mut self.integrity,
            "href" | "xlink:href" => &mut self.href,
            "nonce" => &mut self.nonce,
            "type" => &mut self.kind,
            "nomodule" => &mut self.no_module,
            "http-equiv" => &mut self.http_equiv,
            "name" => &mut self.name,
            "content" => &mut self.content,
            _ => return,
        };
        if field.is_none() {
            *field = Some(decode(value));
        }
    }
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>');
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

/// The text after the end tag of an element whose content is text.
fn after_text<'a>(mut rest: &'a str, name: &str) -> &'a str {
    while let Some((_, after)) = rest.split_once("</") {
        rest = after;
        let (Some(head), Some(tail)) = (after.get(..name.len()), after.get(name.len()..)) else {
            continue;
        };
        let ends = tail.starts_with(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
        if head.eq_ignore_ascii_case(name) && ends {
            return Tag::read(tail).1;
        }
    }
    ""
}

/// Character references that addresses and policies are written with.
fn decode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        // No reference that is known here is longer.
        let known = head(after, 10).split_once(';').and_then(|(name, _)| {
            let tail = after.get(name.len().saturating_add(1)..)?;
            Some((reference(name)?, tail))
        });
        match known {
            Some((c, tail)) => {
                text.push(c);
                rest = tail;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "apos" => '\'',
        "colon" => ':',
        "gt" => '>',
        "lt" => '<',
        "quot" => '"',
        "semi" => ';',
        "sol" => '/',
        _ => return None,
    })
}

/// The text up to this many bytes, or a few less so as not to cut a character.
fn head(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes).rev().take(4);
    let end = ends.find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}
