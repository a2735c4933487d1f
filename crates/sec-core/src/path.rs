//! Which paths a layer is for: prefixes that are included, prefixes that are excluded.

use std::{borrow::Cow, error::Error, fmt};

mod map;
#[cfg(test)]
mod tests;

pub use self::map::{PathMap, PathMatch, is_doubtful};

/// The paths that a layer applies to.
///
/// A prefix ends at a segment: `/api`, also written `/api/` or `/api/*`, matches `/api` and `/api/x`,
/// never `/apix`. Without includes everything is included. An exclude wins over an include. Letters
/// are compared exactly. `/` (or `/*`) is every path.
///
/// A rule is no route pattern: `/api/{id}`, `/api/{*rest}` and `/api/:id` would match nothing but
/// themselves, so a rule with a brace, or with a segment that begins with `:`, is an error. Where such a
/// name is meant as it stands, it is written encoded (`/%7Bid%7D`, `/%3Aid`).
///
/// A layer protects, so a doubtful path is protected. A path that some hop could read as another one
/// never matches an exclude and always matches an include. Such a path contains a dot segment
/// (`/./`, `/../`), an empty segment (`//`), a backslash, a path parameter (`;`), a control
/// character, a malformed `%`, or the percent-encoded form of any of these, of `/`, `?` or `#`, of a
/// character that needs no encoding (RFC 3986 §2.3, such as `%61`), of another encoding (`%252e`) or
/// of an overlong UTF-8 form (`%c0`). The same holds for a path that does not start with `/`
/// (`OPTIONS *`). Beyond that, an exclude matches the bytes as they are, while an include also
/// matches another encoding of the same prefix (`/%40me` for `/@me`).
///
/// A decision allocates nothing. It reads the path once to see whether it is doubtful, and then each
/// prefix until one matches. Decide on the original path of the request
/// (`RequestContext::path`): inside a nested router the request's own path is already cut.
///
/// ```
/// use sec_core::path::PathRules;
///
/// let rules = PathRules::all().include("/api")?.exclude("/api/health")?;
/// assert!(rules.applies("/api/orders"));
/// assert!(!rules.applies("/api/health"));
/// assert!(!rules.applies("/apix"));
/// assert!(rules.applies("/api/health/../orders"));
/// # Ok::<(), sec_core::path::PathRuleError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRules {
    include: Vec<Prefix>,
    exclude: Vec<Prefix>,
}

