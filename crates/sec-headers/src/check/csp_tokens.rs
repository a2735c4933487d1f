//! A Content-Security-Policy as browsers split it (CSP 3, section 2.2).

/// The policies of one header value: a comma begins another one.
pub(super) fn policies(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|policy| !policy.is_empty())
}

/// The directives of a policy: names in lower case, values as written.
pub(super) fn directives(policy: &str) -> impl Iterator<Item = (String, &str)> {
    let parts = policy
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part
            .split_once(|c: char| c.is_ascii_whitespace())
            .unwrap_or((part, ""));
        (name.to_ascii_lowercase(), value.trim())
    })
}

/// The value of a nonce source: `abc` of `'nonce-abc'`.
pub(super) fn nonce(token: &str) -> Option<&str> {
    let prefix = token.get(..7)?;
    if !prefix.eq_ignore_ascii_case("'nonce-") {
        return None;
    }
    token.get(7..)?.strip_suffix('\'')
}
