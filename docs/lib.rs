//! The family's documentation, compiled: every Rust block in these pages is a test.
