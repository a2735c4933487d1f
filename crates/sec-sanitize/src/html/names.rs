//! What the parser of the HTML standard (section 13.2.6) does at the sight of an element's name.

/// Elements which the parser reopens in later blocks until they are closed ("formatting").
pub(super) fn is_formatting(name: &str) -> bool {
    matches!(
        name,
        "a" | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "nobr"
            | "s"
            | "small"
            | "strike"
            | "strong"
            | "tt"
            | "u"
    )
}

/// Elements without content and end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "image"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements whose content is text up to their end tag.
pub(super) fn is_raw(name: &str) -> bool {
    matches!(
        name,
        "iframe" | "noembed" | "noframes" | "script" | "style" | "textarea" | "title" | "xmp"
    )
}

/// Elements whose end tag closes open paragraphs and list items inside of them.
pub(super) fn closes_implied(name: &str) -> bool {
    is_block(name) || is_item(name) || is_table_part(name) || matches!(name, "button" | "select")
}

/// Elements that are closed when their parent is.
pub(super) fn is_implied_end(name: &str) -> bool {
    is_item(name)
        || matches!(
            name,
            "p" | "optgroup" | "option" | "rb" | "rp" | "rt" | "rtc"
        )
}

pub(super) fn is_item(name: &str) -> bool {
    matches!(name, "li" | "dd" | "dt")
}

/// Elements whose start closes an open paragraph.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "center"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "ul"
    )
}

/// Elements between a table and the content of its cells.
pub(super) fn is_table_part(name: &str) -> bool {
    matches!(
        name,
        "table" | "caption" | "colgroup" | "tbody" | "tfoot" | "thead" | "tr" | "td" | "th"
    )
}

/// Elements in which stray content is moved out, before the table.
pub(super) fn is_fostering(name: &str) -> bool {
    matches!(
        name,
        "table" | "colgroup" | "tbody" | "tfoot" | "thead" | "tr"
    )
}
