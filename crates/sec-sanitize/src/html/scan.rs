//! What cleaning a text would cost, found by one pass over the source before any parser runs.
//!
//! A byte limit does not bound the cost of HTML: the standard's parser reopens unclosed formatting
//! elements in each new block, moves the content of misnested tags about, and walks over all open
//! elements at each tag. 13.5 KB of `<b>` and `<p>` become 12 MB, and 144 KB of `<div>` and `</p>` take
//! more than a second. [`scan`] follows the parser with a model that is wrong on one side only: it may
//! believe an element open that the parser has closed, never the other way round. An end tag closes
//! something here only if it fits the innermost element (or what the standard lets it close); where
//! the source is ambiguous (script with `<!--`, raw text inside SVG), nothing closes any more.

use super::names;
use super::token::{Piece, Tag, Tokens};

/// The cost of a text. All figures are upper bounds of what the parser will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan {
    /// Tags of any kind.
    pub elements: usize,
    /// The deepest nesting.
    pub depth: usize,
    /// The most attributes on one tag.
    pub attributes: usize,
    /// Character references, or what could begin one.
    pub references: usize,
    /// Bytes of output, with reopened formatting elements and escapes, when every element were allowed.
    pub output_bytes: usize,
    /// Moves of nodes that misnested tags, stray table content and options cause.
    pub moves: usize,
    /// Tags and texts that the scan itself looked at: never more than bytes in the source.
    pub steps: usize,
}

/// Counts what cleaning `source` would cost, in one pass and without building a tree.
///
/// The time is linear in the length of the source, whatever it holds; the memory is at most 24 bytes
/// per tag.
///
/// ```
/// let bomb = format!("<p>{}{}", "<b title=i>".repeat(800), "<p>x".repeat(800));
/// let cost = sec_sanitize::html::scan(&bomb);
/// assert!(bomb.len() < 14_000 && cost.output_bytes > 12_000_000);
/// ```
#[must_use]
pub fn scan(source: &str) -> Scan {
    let mut model = Model::default();
    model.cost.references = memchr::memchr_iter(b'&', source.as_bytes()).count();
    let mut tokens = Tokens::new(source);
    while let Some(piece) = tokens.next() {
        model.cost.steps = model.cost.steps.saturating_add(1);
        match piece {
            Piece::Text(text) => model.text(text),
            Piece::Comment => {}
            Piece::End(name) => model.end(name),
            // Text in SVG, a comment that ends at the first `>` in HTML.
            Piece::CData => return model.blind(tokens.rest()),
            Piece::Start(tag) => {
                let name = Lower::new(tag.name);
                model.start(name.as_str(), tag);
                let raw = names::is_raw(name.as_str());
                if matches!(name.as_str(), "noscript" | "plaintext") || (raw && model.foreign) {
                    return model.blind(tokens.rest());
                }
                if raw {
                    let content = tokens.rest();
                    let (text, closed) = tokens.skip_raw(tag.name);
                    if name.as_str() == "script" && text.contains("<!--") {
                        return model.blind(content);
                    }
                    model.text(text);
                    if !closed {
                        break;
                    }
                }
            }
        }
    }
    model.cost
}

/// An open element, as far as the model knows.
#[derive(Debug)]
struct Open<'a> {
    name: Lower,
    source: &'a str,
    /// What one more copy of it costs; 0 for elements that are never reopened.
    copy_bytes: usize,
}

#[derive(Debug, Default)]
struct Model<'a> {
    cost: Scan,
    open: Vec<Open<'a>>,
    /// The sum of `copy_bytes` over `open`.
    reopen_bytes: usize,
    /// SVG, MathML or a select has been seen: void and implied ends are no longer certain.
    foreign: bool,
    /// Open `a` and `nobr`, which do not nest.
    links: usize,
    table_seen: bool,
    select_seen: bool,
    misnested: bool,
    fostered: usize,
}

impl<'a> Model<'a> {
    fn text(&mut self, text: &str) {
        self.write(escaped_len(text));
        if self.table_seen && text.bytes().any(|byte| !super::token::is_space(byte)) {
            self.foster();
        }
    }

