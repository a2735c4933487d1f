//! Entries as bytes.

use std::io::{self, Write};

use super::{Format, csv};
use crate::entry::AuditEntry;
use crate::json;

/// Writes entries in a format, from the first byte to the last.
///
/// # Errors
/// Those of the writer.
pub fn write_entries<'a>(
    out: &mut impl Write,
    entries: impl IntoIterator<Item = &'a AuditEntry>,
    format: Format,
) -> io::Result<()> {
    let mut encoder = Encoder::new(format);
    encoder.write(out, entries)?;
    encoder.finish(out)
}

/// Writes the entries of one export, in any number of pieces.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    begun: bool,
}

impl Encoder {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            begun: false,
        }
    }

    pub(super) fn write<'a>(
        &mut self,
        out: &mut impl Write,
        entries: impl IntoIterator<Item = &'a AuditEntry>,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => {
                for entry in entries {
                    out.write_all(if self.begun { b",\n" } else { b"[\n" })?;
                    self.begun = true;
                    json::write(&mut *out, entry)?;
                }
            }
            Format::JsonLines => {
                for entry in entries {
                    json::write(&mut *out, entry)?;
                    out.write_all(b"\n")?;
                }
            }
            Format::Csv => {
                let header = !std::mem::replace(&mut self.begun, true);
                csv::write(out, entries, header)?;
            }
        }
        Ok(())
    }

    /// Ends the document: an export without entries is one, too.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            Format::Json if self.begun => out.write_all(b"\n]\n"),
            Format::Json => out.write_all(b"[]\n"),
            Format::JsonLines => Ok(()),
            Format::Csv => self.write(out, []),
        }
    }
}