impl PathRules {
    /// Every path; also the default.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The rules of two lists, such as those of a configuration file.
    ///
    /// # Errors
    ///
    /// The first rule that is wrong: see [`include`](Self::include).
    pub fn from_lists<S: AsRef<str>>(
        include: impl IntoIterator<Item = S>,
        exclude: impl IntoIterator<Item = S>,
    ) -> Result<Self, PathRuleError> {
        let parse = |rule: S| Prefix::parse(rule.as_ref());
        Ok(Self {
            include: include.into_iter().map(parse).collect::<Result<_, _>>()?,
            exclude: exclude.into_iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// Includes a prefix. The first one turns "every path" into "only the included ones".
    ///
    /// # Errors
    ///
    /// A rule that does not start with `/`, is a route pattern (`/api/{id}`), has a query, a fragment or
    /// a `*` other than a last `/*`, or is doubtful itself.
    pub fn include(mut self, prefix: &str) -> Result<Self, PathRuleError> {
        self.include.push(Prefix::parse(prefix)?);
        Ok(self)
    }

    /// Excludes a prefix: whatever is below it goes without what the layer gives.
    ///
    /// # Errors
    ///
    /// Those of [`include`](Self::include).
    pub fn exclude(mut self, prefix: &str) -> Result<Self, PathRuleError> {
        self.exclude.push(Prefix::parse(prefix)?);
        Ok(self)
    }

    /// Whether the layer applies to this path, given without its query.
    #[must_use]
    #[inline]
    pub fn applies(&self, path: &str) -> bool {
        self.include.is_empty() && self.exclude.is_empty() || self.applies_to(path)
    }

    fn applies_to(&self, path: &str) -> bool {
        if doubt(path).is_some() {
            return true;
        }
        let is_excluded = self
            .exclude
            .iter()
            .any(|prefix| prefix.matches_exactly(path));
        let is_included = self.include.is_empty()
            || self
                .include
                .iter()
                .any(|prefix| prefix.matches_decoded(path));
        is_included && !is_excluded
    }
}

/// A path rule that cannot be taken as it is; the text names the rule.
#[derive(Clone, PartialEq, Eq)]
pub struct PathRuleError {
    rule: Box<str>,
    reason: Cow<'static, str>,
}

impl PathRuleError {
    /// The rule as it was given.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for PathRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path rule {} {}", quoted(&self.rule), self.reason)
    }
}

/// The same words: an error that ends `main` is shown in this form.
impl fmt::Debug for PathRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PathRuleError {}

/// A checked prefix without its last `/`; the root is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix(Box<str>);

impl Prefix {
    fn parse(rule: &str) -> Result<Self, PathRuleError> {
        let because = |reason| PathRuleError {
            rule: rule.into(),
            reason,
        };
        let wrong = |reason| because(Cow::Borrowed(reason));
        if !rule.starts_with('/') {
            return Err(wrong("must start with `/`"));
        }
        if let Some(prefix) = before_pattern(rule) {
            return Err(because(Cow::Owned(format!(
                "is a prefix, not a route pattern: write {}",
                quoted(prefix)
            ))));
        }
        let prefix = if rule.ends_with("/*") {
            rule.trim_end_matches('*')
        } else {
            rule
        };
        if prefix.contains('*') {
            return Err(wrong("may have a `*` only as a last `/*`"));
        }
        if let Some(reason) = doubt(prefix) {
            return Err(wrong(reason));
        }
        Ok(Self(prefix.strip_suffix('/').unwrap_or(prefix).into()))
    }

    fn matches_exactly(&self, path: &str) -> bool {
        path.strip_prefix(&*self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn matches_decoded(&self, path: &str) -> bool {
        let mut path = Decoded(path.as_bytes());
        Decoded(self.0.as_bytes()).all(|byte| path.next() == Some(byte))
            && matches!(path.0.first(), None | Some(b'/'))
    }
}

/// What stands before the first segment that only a router understands: `{id}`, `{*rest}`, `:id`.
fn before_pattern(rule: &str) -> Option<&str> {
    let is_pattern = |segment: &str| segment.starts_with(':') || segment.contains(['{', '}']);
    let mut end = 0_usize;
    for segment in rule.split('/') {
        if is_pattern(segment) {
            let before = rule.get(..end)?.trim_end_matches('/');
            return Some(if before.is_empty() { "/" } else { before });
        }
        end = end.saturating_add(segment.len()).saturating_add(1);
    }
    None
}

/// A rule as it is quoted in a message: on one line, whatever it holds.
fn quoted(rule: &str) -> String {
    format!("`{}`", rule.escape_debug())
}

/// The bytes behind the percent-encoding of a path that is not doubtful.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, mut rest) = self.0.split_first()?;
        let mut byte = first;
        if let (b'%', Some((decoded, tail))) = (first, encoded(rest)) {
            (byte, rest) = (decoded, tail);
        }
        self.0 = rest;
        Some(byte)
    }
}

/// Why this path could be read as another one by the next hop; `None` when it has one reading.
fn doubt(path: &str) -> Option<&'static str> {
    let mut rest = path.strip_prefix('/').map(str::as_bytes);
    if rest.is_none() {
        return Some("must start with `/`");
    }
    let mut segment = Segment::Empty;
    while let Some((&byte, mut tail)) = rest.and_then(<[u8]>::split_first) {
        segment = match byte {
            b'/' if segment == Segment::Empty => return Some("must not have an empty segment"),
            b'/' if matches!(segment, Segment::Dot | Segment::Dots) => {
                return Some("must not have a dot segment");
            }
            b'/' => Segment::Empty,
            b'.' => segment.dot(),
            b'%' => {
                let Some((decoded, after)) = encoded(tail) else {
                    return Some("has a malformed `%`");
                };
                if let Some(reason) = doubtful_encoding(decoded, after) {
                    return Some(reason);
                }
                tail = after;
                Segment::Name
            }
            b'\\' => return Some("must not have a backslash"),
            b';' => return Some("must not have a path parameter (`;`)"),
            b'?' | b'#' => return Some("must not have a query or a fragment"),
            _ if byte.is_ascii_control() => return Some("must not have a control character"),
            _ => Segment::Name,
        };
        rest = Some(tail);
    }
    matches!(segment, Segment::Dot | Segment::Dots).then_some("must not have a dot segment")
}

/// What the segment consists of so far: one or two dots are a step through the tree, three a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Empty,
    Dot,
    Dots,
    Name,
}

impl Segment {
    fn dot(self) -> Self {
        match self {
            Self::Empty => Self::Dot,
            Self::Dot => Self::Dots,
            Self::Dots | Self::Name => Self::Name,
        }
    }
}

fn doubtful_encoding(decoded: u8, after: &[u8]) -> Option<&'static str> {
    match decoded {
        b'/' | b'\\' | b';' | b'?' | b'#' => Some("must not percent-encode a delimiter"),
        b'-' | b'.' | b'_' | b'~' => Some("must not percent-encode what needs no encoding"),
        _ if decoded.is_ascii_alphanumeric() => {
            Some("must not percent-encode what needs no encoding")
        }
        b'%' if encoded(after).is_some() => Some("must not be encoded twice"),
        // No UTF-8 text holds these bytes; lax decoders read `%c0%af` as `/`.
        0xc0 | 0xc1 | 0xf5.. => Some("must not encode bytes that are no UTF-8"),
        _ if decoded.is_ascii_control() => Some("must not have a control character"),
        _ => None,
    }
}

/// The byte of two hexadecimal digits, and what follows them.
fn encoded(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = bytes.split_first_chunk::<2>()?;
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    Some(((digit(high)? << 4) | digit(low)?, rest))
}
