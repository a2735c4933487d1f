//! The layer that asks for work.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use sec_core::gate::{Decide, GateService};
use sec_core::{
    EventKind, OnRefusal, PathRules, Problem, ProblemRefusal, RequestContext, RequestView, refuse,
};
use tower_layer::Layer;

use super::{ChallengePage, Clearance, SOLUTION_HEADER};
use crate::{Challenge, ConfigError, ConfigErrorKind, Decision, ProofError, Shed};

/// Asks a client without [`Clearance`] for work, when the host's policy says so.
///
/// A browser's navigation gets a small page that does the work, sends the solution to the layer's own path and opens what
/// was asked for. Everything else gets 429 problem+json of the type `challenge-required` with the member `challenge`; it
/// can solve that and send `POST` to the path with [`SOLUTION_HEADER`] as well, and gets 204 with the cookie. The policy is
/// asked anew for each request, also for the challenge that answers a wrong solution: a clearance counts where no harder work
/// is demanded than was done for it, so whoever worked before the demand rose works once more.
///
/// ```
/// use sec_ratelimit::{ChallengeLayer, Clearance, Demand, Shed};
///
/// let shed = Shed::new(512)?;
/// let busy = shed.clone();
/// let layer = ChallengeLayer::new(Clearance::new(18)?, move |_| Demand::under_pressure(&busy, 70));
/// # let _ = layer;
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
///
/// Needs the request context outside of it, and stands outside of what it spares. A request for which the policy demands
/// nothing costs the policy; one with a clearance one HMAC more, and no allocation.
#[derive(Clone)]
pub struct ChallengeLayer(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    clearance: Clearance,
    when: Policy,
    path: Arc<str>,
    status: StatusCode,
    enabled: bool,
    paths: PathRules,
    on_refusal: Arc<dyn OnRefusal<Challenged>>,
}

type Policy = Arc<dyn Fn(RequestView<'_>) -> Demand + Send + Sync>;

/// What a policy demands of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Nothing.
    #[default]
    Nothing,
    /// A clearance, for the usual work.
    Work,
    /// A clearance, for work of so many bits more; each doubles it. One for less work does not count.
    Harder(u8),
}

/// A request was answered with a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenged {
    challenge: Challenge,
    path: Arc<str>,
    status: StatusCode,
}

/// Made by [`ChallengeLayer`].
pub type ChallengeService<S> = GateService<S, ChallengeLayer>;

pub(super) const PATH: &str = "/_clearance";

impl ChallengeLayer {
    /// A layer that asks for a clearance whenever the policy demands it.
    #[must_use]
    pub fn new<F>(clearance: Clearance, when: F) -> Self
    where
        F: Fn(RequestView<'_>) -> Demand + Send + Sync + 'static,
    {
        Self(Arc::new(Settings {
            clearance,
            when: Arc::new(when),
            path: Arc::from(PATH),
            status: StatusCode::TOO_MANY_REQUESTS,
            enabled: true,
            paths: PathRules::all(),
            on_refusal: Arc::new(ChallengePage),
        }))
    }

    /// Whether the layer does anything. Default: true.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with(|settings| settings.enabled = enabled)
    }