    fn start(&mut self, name: &str, tag: Tag<'a>) {
        self.count_tag();
        self.cost.attributes = self.cost.attributes.max(tag.attributes);
        if matches!(name, "svg" | "math" | "select") {
            self.foreign = true;
        }
        self.select_seen |= name == "select";
        if self.select_seen && name == "option" {
            self.moved(self.cost.elements);
        }
        if !names::is_table_part(name) {
            self.foster();
        }
        self.table_seen |= name == "table";
        let copy_bytes = copy_len(name, tag);
        self.write(copy_bytes);
        let formatting = names::is_formatting(name);
        if formatting {
            if matches!(name, "a" | "nobr") {
                if self.links > 0 {
                    self.misnest(); // The parser closes the outer one where it stands.
                }
                self.links = self.links.saturating_add(1);
            }
        } else {
            self.reopen();
            self.close_implied_by(name);
        }
        if names::is_void(name) && !self.foreign {
            return;
        }
        let copy_bytes = if formatting { copy_bytes } else { 0 };
        self.reopen_bytes = self.reopen_bytes.saturating_add(copy_bytes);
        self.open.push(Open {
            name: Lower::new(name),
            source: tag.name,
            copy_bytes,
        });
        self.cost.depth = self.cost.depth.max(self.open.len());
    }

    fn end(&mut self, source: &str) {
        let name = Lower::new(source);
        let name = name.as_str();
        self.count_tag();
        self.write(16); // `</p>` and `</br>` make an element of their own.
        if self.select_seen && name == "option" {
            self.moved(self.cost.elements);
        }
        if !names::is_table_part(name) {
            self.foster();
        }
        if !names::is_formatting(name) {
            self.reopen();
        }
        let implied = if self.foreign || !names::closes_implied(name) {
            0
        } else {
            let table = name == "table";
            let fits = |o: &&Open| {
                let open = o.name.as_str();
                open != name
                    && (names::is_implied_end(open) || (table && names::is_table_part(open)))
            };
            self.open.iter().rev().take(8).take_while(fits).count()
        };
        let keep = self.open.len().saturating_sub(implied);
        let kept = self.open.get(..keep).and_then(<[_]>::last);
        if kept.is_some_and(|o| o.source.eq_ignore_ascii_case(source)) {
            self.close_down_to(keep.saturating_sub(1));
        } else if names::is_formatting(name) {
            self.misnest();
        } else {
            self.misnested = true;
        }
    }

