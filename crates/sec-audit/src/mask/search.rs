//! Where in a text something begins and ends.

/// Where `needle` begins, at `from` or later.
pub(super) fn find(text: &str, needle: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(needle)?.checked_add(from)
}

/// Where the run of accepted bytes that begins at `from` ends. Every caller accepts either no byte of a
/// multi-byte character or all of them, so the end is a character's edge.
pub(super) fn run_end(text: &str, from: usize, accept: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    from.saturating_add(rest.iter().position(|b| !accept(*b)).unwrap_or(rest.len()))
}
