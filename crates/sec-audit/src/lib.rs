//! sec-audit
