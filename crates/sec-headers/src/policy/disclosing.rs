use http::HeaderName;

use super::SecHeaders;

/// OWASP Secure Headers Project, `ci/headers_remove.json`, in lower case: what tells strangers which
/// products and versions answer, and how requests are routed inside. The list is that of 2024-09-02
/// with what later copies of it name besides (`X-Backside-Transport`, `X-Gitlab-Meta`,
/// `X-Woodpecker-Version`), and `X-Kubernetes-PF-FlowSchema-UID`, which it spells without its last
/// letter.
pub(crate) const DISCLOSING: [&str; 73] = [
    "$wsep",
    "host-header",
    "k-proxy-request",
    "liferay-portal",
    "oraclecommercecloud-version",
    "pega-host",
    "powered-by",
    "product",
    "server",
    "sourcemap",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-atmosphere-error",
    "x-atmosphere-first-request",
    "x-atmosphere-tracking-id",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-backside-transport",
    "x-beserver",
    "x-cf-powered-by",
    "x-cms",
    "x-calculatedbetarget",
    "x-cocoon-version",
    "x-content-encoded-by",
    "x-diaginfo",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-dst-host",
    "x-envoy-upstream-service-time",
    "x-feserver",
    "x-framework",
    "x-generated-by",
    "x-generator",
    "x-gitlab-meta",
    "x-jitsi-release",
    "x-joomla-version",
    "x-kubernetes-pf-flowschema-ui",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
    "x-litespeed-cache",
    "x-litespeed-purge",
    "x-litespeed-tag",
    "x-litespeed-vary",
    "x-litespeed-cache-control",
    "x-mod-pagespeed",
    "x-nextjs-cache",
    "x-nextjs-matched-path",
    "x-nextjs-page",
    "x-nextjs-redirect",
    "x-owa-version",
    "x-old-content-length",
    "x-oneagent-js-injection",
    "x-page-speed",
    "x-php-version",
    "x-powered-by",
    "x-powered-by-plesk",
    "x-powered-cms",
    "x-redirect-by",
    "x-server-powered-by",
    "x-sourcefiles",
    "x-sourcemap",
    "x-turbo-charged-by",
    "x-umbraco-version",
    "x-varnish-backend",
    "x-varnish-server",
    "x-woodpecker-version",
    "x-dtagentid",
    "x-dthealthcheck",
    "x-dtinjectedservlet",
    "x-ruxit-js-agent",
];

impl SecHeaders {
    /// Takes every header off that discloses products, versions or the inside of a network: the
    /// names of the OWASP Secure Headers Project's list. For answers that are passed on from
    /// elsewhere; a service in Rust sets none of them by itself, so presets take off `Server` and
    /// `X-Powered-By` alone.
    ///
    /// Source maps are no longer found by `SourceMap`, and traces no longer by `X-B3-…`: name what
    /// is needed with [`keep`](Self::keep). Each header of a handler then costs a binary search.
    pub fn remove_disclosing(self) -> Self {
        DISCLOSING.iter().fold(self, |headers, name| {
            headers.remove(HeaderName::from_static(name))
        })
    }
}
