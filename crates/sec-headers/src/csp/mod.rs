//! The Content-Security-Policy: typed directives and sources, checked once, written into a template
//! in which only the nonce is left open.

mod check;
mod directive;
mod hash;
mod source;
mod template;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::directive::Directive;
pub use self::hash::{HashAlgorithm, SourceHash};
pub use self::source::{HostSource, SchemeSource, Source};
pub use self::template::CspTemplate;
pub use self::tokens::SandboxFlag;
use self::tokens::TrustedTypes;
use crate::error::{Fault, FaultKind};

/// A Content-Security-Policy (CSP 3) while it is being said.
///
/// [`SecHeaders::csp`](crate::SecHeaders::csp) takes it, and checks it as a whole in
/// [`SecHeaders::build`](crate::SecHeaders::build); [`Csp::template`] does so on its own. Setting a
/// directive again replaces it, so none ever stands twice in a header (browsers would keep the first
/// and ignore the second).
///
/// ```
/// use sec_headers::{Csp, Scheme, Source};
///
/// let csp = Csp::web_app()
///     .img_src([Source::SelfOrigin, Source::host("https://images.example")?])
///     .frame_src([Source::host("https://player.example")?]);
/// let header = csp.template(Scheme::Https)?.render(None);
/// assert!(header.to_str().unwrap().contains("img-src 'self' https://images.example;"));
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Csp {
    lists: BTreeMap<Directive, Vec<Source>>,
    sandbox: Option<Vec<SandboxFlag>>,
    require_trusted_types: bool,
    trusted_types: Option<TrustedTypes>,
    upgrade_insecure_requests: bool,
    report_to: Option<String>,
    report_uri: Vec<String>,
    faults: Vec<Fault>,
}

/// One setter per directive, each replacing what was said before.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident => $directive:ident;)*) => {
        impl Csp {
            $(
                $(#[$doc])*
                pub fn $name(self, sources: impl IntoIterator<Item = Source>) -> Self {
                    self.set(Directive::$directive, sources)
                }
            )*
        }
    };
}

setters! {
    /// Replaces `default-src`, what the other fetch directives fall back to.
    default_src => DefaultSrc;
    /// Replaces `script-src`. Whatever is allowed here can do all that the page can.
    script_src => ScriptSrc;
    /// Replaces `style-src`.
    style_src => StyleSrc;
    /// Replaces `img-src`.
    img_src => ImgSrc;
    /// Replaces `font-src`.
    font_src => FontSrc;
    /// Replaces `connect-src`: fetch, web sockets, event sources, beacons.
    connect_src => ConnectSrc;
    /// Replaces `media-src`.
    media_src => MediaSrc;
    /// Replaces `object-src`. Anything but `'none'` allows plug-ins.
    object_src => ObjectSrc;
    /// Replaces `frame-src`: what this page frames.
    frame_src => FrameSrc;
    /// Replaces `worker-src`.
    worker_src => WorkerSrc;
    /// Replaces `manifest-src`.
    manifest_src => ManifestSrc;
    /// Replaces `base-uri`. An injected `<base>` redirects every relative script address.
    base_uri => BaseUri;
    /// Replaces `form-action`: where forms of the page may go, redirects included in some browsers.
    form_action => FormAction;
    /// Replaces `frame-ancestors`: who may frame this page. Also set
    /// [`SecHeaders::frame_options`](crate::SecHeaders::frame_options) for old browsers, or leave
    /// it out when other origins are allowed, which it cannot say.
    frame_ancestors => FrameAncestors;
}

impl Csp {
    /// No directive yet. A policy without `script-src` or `default-src` does not stop scripts.
    pub fn empty() -> Self {
        Self::default()
    }

