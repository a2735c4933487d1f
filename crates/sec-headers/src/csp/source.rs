use std::fmt;
use std::str::FromStr;

use super::hash::{HashAlgorithm, SourceHash};
use crate::Origin;
use crate::error::{FaultKind, PolicyError};

/// What a [`Directive`](super::Directive) may name (CSP 3, section 2.3.1).
///
/// There is no variant for free text: hosts, schemes and hashes are checked when they are made, so
/// that nothing in a policy can end its directive or the header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// `'none'`: nothing at all. Stands alone.
    None,
    /// `'self'`: the page's own origin.
    SelfOrigin,
    /// The request's own nonce, filled in at each answer.
    Nonce,
    /// The digest of one inline script or style.
    Hash(SourceHash),
    /// `'strict-dynamic'`: what a trusted script loads is trusted, and host sources are ignored.
    StrictDynamic,
    /// `'unsafe-inline'`. Browsers that know nonces or hashes ignore it beside one.
    UnsafeInline,
    /// `'unsafe-eval'`.
    UnsafeEval,
    /// `'wasm-unsafe-eval'`.
    WasmUnsafeEval,
    /// `'unsafe-hashes'`: hashes also cover attributes.
    UnsafeHashes,
    /// `'trusted-types-eval'`.
    TrustedTypesEval,
    /// `'inline-speculation-rules'`.
    InlineSpeculationRules,
    /// `'report-sample'`: reports carry the first 40 characters of what was blocked.
    ReportSample,
    /// A scheme, such as `data:`.
    Scheme(SchemeSource),
    /// A host, with or without scheme, port and path, such as `https://cdn.example` or `*.example`.
    Host(HostSource),
}

impl Source {
    /// A host source: `cdn.example`, `https://cdn.example:8443/lib/`, `*.example`, `*`.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Source`] when it is not a host source of CSP 3; [`FaultKind::Unquoted`] when it
    /// is a keyword whose quotes were forgotten.
    pub fn host(text: &str) -> Result<Self, PolicyError> {
        match parse(text)? {
            host @ Self::Host(_) => Ok(host),
            _ => Err(fault(FaultKind::Source, text, "is not a host")),
        }
    }

    /// A scheme source, with or without its colon: `data:` or `data`.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Source`] when it is not a scheme.
    pub fn scheme(text: &str) -> Result<Self, PolicyError> {
        let name = text.strip_suffix(':').unwrap_or(text);
        if is_scheme(name) {
            Ok(Self::Scheme(SchemeSource(name.to_ascii_lowercase().into())))
        } else {
            Err(fault(FaultKind::Source, text, "is not a scheme"))
        }
    }

    /// The SHA-256 of this inline script or style. See [`HashAlgorithm::digest`].
    #[must_use]
    pub fn sha256(inline: &str) -> Self {
        Self::Hash(HashAlgorithm::Sha256.digest(inline))
    }

    /// The SHA-384 of this inline script or style. See [`HashAlgorithm::digest`].
    #[must_use]
    pub fn sha384(inline: &str) -> Self {
        Self::Hash(HashAlgorithm::Sha384.digest(inline))
    }

    /// The SHA-512 of this inline script or style. See [`HashAlgorithm::digest`].
    #[must_use]
    pub fn sha512(inline: &str) -> Self {
        Self::Hash(HashAlgorithm::Sha512.digest(inline))
    }

    /// A digest that was computed elsewhere, in base64.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Hash`] when it is not base64 of the algorithm's length.
    pub fn hash(algorithm: HashAlgorithm, base64: &str) -> Result<Self, PolicyError> {
        SourceHash::new(algorithm, base64).map(Self::Hash)
    }

    pub(super) const fn keyword(&self) -> Option<&'static str> {
        Some(match self {
            Self::None => "'none'",
            Self::SelfOrigin => "'self'",
            Self::StrictDynamic => "'strict-dynamic'",
            Self::UnsafeInline => "'unsafe-inline'",
            Self::UnsafeEval => "'unsafe-eval'",
            Self::WasmUnsafeEval => "'wasm-unsafe-eval'",
            Self::UnsafeHashes => "'unsafe-hashes'",
            Self::TrustedTypesEval => "'trusted-types-eval'",
            Self::InlineSpeculationRules => "'inline-speculation-rules'",
            Self::ReportSample => "'report-sample'",
            _ => return None,
        })
    }
}

/// The text of a policy; the nonce is written `'nonce'`, as in configuration.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce => f.write_str("'nonce'"),
            Self::Hash(hash) => hash.fmt(f),
            Self::Scheme(scheme) => write!(f, "{}:", scheme.0),
            Self::Host(host) => f.write_str(&host.0),
            keyword => f.write_str(keyword.keyword().unwrap_or_default()),
        }
    }
}

/// Reads one source as it stands in a policy. The request's nonce is written `'nonce'`.
impl FromStr for Source {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        parse(text)
    }
}

impl From<&Origin> for Source {
    fn from(origin: &Origin) -> Self {
        Self::Host(HostSource(origin.to_string().into()))
    }
}

/// A checked host source, see [`Source::host`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostSource(Box<str>);

/// A checked scheme source, see [`Source::scheme`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemeSource(Box<str>);

