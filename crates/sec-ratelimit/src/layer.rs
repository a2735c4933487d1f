//! The layer.

use std::fmt;
use std::sync::Arc;

use http::response::Parts;
use sec_core::{OnRefusal, PathRules, ProblemRefusal, RequestView};
use tower_layer::Layer;

use crate::about::About;
use crate::ban::Hook;
use crate::config::check_share;
use crate::settings::Settings;
use crate::{
    Banned, Bans, ConfigError, ConfigErrorKind, Escalate, Fields, Limiter, RateLimitService,
    Refused, Spikes, Statistics,
};

/// Limits how often the wrapped service is called.
///
/// Needs the request context ([`ContextLayer`](sec_core::ContextLayer)) outside of it, and an authentication layer if a key or a limit asks for
/// the caller; without them it answers 500 and says in the log which layer is missing.
///
/// The [`Decision`](crate::Decision) goes into the extensions of the request and of the response. A
/// response's extensions get the decision after a refund.
///
/// What an admitted request costs in allocations: none for the decision, four for its copies in the
/// extensions of request and response (two of them for the response's empty map), four for the two IETF
/// fields with their map, and six more for the three older ones. A test counts them. With
/// [`count_if`](Self::count_if) there is one more, for what a refund needs.
///
/// A request that is dropped before its response (the client went away, a time limit struck), and one
/// whose service fails with an error, stays counted.
///
/// Around a limiter that processes share (`RateLimitLayer::shared`, with a store's feature) the future is
/// boxed, and a response that does not count waits for its refund.
#[derive(Clone)]
pub struct RateLimitLayer<L = Limiter> {
    settings: Arc<Settings<L>>,
}

impl RateLimitLayer {
    /// A layer around a limiter, whose state it shares with all clones of both.
    ///
    /// # Errors
    ///
    /// When a tier's key is [given](crate::Key::given) by the caller: no layer can make it.
    pub fn new(limiter: Limiter) -> Result<Self, ConfigError> {
        let about = limiter.about();
        Self::around(limiter, about)
    }
}

#[cfg(feature = "shared")]
impl RateLimitLayer<crate::SharedLimiter> {
    /// A layer around a limiter that asks a store. While the store does not answer, the limiter's
    /// [fallback](crate::Fallback) decides; a closed one answers 503.
    ///
    /// # Errors
    ///
    /// As [`new`](RateLimitLayer::new).
    pub fn shared(limiter: crate::SharedLimiter) -> Result<Self, ConfigError> {
        let about = limiter.about();
        Self::around(limiter, about)
    }
}

impl<L: Clone> RateLimitLayer<L> {
    fn around(limiter: L, about: About) -> Result<Self, ConfigError> {
        if let Some(index) = about.given {
            return Err(ConfigError::new(
                format!("tiers[{index}].key"),
                ConfigErrorKind::GivenKey,
            ));
        }
        Ok(Self {
            settings: Arc::new(Settings {
                limiter,
                about,
                enabled: true,
                shadow: false,
                fields: Fields::default(),
                paths: PathRules::all(),
                cost: None,
                count_if: None,
                on_refusal: Arc::new(ProblemRefusal),
                retry_jitter: 0.0,
                bans: None,
                on_ban: Arc::new(ProblemRefusal),
                statistics: None,
                spikes: None,
                unrouted: Arc::default(),
            }),
        })
    }

    /// Whether the layer does anything. Default: true. Off, it passes everything on untouched.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Whether refusals are only reported, to try a limit out. Default: false. In shadow mode a
    /// request that would be refused passes (and takes nothing), its event says `shadow`, and no
    /// header field is written.
    #[must_use]
    pub fn shadow(self, shadow: bool) -> Self {
        self.with(|settings| settings.shadow = shadow)
    }

    /// Which header fields answers carry. Default: [`Fields::IETF`].
    #[must_use]
    pub fn headers(self, fields: Fields) -> Self {
        self.with(|settings| settings.fields = fields)
    }

    /// Which paths are limited. Default: all. What is excluded has no limit at all.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// What a request costs. Default: 1. A cost of 0 takes nothing, and is refused only where more
    /// than the limit was already taken.
    #[must_use]
    pub fn cost<F>(self, cost: F) -> Self
    where
        F: Fn(RequestView<'_>) -> u64 + Send + Sync + 'static,
    {
        self.with(|settings| settings.cost = Some(Arc::new(cost)))
    }

    /// Which responses count, decided from their head. Default: all. Every request is counted before
    /// the service is called, and given back when its response turns out not to count; so parallel
    /// requests cannot slip through before the first has been answered.
    ///
    /// ```
    /// # use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer};
    /// # let limiter = Limiter::builder().tier("auth", Quota::auth(), Key::ip()).build()?;
    /// let failures_only = RateLimitLayer::new(limiter)?.count_if(|response| response.status == 401);
    /// # let _ = failures_only;
    /// # Ok::<(), sec_ratelimit::ConfigError>(())
    /// ```
    #[must_use]
    pub fn count_if<F>(self, counts: F) -> Self
    where
        F: Fn(&Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|settings| settings.count_if = Some(Arc::new(counts)))
    }

