//! Which other origins may read the answers (Cross-Origin Resource Sharing: Fetch standard, "CORS
//! protocol").

mod apply;
mod build;
mod config;
mod layer;
mod lookup;
mod pattern;
mod refusal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};
use sec_core::{PathRules, RequestContext, RequestView};

pub use self::build::CorsBuilder;
pub use self::config::CorsConfig;
pub use self::layer::{CorsFuture, CorsLayer, CorsService};
pub use self::lookup::OriginLookup;
pub use self::pattern::OriginPattern;
pub use self::refusal::{CorsReason, CorsRefusal};
use crate::browser::{Single, is_own_site};
use crate::error::PolicyError;
use crate::origin::{Named, Origin};

/// Decides which other origins may read answers, and says so in the words of CORS.
///
/// 1. Without `Origin` it is no matter of CORS, and passes.
/// 2. An `Origin` that is listed, by name or by a pattern, is allowed.
/// 3. Same-origin requests pass: `Sec-Fetch-Site: same-origin` or `none` (no page can set it: scripts
///    may not send names that begin with `Sec-`), or an `Origin` that is the request's own scheme and
///    authority. Browsers send `Origin` with their own pages' posts as well.
/// 4. The rest is refused: `null`, which every sandboxed frame has, an `Origin` that came twice, one
///    with user information or not text, and every other origin.
///
/// What step 2 grants depends on `Origin` alone, so that `Vary: Origin` says enough to caches.
///
/// A refused request is answered 403 before the handler runs, unless [`CorsBuilder::enforce`] says
/// otherwise; CORS alone would let the handler do its work and only keep the answer from the page.
/// Whatever another site rightly posts to (a log-in that comes back by `form_post`, a payment) has an
/// `Origin` too: list it, or exclude the path.
///
/// What the handler itself writes into `Access-Control-*`, whatever the rest of the name, is taken off;
/// there is one value ever. The
/// scheme and authority are those of [`RequestContext`]: a name that an attacker points at this
/// service (DNS rebinding) is its own origin, which a list of allowed hosts prevents.
///
/// A decision allocates nothing, except a refusal's excerpts. An origin costs one comparison for each
/// that is listed.
#[derive(Debug, Clone)]
#[must_use]
pub struct Cors(Arc<Policy>);

#[derive(Debug, Clone)]
struct Policy {
    allowed: Allowed,
    /// Whether something else than the list also allows origins.
    dynamic: bool,
    credentials: bool,
    methods: Names,
    headers: Names,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    private_network: bool,
    enforce: bool,
    paths: PathRules,
}

#[derive(Debug, Clone)]
enum Allowed {
    Any(HeaderValue),
    Listed {
        exact: Vec<(Origin, HeaderValue)>,
        patterns: Vec<OriginPattern>,
        null: bool,
    },
}

/// What a preflight may ask for.
#[derive(Debug, Clone)]
enum Names {
    Fixed(Option<HeaderValue>),
    Mirrored,
}

/// What [`Cors::decide`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorsVerdict {
    /// The path is not one of the policy's: nothing is done.
    Outside,
    /// Not a cross-origin request: it passes, without a grant.
    Own,
    /// The origin may read; the value is that of `Access-Control-Allow-Origin`.
    Allowed(HeaderValue),
    /// It may not.
    Refused(CorsRefusal),
}

impl Cors {
    /// Allows no other origin yet.
    pub fn builder() -> CorsBuilder {
        CorsBuilder::new()
    }