    /// Which paths ask for a clearance. Default: all.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.with(|settings| settings.paths = paths)
    }

    /// Where solutions are sent: a path of this service that is its own. Default: `/_clearance`. `POST` there never
    /// reaches the service.
    ///
    /// # Errors
    /// A path that does not begin with one `/`, or could be read in two ways.
    pub fn path(self, path: &str) -> Result<Self, ConfigError> {
        if path.ends_with(['/', '*']) {
            let kind = ConfigErrorKind::Misused("must be a path, not a prefix");
            return Err(ConfigError::new("path", kind));
        }
        // The same rules as for prefixes: `//host` and `/\host` are none.
        let rule = PathRules::all().include(path);
        rule.map_err(|error| ConfigError::new("path", ConfigErrorKind::Path(error.to_string())))?;
        Ok(self.with(|settings| settings.path = Arc::from(path)))
    }

    /// The status of challenges: 429, the default, or 503, which search engines take for passing.
    ///
    /// # Errors
    /// Another status.
    pub fn status(self, status: StatusCode) -> Result<Self, ConfigError> {
        if !matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            let kind = ConfigErrorKind::Misused("must be 429 or 503");
            return Err(ConfigError::new("status", kind));
        }
        Ok(self.with(|settings| settings.status = status))
    }

    /// What is answered instead. Default: [`ChallengePage`].
    #[must_use]
    pub fn on_refusal(self, hook: impl OnRefusal<Challenged>) -> Self {
        self.with(|settings| settings.on_refusal = Arc::new(hook))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Demand {
    /// [`Work`](Self::Work) for a request that a limiter further out let through although it
    /// [demands](crate::OnExceed::Demand) more, or in shadow mode would have refused.
    #[must_use]
    pub fn exceeded(view: RequestView<'_>) -> Self {
        let decision = view.extensions.get::<Decision>();
        match decision {
            Some(decision) if !decision.is_allowed() || decision.demands().next().is_some() => {
                Self::Work
            }
            _ => Self::Nothing,
        }
    }

    /// Work from so many percent of [`Shed::pressure`] on, and up to four bits harder, which is sixteen times the work, the
    /// closer it comes to 100.
    #[must_use]
    pub fn under_pressure(shed: &Shed, from: u32) -> Self {
        Self::at(shed.pressure(), from)
    }

    /// How much harder than usual, if anything is demanded.
    fn harder(self) -> Option<u8> {
        match self {
            Self::Nothing => None,
            Self::Work => Some(0),
            Self::Harder(bits) => Some(bits),
        }
    }

    pub(super) fn at(pressure: u32, from: u32) -> Self {
        let Some(above) = pressure.checked_sub(from) else {
            return Self::Nothing;
        };
        let range = 100_u32.saturating_sub(from).max(1);
        let bits = above.saturating_mul(4).checked_div(range).unwrap_or(4);
        match u8::try_from(bits.min(4)).unwrap_or(4) {
            0 => Self::Work,
            bits => Self::Harder(bits),
        }
    }
}

impl Challenged {
    /// What is to be solved.
    #[must_use]
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Where the solution is to be sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl From<&Challenged> for Problem {
    fn from(refusal: &Challenged) -> Self {
        let mut challenge = serde_json::json!(refusal.challenge);
        if let Some(members) = challenge.as_object_mut() {
            members.insert("path".into(), (*refusal.path).into());
        }
        Self::typed(
            "challenge-required",
            refusal.status,
            "A challenge must be solved first",
        )
        .with("challenge", challenge)
    }
}

impl Settings {
    fn decide(&self, view: RequestView<'_>) -> Result<(), Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(());
        }
        let ctx = RequestContext::of(view.extensions)
            .map_err(|missing| Box::new(Problem::from(&missing).respond(view.headers)))?;
        if ctx.path() == &*self.path && ctx.method() == Method::POST {
            return Err(Box::new(self.redeem(ctx, view)));
        }
        if !self.paths.applies(ctx.path()) {
            return Ok(());
        }
        let Some(harder) = (self.when)(view).harder() else {
            return Ok(());
        };
        if self.clearance.is_cleared_for(ctx, view.headers, harder) {
            return Ok(());
        }
        report(ctx, None);
        let refusal = self.challenged(ctx, harder);
        Err(Box::new(refuse(&*self.on_refusal, refusal, view)))
    }

    fn redeem(&self, ctx: &RequestContext, view: RequestView<'_>) -> Response<Bytes> {
        let mut given = view.headers.get_all(SOLUTION_HEADER).into_iter();
        let solution = match (given.next(), given.next()) {
            (Some(one), None) => one.to_str().unwrap_or_default(),
            _ => "",
        };
        match self.clearance.redeem(ctx, solution) {
            Ok(cookie) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NO_CONTENT;
                let headers = response.headers_mut();
                headers.insert(SET_COOKIE, cookie);
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Err(error) => {
                report(ctx, Some(error));
                // As the log-in answers: forbidden, with another challenge.
                let harder = (self.when)(view).harder().unwrap_or(0);
                let refusal = Challenged {
                    status: StatusCode::FORBIDDEN,
                    ..self.challenged(ctx, harder)
                };
                refuse(&ProblemRefusal, refusal, view)
            }
        }
    }

    fn challenged(&self, ctx: &RequestContext, harder: u8) -> Challenged {
        Challenged {
            challenge: self.clearance.challenge(ctx, harder),
            path: self.path.clone(),
            status: self.status,
        }
    }
}

fn report(ctx: &RequestContext, error: Option<ProofError>) {
    let key = ("clearance", ctx.client_group(), error.is_some());
    ctx.refused(key, |ctx| {
        let why = error.map_or("a proof of work is demanded".to_owned(), |error| {
            error.to_string()
        });
        ctx.event(EventKind::RATE_LIMITED)
            .with_reason(why)
            .with_detail("policy", "clearance")
    });
}

impl Decide for ChallengeLayer {
    type Finish = ();

    fn decide<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        self.0.decide(RequestView::from(&*request))
    }
}

impl<S> Layer<S> for ChallengeLayer {
    type Service = ChallengeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.clone())
    }
}

impl fmt::Debug for ChallengeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeLayer")
            .field("clearance", &self.0.clearance)
            .field("path", &self.0.path)
            .field("enabled", &self.0.enabled)
            .field("paths", &self.0.paths)
            .finish_non_exhaustive()
    }
}
