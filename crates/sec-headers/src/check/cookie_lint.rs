//! Cookies that browsers drop, or read in another way than they were meant (RFC 6265bis).

use super::report::{Findings, Severity, excerpt};

const HEADER: &str = "set-cookie";
/// A name with one of these is usually a session's: the whole of it, or a part between `_`, `-` and `.`.
const SESSION_WORDS: [&str; 6] = ["sid", "auth", "token", "jwt", "refresh", "remember"];
/// Longer ones first, where one begins with the other.
const PREFIXES: [&str; 4] = ["__Host-Http-", "__Host-", "__Secure-", "__Http-"];
/// Attributes with a value, of which the last counts (section 5.7).
const VALUED: [&str; 5] = ["domain", "expires", "max-age", "path", "samesite"];

/// `known` are names that are told of elsewhere when they are readable.
pub(super) fn lint(text: &str, is_known_session: impl Fn(&str) -> bool, findings: &mut Findings) {
    let (pair, rest) = text.split_once(';').unwrap_or((text, ""));
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        nameless(value, findings);
        return;
    }
    let attributes = Attributes::parse(rest);
    let shown = excerpt(name);
    let mut add = |severity, code, why: String, mend| {
        findings.add(severity, HEADER, code, why, mend);
    };
    if let Some(rule) = attributes.broken_prefix(name) {
        add(
            Severity::High,
            "cookie-prefix-violated",
            format!("browsers drop {shown}: its prefix promises more, but {rule}"),
            "Meet the prefix: Secure, and for __Host- also Path=/ without Domain",
        );
    }
    for attribute in &attributes.contradicted {
        add(
            Severity::Medium,
            "cookie-attribute-twice",
            format!("{shown} says {attribute} twice, and the last counts"),
            "Say it once",
        );
    }
    let cross_site = attributes
        .last("samesite")
        .is_some_and(|value| value.eq_ignore_ascii_case("none"));
    if cross_site && !attributes.secure {
        add(
            Severity::High,
            "cookie-samesite-none-insecure",
            format!("browsers drop {shown}: SameSite=None without Secure"),
            "Add Secure",
        );
    }
    if attributes.partitioned && !attributes.secure {
        add(
            Severity::High,
            "cookie-partitioned-insecure",
            format!("browsers drop {shown}: Partitioned without Secure"),
            "Add Secure",
        );
    }
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split(['_', '-', '.']);
    let like_a_session = words.any(|word| SESSION_WORDS.contains(&word));
    let for_scripts = lower.contains("csrf") || lower.contains("xsrf");
    if like_a_session && !for_scripts && !is_known_session(&lower) && !attributes.http_only {
        add(
            Severity::Medium,
            "cookie-session-readable",
            format!("{shown} seems to be a session's, and has no HttpOnly"),
            "Add HttpOnly",
        );
    }
}

/// The value is not repeated: it may be a secret.
fn nameless(value: &str, findings: &mut Findings) {
    if let Some(prefix) = prefix(value) {
        findings.add(
            Severity::High,
            HEADER,
            "cookie-nameless-prefix",
            format!("has no name, and its value begins with {prefix}: browsers drop it, or send it as if that were its name"),
            "Give it a name before the `=`",
        );
    } else if !value.is_empty() {
        findings.add(
            Severity::Low,
            HEADER,
            "cookie-nameless",
            "a cookie has no name, and servers differ in what they read of it",
            "Give it a name before the `=`",
        );
    }
}

/// Browsers compare prefixes without case (section 5.4).
fn prefix(text: &str) -> Option<&'static str> {
    let begins = |prefix: &&str| {
        let head = text.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    PREFIXES.into_iter().find(begins)
}

#[derive(Default)]
struct Attributes<'t> {
    secure: bool,
    http_only: bool,
    partitioned: bool,
    /// The last of each name.
    valued: Vec<(&'static str, &'t str)>,
    contradicted: Vec<&'static str>,
}

impl<'t> Attributes<'t> {
    fn parse(text: &'t str) -> Self {
        let mut found = Self::default();
        for part in text.split(';') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = key.trim();
            found.secure |= key.eq_ignore_ascii_case("secure");
            found.http_only |= key.eq_ignore_ascii_case("httponly");
            found.partitioned |= key.eq_ignore_ascii_case("partitioned");
            let mut valued = VALUED.into_iter();
            if let Some(key) = valued.find(|known| known.eq_ignore_ascii_case(key)) {
                found.take(key, value.trim());
            }
        }
        found
    }

    fn take(&mut self, key: &'static str, value: &'t str) {
        let Some((_, last)) = self.valued.iter_mut().find(|(known, _)| *known == key) else {
            self.valued.push((key, value));
            return;
        };
        if !last.eq_ignore_ascii_case(value) && !self.contradicted.contains(&key) {
            self.contradicted.push(key);
        }
        *last = value;
    }

    fn last(&self, key: &str) -> Option<&'t str> {
        let found = self.valued.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| *value)
    }

    /// The rule of its prefix that the cookie breaks (sections 4.1.3 and 5.7).
    fn broken_prefix(&self, name: &str) -> Option<&'static str> {
        let prefix = prefix(name)?;
        let host = prefix.starts_with("__Host-");
        if !self.secure {
            Some("it has no Secure")
        } else if prefix.ends_with("Http-") && !self.http_only {
            Some("it has no HttpOnly")
        } else if host && self.last("domain").is_some_and(|domain| !domain.is_empty()) {
            Some("it has a Domain")
        } else if host && self.last("path") != Some("/") {
            Some("its Path is not /, or is not said")
        } else {
            None
        }
    }
}
