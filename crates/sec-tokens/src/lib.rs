//! sec-tokens
