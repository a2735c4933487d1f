//! Whom a tier counts, taken from a request.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Request};
use sec_core::{Identity, MissingLayer, Principal, RequestContext, RequestView};

use crate::digest::{Digest, KeyHasher, Seed};
use crate::subject::Part;

/// Whom a tier counts: a part of the request, or several together.
///
/// ```
/// use sec_ratelimit::Key;
///
/// let per_caller = Key::principal().or_ip();
/// let per_address_and_route = Key::ip().and(Key::route());
/// let per_api_key = Key::header("x-api-key".parse()?);
/// # let _ = (per_caller, per_address_and_route, per_api_key);
/// # Ok::<(), http::header::InvalidHeaderName>(())
/// ```
///
/// What a request does not have (a header, a tenant, a principal) is a value of its own, which all
/// requests without it share. A key never stores or shows the text it is made of.
#[derive(Clone)]
pub struct Key {
    sources: Vec<Source>,
    /// What the events call it.
    label: String,
}

/// A key by principal, which can fall back to the address for callers who are not known.
#[derive(Clone, Debug)]
#[must_use = "turn it into a `Key`, for example by giving it to a tier"]
pub struct PrincipalKey(());

/// The template of the matched route, as the key by [`route`](Key::route) counts it. A host without
/// axum, or a router that wants other names, puts it into the request's extensions; it goes before
/// axum's own.
#[allow(clippy::exhaustive_structs, reason = "a name for one value")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRoute(pub Arc<str>);

/// Receives the parts of a key from a closure: see [`Key::by`].
pub struct KeyParts {
    /// The whole key, had it just these parts in a row.
    row: KeyHasher,
    /// These parts alone.
    alone: KeyHasher,
    count: usize,
}

type Custom = Arc<dyn Fn(RequestView<'_>, &mut KeyParts) + Send + Sync>;

#[derive(Clone)]
enum Source {
    Ip,
    Principal {
        or_ip: bool,
    },
    Role,
    Tenant,
    Header(HeaderName),
    Route,
    Custom(Custom),
    /// Under the label that the code gave it.
    Given(
        #[cfg_attr(
            not(feature = "shared"),
            expect(
                dead_code,
                reason = "only a store's keys ask whether two are one subject"
            )
        )]
        String,
    ),
}

/// What every request without a matched route is counted under.
pub const UNMATCHED: &str = "<unmatched>";

impl Key {
    /// The client's address group, as the request context has it (by default a whole address of
    /// IPv4 and a /64 of IPv6).
    #[must_use]
    pub fn ip() -> Self {
        Self::one(Source::Ip, "ip")
    }

    /// The authenticated caller. All anonymous callers share one key unless
    /// [`or_ip`](PrincipalKey::or_ip) is added. A request whose caller was never resolved, because
    /// the authentication layer stands further in or is missing, is answered 500.
    ///
    /// Who does not authenticate with `sec-tokens` says who asks with
    /// [`RequestContext::identify`], and says [`Identity::Anonymous`] as well. In axum, inside of the `ContextLayer`
    /// and around the layer of the limit:
    ///
    /// ```
    /// use axum::{extract::Request, middleware::Next, response::Response};
    /// use sec_core::{AuthMethod, Identity, Principal, RequestContext};
    ///
    /// # fn verified(_: &axum::http::HeaderMap) -> Option<String> { None }
    /// async fn who_asks(request: Request, next: Next) -> Response {
    ///     if let Some(ctx) = RequestContext::get(request.extensions()) {
    ///         ctx.identify(match verified(request.headers()) { // your check of a token or a session
    ///             Some(user) => Principal::new(user, AuthMethod::BearerToken).with_role("user").into(),
    ///             None => Identity::Anonymous,
    ///         });
    ///     }
    ///     next.run(request).await
    /// }
    /// # let _: axum::Router = axum::Router::new().layer(axum::middleware::from_fn(who_asks));
    /// ```
    pub fn principal() -> PrincipalKey {
        PrincipalKey(())
    }

    /// The caller's roles, as a set: all with the same roles share one key.
    #[must_use]
    pub fn role() -> Self {
        Self::one(Source::Role, "role")
    }

    /// The tenant of the request context.
    #[must_use]
    pub fn tenant() -> Self {
        Self::one(Source::Tenant, "tenant")
    }