    /// How much longer than needed clients are told to wait, as a share of the wait from 0 to 1: each
    /// `Retry-After` gets a random addition of 0 up to that share, rounded up to a whole second with the wait, so
    /// that clients which were refused together do not come back together. Never less than the wait itself,
    /// so never before the `t` of `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, section 6). A
    /// `Retry-After` that a refusal hook chose itself stays. Default: 0, none.
    ///
    /// # Errors
    ///
    /// When the share is not a number from 0 to 1.
    pub fn retry_jitter(self, share: f64) -> Result<Self, ConfigError> {
        check_share(share)?;
        Ok(self.with(|settings| settings.retry_jitter = share))
    }

    /// What is answered instead. Default: the [problem](Refused) that the draft defines. Header fields
    /// are added to whatever the hook answers.
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<Refused>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    /// Counts its decisions into [`Statistics`] made [of](Statistics::of) this layer's limiter. Default: those of a limiter
    /// that [counts by itself](crate::LimiterBuilder::statistics), else nowhere; what both would count is
    /// counted once. An admission whose response turns out [not to count](Self::count_if) was one all the same.
    /// Requests of [blocked](Self::ban) callers reach no policy.
    ///
    /// # Errors
    ///
    /// When they were made of another limiter.
    pub fn statistics(self, statistics: Statistics) -> Result<Self, ConfigError> {
        let about = &self.settings.about;
        if !statistics.is_of(&about.policies) {
            return Err(ConfigError::new(
                "statistics",
                ConfigErrorKind::Misused("were made of another limiter"),
            ));
        }
        let own = about.statistics.as_ref();
        let same = own.is_some_and(|own| own.is_same(&statistics));
        Ok(self.with(|settings| {
            if same {
                // Whether it may show addresses is the layer's to say.
                settings.about.statistics = Some(statistics);
            } else {
                settings.statistics = Some(statistics);
            }
        }))
    }

    /// Blocks whoever is refused repeatedly, for a time that grows: see [`Escalate`]. Default: nobody.
    ///
    /// Blocked requests are answered before anything is counted: 429 [`blocked`](Banned). Refusals count
    /// towards a block only where the caller alone exhausts the tier, so not those of a
    /// [global](crate::Key::global) tier, nor of one by route, role or tenant, nor those that a
    /// [fallback](crate::Decision::degraded) decided. In [shadow](Self::shadow) mode blocks are reported and
    /// pass. The end of a block is an event when its key comes back; of the others a few are looked at with each
    /// request, and those that are over share one event with a count. Where a new block has taken the
    /// place of one that was over, nobody is told. These blocks are of this process alone, also around a shared limiter: `Bans::shared` and
    /// [`ban_with`](Self::ban_with) make them those of all.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong, under its name below `ban`.
    pub fn ban(self, escalate: Escalate) -> Result<Self, ConfigError> {
        let clock = self.settings.about.clock.clone();
        Ok(self.ban_with(Bans::with_clock(escalate, clock)?))
    }

    /// [`ban`](Self::ban) with blocks that several layers or processes share, or that the host sets and lifts.
    #[must_use]
    pub fn ban_with(self, bans: Bans) -> Self {
        let hook = Hook::new(bans, self.settings.about.own.clone());
        self.with(|settings| settings.bans = Some(hook))
    }

    /// The blocks, to list, set and lift them.
    #[must_use]
    pub fn bans(&self) -> Option<&Bans> {
        self.settings.bans.as_ref().map(|hook| &hook.bans)
    }

    /// What is answered to who is blocked. Default: the problem.
    #[must_use]
    pub fn on_ban(self, hook: impl OnRefusal<Banned>) -> Self {
        self.with(|settings| settings.on_ban = Arc::new(hook))
    }

    /// Watches each route for [spikes](Spikes): requests far above the usual number. Default: none are.
    ///
    /// Counts every request that the layer [applies](Self::paths) to, those of [blocked](Self::ban) callers and
    /// refused ones included, under the matched route (see [`Key::route`](crate::Key::route)); whatever matched
    /// none is one route, and so is everything where the layer stands around axum's router: `MatchedPath` exists only
    /// inside of it, so put this layer on with `Router::layer`. Nothing is refused for it. A spike is two events, about the `route` and not about a
    /// caller: `excess_spike_started` with the `requests` of the window so far and the `usual` number, and
    /// `excess_spike_ended` with the `seconds` it lasted, at the first request after a whole window without one.
    #[must_use]
    pub fn spikes(self, spikes: Spikes) -> Self {
        self.with(|settings| settings.spikes = Some(spikes))
    }

    #[cfg(feature = "shared")]
    pub(crate) fn clock(&self) -> Arc<dyn sec_core::Clock> {
        self.settings.about.clock.clone()
    }

    fn with(mut self, change: impl FnOnce(&mut Settings<L>)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, L> Layer<S> for RateLimitLayer<L> {
    type Service = RateLimitService<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService::new(inner, self.settings.clone())
    }
}

impl<L: fmt::Debug> fmt::Debug for RateLimitLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