const KEYWORDS: [Source; 10] = [
    Source::None,
    Source::SelfOrigin,
    Source::StrictDynamic,
    Source::UnsafeInline,
    Source::UnsafeEval,
    Source::WasmUnsafeEval,
    Source::UnsafeHashes,
    Source::TrustedTypesEval,
    Source::InlineSpeculationRules,
    Source::ReportSample,
];

fn parse(text: &str) -> Result<Source, PolicyError> {
    if text.is_empty() {
        return Err(fault(FaultKind::Source, text, "is empty"));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(fault(
            FaultKind::Source,
            text,
            match bad {
                c if c.is_whitespace() => "holds white space: give each source on its own",
                c if c.is_ascii_control() => "holds a control character",
                _ => "is not ASCII: write a host name in punycode (xn--…)",
            },
        ));
    }
    if text.contains([';', ',']) {
        return Err(fault(
            FaultKind::Source,
            text,
            "holds `;` or `,`, which would end the directive or the policy: write %3B or %2C",
        ));
    }
    if let Some(inner) = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        return quoted(text, inner);
    }
    if text.contains(['\'', '"']) {
        return Err(fault(FaultKind::Source, text, "holds a stray quote"));
    }
    if looks_quoted(text) {
        return Err(fault(
            FaultKind::Unquoted,
            text,
            "needs single quotes: without them it is a host name to a browser",
        ));
    }
    match text.strip_suffix(':') {
        // A dot is allowed in a scheme, but `a.example:` is a host whose port was forgotten.
        Some(name) if is_scheme(name) && !name.contains('.') => Source::scheme(text),
        _ => host(text),
    }
}

fn quoted(text: &str, inner: &str) -> Result<Source, PolicyError> {
    if inner.eq_ignore_ascii_case("nonce") {
        return Ok(Source::Nonce);
    }
    let keyword = KEYWORDS.iter().find(|source| {
        source
            .keyword()
            .is_some_and(|keyword| keyword.eq_ignore_ascii_case(text))
    });
    if let Some(keyword) = keyword {
        return Ok(keyword.clone());
    }
    let (prefix, rest) = inner.split_once('-').unwrap_or((inner, ""));
    if prefix.eq_ignore_ascii_case("nonce") {
        return Err(fault(
            FaultKind::Source,
            text,
            "is a fixed nonce, which protects nothing: write 'nonce' for the request's own",
        ));
    }
    match HashAlgorithm::named(prefix) {
        Some(algorithm) => SourceHash::new(algorithm, rest).map(Source::Hash),
        None => Err(fault(FaultKind::Source, text, "is no keyword of CSP 3")),
    }
}

/// Whether this would be a keyword, a nonce or a hash if it stood in single quotes.
fn looks_quoted(text: &str) -> bool {
    let keyword = KEYWORDS
        .iter()
        .filter_map(Source::keyword)
        .any(|keyword| keyword.trim_matches('\'').eq_ignore_ascii_case(text));
    let prefix = text.split_once('-').map_or(text, |(prefix, _)| prefix);
    keyword
        || text.eq_ignore_ascii_case("nonce")
        || (text.contains('-')
            && (prefix.eq_ignore_ascii_case("nonce") || HashAlgorithm::named(prefix).is_some())
            && !text.contains('.'))
}

/// `host-source` of CSP 3: `[scheme "://"] host [":" port] [path]`.
fn host(text: &str) -> Result<Source, PolicyError> {
    let wrong = |why: &str| Err(fault(FaultKind::Source, text, why));
    let rest = match text.split_once("://") {
        Some((scheme, _)) if !is_scheme(scheme) => return wrong("does not begin with a scheme"),
        Some((_, rest)) => rest,
        None => text,
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if rest.contains(['?', '#']) {
        return wrong("holds a query or fragment, which browsers do not match");
    }
    if authority.contains('@') {
        return wrong("holds user information");
    }
    if authority.contains(['[', ']']) {
        return wrong("is an IPv6 address, which CSP cannot name");
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    // Parsing alone would take a sign.
    let number =
        |port: &str| port.starts_with(|c: char| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if port.is_some_and(|port| port != "*" && !number(port)) {
        return wrong("has a port that is neither a number nor `*`");
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let labels = labels.strip_suffix('.').unwrap_or(labels);
    let known = name == "*"
        || labels.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    if !known {
        return wrong("is not a host name: a `*` stands for whole labels at its start");
    }
    if path.starts_with("//") {
        return wrong("has a path that begins with `//`, which is none in the grammar");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&()*+=:@%".contains(&byte);
    if !path.bytes().all(plain) || !is_percent_encoded(path) {
        return wrong("has a path that is not percent-encoded");
    }
    Ok(Source::Host(HostSource(text.into())))
}

/// Whether two hexadecimal digits follow every `%` (RFC 3986, section 2.1).
fn is_percent_encoded(path: &str) -> bool {
    path.split('%').skip(1).all(|after| {
        let digits = after.bytes().take(2);
        digits.filter(u8::is_ascii_hexdigit).count() == 2
    })
}

fn is_scheme(name: &str) -> bool {
    name.bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn fault(kind: FaultKind, text: &str, why: &str) -> PolicyError {
    // The text is named for the person who wrote it; what could spoil a log line is escaped.
    PolicyError::one("", kind, format!("`{}` {why}", text.escape_debug()))
}
