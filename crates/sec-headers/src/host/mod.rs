//! Which hosts are served here, and that they are served over https.

mod config;
mod layer;
mod pattern;
mod redirect;
mod refusal;

#[cfg(test)]
mod tests;

use http::Method;
use sec_core::{Authority, PathRules, RequestContext, RequestView, Scheme};

pub use self::config::HostConfig;
pub use self::layer::{HostGuardLayer, HostGuardService};
use self::pattern::Pattern;
pub use self::redirect::HttpsRedirect;
pub use self::refusal::{HostReason, HostRefusal};
use crate::error::{Fault, FaultKind, PolicyError};

/// Serves the listed hosts alone, and sends http to https on request.
///
/// A request names its host itself, so whoever believes it writes the attacker's host into password
/// reset links, absolute addresses and caches (OWASP Web Security Testing Guide, "Testing for Host
/// Header Injection"), and a page whose name was re-bound to this address speaks to it as its own.
/// What is not listed is answered 421 Misdirected Request (RFC 9110 §15.5.20), which also sends a
/// client with a shared HTTP/2 connection to the right one.
///
/// Scheme and authority are those of [`RequestContext`]: `:authority` or the absolute form, else
/// `Host`, and a proxy's word only where forwarding is configured and the peer is trusted.
///
/// # Entries
///
/// | entry | meaning |
/// |---|---|
/// | `example.com` | at the scheme's default port, 80 or 443 |
/// | `example.com:8443` | at this port alone |
/// | `localhost:*` | at every port: for development and tests |
/// | `*.example.com` | every name below it, however deep, not `example.com` itself |
/// | `[2001:db8::1]:8443`, `192.0.2.1` | an address; IPv6 in brackets and compared by value |
///
/// Case does not matter; names are ASCII (punycode). A port counts because a forged one is an attack
/// of its own: a redirect or link to a dead port, kept by a cache, takes the site down. It is the port
/// that the client used, not the one the service listens at. A trailing dot makes another host,
/// `example.com.`, as it does for browsers (WHATWG URL §3.1): another origin with other cookies, and
/// unless it is listed it is refused.
///
/// # Cost
///
/// A decision to let pass allocates nothing and compares with each entry until one matches; a redirect
/// allocates its address and the header map.
#[derive(Debug, Clone)]
#[must_use]
pub struct HostGuard {
    hosts: Vec<Pattern>,
    https_port: Option<u16>,
    refuse_unsafe: bool,
    paths: PathRules,
    log_only: bool,
}

/// What a [`HostGuard`] says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostDecision {
    /// It is at the right place.
    Pass,
    /// It belongs to the same place over https.
    Redirect(HttpsRedirect),
    /// It is refused.
    Refuse(HostRefusal),
}