    /// The first value of a header, for example an API key. The client chooses it: use it where the
    /// value is checked, or a client gets a fresh quota with each new value.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        let label = format!("header:{name}");
        Self::one(Source::Header(name), label)
    }

    /// The template of the matched route (axum's `MatchedPath` under the `axum` feature, or
    /// [`MatchedRoute`] from the host). Whatever matched no route shares one key, so that invented
    /// paths make no new ones.
    ///
    /// **`MatchedPath` exists only inside axum's router: put a layer with this key on with `Router::layer`**, after
    /// the routes, beside or instead of the one around the finished router. Around it every request is
    /// [`UNMATCHED`], and all share one quota; a layer that finds no route in its first 100 requests says so in
    /// the log, once.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer};
    ///
    /// let by_route = Limiter::builder()
    ///     .tier("route", Quota::per_minute(60), Key::ip().and(Key::route()))
    ///     .build()?;
    /// let routes: Router = Router::new()
    ///     .route("/items/{id}", get(async || "an item"))
    ///     .layer(RateLimitLayer::new(by_route)?); // the ContextLayer goes around `routes`
    /// # let _ = routes;
    /// # Ok::<(), sec_ratelimit::ConfigError>(())
    /// ```
    #[must_use]
    pub fn route() -> Self {
        Self::one(Source::Route, "route")
    }

    /// One key for all requests.
    #[must_use]
    pub fn global() -> Self {
        Self {
            sources: Vec::new(),
            label: "global".into(),
        }
    }

    /// Whatever a closure takes from the request. `label` is what events call it. A request for
    /// which the closure adds nothing shares one key with all such requests.
    ///
    /// ```
    /// # use sec_ratelimit::Key;
    /// let per_plan = Key::by("plan", |request, key| {
    ///     if let Some(plan) = request.headers.get("x-plan") {
    ///         key.add(plan.as_bytes());
    ///     }
    /// });
    /// # let _ = per_plan;
    /// ```
    #[must_use]
    pub fn by<F>(label: impl Into<String>, take: F) -> Self
    where
        F: Fn(RequestView<'_>, &mut KeyParts) + Send + Sync + 'static,
    {
        Self::one(Source::Custom(Arc::new(take)), label)
    }

    /// A key which only the calling code knows, given as [`Subject`](crate::Subject)s to the plain
    /// functions. A limiter with such a tier cannot be made into a layer. `label` is what events
    /// call it, and says what is given: tiers with one label count one subject, and a limiter that processes share
    /// refuses two different ones with [`SubjectError::Apart`](crate::SubjectError::Apart).
    #[must_use]
    pub fn given(label: impl Into<String>) -> Self {
        let label = label.into();
        Self::one(Source::Given(label.clone()), label)
    }

    /// Both together: a quota of its own for every combination.
    #[must_use]
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        let other = other.into();
        if self.sources.is_empty() {
            return other;
        }
        if !other.sources.is_empty() {
            self.label = format!("{}+{}", self.label, other.label);
            self.sources.extend(other.sources);
        }
        self
    }

    fn one(source: Source, label: impl Into<String>) -> Self {
        Self {
            sources: vec![source],
            label: label.into(),
        }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn is_global(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether both are certain to mean the same subject of any request.
    #[cfg(feature = "shared")]
    pub(crate) fn is_same_subject(&self, other: &Self) -> bool {
        let same = |(one, other): (&Source, &Source)| match (one, other) {
            (Source::Ip, Source::Ip)
            | (Source::Role, Source::Role)
            | (Source::Tenant, Source::Tenant)
            | (Source::Route, Source::Route) => true,
            (Source::Principal { or_ip: one }, Source::Principal { or_ip: other }) => one == other,
            (Source::Header(one), Source::Header(other)) => one == other,
            (Source::Given(one), Source::Given(other)) => one == other,
            // What a closure takes is known at the request only.
            _ => false,
        };
        self.sources.len() == other.sources.len()
            && self.sources.iter().zip(&other.sources).all(same)
    }

    /// Whether it is the address group alone.
    pub(crate) fn is_ip(&self) -> bool {
        matches!(&*self.sources, [Source::Ip])
    }

    /// Whether different callers have the same key by its nature, so that what exhausts it may be
    /// somebody else.
    pub(crate) fn is_shared(&self) -> bool {
        !self.sources.iter().any(|source| {
            matches!(
                source,
                Source::Ip | Source::Principal { .. } | Source::Header(_) | Source::Custom(_)
            )
        })
    }

    pub(crate) fn has_route(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Route))
    }

    pub(crate) fn is_given(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Given(_)))
    }

    pub(crate) fn digest(
        &self,
        seed: Seed,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Digest, MissingLayer> {
        if self.is_ip()
            && let Some(digest) = Part::of_group(ctx.client_group()).alone(&seed)
        {
            return Ok(digest);
        }
        let mut hasher = seed.hasher();
        for source in &self.sources {
            source.feed(&mut hasher, seed, ctx, request)?;
        }
        Ok(hasher.finish())
    }
}

impl PrincipalKey {
    /// Counts anonymous callers by their address group. Only those: a caller who was never resolved
    /// is still a fault.
    #[must_use]
    pub fn or_ip(self) -> Key {
        Key::one(Source::Principal { or_ip: true }, "principal-or-ip")
    }

