//! What differs by route, by name and by path, while it is being said.

use std::fmt;
use std::sync::Arc;

use http::header;
use sec_core::path::PathMap;

use super::cache::CacheRules;
use super::{HeaderPolicy, SecHeaders};
use crate::cache_control::CacheControl;
use crate::clear_site_data::{SiteData, clear_site_data};
use crate::csp::{Directive, Source};
use crate::error::{Fault, FaultKind};
use crate::values::FrameOptions;

/// The overrides of a header set while they are being said: they run when it is built, so that they
/// begin with all of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides {
    routes: Vec<(String, Change)>,
    named: Vec<(String, Change)>,
    cache: Vec<(String, CacheControl)>,
}

#[derive(Clone)]
struct Change(Arc<dyn Fn(SecHeaders) -> SecHeaders + Send + Sync>);

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change(..)")
    }
}

impl SecHeaders {
    /// Another header set for the paths below a prefix (`/embed`, also written `/embed/*`): what the
    /// change does to this one, as it stands when it is built.
    ///
    /// Of several prefixes the longest counts, whatever their order; the same one twice is an error.
    /// An override usually weakens, so a path that some hop could read as another one
    /// ([`PathMap`] says which) never gets it, and has the set that holds for
    /// all. Hence **let routes weaken and never tighten**: whoever links to `/%61dmin` would choose the
    /// weaker set. What must be strict somewhere belongs into the set that holds for all. The path is the original one, also inside of a nested router.
    ///
    /// ```
    /// use sec_headers::{SecHeaders, Source};
    ///
    /// let partner = Source::host("https://partner.example")?;
    /// let policy = SecHeaders::web_app()
    ///     .route("/embed/*", move |o| o.frame_ancestors([partner.clone()]))
    ///     .build()?;
    /// # Ok::<(), sec_headers::PolicyError>(())
    /// ```
    pub fn route(
        mut self,
        prefix: impl Into<String>,
        change: impl Fn(Self) -> Self + Send + Sync + 'static,
    ) -> Self {
        let change = Change(Arc::new(change));
        self.overrides.routes.push((prefix.into(), change));
        self
    }

    /// Another header set that a handler can choose: [`HeaderPolicy::named`] gives it out, and the
    /// handler puts it into the extensions of its answer.
    ///
    /// A nonce is made for every request as soon as one named set has a nonce, since the handler
    /// chooses after it was made.
    ///
    /// ```
    /// use sec_headers::{FrameOptions, SecHeaders};
    ///
    /// let policy = SecHeaders::web_app()
    ///     .named("print", |o| o.frame_options(FrameOptions::SameOrigin))
    ///     .build()?;
    /// let print = policy.named("print")?;
    /// // In a handler:
    /// let mut response = http::Response::new("page");
    /// response.extensions_mut().insert(print.clone());
    /// # Ok::<(), sec_headers::PolicyError>(())
    /// ```
    pub fn named(
        mut self,
        name: impl Into<String>,
        change: impl Fn(Self) -> Self + Send + Sync + 'static,
    ) -> Self {
        let change = Change(Arc::new(change));
        self.overrides.named.push((name.into(), change));
        self
    }

    /// `Cache-Control` below a prefix, in place of [`no_store`](Self::no_store).
    ///
    /// Of several prefixes the longest counts, among them those of routes that say `Cache-Control`
    /// themselves. `no-store` is put on every answer. Anything else is put on what is the resource
    /// itself (200, 203, 206 and 304 to `GET` and `HEAD`), while errors, redirections and answers to
    /// other methods get `no-store`: a 404 that was kept for a year as immutable outlives its cause.
    /// What caches other than the browser's may keep also becomes `no-store` where the answer sets a
    /// cookie, carries a nonce, varies by `*`, or the request carried `Authorization`; and so does
    /// every doubtful path, see [`route`](Self::route). A 304 under a policy with a nonce gets no
    /// value unless its content type says that it is no page: what the cache has stays as it is.
    ///
    /// A handler's own `Cache-Control` wins or loses by [`precedence`](Self::precedence). A set that
    /// a handler chose and that says `Cache-Control` itself wins over the path's.
    ///
    /// ```
    /// use sec_headers::{CacheControl, SecHeaders};
    ///
    /// let policy = SecHeaders::web_app()
    ///     .cache("/static/*", CacheControl::immutable_assets())
    ///     .cache("/images/*", CacheControl::images())
    ///     .cache("/api/*", CacheControl::no_store())
    ///     .build()?;
    /// # Ok::<(), sec_headers::PolicyError>(())
    /// ```
    pub fn cache(mut self, prefix: impl Into<String>, value: CacheControl) -> Self {
        self.overrides.cache.push((prefix.into(), value));
        self
    }

    /// Who may frame the page: `frame-ancestors` of the Content-Security-Policy, of the one on trial as
    /// well where it says so too, and `X-Frame-Options` so that old browsers are told the same.
    ///
    /// `'none'` (or nothing) goes with `DENY`, `'self'` with `SAMEORIGIN`. Other origins cannot be
    /// said in `X-Frame-Options`, which is then left out. A page that frames this one under
    /// `Cross-Origin-Embedder-Policy` also needs [`resource_policy`](Self::resource_policy).
    pub fn frame_ancestors(self, sources: impl IntoIterator<Item = Source>) -> Self {
        let sources: Vec<Source> = sources.into_iter().collect();
        let options = options_for(&sources);
        let headers = self
            .framed_by(&sources)
            .edit_csp(|csp| csp.frame_ancestors(sources));
        match options {
            Some(options) => headers.frame_options(options),
            None => headers.without(header::X_FRAME_OPTIONS),
        }
    }

