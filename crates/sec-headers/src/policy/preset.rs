use http::header;

use super::reporting::Members;
use super::{Overrides, Precedence, SecHeaders};
use crate::csp::Csp;
use crate::names;
use crate::permissions::PermissionsPolicy;
use crate::reporting::ReportingEndpoints;
use crate::values::{
    CrossDomainPolicies, FrameOptions, Hsts, OpenerPolicy, ReferrerPolicy, ResourcePolicy,
};

impl SecHeaders {
    /// No header set and none removed: for a policy that is said from the ground up.
    pub fn none() -> Self {
        Self {
            fixed: Vec::new(),
            hsts: None,
            csp: None,
            csp_report_only: None,
            permissions: None,
            members: Members::default(),
            endpoints: ReportingEndpoints::new(),
            csp_endpoint: None,
            legacy_report_to: false,
            removed: Vec::new(),
            added: Vec::new(),
            precedence: Precedence::Handler,
            exceptions: Vec::new(),
            clear_site_data: None,
            says_cache_control: false,
            overrides: Overrides::default(),
            faults: Vec::new(),
        }
    }

    /// For a service that renders pages: [`Csp::web_app`] with a nonce, HSTS for one year with
    /// sub-domains, referrers cut to the origin for other sites, powerful features denied.
    ///
    /// Windows that the page opens may still talk to it, as log-in and payment windows do.
    pub fn web_app() -> Self {
        Self::common()
            .hsts(Hsts::years(1).include_subdomains(true))
            .csp(Csp::web_app())
            .referrer_policy(ReferrerPolicy::StrictOriginWhenCrossOrigin)
            .opener_policy(OpenerPolicy::SameOriginAllowPopups)
            .permissions(PermissionsPolicy::deny_powerful())
    }

    /// As [`web_app`](Self::web_app) where nothing foreign has to work: HSTS for two years,
    /// [`Csp::strict`] with Trusted Types, no referrer to other origins, own window group.
    ///
    /// Log-in and payment windows that report back to their opener do not work under it.
    pub fn strict() -> Self {
        Self::common()
            .hsts(Hsts::years(2).include_subdomains(true))
            .csp(Csp::strict())
            .referrer_policy(ReferrerPolicy::SameOrigin)
            .opener_policy(OpenerPolicy::SameOrigin)
            .permissions(PermissionsPolicy::deny_powerful())
    }

    /// For a service that answers programs: [`Csp::api`], nothing is stored by caches.
    pub fn api() -> Self {
        Self::common()
            .hsts(Hsts::years(1).include_subdomains(true))
            .csp(Csp::api())
            .referrer_policy(ReferrerPolicy::SameOrigin)
            .opener_policy(OpenerPolicy::SameOrigin)
            .no_store()
    }

    fn common() -> Self {
        Self::none()
            .nosniff()
            .frame_options(FrameOptions::Deny)
            .resource_policy(ResourcePolicy::SameOrigin)
            .origin_agent_cluster(true)
            .dns_prefetch(false)
            .cross_domain_policies(CrossDomainPolicies::None)
            .xss_filter_off()
            .remove(header::SERVER)
            .remove(names::X_POWERED_BY)
    }
}
