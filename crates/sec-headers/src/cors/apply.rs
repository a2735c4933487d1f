//! The headers of answers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Cors, CorsVerdict, Names};
use crate::names::{ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK, ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK};

/// How many bytes of a request's list are mirrored.
const MAX_MIRRORED: usize = 4096;

const TRUE: HeaderValue = HeaderValue::from_static("true");

impl Cors {
    /// Puts the headers on a handler's answer: what the verdict grants, in place of whatever
    /// `Access-Control-*` the handler wrote, and `Vary: Origin` where the policy varies, also without
    /// a grant. `Vary` is added to, and never says a name twice.
    pub fn apply(&self, headers: &mut HeaderMap, verdict: &CorsVerdict) {
        match verdict {
            CorsVerdict::Outside => {}
            CorsVerdict::Allowed(origin) => self.finish(headers, Some(origin.clone())),
            CorsVerdict::Own | CorsVerdict::Refused(_) => self.finish(headers, None),
        }
    }

    /// Puts the headers on the answer to a preflight, whose status is any of 200 to 299; the layer
    /// says 204. `request` is the preflight's own header fields.
    ///
    /// Answers to `OPTIONS` are not cacheable (RFC 9110 §9.3.7). For caches that keep them all the same,
    /// `Vary` names what the answer depends on: `Origin` wherever a list decides, also where it has one
    /// origin, since nobody else is told methods and names.
    pub fn apply_preflight(
        &self,
        headers: &mut HeaderMap,
        request: &HeaderMap,
        verdict: &CorsVerdict,
    ) {
        let policy = &*self.0;
        match verdict {
            CorsVerdict::Outside => return,
            CorsVerdict::Own | CorsVerdict::Refused(_) => clear(headers),
            CorsVerdict::Allowed(origin) => {
                clear(headers);
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                if policy.credentials {
                    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
                }
                let methods = policy
                    .methods
                    .answer(request, &ACCESS_CONTROL_REQUEST_METHOD);
                let names = policy
                    .headers
                    .answer(request, &ACCESS_CONTROL_REQUEST_HEADERS);
                let asked = request.get(ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK);
                let private = policy.private_network && asked.is_some_and(|asked| asked == "true");
                for (name, value) in [
                    (ACCESS_CONTROL_ALLOW_METHODS, methods),
                    (ACCESS_CONTROL_ALLOW_HEADERS, names),
                    (ACCESS_CONTROL_MAX_AGE, policy.max_age.clone()),
                    (
                        ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK,
                        private.then_some(TRUE),
                    ),
                ] {
                    if let Some(value) = value {
                        headers.insert(name, value);
                    }
                }
            }
        }
        self.vary_preflight(headers);
    }

    pub(super) fn finish(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        let policy = &*self.0;
        clear(headers);
        if policy.varies() {
            vary(headers, "origin", HeaderValue::from_static("Origin"));
        }
        let constant = policy.constant();
        let Some(origin) = constant.cloned().or(origin) else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if policy.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        if let Some(expose) = &policy.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// What a refusal depends on. The host's hook may have written anything.
    pub(super) fn finish_refusal(&self, headers: &mut HeaderMap, preflight: bool) {
        clear(headers);
        vary(headers, "origin", HeaderValue::from_static("Origin"));
        let site = HeaderValue::from_static("Sec-Fetch-Site");
        vary(headers, "sec-fetch-site", site);
        if preflight {
            self.vary_preflight(headers);
        }
    }

    fn vary_preflight(&self, headers: &mut HeaderMap) {
        let policy = &*self.0;
        let names = [
            (policy.preflight_varies(), "Origin"),
            (true, "Access-Control-Request-Method"),
            (true, "Access-Control-Request-Headers"),
            (
                policy.private_network,
                "Access-Control-Request-Private-Network",
            ),
        ];
        for (_, name) in names.into_iter().filter(|(wanted, _)| *wanted) {
            vary(headers, name, HeaderValue::from_static(name));
        }
    }
}

impl Names {
    fn answer(&self, request: &HeaderMap, asked: &HeaderName) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Mirrored => mirrored(request, asked),
        }
    }
}

/// What was asked for, when it is one line of names. `*` is none: it would say more than was asked.
fn mirrored(request: &HeaderMap, asked: &HeaderName) -> Option<HeaderValue> {
    let mut lines = request.get_all(asked).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    let text = line.to_str().ok()?;
    let is_one = *asked == ACCESS_CONTROL_REQUEST_METHOD;
    let mut names = text.split(',').map(|name| name.trim_matches([' ', '\t']));
    let fits = text.len() <= MAX_MIRRORED
        && !(is_one && text.contains(','))
        && names.all(|name| name != "*" && is_token(name));
    fits.then(|| line.clone())
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Takes off what only this policy is to say, also by names that browsers may learn one day.
fn clear(headers: &mut HeaderMap) {
    // One look at the names where there is none, and one more for each that there is.
    let found = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    while let Some(name) = headers.keys().find(found).cloned() {
        headers.remove(name);
    }
}

/// Adds a name to `Vary` unless it is there already.
fn vary(headers: &mut HeaderMap, name: &str, value: HeaderValue) {
    let says = |line: &HeaderValue| {
        let names = line.to_str().unwrap_or_default().split(',').map(str::trim);
        names
            .into_iter()
            .any(|said| said == "*" || said.eq_ignore_ascii_case(name))
    };
    if !headers.get_all(VARY).iter().any(says) {
        headers.append(VARY, value);
    }
}