    /// The rest of the source is ambiguous: whatever looks like a start is one, and nothing closes. Where
    /// a tag ends is unknown too, so each piece up to the next `<` counts as part of what is reopened.
    fn blind(mut self, rest: &'a str) -> Scan {
        self.foreign = true;
        self.misnested = true;
        for piece in rest.split('<') {
            self.cost.steps = self.cost.steps.saturating_add(1);
            let tag = Tag {
                name: "?",
                attributes: piece.len().min(1),
                source: piece,
            };
            let copy_bytes = copy_len("a", tag);
            self.write(copy_bytes);
            self.reopen_bytes = self.reopen_bytes.saturating_add(copy_bytes);
            self.reopen();
            self.count_tag();
            if piece.starts_with('/') {
                self.misnest();
            } else if piece.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.open.push(Open {
                    name: Lower::new("?"),
                    source: "?",
                    copy_bytes: 0,
                });
                self.cost.depth = self.cost.depth.max(self.open.len());
            }
            self.table_seen = true;
            self.foster();
        }
        self.cost
    }

    fn close_implied_by(&mut self, name: &str) {
        if self.foreign {
            return;
        }
        let top = |model: &Self, is: fn(&str) -> bool| {
            model.open.last().is_some_and(|o| is(o.name.as_str()))
        };
        let item = names::is_item(name);
        let cell = matches!(name, "td" | "th");
        let row = cell || matches!(name, "tr" | "tbody" | "thead" | "tfoot");
        let closes_p = names::is_block(name) || item || row || matches!(name, "p" | "hr" | "form");
        if closes_p && top(self, |open| open == "p") {
            self.close_one();
        }
        if item && top(self, names::is_item) && self.open.last().is_some_and(|o| o.name.pairs(name))
        {
            self.close_one();
        }
        if row && top(self, |open| matches!(open, "td" | "th")) {
            self.close_one();
        }
        if row && !cell && top(self, |open| open == "tr") {
            self.close_one();
        }
        if row && !cell && name != "tr" && top(self, |o| matches!(o, "tbody" | "thead" | "tfoot")) {
            self.close_one();
        }
    }

    fn close_one(&mut self) {
        self.close_down_to(self.open.len().saturating_sub(1));
    }

    fn close_down_to(&mut self, length: usize) {
        for closed in self.open.drain(length..) {
            self.reopen_bytes = self.reopen_bytes.saturating_sub(closed.copy_bytes);
            if closed.name.is("a") || closed.name.is("nobr") {
                self.links = self.links.saturating_sub(1);
            }
        }
    }

    /// A tag which may close a block: every open formatting element may come back once.
    fn reopen(&mut self) {
        self.write(self.reopen_bytes);
    }

    /// A formatting element is closed across others: the standard's adoption agency makes up to eight
    /// rounds, each of which copies elements and moves all children of a block.
    fn misnest(&mut self) {
        self.misnested = true;
        self.write(self.reopen_bytes.saturating_mul(8));
        self.moved(self.cost.elements.saturating_mul(8));
    }

    /// Content directly in a table is moved before it, and its place is searched among all siblings.
    fn foster(&mut self) {
        let stray = self
            .open
            .last()
            .is_some_and(|o| names::is_fostering(o.name.as_str()));
        if self.table_seen && (self.misnested || stray) {
            self.fostered = self.fostered.saturating_add(1);
            self.moved(self.fostered);
        }
    }

    fn count_tag(&mut self) {
        self.cost.elements = self.cost.elements.saturating_add(1);
    }

    fn write(&mut self, bytes: usize) {
        self.cost.output_bytes = self.cost.output_bytes.saturating_add(bytes);
    }

    fn moved(&mut self, nodes: usize) {
        self.cost.moves = self.cost.moves.saturating_add(nodes);
    }
}

/// A name in lower case; longer names than any that matters are told apart by their beginning and length.
#[derive(Clone, Copy, Debug)]
struct Lower {
    bytes: [u8; Self::LONGEST],
    length: u8,
}

impl Lower {
    const LONGEST: usize = 14;

    fn new(name: &str) -> Self {
        let mut bytes = [b'?'; Self::LONGEST];
        for (slot, byte) in bytes.iter_mut().zip(name.bytes()) {
            *slot = if byte.is_ascii() {
                byte.to_ascii_lowercase()
            } else {
                b'?'
            };
        }
        Self {
            bytes,
            length: u8::try_from(name.len()).unwrap_or(u8::MAX),
        }
    }

    fn as_str(&self) -> &str {
        let length = usize::from(self.length).min(Self::LONGEST);
        self.bytes
            .get(..length)
            .and_then(|b| str::from_utf8(b).ok())
            .unwrap_or("?")
    }

    fn is(&self, name: &str) -> bool {
        self.as_str() == name
    }

    /// `li` closes `li`, `dd` and `dt` close each other.
    fn pairs(&self, name: &str) -> bool {
        (name == "li") == (self.as_str() == "li")
    }
}

/// What writing a tag and its end tag takes, with the attributes that a policy adds.
fn copy_len(name: &str, tag: Tag<'_>) -> usize {
    let own = match name {
        "a" => 96,
        "td" | "th" | "tr" | "col" | "caption" => 40,
        _ => 8,
    };
    escaped_len(tag.source)
        .saturating_add(tag.name.len())
        .saturating_add(tag.attributes.saturating_mul(4))
        .saturating_add(own)
}

/// The length after escaping, counting each byte that could be escaped as the longest escape.
fn escaped_len(text: &str) -> usize {
    let extra: usize = text
        .bytes()
        .map(|byte| match byte {
            b'&' | b'"' => 5,
            b'<' | b'>' => 3,
            0xc2 => 4,
            0 => 2,
            _ => 0_usize,
        })
        .sum();
    text.len().saturating_add(extra)
}
