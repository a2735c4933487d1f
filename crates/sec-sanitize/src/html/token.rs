//! Cuts HTML source into tags, as the tokenizer of the HTML standard does (section 13.2.5), without
//! building anything. Only what the budget needs is kept: names, attribute counts and lengths.

use memchr::{memchr, memmem};

/// One piece of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Character data between tags.
    Text(&'a str),
    /// A start tag.
    Start(Tag<'a>),
    /// An end tag's name.
    End(&'a str),
    /// `<![CDATA[`: text in SVG, a comment in HTML.
    CData,
    /// A comment, a doctype, or what the standard turns into a comment.
    Comment,
}

/// A start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) attributes: usize,
    /// Everything between `<` and `>`.
    pub(super) source: &'a str,
}

/// Walks over the source once; every byte is looked at a constant number of times.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Jumps to the end tag of a raw-text element; the text between is returned, and `false` when
    /// the source ends first.
    pub(super) fn skip_raw(&mut self, name: &str) -> (&'a str, bool) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        for open in memmem::find_iter(bytes, b"</") {
            let after = open.saturating_add(2);
            let end = after.saturating_add(name.len());
            let same = bytes
                .get(after..end)
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
            if same
                && bytes
                    .get(end)
                    .is_none_or(|&b| is_space(b) || b == b'/' || b == b'>')
            {
                self.at = self.at.saturating_add(open);
                return (rest.get(..open).unwrap_or_default(), true);
            }
        }
        self.at = self.source.len();
        (rest, false)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let rest = self.rest();
        let piece = rest.get(..length).unwrap_or(rest);
        self.at = self.at.saturating_add(piece.len());
        piece
    }

    /// A bogus comment or doctype: up to the next `>`.
    fn take_to_gt(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let length = memchr(b'>', rest.as_bytes()).map_or(rest.len(), |at| at.saturating_add(1));
        self.take(length);
        Piece::Comment
    }

    /// A comment ends at the first `-->` or `--!>`; `<!-->` and `<!--->` are whole comments.
    fn take_comment(&mut self) -> Piece<'a> {
        let rest = self.rest().as_bytes();
        // The dashes of `<!--` may themselves belong to the end.
        let short = memmem::find(rest.get(2..).unwrap_or_default(), b"-->")
            .map_or(rest.len(), |at| at.saturating_add(5));
        let bang = memmem::find(rest.get(4..short).unwrap_or_default(), b"--!>")
            .map_or(rest.len(), |at| at.saturating_add(8));
        self.take(short.min(bang));
        Piece::Comment
    }

    /// A start tag whose name begins right after the `<`; `None` when the source ends inside it.
    fn take_tag(&mut self, closing: bool) -> Option<Piece<'a>> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let begin = if closing { 2 } else { 1 };
        let (name_end, end, attributes) = tag_end(bytes, begin)?;
        let name = rest.get(begin..name_end).unwrap_or_default();
        let source = rest.get(begin..end).unwrap_or_default();
        self.take(end.saturating_add(1));
        Some(if closing {
            Piece::End(name)
        } else {
            Piece::Start(Tag {
                name,
                attributes,
                source,
            })
        })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let first = *bytes.first()?;
        if first == b'<' {
            match (bytes.get(1), bytes.get(2)) {
                (Some(b), _) if b.is_ascii_alphabetic() => return self.tag_or_end(false),
                (Some(b'/'), Some(b)) if b.is_ascii_alphabetic() => return self.tag_or_end(true),
                (Some(b'/'), Some(_)) => return Some(self.take_to_gt()),
                (Some(b'!'), _) if bytes.starts_with(b"<!--") => return Some(self.take_comment()),
                (Some(b'!'), _) if bytes.starts_with(b"<![CDATA[") => {
                    self.take(9);
                    return Some(Piece::CData);
                }
                (Some(b'!' | b'?'), _) => return Some(self.take_to_gt()),
                _ => {}
            }
        }
        // The first byte is text whatever it is.
        let after = bytes.get(1..).unwrap_or_default();
        let length = memchr(b'<', after).map_or(bytes.len(), |at| at.saturating_add(1));
        Some(Piece::Text(self.take(length)))
    }
}

impl<'a> Tokens<'a> {
    fn tag_or_end(&mut self, closing: bool) -> Option<Piece<'a>> {
        let piece = self.take_tag(closing);
        if piece.is_none() {
            self.at = self.source.len(); // An unfinished tag is dropped by the parser.
        }
        piece
    }
}

/// The end of the tag's name, the place of its `>`, and the count of its attributes.
fn tag_end(bytes: &[u8], begin: usize) -> Option<(usize, usize, usize)> {
    let mut at = begin;
    while !matches!(
        bytes.get(at)?,
        b'/' | b'>' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c
    ) {
        at = at.saturating_add(1);
    }
    let name_end = at;
    let mut attributes = 0_usize;
    loop {
        while is_space(*bytes.get(at)?) || *bytes.get(at)? == b'/' {
            at = at.saturating_add(1);
        }
        if *bytes.get(at)? == b'>' {
            return Some((name_end, at, attributes));
        }
        attributes = attributes.saturating_add(1);
        at = attribute_end(bytes, at)?;
    }
}

/// The first byte after the attribute that begins at `at`.
fn attribute_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at.saturating_add(1); // A leading `=` belongs to the name.
    while !matches!(bytes.get(at)?, b'=' | b'/' | b'>') && !is_space(*bytes.get(at)?) {
        at = at.saturating_add(1);
    }
    let mut value = at;
    while is_space(*bytes.get(value)?) {
        value = value.saturating_add(1);
    }
    if *bytes.get(value)? != b'=' {
        return Some(at);
    }
    value = value.saturating_add(1);
    while is_space(*bytes.get(value)?) {
        value = value.saturating_add(1);
    }
    match *bytes.get(value)? {
        quote @ (b'"' | b'\'') => {
            let inside = value.saturating_add(1);
            let length = memchr(quote, bytes.get(inside..)?)?;
            Some(inside.saturating_add(length).saturating_add(1))
        }
        _ => {
            while *bytes.get(value)? != b'>' && !is_space(*bytes.get(value)?) {
                value = value.saturating_add(1);
            }
            Some(value)
        }
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}