impl HostGuard {
    /// Serves these hosts, over http and https alike, on every path.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Host`] when there is none (no host at all could be reached), and for each entry
    /// that is not of the form above: a scheme, a path, user information, `*` for everything or for a
    /// whole top-level domain, what is not ASCII. The fields are `hosts` and `hosts[0]`, `hosts[1]`, ….
    pub fn new<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Result<Self, PolicyError> {
        let mut patterns = Vec::new();
        let mut faults = Vec::new();
        for (index, text) in hosts.into_iter().enumerate() {
            let text = text.as_ref();
            match Pattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => faults.push(Fault::new(
                    format!("hosts[{index}]"),
                    FaultKind::Host,
                    format!("`{}` {why}", text.escape_debug()),
                )),
            }
        }
        if patterns.is_empty() && faults.is_empty() {
            let message = "is empty: name at least one host, or nobody is served";
            faults.push(Fault::new("hosts", FaultKind::Host, message));
        }
        PolicyError::unless_empty(faults, Self::of(patterns))
    }

    fn of(hosts: Vec<Pattern>) -> Self {
        Self {
            hosts,
            https_port: None,
            refuse_unsafe: false,
            paths: PathRules::all(),
            log_only: false,
        }
    }

    /// Sends requests over http to `https://` at this port (443, unless clients reach https at another
    /// one), by [`HttpsRedirect`]. Default: http is served.
    ///
    /// The target is the host that the request named, which is listed, with the request's own path and
    /// query; so a forged `Host` makes no open redirect. Hosts of the machine itself (`localhost`,
    /// `127.0.0.1`, `[::1]`), where listed, are served over http, as browsers treat them like https
    /// (W3C Secure Contexts §3.1). Anybody can name them, to their own disadvantage alone; still, a list for
    /// production needs none of them. Served over http are also challenges for certificates below
    /// `/.well-known/acme-challenge/`, fetched by `GET` (or `HEAD`), which come over http by definition
    /// (RFC 8555 §8.3), are public, and cannot always be followed to https: before the first certificate
    /// there is none.
    ///
    /// Behind a proxy that ends TLS, configure its forwarding in the context layer: otherwise every
    /// request looks like http and is redirected in a circle.
    ///
    /// What a redirect cannot do is take back what has been sent: a client that posts a form or sends
    /// a token over http has shown it to the network. See
    /// [`refuse_unsafe_over_http`](Self::refuse_unsafe_over_http); for browsers, `Strict-Transport-Security`
    /// ends it after the first visit, and the preload list before. A WebSocket handshake over http
    /// (`ws:`) is redirected as well, which browsers take for a failure (WHATWG WebSockets, redirect mode `error`): the page has to say
    /// `wss:`. So is a CORS preflight, with the same end.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Host`] for port 0, and for each entry whose https address is not listed itself,
    /// such as `example.com:8080` without `example.com`: its users would be sent from a page to a 421.
    pub fn redirect_to_https(mut self, port: u16) -> Result<Self, PolicyError> {
        let mut faults = Vec::new();
        if port == 0 {
            faults.push(Fault::new("https_port", FaultKind::Host, "is no port"));
        }
        let lost = self.hosts.iter().enumerate().filter(|(_, from)| {
            port != 0
                && !from.is_loopback()
                && !self.hosts.iter().any(|to| to.takes_over_https(from, port))
        });
        for (index, from) in lost {
            let at = if port == 443 {
                String::new()
            } else {
                format!(":{port}")
            };
            let to = format!("{}{at}", from.hosts());
            faults.push(Fault::new(
                format!("hosts[{index}]"),
                FaultKind::Host,
                format!("is redirected to https://{to}, which is not listed: add `{to}`"),
            ));
        }
        self.https_port = Some(port);
        PolicyError::unless_empty(faults, self)
    }

    /// Whether methods other than `GET`, `HEAD` and `OPTIONS` over http are refused with 403
    /// `https-required`, and an event. For APIs: a program follows a redirect, works, and goes on sending
    /// its credentials in the clear for years; an error is noticed on the first day. Default: `false`.
    ///
    /// It needs no [`redirect_to_https`](Self::redirect_to_https); without that, the other methods are
    /// served over http. Hosts of the machine itself are not refused, and what is said there of proxies
    /// holds here too: where the context layer does not know of one, every request looks like http.
    pub const fn refuse_unsafe_over_http(mut self, refuse: bool) -> Self {
        self.refuse_unsafe = refuse;
        self
    }

    /// Guards these paths only, by the request's original path. Default: all. Paths that could be read
    /// in two ways are never excluded.
    ///
    /// Exclude health checks that come by address and port. It costs them the guard: on an excluded path
    /// every host is answered, over http as well. What answers there must not build an address from
    /// the request's host, nor read or set a cookie.
    pub fn paths(mut self, paths: PathRules) -> Self {
        self.paths = paths;
        self
    }

    /// Emits the event for hosts that are not listed and lets them pass, over http as well; for a first
    /// week in production. Default: `false`.
    pub const fn log_only(mut self, log_only: bool) -> Self {
        self.log_only = log_only;
        self
    }

    /// Whether a host that is not listed only leaves an event.
    #[must_use]
    pub const fn is_log_only(&self) -> bool {
        self.log_only
    }

    /// Whether a client may name this host under this scheme.
    #[must_use]
    pub fn lists(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.hosts
            .iter()
            .any(|pattern| pattern.matches(scheme, authority))
    }

    /// Decides, as described above. It neither emits nor regards [`log_only`](Self::log_only),
    /// which is the layer's part.
    #[must_use]
    pub fn decide(&self, request: RequestView<'_>, context: &RequestContext) -> HostDecision {
        let (scheme, authority, path) = (context.scheme(), context.authority(), context.path());
        if !self.paths.applies(path) {
            return HostDecision::Pass;
        }
        if !self.lists(scheme, authority) {
            return HostDecision::Refuse(HostRefusal::new(HostReason::NotListed, context));
        }
        if scheme.is_https() || authority.is_loopback() {
            return HostDecision::Pass;
        }
        let fetches = matches!(*request.method, Method::GET | Method::HEAD);
        if fetches && is_acme_challenge(path) {
            return HostDecision::Pass;
        }
        let safe = fetches || *request.method == Method::OPTIONS;
        if self.refuse_unsafe && !safe {
            return HostDecision::Refuse(HostRefusal::new(HostReason::PlainHttp, context));
        }
        let Some(port) = self.https_port else {
            return HostDecision::Pass;
        };
        // Inside axum's `nest` the path of the request itself is cut, its query is not.
        match HttpsRedirect::new(authority, port, path, request.uri.query()) {
            Some(redirect) => HostDecision::Redirect(redirect),
            None => HostDecision::Refuse(HostRefusal::new(HostReason::PlainHttp, context)),
        }
    }
}

/// One challenge by its token, which is base64url (RFC 8555 §8.3): nothing that could be read as a
/// path to somewhere else.
fn is_acme_challenge(path: &str) -> bool {
    path.strip_prefix("/.well-known/acme-challenge/")
        .is_some_and(|token| {
            !token.is_empty()
                && token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
