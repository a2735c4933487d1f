//! Which link targets a policy lets through.

use std::borrow::Cow;

/// Returns the target as it may be written, or `None` when it must go.
///
/// Spaces and control characters at the ends are dropped, as browsers do; inside they refuse the target, since
/// browsers remove them silently (`java\tscript:`). An absolute target must have one of `schemes`; `http` and
/// `https` also need `//`, a host, and no user name or password (`https://bank.example@evil.example/`). A
/// relative target passes if `relative` is set, unless it names another host (`//evil`, `/\evil`).
/// See the WHATWG URL standard, section 4.4.
#[must_use]
pub fn check_link<'a>(target: &'a str, schemes: &[&str], relative: bool) -> Option<Cow<'a, str>> {
    let target = target.trim_matches(|c: char| c <= ' ');
    if target
        .chars()
        .any(|c| c.is_control() || crate::text::is_hidden(c))
    {
        return None;
    }
    let Some((scheme, rest)) = split_scheme(target) else {
        let mut start = target.bytes();
        let other_host = matches!(start.next(), Some(b'/' | b'\\'))
            && matches!(start.next(), Some(b'/' | b'\\'))
            || target.starts_with('\\');
        return (relative && !other_host).then_some(Cow::Borrowed(target));
    };
    let scheme = scheme.to_ascii_lowercase();
    if !schemes.contains(&scheme.as_str()) {
        return None;
    }
    if matches!(scheme.as_str(), "http" | "https") && !names_a_host(rest) {
        return None;
    }
    Some(Cow::Borrowed(target))
}

/// `scheme` and what follows its colon. A colon in the first segment of anything else is also taken for a
/// scheme (with a name that no list holds), because a browser might.
fn split_scheme(target: &str) -> Option<(&str, &str)> {
    let (before, after) = target.split_once(':')?;
    (!before.contains(['/', '?', '#', '\\'])).then_some((before, after))
}

/// `//host` with neither credentials nor backslashes.
fn names_a_host(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("//") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.is_empty()
        && !authority.starts_with(':')
        && !authority.contains(['@', '\\', ' ', '<', '>', '"', '%'])
}

#[cfg(test)]
mod tests {
    use super::check_link;

    const WEB: &[&str] = &["http", "https", "mailto"];

    #[test]
    fn what_passes() {
        for target in [
            "https://example.org/a?b=c#d",
            "HTTP://EXAMPLE.ORG",
            "mailto:ann@example.org",
            "/path/with:colon",
            "#part",
            "?q=a:b",
            "page.html",
            "https://[2001:db8::1]:8443/",
            "https://example.org/a@b",
        ] {
            assert_eq!(check_link(target, WEB, true).as_deref(), Some(target));
        }
        assert_eq!(
            check_link("  https://example.org\n", WEB, true).as_deref(),
            Some("https://example.org")
        );
    }

    #[test]
    fn what_does_not() {
        for target in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "java\u{200b}script:alert(1)",
            "java\u{ad}script:alert(1)",
            "vbscript:x",
            "data:text/html,x",
            "file:///etc/passwd",
            "ssh://host",
            "ftp://host/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:\\\\evil.example",
            "https://user:pw@evil.example",
            "https://bank.example\\@evil.example",
            "https://",
            "https:///evil.example",
            "feed:javascript:alert(1)",
        ] {
            assert_eq!(check_link(target, WEB, true), None, "{target:?}");
        }
        assert_eq!(check_link("/path", WEB, false), None);
    }
}
