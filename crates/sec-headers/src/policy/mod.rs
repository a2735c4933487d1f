//! The header set: said with [`SecHeaders`], checked and written out once into a [`HeaderPolicy`].

mod answer;
mod apply;
mod build;
mod cache;
mod choose;
pub(crate) mod disclosing;
mod form;
mod preset;
pub(crate) mod private;
mod reporting;
mod routes;

#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue, header};

pub use self::answer::Answer;
pub use self::apply::HeaderPolicy;
use self::reporting::Members;
use self::routes::Overrides;
use crate::csp::Csp;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::names;
use crate::permissions::PermissionsPolicy;
use crate::reporting::ReportingEndpoints;
use crate::values::{CrossDomainPolicies, FrameOptions, Hsts, ReferrerPolicy, ResourcePolicy};

/// The headers of every answer, while they are being said.
///
/// Begin with a preset ([`web_app`](Self::web_app), [`api`](Self::api), [`strict`](Self::strict)) or
/// with [`none`](Self::none), change what differs, and [`build`](Self::build) the policy that
/// [`HeadersLayer`](crate::HeadersLayer) applies. Each setter replaces its header; [`without`](Self::without)
/// leaves one out. The README lists every preset header by header. [`route`](Self::route) and
/// [`named`](Self::named) say what differs somewhere, [`cache`](Self::cache) what may be stored.
///
/// ```
/// use sec_headers::{HeadersLayer, Hsts, SecHeaders, Source};
///
/// let policy = SecHeaders::web_app()
///     .hsts(Hsts::years(2).include_subdomains(true))
///     .edit_csp(|csp| csp.img_src([Source::SelfOrigin, Source::scheme("data:").unwrap()]))
///     .report_to("csp", "/csp-report")
///     .build()?;
/// let layer = HeadersLayer::new(policy);
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SecHeaders {
    /// Those whose value is known as it stands, each name once.
    fixed: Vec<(HeaderName, HeaderValue)>,
    hsts: Option<Hsts>,
    csp: Option<Csp>,
    csp_report_only: Option<Csp>,
    permissions: Option<PermissionsPolicy>,
    members: Members,
    endpoints: ReportingEndpoints,
    csp_endpoint: Option<String>,
    legacy_report_to: bool,
    removed: Vec<HeaderName>,
    added: Vec<(HeaderName, HeaderValue)>,
    precedence: Precedence,
    exceptions: Vec<(HeaderName, Precedence)>,
    clear_site_data: Option<HeaderValue>,
    /// Whether `Cache-Control` was set, in an override: by the override itself.
    says_cache_control: bool,
    overrides: Overrides,
    faults: Vec<Fault>,
}

/// Whose value counts when a handler (or a layer within) has set a header that the policy sets too.
/// There is one value in either case, never two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum Precedence {
    /// The handler's: a route can say what it needs.
    #[default]
    Handler,
    /// The policy's: no handler can weaken it.
    Policy,
}

impl SecHeaders {
    /// `Strict-Transport-Security`, on https only.
    pub fn hsts(mut self, hsts: Hsts) -> Self {
        self.hsts = Some(hsts);
        self
    }

