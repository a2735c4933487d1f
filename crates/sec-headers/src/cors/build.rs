use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use sec_core::PathRules;

use super::apply::is_token;
use super::{Allowed, Cors, Names, OriginPattern, Policy};
use crate::config::Mode;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::origin::Origin;

/// Builds a [`Cors`]. Every mistake is told by [`build`](Self::build), all at once, each by the place
/// where it was made: `origins[1]`, `methods[0]`.
#[derive(Debug, Clone)]
#[must_use]
pub struct CorsBuilder {
    listed: List,
    development: List,
    mode: Mode,
    any: bool,
    null: bool,
    credentials: bool,
    methods: Wanted,
    headers: Wanted,
    expose: Vec<Box<str>>,
    max_age: Option<Duration>,
    private_network: bool,
    enforce: bool,
    paths: PathRules,
    faults: Vec<Fault>,
}

/// Origins and patterns, with the number of entries that were given.
#[derive(Debug, Clone, Default)]
struct List {
    exact: Vec<Origin>,
    patterns: Vec<OriginPattern>,
    given: usize,
}

#[derive(Debug, Clone)]
enum Wanted {
    Listed(Vec<Box<str>>),
    Mirrored,
}

impl CorsBuilder {
    pub(super) fn new() -> Self {
        let methods = ["GET", "HEAD", "POST"].map(Into::into);
        Self {
            listed: List::default(),
            development: List::default(),
            mode: Mode::Production,
            any: false,
            null: false,
            credentials: false,
            methods: Wanted::Listed(methods.into()),
            headers: Wanted::Listed(Vec::new()),
            expose: Vec::new(),
            max_age: Some(Duration::from_secs(86_400)),
            private_network: false,
            enforce: true,
            paths: PathRules::all(),
            faults: Vec::new(),
        }
    }

    /// Allows an origin by the rules of [`Origin::parse`], or every sub-domain by those of
    /// [`OriginPattern`]: `https://app.example`, `https://*.example.com`. Default: none.
    ///
    /// `*` and `null` have names of their own: [`any_origin`](Self::any_origin),
    /// [`insecure_allow_null_origin`](Self::insecure_allow_null_origin).
    pub fn origin(mut self, origin: &str) -> Self {
        self.listed.take("origins", origin, &mut self.faults);
        self
    }

