//! Cross-origin requests that could forge a user's action (CSRF), refused by what browsers say of
//! them, without tokens.

mod layer;
mod refusal;

#[cfg(test)]
mod tests;

use http::header::ORIGIN;
use sec_core::{FieldFaults, PathRules, RequestContext, RequestView, Section};
use serde::Deserialize;

pub use self::layer::{CrossOriginGuardLayer, CrossOriginGuardService};
pub use self::refusal::{CrossOriginReason, CrossOriginRefusal};
use crate::browser::{Single, may_change};
use crate::config::{path_rules, report};
use crate::cors::OriginPattern;
use crate::error::{Fault, PolicyError};
use crate::names::SEC_FETCH_SITE;
use crate::origin::{self, Origin};

/// Decides whether a request may change anything, by `Sec-Fetch-Site` and `Origin` (OWASP CSRF
/// Prevention Cheat Sheet, "Fetch Metadata headers").
///
/// 1. `GET`, `HEAD` and `OPTIONS` pass: they must not change anything. `TRACE` is not among them,
///    as in Go's `CrossOriginProtection`: no browser sends it across origins, so nothing is lost.
/// 2. `Sec-Fetch-Site: same-origin` or `none` (typed in, or from a bookmark) passes.
/// 3. Any other value, `same-site` included, is refused unless the origin is trusted: a sister
///    domain is not us, and may be somebody's user content.
/// 4. Without `Sec-Fetch-Site` (browsers before 2023, and plain http), `Origin` must be the
///    request's own scheme and authority, or trusted. `null` is nobody's.
/// 5. Without both it passes: browsers send one of the two, programs need not.
///
/// `GET` is not guarded, and neither are WebSocket handshakes over HTTP/1.1, which are `GET`s. The
/// scheme and authority are those of [`RequestContext`]: behind a proxy that ends TLS, configure
/// its forwarding, or old browsers are refused because their `Origin` says https.
///
/// A decision to let pass allocates nothing.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CrossOriginGuard {
    trusted: Vec<Trusted>,
    paths: PathRules,
    log_only: bool,
}

impl CrossOriginGuard {
    /// Trusts no other origin, guards every path, and refuses.
    pub fn new() -> Self {
        Self::default()
    }

    /// The guard that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &GuardConfig) -> Result<Self, PolicyError> {
        let mut guard = Self::new().log_only(config.log_only);
        let mut faults = Vec::new();
        for (index, origin) in config.trusted_origins.iter().enumerate() {
            match guard.clone().trust(origin) {
                Ok(changed) => guard = changed,
                Err(error) => faults.extend(
                    error
                        .into_faults()
                        .into_iter()
                        .map(|fault: Fault| fault.within(&format!("trusted_origins[{index}]"))),
                ),
            }
        }
        match path_rules(&config.include, &config.exclude) {
            Ok(paths) => guard = guard.paths(paths),
            Err(error) => faults.extend(error.into_faults()),
        }
        PolicyError::unless_empty(faults, guard)
    }

    /// Lets this origin send everything that a page of our own may. Whoever runs scripts there can
    /// act for our users: with a pattern (`https://*.example.com`, see [`OriginPattern`]), whoever gets
    /// hold of any sub-domain, a forgotten one included.
    ///
    /// # Errors
    ///
    /// Those of [`Origin::parse`] and [`OriginPattern::parse`].
    pub fn trust(mut self, origin: &str) -> Result<Self, PolicyError> {
        self.trusted.push(Trusted::parse(origin)?);
        Ok(self)
    }

    /// Guards these paths only, by the request's original path. Default: all. Exclude what has a
    /// proof of its own in every request (signed webhooks), and the report receiver when other
    /// origins send to it. Paths that could be read in two ways are never excluded.
    pub fn paths(mut self, paths: PathRules) -> Self {
        self.paths = paths;
        self
    }

    /// Emits the event and lets the request pass; for a first week in production. Default: `false`.
    pub const fn log_only(mut self, log_only: bool) -> Self {
        self.log_only = log_only;
        self
    }

    /// Whether a refusal only leaves an event.
    #[must_use]
    pub const fn is_log_only(&self) -> bool {
        self.log_only
    }

    /// Decides, as described above. It neither emits nor regards [`log_only`](Self::log_only),
    /// which is the layer's part.
    ///
    /// # Errors
    ///
    /// [`CrossOriginRefusal`], which is answered 403.
    pub fn verify(
        &self,
        request: RequestView<'_>,
        context: &RequestContext,
    ) -> Result<(), CrossOriginRefusal> {
        if !may_change(request.method) {
            return Ok(());
        }
        let site = Single::of(request.headers, &SEC_FETCH_SITE);
        let origin = Single::of(request.headers, &ORIGIN);
        let reason = match site {
            Single::One(b"same-origin" | b"none") => return Ok(()),
            Single::Repeated => CrossOriginReason::Repeated,
            Single::One(_) => CrossOriginReason::Site,
            Single::None => match origin {
                Single::None => return Ok(()),
                Single::Repeated => CrossOriginReason::Repeated,
                Single::One(origin) => match judge(origin, context) {
                    None => return Ok(()),
                    Some(reason) => reason,
                },
            },
        };
        if self.trusts(&origin) || !self.paths.applies(context.path()) {
            return Ok(());
        }
        Err(CrossOriginRefusal::new(reason, request.headers))
    }

    fn trusts(&self, origin: &Single<'_>) -> bool {
        let Single::One(bytes) = origin else {
            return false;
        };
        std::str::from_utf8(bytes).is_ok_and(|text| self.trusted.iter().any(|known| known.is(text)))
    }
}

#[derive(Debug, Clone)]
enum Trusted {
    Origin(Origin),
    Pattern(OriginPattern),
}

impl Trusted {
    fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.contains('*') {
            OriginPattern::parse(text).map(Self::Pattern)
        } else {
            Origin::parse(text).map(Self::Origin)
        }
    }

    fn is(&self, header: &str) -> bool {
        match self {
            Self::Origin(origin) => origin.is_named_by(header),
            Self::Pattern(pattern) => pattern.is_matched_by(header),
        }
    }
}

/// Why this `Origin` is not the request's own; `None` when it is.
fn judge(header: &[u8], context: &RequestContext) -> Option<CrossOriginReason> {
    let Ok(text) = std::str::from_utf8(header) else {
        return Some(CrossOriginReason::Malformed);
    };
    if origin::names(text, context.scheme(), context.authority()) {
        None
    } else if text == "null" {
        Some(CrossOriginReason::Null)
    } else if text.contains('@') {
        Some(CrossOriginReason::Malformed)
    } else {
        Some(CrossOriginReason::Origin)
    }
}

/// The section `[cross_origin_guard]`, or whatever the host calls it.
///
/// ```toml
/// [cross_origin_guard]
/// trusted_origins = ["https://accounts.example"]
/// exclude = ["/webhooks"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Whether the layer does anything. Default: `true`.
    pub enabled: bool,
    /// Whether it only leaves events. Default: `false`.
    pub log_only: bool,
    /// See [`CrossOriginGuard::trust`]. Default: none.
    pub trusted_origins: Vec<String>,
    /// Paths to which the guard is limited. Default: all.
    pub include: Vec<String>,
    /// Paths without the guard. Default: none.
    pub exclude: Vec<String>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            log_only: false,
            trusted_origins: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Section for GuardConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(CrossOriginGuard::from_config(self).err(), faults);
    }
}