    /// Puts these sources into `frame-ancestors` of the policies that have it.
    pub(super) fn framed_by(mut self, sources: &[Source]) -> Self {
        for policy in [&mut self.csp, &mut self.csp_report_only] {
            if let Some(csp) = policy.take() {
                *policy = Some(match csp.sources(Directive::FrameAncestors) {
                    Some(_) => csp.frame_ancestors(sources.iter().cloned()),
                    None => csp,
                });
            }
        }
        self
    }

    /// Lets `X-Frame-Options`, where it is said, follow the policy.
    pub(crate) fn frame_options_of_policy(self) -> Self {
        let policy = self.csp.as_ref();
        let sources = policy.and_then(|csp| csp.sources(Directive::FrameAncestors));
        match (sources, self.contradicting_frames()) {
            (Some(sources), Some(_)) => {
                let sources = sources.to_vec();
                self.frame_ancestors(sources)
            }
            _ => self,
        }
    }

    /// `X-Frame-Options` that says something else than `frame-ancestors`, which is what browsers follow.
    pub(super) fn contradicting_frames(&self) -> Option<Fault> {
        let sources = self.csp.as_ref()?.sources(Directive::FrameAncestors)?;
        let (_, options) = self
            .fixed
            .iter()
            .find(|(name, _)| *name == header::X_FRAME_OPTIONS)?;
        if options_for(sources).is_some_and(|meant| options == meant.as_str()) {
            return None;
        }
        let message = "differs from frame-ancestors of the policy, which is what browsers follow: \
                       say both with `frame_ancestors`, or leave X-Frame-Options out";
        Some(Fault::new("frame_options", FaultKind::Setting, message))
    }

    /// `Clear-Site-Data`, for the answers to a log-out: in a [`route`](Self::route) or a
    /// [`named`](Self::named) set only, since elsewhere it would empty the browser with every answer.
    ///
    /// It is put on answers with success or redirection (2xx and 3xx but 304) over https: browsers
    /// ignore it from origins that are not trustworthy (W3C Clear Site Data, section 4.1). Such an
    /// answer gets `Cache-Control: no-store` unless something said `no-store` or `private`.
    ///
    /// [`SiteData::Cookies`] also removes the cookies of parent and sister domains, and
    /// [`SiteData::Cache`] can hold the answer up for seconds.
    pub fn clear_site_data(mut self, what: impl IntoIterator<Item = SiteData>) -> Self {
        self.clear_site_data = clear_site_data(what);
        if self.clear_site_data.is_none() {
            let message = "an empty list is no value";
            self.faults
                .push(Fault::new("clear_site_data", FaultKind::Header, message));
        }
        self
    }

    /// Builds the overrides of a set whose own faults are known already.
    pub(super) fn build_overrides(&self, faults: &mut Vec<Fault>) -> Option<Box<Built>> {
        let known = faults.clone();
        let said = &self.overrides;
        if said.routes.is_empty() && said.named.is_empty() && said.cache.is_empty() {
            return None;
        }
        let mut built = Built {
            cache: CacheRules::build(&said.cache, faults),
            ..Built::default()
        };
        for (rule, change) in &said.routes {
            let field = format!("route {rule:?}");
            let policy = self.variant(change, &field, &known, faults);
            let says_cache_control = policy.says_cache_control();
            match built.routes.insert(rule, policy) {
                Ok(()) if says_cache_control => built.cache.leave_to_route(rule, faults),
                Ok(()) => {}
                Err(error) => {
                    faults.push(Fault::new(field, FaultKind::Setting, error.to_string()));
                }
            }
        }
        for (name, change) in &said.named {
            let field = format!("named {name:?}");
            let policy = self.variant(change, &field, &known, faults);
            let mut wrong = |why| faults.push(Fault::new(&field, FaultKind::Setting, why));
            if name.is_empty() {
                wrong("needs a name");
            }
            if built.named.iter().any(|(other, _)| other == name) {
                wrong("stands twice");
            }
            built.named_nonce |= policy.uses_nonce();
            built.named.push((name.clone(), policy));
        }
        Some(Box::new(built))
    }

    /// This set after a change. What is wrong with the set itself was told before.
    fn variant(
        &self,
        change: &Change,
        field: &str,
        known: &[Fault],
        faults: &mut Vec<Fault>,
    ) -> HeaderPolicy {
        let mut base = self.clone();
        base.overrides = Overrides::default();
        base.says_cache_control = false;
        let changed = (change.0)(base);
        let mut found = Vec::new();
        let said = &changed.overrides;
        if !(said.routes.is_empty() && said.named.is_empty() && said.cache.is_empty()) {
            let message = "an override has no routes, names or cache rules of its own";
            found.push(Fault::new("", FaultKind::Setting, message));
        }
        let built = changed.build_set(&mut found);
        let new = found.into_iter().filter(|fault| !known.contains(fault));
        faults.extend(new.map(|fault| fault.within(field)));
        HeaderPolicy::new(Arc::new(built))
    }
}

/// The overrides of a policy.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) routes: PathMap<HeaderPolicy>,
    pub(super) named: Vec<(String, HeaderPolicy)>,
    /// Whether one of the named sets has a nonce, which every request then needs.
    pub(super) named_nonce: bool,
    pub(super) cache: CacheRules,
}

impl FrameOptions {
    /// The same as sources of `frame-ancestors`.
    pub(super) const fn sources(self) -> &'static [Source] {
        match self {
            Self::Deny => &[Source::None],
            Self::SameOrigin => &[Source::SelfOrigin],
        }
    }
}

/// What `X-Frame-Options` can say of these sources.
fn options_for(sources: &[Source]) -> Option<FrameOptions> {
    match sources {
        [] | [Source::None] => Some(FrameOptions::Deny),
        [Source::SelfOrigin] => Some(FrameOptions::SameOrigin),
        _ => None,
    }
}
