//! The header names that `http` does not name itself, for use with
//! [`SecHeaders::without`](crate::SecHeaders::without) and its like.

use http::HeaderName;

/// `Cross-Origin-Opener-Policy`.
pub const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
/// `Cross-Origin-Embedder-Policy`.
pub const CROSS_ORIGIN_EMBEDDER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-embedder-policy");
/// `Cross-Origin-Resource-Policy`.
pub const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// `Origin-Agent-Cluster`.
pub const ORIGIN_AGENT_CLUSTER: HeaderName = HeaderName::from_static("origin-agent-cluster");
/// `X-Permitted-Cross-Domain-Policies`.
pub const X_PERMITTED_CROSS_DOMAIN_POLICIES: HeaderName =
    HeaderName::from_static("x-permitted-cross-domain-policies");
/// `Permissions-Policy`.
pub const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// `Permissions-Policy-Report-Only`.
pub const PERMISSIONS_POLICY_REPORT_ONLY: HeaderName =
    HeaderName::from_static("permissions-policy-report-only");
/// `Cross-Origin-Opener-Policy-Report-Only`.
pub const CROSS_ORIGIN_OPENER_POLICY_REPORT_ONLY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy-report-only");
/// `Cross-Origin-Embedder-Policy-Report-Only`.
pub const CROSS_ORIGIN_EMBEDDER_POLICY_REPORT_ONLY: HeaderName =
    HeaderName::from_static("cross-origin-embedder-policy-report-only");
/// `Integrity-Policy`.
pub const INTEGRITY_POLICY: HeaderName = HeaderName::from_static("integrity-policy");
/// `Integrity-Policy-Report-Only`.
pub const INTEGRITY_POLICY_REPORT_ONLY: HeaderName =
    HeaderName::from_static("integrity-policy-report-only");
/// `Document-Policy`.
pub const DOCUMENT_POLICY: HeaderName = HeaderName::from_static("document-policy");
/// `Document-Policy-Report-Only`.
pub const DOCUMENT_POLICY_REPORT_ONLY: HeaderName =
    HeaderName::from_static("document-policy-report-only");
/// `Require-Document-Policy`.
pub const REQUIRE_DOCUMENT_POLICY: HeaderName = HeaderName::from_static("require-document-policy");
/// `Reporting-Endpoints`.
pub const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");
/// `Report-To`, the older form of `Reporting-Endpoints`.
pub const REPORT_TO: HeaderName = HeaderName::from_static("report-to");
/// `Clear-Site-Data`.
pub const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// `X-Powered-By`.
pub const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");
/// `Sec-Fetch-Site`, which browsers send.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// `Access-Control-Request-Private-Network`, which browsers send.
pub const ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
/// `Access-Control-Allow-Private-Network`.
pub const ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");