    /// The policy that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &CorsConfig) -> Result<Self, PolicyError> {
        CorsBuilder::from_config(config).build()
    }

    /// Says that origins are also allowed by something that this policy does not know, so that every
    /// answer varies by `Origin`. [`CorsLayer::lookup`] does it by itself.
    pub fn with_dynamic_origins(mut self) -> Self {
        Arc::make_mut(&mut self.0).dynamic = true;
        self
    }

    /// Whether a refused request is answered in place of the handler.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.0.enforce
    }

    /// Whether this is a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`. Any
    /// other `OPTIONS` is the handler's.
    #[must_use]
    pub fn is_preflight(request: RequestView<'_>) -> bool {
        *request.method == Method::OPTIONS
            && request.headers.contains_key(ORIGIN)
            && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Decides, as described above. It neither emits nor regards [`is_enforced`](Self::is_enforced),
    /// which is the layer's part.
    #[must_use]
    pub fn decide(&self, request: RequestView<'_>, context: &RequestContext) -> CorsVerdict {
        if !self.0.paths.applies(context.path()) {
            return CorsVerdict::Outside;
        }
        let reason = match Single::of(request.headers, &ORIGIN) {
            Single::None => return CorsVerdict::Own,
            Single::Repeated => CorsReason::Repeated,
            Single::One(origin) => match self.judge(origin, request.headers, context) {
                Ok(verdict) => return verdict,
                Err(reason) => reason,
            },
        };
        if is_own_site(request.headers) {
            return CorsVerdict::Own;
        }
        CorsVerdict::Refused(CorsRefusal::new(reason, request))
    }

    fn judge(
        &self,
        origin: &[u8],
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<CorsVerdict, CorsReason> {
        let text = std::str::from_utf8(origin).map_err(|_| CorsReason::Malformed)?;
        if text.contains('@') {
            return Err(CorsReason::Malformed);
        }
        let named = Named::read(text);
        match &self.0.allowed {
            Allowed::Any(star) => return Ok(CorsVerdict::Allowed(star.clone())),
            Allowed::Listed { null: true, .. } if text == "null" => {
                return Ok(CorsVerdict::Allowed(HeaderValue::from_static("null")));
            }
            Allowed::Listed { .. } if text == "null" => return Err(CorsReason::Null),
            Allowed::Listed {
                exact, patterns, ..
            } => {
                let Some(named) = &named else {
                    return Err(CorsReason::NotListed);
                };
                let known = exact.iter().find(|(origin, _)| origin.is(named));
                if let Some((_, value)) = known {
                    return Ok(CorsVerdict::Allowed(value.clone()));
                }
                if patterns.iter().any(|pattern| pattern.matches(named)) {
                    let value = headers.get(ORIGIN).ok_or(CorsReason::NotListed)?;
                    return Ok(CorsVerdict::Allowed(value.clone()));
                }
            }
        }
        match named {
            Some(named) if named.is(context.scheme(), context.authority()) => Ok(CorsVerdict::Own),
            _ => Err(CorsReason::NotListed),
        }
    }
}

impl Policy {
    /// The value that every answer carries, whoever asks; then nothing varies by `Origin`, and caches
    /// keep one answer for all (Fetch standard, "CORS protocol and HTTP caches"). With credentials
    /// there is none, because `Access-Control-Allow-Credentials` is only for whom it concerns.
    fn constant(&self) -> Option<&HeaderValue> {
        match &self.allowed {
            Allowed::Any(star) => Some(star),
            Allowed::Listed {
                exact,
                patterns,
                null: false,
            } if patterns.is_empty() && !self.credentials && !self.dynamic => {
                match exact.as_slice() {
                    [(_, value)] => Some(value),
                    _ => None,
                }
            }
            Allowed::Listed { .. } => None,
        }
    }

    /// Whether what an answer grants depends on who asks.
    fn varies(&self) -> bool {
        self.preflight_varies() && self.constant().is_none()
    }

    /// The same of a preflight's answer, which has no part that everybody is told: it does wherever a
    /// list decides and is not empty.
    fn preflight_varies(&self) -> bool {
        match &self.allowed {
            Allowed::Any(_) => false,
            Allowed::Listed {
                exact,
                patterns,
                null,
            } => self.dynamic || *null || !(exact.is_empty() && patterns.is_empty()),
        }
    }
}
