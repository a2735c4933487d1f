//! The layer, and its decision.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use sec_core::gate::OnResponse;
use sec_core::{OnRefusal, PathRules, Problem, ProblemRefusal, RequestView, refuse};
use tower_layer::Layer;

use super::refused::fields;
use super::{Concurrency, ConcurrencyRefused, ConcurrencyService, Permit, check_key, context};
use crate::headers::{POLICY, STATE};
use crate::key::route;
use crate::{ConfigError, Key};

/// Limits how many requests of one key the wrapped service works on at once.
///
/// The permit is taken before the service is called and held **until the response's body ends**: read to
/// its end, failed, or dropped. It also comes back when the service fails, panics or the client goes away
/// before the answer, and when an inner layer refuses. A connection that is upgraded (`WebSocket`) ends its body at
/// once: acquire a [`Permit`] in its task instead.
///
/// Needs the request context outside of it, and an authentication layer if the key asks for the caller;
/// without them it answers 500 and says in the log which layer is missing.
///
/// An admitted request costs one allocation for what watches the body, and six for the two header fields with
/// their map. A test counts them.
#[derive(Clone)]
pub struct ConcurrencyLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(super) struct Settings {
    concurrency: Concurrency,
    key: Key,
    enabled: bool,
    shadow: bool,
    headers: bool,
    paths: PathRules,
    on_refusal: Arc<dyn OnRefusal<ConcurrencyRefused>>,
}

impl ConcurrencyLayer {
    /// A layer around a limit, whose state it shares with all clones of both.
    ///
    /// # Errors
    ///
    /// When the key is [given](Key::given) by the caller: no layer can make it.
    pub fn new(concurrency: Concurrency, key: impl Into<Key>) -> Result<Self, ConfigError> {
        let key = key.into();
        check_key(&key)?;
        Ok(Self {
            settings: Arc::new(Settings {
                concurrency,
                key,
                enabled: true,
                shadow: false,
                headers: true,
                paths: PathRules::all(),
                on_refusal: Arc::new(ProblemRefusal),
            }),
        })
    }

    /// Whether the layer does anything. Default: true. Off, it passes everything on untouched.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Whether refusals are only reported, to try a limit out. Default: false. In shadow mode a
    /// request that would be refused passes without a permit, and no header field is written.
    #[must_use]
    pub fn shadow(self, shadow: bool) -> Self {
        self.with(|settings| settings.shadow = shadow)
    }

    /// Whether answers carry `RateLimit-Policy` and `RateLimit`, with the unit `concurrent-requests`
    /// (draft-ietf-httpapi-ratelimit-headers-10). Default: true. They are appended to those of other layers.
    #[must_use]
    pub fn headers(self, headers: bool) -> Self {
        self.with(|settings| settings.headers = headers)
    }

    /// Which paths are limited. Default: all.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// What is answered instead. Default: the [problem](ConcurrencyRefused) that the draft defines. The header
    /// fields are added to whatever the hook answers.
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<ConcurrencyRefused>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Settings {
    /// A permit, or none where the layer has nothing to say, or the refusal.
    #[allow(clippy::result_large_err, reason = "it moves into the future at once")]
    pub(super) fn admit<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Option<(Permit, Finish)>, Response<Bytes>> {
        if !self.enabled {
            return Ok(None);
        }
        let view = RequestView::from(request);
        let fault = |problem: Problem| problem.respond(view.headers);
        let ctx = context(view.extensions).map_err(|error| fault(Problem::from(error)))?;
        if !self.paths.applies(ctx.path()) {
            return Ok(None);
        }
        let digest = self.key.digest(self.concurrency.0.seed, ctx, view);
        let digest = digest.map_err(|missing| fault(Problem::from(&missing)))?;
        let refused = match self.concurrency.acquire(digest, self.concurrency.limit()) {
            Ok(permit) => {
                let shown = (self.headers && !self.shadow)
                    .then(|| fields(self.concurrency.name(), permit.limit, permit.remaining));
                return Ok(Some((permit, Finish(shown))));
            }
            Err(refused) => refused,
        };
        refused.report(ctx, self.key.label(), route(view), self.shadow);
        if self.shadow {
            return Ok(None);
        }
        let values = fields(refused.name(), refused.limit(), 0);
        let mut response = refuse(&*self.on_refusal, refused, view);
        if self.headers {
            write(values, response.headers_mut());
        }
        Err(response)
    }
}

/// What is left to do once the head of the response is there.
pub(super) struct Finish(Option<[String; 2]>);

impl OnResponse for Finish {
    fn on_response(self, parts: &mut Parts) {
        if let Some(values) = self.0 {
            write(values, &mut parts.headers);
        }
    }
}

fn write(values: [String; 2], headers: &mut HeaderMap) {
    for (name, value) in [POLICY, STATE].into_iter().zip(values) {
        // The name is checked when the limit is built, so every value is one.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(name, value);
        }
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = ConcurrencyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyService::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for ConcurrencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLayer")
            .field("concurrency", &self.concurrency)
            .field("key", &self.key)
            .field("enabled", &self.enabled)
            .field("shadow", &self.shadow)
            .field("headers", &self.headers)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}