    /// For pages that are rendered by this service: nothing but what is listed, scripts and inline
    /// styles by nonce, the rest from the own origin.
    ///
    /// `default-src 'none'; script-src 'nonce-…' 'strict-dynamic'; style-src 'self' 'nonce-…';
    /// img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; object-src 'none';
    /// base-uri 'none'; form-action 'self'; frame-ancestors 'none'; upgrade-insecure-requests`
    ///
    /// `style` attributes and event handler attributes do not run under it; move them into a nonce'd
    /// element or a file.
    pub fn web_app() -> Self {
        Self::empty()
            .default_src([Source::None])
            .script_src([Source::Nonce, Source::StrictDynamic])
            .style_src([Source::SelfOrigin, Source::Nonce])
            .img_src([Source::SelfOrigin])
            .font_src([Source::SelfOrigin])
            .connect_src([Source::SelfOrigin])
            .manifest_src([Source::SelfOrigin])
            .object_src([Source::None])
            .base_uri([Source::None])
            .form_action([Source::SelfOrigin])
            .frame_ancestors([Source::None])
            .upgrade_insecure_requests(true)
    }

    /// [`web_app`](Self::web_app) with style sheets by nonce alone and Trusted Types required:
    /// assigning a string to `innerHTML` and its like then throws.
    pub fn strict() -> Self {
        Self::web_app()
            .style_src([Source::Nonce])
            .require_trusted_types(true)
    }

    /// For answers that are no pages: nothing loads, nobody frames it.
    ///
    /// `default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`
    pub fn api() -> Self {
        Self::empty()
            .default_src([Source::None])
            .base_uri([Source::None])
            .form_action([Source::SelfOrigin])
            .frame_ancestors([Source::None])
    }

    /// Replaces a directive. An empty list is written `'none'`.
    pub fn set(mut self, directive: Directive, sources: impl IntoIterator<Item = Source>) -> Self {
        let mut list = Vec::new();
        for source in sources {
            if !list.contains(&source) {
                list.push(source);
            }
        }
        self.lists.insert(directive, list);
        self
    }

    /// Adds sources to a directive, creating it when it is not there. A lone `'none'` gives way.
    ///
    /// A directive that is created no longer falls back to `default-src`, so name everything that
    /// it shall allow.
    pub fn add(mut self, directive: Directive, sources: impl IntoIterator<Item = Source>) -> Self {
        let list = self.lists.entry(directive).or_default();
        if list.as_slice() == [Source::None] {
            list.clear();
        }
        for source in sources {
            if !list.contains(&source) {
                list.push(source);
            }
        }
        self
    }

    /// Leaves a directive out, so that it falls back to `default-src` where it is a fetch directive.
    pub fn without(mut self, directive: Directive) -> Self {
        self.lists.remove(&directive);
        self
    }

    /// Applies `change` only when `condition` holds: what development needs and production must not
    /// have, such as the web socket of a reloading server.
    pub fn when(self, condition: bool, change: impl FnOnce(Self) -> Self) -> Self {
        if condition { change(self) } else { self }
    }

