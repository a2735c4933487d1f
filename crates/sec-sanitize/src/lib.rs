//! sec-sanitize
