//! JSON that is safe to print: one line, and no character that a terminal or an editor obeys.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// One line without its end. Nothing in this crate fails to serialise; if something did, the line would say so.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    match write(&mut out, value) {
        Ok(()) => out,
        Err(_) => b"{\"error\":\"not serialisable\"}".to_vec(),
    }
}

pub(crate) fn text(value: &impl Serialize) -> String {
    String::from_utf8(line(value)).unwrap_or_default()
}

pub(crate) fn write(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    value
        .serialize(&mut Serializer::with_formatter(out, Safe))
        .map_err(io::Error::from)
}

/// `serde_json` escapes what RFC 8259 demands (up to U+001F). This adds what else can move a cursor, break a
/// line or turn text around (RUSTSEC-2025-0055; CVE-2021-42574). Escaping loses nothing.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest
            .char_indices()
            .find(|(_, c)| sec_core::text::is_unsafe(*c))
        {
            let (clean, tail) = rest.split_at(at);
            out.write_all(clean.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = tail.strip_prefix(c).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }
}