    /// Sets a directive by name and the text of its values, as configuration files do. Faults are
    /// kept and told by [`template`](Self::template) and [`SecHeaders::build`](crate::SecHeaders::build).
    ///
    /// A source is one text each: `["'self'", "https://cdn.example"]`. `'nonce'` stands for the
    /// request's own. Directives without a value take an empty list.
    pub fn directive<V: AsRef<str>>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Vec<V> = values.into_iter().collect();
        let texts: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        if let Some(directive) = Directive::named(name) {
            let mut sources = Vec::with_capacity(texts.len());
            for text in texts {
                match text.parse() {
                    Ok(source) => sources.push(source),
                    Err(error) => self.take_faults(name, error),
                }
            }
            return self.set(directive, sources);
        }
        match name.to_ascii_lowercase().as_str() {
            "upgrade-insecure-requests" if texts.is_empty() => self.upgrade_insecure_requests(true),
            "require-trusted-types-for" if texts == ["'script'"] => {
                self.require_trusted_types(true)
            }
            "trusted-types" => self.trusted_types(texts),
            "sandbox" => {
                let mut flags = Vec::with_capacity(texts.len());
                for text in texts {
                    match text.parse() {
                        Ok(flag) => flags.push(flag),
                        Err(error) => self.take_faults(name, error),
                    }
                }
                self.sandbox(flags)
            }
            "report-to" if texts.len() == 1 => {
                self.report_to(texts.first().copied().unwrap_or_default())
            }
            "report-uri" if !texts.is_empty() => {
                self.report_uri.clear();
                texts.into_iter().fold(self, Self::report_uri)
            }
            "upgrade-insecure-requests"
            | "require-trusted-types-for"
            | "report-to"
            | "report-uri" => self.fault(name, FaultKind::Directive, "does not take these values"),
            _ => self.fault(
                &name.escape_debug().to_string(),
                FaultKind::Directive,
                "is no directive of CSP 3",
            ),
        }
    }

    /// `sandbox` with these exceptions: the page is treated like a sandboxed frame. Ignored by
    /// browsers in a report-only policy, and therefore left out there.
    pub fn sandbox(mut self, flags: impl IntoIterator<Item = SandboxFlag>) -> Self {
        self.sandbox = Some(flags.into_iter().collect());
        self
    }

    /// `require-trusted-types-for 'script'`: text is no longer accepted where it would become
    /// script. Breaks every library that assigns text to `innerHTML`.
    pub fn require_trusted_types(mut self, require: bool) -> Self {
        self.require_trusted_types = require;
        self
    }

    /// `trusted-types` with the names of the policies that scripts may create; the keywords
    /// `'allow-duplicates'`, `'none'` and `*` are taken as well.
    pub fn trusted_types<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.trusted_types = Some(TrustedTypes(
            names.into_iter().map(|name| name.as_ref().into()).collect(),
        ));
        self
    }

    /// `upgrade-insecure-requests`. It is written only where the client's scheme is https: on a
    /// plain-http host (localhost in Safari, for one) it would break every form and sub-resource.
    pub fn upgrade_insecure_requests(mut self, upgrade: bool) -> Self {
        self.upgrade_insecure_requests = upgrade;
        self
    }

    /// `report-to`: the name of an endpoint of [`SecHeaders::endpoint`](crate::SecHeaders::endpoint).
    /// That endpoint's address also becomes `report-uri` for browsers that know only this, unless
    /// one was given. Over plain http only `report-uri` is written: Chromium takes endpoints over
    /// https alone, and would send nothing.
    pub fn report_to(mut self, endpoint: impl Into<String>) -> Self {
        self.report_to = Some(endpoint.into());
        self
    }

    /// Adds a `report-uri`: a path, or an https address. Browsers that know `report-to` ignore it.
    pub fn report_uri(mut self, uri: impl Into<String>) -> Self {
        self.report_uri.push(uri.into());
        self
    }

    /// The sources of a directive, when it is there.
    #[must_use]
    pub fn sources(&self, directive: Directive) -> Option<&[Source]> {
        self.lists.get(&directive).map(Vec::as_slice)
    }

    /// Whether an answer under this policy carries a nonce.
    #[must_use]
    pub fn uses_nonce(&self) -> bool {
        self.lists
            .values()
            .flatten()
            .any(|source| *source == Source::Nonce)
    }

    pub(crate) fn reports_nowhere(&self) -> bool {
        self.report_to.is_none() && self.report_uri.is_empty()
    }

    pub(crate) fn endpoint_name(&self) -> Option<&str> {
        self.report_to.as_deref()
    }

    pub(crate) fn has_report_uri(&self) -> bool {
        !self.report_uri.is_empty()
    }

    /// What a report-only policy may hold: browsers ignore these two there, and say so in their
    /// console on every page.
    pub(crate) fn for_report_only(mut self) -> Self {
        self.sandbox = None;
        self.upgrade_insecure_requests = false;
        self
    }

    fn fault(mut self, field: &str, kind: FaultKind, message: &str) -> Self {
        self.faults.push(Fault::new(field, kind, message));
        self
    }

    fn take_faults(&mut self, field: &str, error: crate::PolicyError) {
        let faults = error.into_faults().into_iter();
        self.faults.extend(faults.map(|fault| fault.within(field)));
    }
}
