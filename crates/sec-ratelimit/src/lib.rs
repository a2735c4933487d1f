//! sec-ratelimit
