//! Empty: cargo wants a build script where `links` is set.
fn main() {}