    /// `X-Content-Type-Options: nosniff`.
    pub fn nosniff(self) -> Self {
        self.fix(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
    }

    /// `X-Frame-Options`, and `frame-ancestors` of a policy that has it: browsers follow the latter.
    /// For other origins see [`frame_ancestors`](Self::frame_ancestors).
    pub fn frame_options(self, options: FrameOptions) -> Self {
        self.framed_by(options.sources())
            .fix(header::X_FRAME_OPTIONS, options.as_str())
    }

    /// `Referrer-Policy`. [`ReferrerPolicy::NoReferrer`] breaks same-origin form posts behind
    /// anything that checks `Origin`, this crate's own guard on old browsers included.
    pub fn referrer_policy(self, policy: ReferrerPolicy) -> Self {
        self.fix(header::REFERRER_POLICY, policy.as_str())
    }

    /// `Cross-Origin-Resource-Policy`. Images, fonts and scripts for other sites need
    /// [`ResourcePolicy::CrossOrigin`]; answers under CORS are not concerned.
    pub fn resource_policy(self, policy: ResourcePolicy) -> Self {
        self.fix(names::CROSS_ORIGIN_RESOURCE_POLICY, policy.as_str())
    }

    /// `Origin-Agent-Cluster`: `true` asks for a process of the origin's own and disables
    /// `document.domain`.
    pub fn origin_agent_cluster(self, own: bool) -> Self {
        self.fix(names::ORIGIN_AGENT_CLUSTER, if own { "?1" } else { "?0" })
    }

    /// `X-DNS-Prefetch-Control`: `false` keeps browsers from looking up the hosts of links.
    pub fn dns_prefetch(self, allow: bool) -> Self {
        self.fix(
            header::X_DNS_PREFETCH_CONTROL,
            if allow { "on" } else { "off" },
        )
    }

    /// `X-Permitted-Cross-Domain-Policies`.
    pub fn cross_domain_policies(self, policies: CrossDomainPolicies) -> Self {
        self.fix(names::X_PERMITTED_CROSS_DOMAIN_POLICIES, policies.as_str())
    }

    /// `X-XSS-Protection: 0`, the only value there is: the filter that `1; mode=block` turned on in
    /// old browsers could itself be used against a page (OWASP Secure Headers).
    pub fn xss_filter_off(self) -> Self {
        self.fix(header::X_XSS_PROTECTION, "0")
    }

    /// `Cache-Control: no-store`, on every answer that no [`cache`](Self::cache) rule is for.
    pub fn no_store(self) -> Self {
        self.fix(header::CACHE_CONTROL, "no-store")
    }

    /// `Permissions-Policy`.
    pub fn permissions(mut self, permissions: PermissionsPolicy) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// `Content-Security-Policy`.
    pub fn csp(mut self, csp: Csp) -> Self {
        self.csp = Some(csp);
        self
    }

    /// Changes the enforced policy, such as a preset's.
    pub fn edit_csp(mut self, change: impl FnOnce(Csp) -> Csp) -> Self {
        self.csp = Some(change(self.csp.unwrap_or_default()));
        self
    }

    /// `Content-Security-Policy-Report-Only`, beside the enforced one and with the same nonce: for a
    /// stricter policy on trial. `sandbox` and `upgrade-insecure-requests` are left out of it.
    pub fn csp_report_only(mut self, csp: Csp) -> Self {
        self.csp_report_only = Some(csp.for_report_only());
        self
    }

    /// Declares an endpoint in `Reporting-Endpoints`, see [`ReportingEndpoints::add`]. The one named
    /// `default` is also sent what no policy names: deprecations, interventions and crashes.
    pub fn endpoint(mut self, name: impl Into<String>, address: impl Into<String>) -> Self {
        self.endpoints = self.endpoints.add(name, address);
        self
    }

    /// Declares an endpoint, and sends to it the violations of both Content-Security-Policies as
    /// far as they name no place of their own: `report-to` for new browsers (over https), `report-uri`
    /// for the others. [`ReportReceiver`](crate::ReportReceiver) is the other end.
    pub fn report_to(mut self, name: impl Into<String>, address: impl Into<String>) -> Self {
        let name = name.into();
        self.csp_endpoint = Some(name.clone());
        self.endpoint(name, address)
    }

    /// Also writes the endpoints as `Report-To`, for Chromium below 96. Default: not.
    pub fn legacy_report_to(mut self, write: bool) -> Self {
        self.legacy_report_to = write;
        self
    }

    /// Sets a header that has no setter of its own. `Set-Cookie` and `Vary` are added to what the
    /// answer has, whatever the precedence; `Vary` not where it already says so.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if is_managed(&name) {
            self.faults.push(Fault::new(
                name.as_str(),
                FaultKind::Header,
                "has a setter of its own",
            ));
        } else if name == header::CACHE_CONTROL && !private::forbids_storing_text(&value) {
            self.faults.push(Fault::new(
                name.as_str(),
                FaultKind::Header,
                "would let shared caches keep errors and answers with cookies: `cache` has rules for that",
            ));
        } else if name == header::SET_COOKIE || name == header::VARY {
            self.added.push((name, value));
        } else {
            self.put(name, value);
        }
        self
    }

    /// Leaves out a header that a preset or a setter put there. The constants are in
    /// [`http::header`] and [`names`].
    pub fn without(mut self, name: HeaderName) -> Self {
        self.fixed.retain(|(known, _)| *known != name);
        self.added.retain(|(known, _)| *known != name);
        self.members.without(&name);
        if name == header::STRICT_TRANSPORT_SECURITY {
            self.hsts = None;
        } else if name == header::CONTENT_SECURITY_POLICY {
            self.csp = None;
        } else if name == header::CONTENT_SECURITY_POLICY_REPORT_ONLY {
            self.csp_report_only = None;
        } else if name == names::PERMISSIONS_POLICY {
            self.permissions = None;
        } else if name == names::REPORTING_ENDPOINTS {
            self.endpoints = ReportingEndpoints::new();
            self.csp_endpoint = None;
        } else if name == names::REPORT_TO {
            self.legacy_report_to = false;
        } else if name == names::CLEAR_SITE_DATA {
            self.clear_site_data = None;
        } else if name == header::CACHE_CONTROL {
            self.says_cache_control = false;
        }
        self
    }

    /// Takes a header off every answer. Presets do so with `Server` and `X-Powered-By`.
    ///
    /// What a server adds below this layer (Hyper adds only `Date`) or a proxy in front is out of
    /// its reach.
    pub fn remove(mut self, name: HeaderName) -> Self {
        if !self.removed.contains(&name) {
            self.removed.push(name);
        }
        self
    }

    /// No longer takes this header off.
    pub fn keep(mut self, name: &HeaderName) -> Self {
        self.removed.retain(|known| known != name);
        self
    }

    /// Whose value counts. Default: [`Precedence::Handler`].
    pub fn precedence(mut self, precedence: Precedence) -> Self {
        self.precedence = precedence;
        self
    }

    /// Whose value counts for this header, whatever [`precedence`](Self::precedence) says.
    pub fn precedence_for(mut self, name: HeaderName, precedence: Precedence) -> Self {
        self.exceptions.retain(|(known, _)| *known != name);
        self.exceptions.push((name, precedence));
        self
    }

    /// [`without`](Self::without) for a name from a file, where one that no set has is a slip.
    pub(crate) fn leave_out(mut self, name: HeaderName) -> Self {
        let mut set = self.fixed.iter().chain(&self.added);
        if is_managed(&name)
            || name == header::CACHE_CONTROL
            || set.any(|(known, _)| *known == name)
        {
            return self.without(name);
        }
        let message = format!("`{name}` is none of the headers of this set");
        let fault = Fault::new("leave_out", FaultKind::Header, message);
        self.faults.push(fault);
        self
    }

    pub(crate) fn permissions_or_default(&self) -> PermissionsPolicy {
        self.permissions.clone().unwrap_or_default()
    }

    pub(crate) fn take_faults(&mut self, field: &str, error: PolicyError) {
        let faults = error.into_faults().into_iter();
        self.faults.extend(faults.map(|fault| fault.within(field)));
    }

    fn fix(mut self, name: HeaderName, value: &'static str) -> Self {
        self.put(name, HeaderValue::from_static(value));
        self
    }

    fn put(&mut self, name: HeaderName, value: HeaderValue) {
        self.says_cache_control |= name == header::CACHE_CONTROL;
        self.fixed.retain(|(known, _)| *known != name);
        self.fixed.push((name, value));
    }
}

/// Headers whose values come from typed setters alone, so that none is broken by hand.
fn is_managed(name: &HeaderName) -> bool {
    [
        header::STRICT_TRANSPORT_SECURITY,
        header::CONTENT_SECURITY_POLICY,
        header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
        header::X_CONTENT_TYPE_OPTIONS,
        header::X_FRAME_OPTIONS,
        header::X_XSS_PROTECTION,
        header::X_DNS_PREFETCH_CONTROL,
        header::REFERRER_POLICY,
        names::CROSS_ORIGIN_RESOURCE_POLICY,
        names::ORIGIN_AGENT_CLUSTER,
        names::X_PERMITTED_CROSS_DOMAIN_POLICIES,
        names::PERMISSIONS_POLICY,
        names::REPORTING_ENDPOINTS,
        names::REPORT_TO,
        names::CLEAR_SITE_DATA,
    ]
    .contains(name)
        || reporting::NAMES.contains(name)
}
