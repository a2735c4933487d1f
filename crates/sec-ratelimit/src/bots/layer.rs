//! The layer that keeps unwanted bots out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use sec_core::gate::{Decide, GateService};
use sec_core::{
    EventKind, OnRefusal, PathRules, Problem, ProblemRefusal, RequestContext, RequestView, refuse,
};
use tower_layer::Layer;

use super::{BotVerdict, Bots, OnSpoofed};

/// Refuses unwanted and false bots with 403, and leaves the [`BotVerdict`] in the extensions of what passes.
///
/// Needs the request context outside of it. A request costs what [`Bots`] costs and the extension. A policy of
/// challenges further in can spare verified bots, which run no script:
///
/// ```
/// use sec_ratelimit::{BotVerdict, ChallengeLayer, Clearance, Demand};
///
/// let layer = ChallengeLayer::new(Clearance::new(18)?, |view| match BotVerdict::of(view.extensions) {
///     Some(BotVerdict::Verified(_)) => Demand::Nothing,
///     Some(BotVerdict::Spoofed(_)) => Demand::Harder(2),
///     _ => Demand::exceeded(view),
/// });
/// # let _ = layer;
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct BotLayer(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    bots: Bots,
    enabled: bool,
    paths: PathRules,
    on_spoofed: OnSpoofed,
    on_refusal: Arc<dyn OnRefusal<BotRefused>>,
}

/// Made by [`BotLayer`].
pub type BotService<S> = GateService<S, BotLayer>;

/// A bot was refused: 403, which says no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotRefused(BotVerdict);

impl BotRefused {
    /// Why.
    #[must_use]
    pub fn verdict(&self) -> &BotVerdict {
        &self.0
    }
}

impl From<&BotRefused> for Problem {
    fn from(_: &BotRefused) -> Self {
        Self::new(StatusCode::FORBIDDEN)
    }
}

impl BotLayer {
    /// A layer with these bots.
    #[must_use]
    pub fn new(bots: Bots) -> Self {
        Self(Arc::new(Settings {
            bots,
            enabled: true,
            paths: PathRules::all(),
            on_spoofed: OnSpoofed::Refuse,
            on_refusal: Arc::new(ProblemRefusal),
        }))
    }

    /// Whether the layer does anything. Default: true.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Which paths it is for. Default: all; `/robots.txt` may be one to exclude.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// What happens to who says it is a good bot and is not. Default: [`OnSpoofed::Refuse`].
    #[must_use]
    pub fn on_spoofed(self, on_spoofed: OnSpoofed) -> Self {
        self.with(|settings| settings.on_spoofed = on_spoofed)
    }

    /// What is answered instead. Default: the problem of [`BotRefused`].
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<BotRefused>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Settings {
    fn decide(&self, view: RequestView<'_>) -> Result<Option<BotVerdict>, Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(None);
        }
        let ctx = RequestContext::of(view.extensions)
            .map_err(|missing| Box::new(Problem::from(&missing).respond(view.headers)))?;
        if !self.paths.applies(ctx.path()) {
            return Ok(None);
        }
        let verdict = self.bots.classify(ctx);
        let (why, refused) = match &verdict {
            BotVerdict::Bad(_) => ("the user agent is not wanted", true),
            BotVerdict::Spoofed(_) => (
                "the user agent claims to be a bot whose address this is not",
                self.on_spoofed == OnSpoofed::Refuse,
            ),
            _ => return Ok(Some(verdict)),
        };
        ctx.refused(("bot", verdict.name(), ctx.client_group()), |ctx| {
            ctx.event(EventKind::SUSPICIOUS)
                .with_reason(why)
                .with_detail("bot", verdict.name().unwrap_or_default())
                .with_detail("refused", refused)
        });
        if refused {
            let refusal = BotRefused(verdict);
            return Err(Box::new(refuse(&*self.on_refusal, refusal, view)));
        }
        Ok(Some(verdict))
    }
}

impl Decide for BotLayer {
    type Finish = ();

    fn decide<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        if let Some(verdict) = self.0.decide(RequestView::from(&*request))? {
            request.extensions_mut().insert(verdict);
        }
        Ok(())
    }
}

impl<S> Layer<S> for BotLayer {
    type Service = BotService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.clone())
    }
}

impl fmt::Debug for BotLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotLayer")
            .field("bots", &self.0.bots)
            .field("enabled", &self.0.enabled)
            .field("on_spoofed", &self.0.on_spoofed)
            .field("paths", &self.0.paths)
            .finish_non_exhaustive()
    }
}
