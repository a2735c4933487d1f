//! sec-headers
