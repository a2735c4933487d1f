//! sec-core