    /// Allows several, each as [`origin`](Self::origin).
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for origin in origins {
            self = self.origin(origin.as_ref());
        }
        self
    }

    /// Allows what one text lists, with commas between, such as that of a variable `ALLOWED_ORIGINS`.
    /// White space around an entry and empty entries do not count; an empty text allows none.
    pub fn origins_text(self, text: &str) -> Self {
        let entries = text.split(',').map(str::trim);
        self.origins(entries.filter(|entry| !entry.is_empty()))
    }

    /// Allows an origin, as [`origin`](Self::origin), in [`Mode::Development`] alone. It is checked in
    /// any mode: a fault in it should not wait for the next developer.
    pub fn development_origin(mut self, origin: &str) -> Self {
        let field = "development_origins";
        self.development.take(field, origin, &mut self.faults);
        self
    }

    /// Whether development origins count. Default: [`Mode::Production`], where they do not.
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Lets every page of the world read every answer (`*`), for what is public anyway. It is an error
    /// with credentials, and beside listed origins, which would be of no effect. Default: `false`.
    pub const fn any_origin(mut self, any: bool) -> Self {
        self.any = any;
        self
    }

    /// Allows the origin `null`. **Every attacker has it**: any page becomes `null` inside of a
    /// sandboxed frame. It is an error with credentials. Default: `false`.
    pub const fn insecure_allow_null_origin(mut self, allow: bool) -> Self {
        self.null = allow;
        self
    }

    /// Lets allowed origins send the user's cookies and client certificates, and read what comes back:
    /// whoever runs scripts there can act for our users. Default: `false`.
    pub const fn credentials(mut self, allow: bool) -> Self {
        self.credentials = allow;
        self
    }

    /// The methods that a preflight allows, in place of `GET`, `HEAD`, `POST`, which need no preflight
    /// by themselves and cannot be forbidden by it. Capital letters count. `*` is all, but an error
    /// with credentials, where browsers take it for a name.
    ///
    /// The browser holds them against what the page wants; the layer does not refuse by method.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.methods = Wanted::Listed(owned(methods));
        self
    }

    /// Allows whatever method a preflight asks for.
    pub fn mirror_methods(mut self) -> Self {
        self.methods = Wanted::Mirrored;
        self
    }

    /// The request headers that a preflight allows. Default: none, besides what needs no preflight
    /// (`Accept`, `Accept-Language`, `Content-Language`, and `Content-Type` for forms and plain text):
    /// for JSON, list `Content-Type`.
    ///
    /// `*` is all but `Authorization`, which must be listed by name in any case. `*` is an error with
    /// credentials, where browsers take it for a name.
    pub fn headers(mut self, headers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.headers = Wanted::Listed(owned(headers));
        self
    }

    /// Allows whatever headers a preflight asks for, `Authorization` included, up to 4096 bytes of
    /// names. A request for anything but one line of names gets none.
    pub fn mirror_headers(mut self) -> Self {
        self.headers = Wanted::Mirrored;
        self
    }

    /// The headers of answers that pages may read. Default: none, besides `Cache-Control`,
    /// `Content-Language`, `Content-Length`, `Content-Type`, `Expires`, `Last-Modified` and `Pragma`.
    /// `*` is all but `Authorization`, and an error with credentials.
    pub fn expose(mut self, headers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.expose = owned(headers);
        self
    }

    /// For how long browsers remember a preflight's answer, in whole seconds. Default: 86400.
    ///
    /// Browsers have their own ceilings: Firefox 86400, Chromium 7200, WebKit 600 seconds. Zero asks
    /// for a preflight before every request. `None` leaves the header out: then it is 5 seconds (Fetch
    /// standard, "CORS-preflight fetch").
    pub fn max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.max_age = max_age.into();
        self
    }

    /// Answers a preflight that asks for it with `Access-Control-Allow-Private-Network: true`, so that
    /// a public page of an allowed origin reaches a service of the user's own network (Private Network
    /// Access, a draft of the WICG). Default: `false`.
    pub const fn private_network(mut self, allow: bool) -> Self {
        self.private_network = allow;
        self
    }

    /// Whether a disallowed cross-origin request is answered 403 in place of the handler. Otherwise it
    /// passes without a grant, and only its answer is kept from the page. Default: `true`.
    pub const fn enforce(mut self, enforce: bool) -> Self {
        self.enforce = enforce;
        self
    }

    /// Applies to these paths only, by the request's original path. Default: all. Exclude what other
    /// origins post to with a proof of its own, and a service that answers CORS by itself, such as
    /// [`ReportReceiver`](crate::ReportReceiver). Paths that could be read in two ways are never
    /// excluded.
    pub fn paths(mut self, paths: PathRules) -> Self {
        self.paths = paths;
        self
    }

    pub(super) fn take_faults(&mut self, error: PolicyError) {
        self.faults.extend(error.into_faults());
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// Everything that is wrong: [`FaultKind::Origin`], [`FaultKind::Method`], [`FaultKind::Header`],
    /// [`FaultKind::Credentials`], and [`FaultKind::Setting`] for what contradicts itself.
    pub fn build(mut self) -> Result<Cors, PolicyError> {
        let given = self.listed.given.saturating_add(self.development.given);
        if self.any && given > 0 {
            let message = "lists nothing that `*` does not allow already";
            self.fault("any_origin", FaultKind::Setting, message);
        }
        if self.credentials && self.any {
            let message = "`*` is never allowed with credentials: list the origins";
            self.fault("any_origin", FaultKind::Credentials, message);
        }
        if self.credentials && self.null {
            let message = "every page can be `null`, so that credentials would be for everybody";
            let field = "insecure_allow_null_origin";
            self.fault(field, FaultKind::Credentials, message);
        }
        let methods = self.methods.clone().read(|list| self.methods_value(list));
        let headers = self
            .headers
            .clone()
            .read(|list| self.headers_value("headers", list));
        let expose = self.headers_value("expose", &self.expose.clone());
        let policy = Policy {
            allowed: self.allowed(),
            dynamic: false,
            credentials: self.credentials,
            methods,
            headers,
            expose,
            max_age: self.max_age.map(|age| HeaderValue::from(age.as_secs())),
            private_network: self.private_network,
            enforce: self.enforce,
            paths: self.paths,
        };
        PolicyError::unless_empty(self.faults, Cors(Arc::new(policy)))
    }

    fn allowed(&mut self) -> Allowed {
        if self.any {
            return Allowed::Any(HeaderValue::from_static("*"));
        }
        let mut list = std::mem::take(&mut self.listed);
        if self.mode == Mode::Development {
            list.exact.append(&mut self.development.exact);
            list.patterns.append(&mut self.development.patterns);
        }
        let mut exact: Vec<(Origin, HeaderValue)> = Vec::new();
        for origin in list.exact {
            if exact.iter().any(|(known, _)| *known == origin) {
                continue;
            }
            if let Some(value) = self.value("origins", &origin.to_string()) {
                exact.push((origin, value));
            }
        }
        Allowed::Listed {
            exact,
            patterns: list.patterns,
            null: self.null,
        }
    }

    fn methods_value(&mut self, list: &[Box<str>]) -> Option<HeaderValue> {
        for (index, name) in list.iter().enumerate() {
            let wrong = if &**name == "*" {
                self.credentials.then_some(LITERAL)
            } else if !is_token(name) || Method::from_bytes(name.as_bytes()).is_err() {
                Some((FaultKind::Method, "is no method"))
            } else if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                let why = "has small letters: browsers compare methods letter by letter";
                Some((FaultKind::Method, why))
            } else if matches!(&**name, "CONNECT" | "TRACE" | "TRACK") {
                Some((FaultKind::Method, "is forbidden to pages (Fetch standard)"))
            } else {
                None
            };
            self.fault_at("methods", index, name, wrong);
        }
        self.joined("methods", list)
    }

    fn headers_value(&mut self, field: &str, list: &[Box<str>]) -> Option<HeaderValue> {
        for (index, name) in list.iter().enumerate() {
            let wrong = if &**name == "*" {
                self.credentials.then_some(LITERAL)
            } else if HeaderName::from_bytes(name.as_bytes()).is_err() {
                Some((FaultKind::Header, "is no header name"))
            } else {
                None
            };
            self.fault_at(field, index, name, wrong);
        }
        self.joined(field, list)
    }

    fn joined(&mut self, field: &str, list: &[Box<str>]) -> Option<HeaderValue> {
        if list.is_empty() {
            return None;
        }
        self.value(field, &list.join(", "))
    }

    /// A value whose later clones share it: the first one of a fresh value would allocate.
    fn value(&mut self, field: &str, text: &str) -> Option<HeaderValue> {
        match HeaderValue::from_str(text) {
            Ok(value) => Some(value.clone()),
            Err(_) => {
                self.fault(field, FaultKind::Header, "cannot be written into a header");
                None
            }
        }
    }

    fn fault(&mut self, field: &str, kind: FaultKind, message: &str) {
        self.faults.push(Fault::new(field, kind, message));
    }

    fn fault_at(
        &mut self,
        field: &str,
        index: usize,
        name: &str,
        wrong: Option<(FaultKind, &str)>,
    ) {
        if let Some((kind, why)) = wrong {
            let message = format!("`{}` {why}", name.escape_debug());
            self.fault(&format!("{field}[{index}]"), kind, &message);
        }
    }
}

const LITERAL: (FaultKind, &str) = (
    FaultKind::Credentials,
    "is an ordinary name with credentials: list what is meant, or mirror",
);

impl List {
    fn take(&mut self, field: &str, text: &str, faults: &mut Vec<Fault>) {
        let outcome = match text {
            "*" => {
                let why = "`*` is every origin: say so by `any_origin`";
                Err(PolicyError::one("", FaultKind::Origin, why))
            }
            _ if text.contains('*') => text.parse().map(|pattern| self.patterns.push(pattern)),
            _ => text.parse().map(|origin| self.exact.push(origin)),
        };
        if let Err(error) = outcome {
            let field = format!("{field}[{}]", self.given);
            let inner = error.into_faults().into_iter();
            faults.extend(inner.map(|fault| fault.within(&field)));
        }
        self.given = self.given.saturating_add(1);
    }
}

impl Wanted {
    fn read(self, list: impl FnOnce(&[Box<str>]) -> Option<HeaderValue>) -> Names {
        match self {
            Self::Listed(names) => Names::Fixed(list(&names)),
            Self::Mirrored => Names::Mirrored,
        }
    }
}

fn owned(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Box<str>> {
    names.into_iter().map(|name| name.as_ref().into()).collect()
}