    /// Both together: a quota of its own for every combination.
    #[must_use]
    pub fn and(self, other: impl Into<Key>) -> Key {
        Key::from(self).and(other)
    }
}

impl From<PrincipalKey> for Key {
    fn from(_: PrincipalKey) -> Self {
        Self::one(Source::Principal { or_ip: false }, "principal")
    }
}

impl KeyParts {
    /// Adds one part. Parts are delimited by their length.
    pub fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = Part::Text(part.as_ref());
        part.feed(&mut self.row);
        part.feed(&mut self.alone);
        self.count = self.count.saturating_add(1);
    }

    /// Collects a number of parts that only the request decides. Several become one, or the parts
    /// of two sources could be told apart no longer.
    fn collect(hasher: &mut KeyHasher, seed: Seed, fill: impl FnOnce(&mut Self)) {
        let mut parts = Self {
            row: hasher.clone(),
            alone: seed.hasher(),
            count: 0,
        };
        fill(&mut parts);
        match parts.count {
            0 => Part::Absent.feed(hasher),
            1 => *hasher = parts.row,
            _ => Part::Several(parts.alone.finish()).feed(hasher),
        }
    }
}

impl Source {
    fn feed(
        &self,
        hasher: &mut KeyHasher,
        seed: Seed,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<(), MissingLayer> {
        match self {
            Self::Ip => Part::of_group(ctx.client_group()).feed(hasher),
            Self::Principal { or_ip } => match caller(&ctx.identity())? {
                Some(principal) => Part::Text(principal.subject().as_bytes()).feed(hasher),
                None if *or_ip => Part::of_group(ctx.client_group()).feed(hasher),
                None => Part::Absent.feed(hasher),
            },
            Self::Role => match caller(&ctx.identity())? {
                Some(principal) => roles(principal, seed, hasher),
                None => Part::Absent.feed(hasher),
            },
            Self::Tenant => text(ctx.tenant().map(str::as_bytes)).feed(hasher),
            Self::Header(name) => {
                text(request.headers.get(name).map(|value| value.as_bytes())).feed(hasher);
            }
            Self::Route => Part::Text(route(request).as_bytes()).feed(hasher),
            Self::Custom(take) => {
                KeyParts::collect(hasher, seed, |parts| take(request, parts));
            }
            // Never in a layer; alone among plain functions it means everyone.
            Self::Given(_) => Part::Absent.feed(hasher),
        }
        Ok(())
    }
}

/// The caller if known, `None` if anonymous.
pub(crate) fn caller(identity: &Identity) -> Result<Option<&Arc<Principal>>, MissingLayer> {
    match identity {
        Identity::Known(principal) => Ok(Some(principal)),
        Identity::Anonymous => Ok(None),
        Identity::Unresolved => Err(MissingLayer::new("an authentication layer")),
    }
}

/// The route of a request, as [`Key::route`] counts it and events show it.
pub(crate) fn route<'a>(request: RequestView<'a>) -> &'a str {
    matched_route(request).unwrap_or(UNMATCHED)
}

pub(crate) fn matched_route<'a>(request: RequestView<'a>) -> Option<&'a str> {
    if let Some(route) = request.extensions.get::<MatchedRoute>() {
        return Some(&route.0);
    }
    #[cfg(feature = "axum")]
    if let Some(path) = request.extensions.get::<axum::extract::MatchedPath>() {
        return Some(path.as_str());
    }
    None
}

/// The roles as a set: their order is the authenticator's and must not matter.
fn roles(principal: &Principal, seed: Seed, hasher: &mut KeyHasher) {
    let mut roles = principal.roles();
    match (roles.next(), roles.next()) {
        (None, _) => Part::Absent.feed(hasher),
        (Some(only), None) => Part::Text(only.as_bytes()).feed(hasher),
        _ => {
            let sum = principal.roles().fold([0_u64; 2], |[low, high], role| {
                let mut one = seed.hasher();
                Part::Text(role.as_bytes()).feed(&mut one);
                let [l, h] = one.finish();
                [low.wrapping_add(l), high.wrapping_add(h)]
            });
            Part::Several(sum).feed(hasher);
        }
    }
}

fn text(bytes: Option<&[u8]>) -> Part<'_> {
    bytes.map_or(Part::Absent, Part::Text)
}

impl MatchedRoute {
    /// Puts the template of the matched route into a request.
    pub fn set<B>(request: &mut Request<B>, template: impl Into<Arc<str>>) {
        request.extensions_mut().insert(Self(template.into()));
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.label).finish()
    }
}

impl fmt::Debug for KeyParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyParts([redacted])")
    }
}
