use http::{HeaderName, HeaderValue};

use super::SecHeaders;
use crate::document::DocumentPolicy;
use crate::error::{FaultKind, PolicyError};
use crate::integrity::IntegrityPolicy;
use crate::names;
use crate::permissions::PermissionsPolicy;
use crate::reported::Reported;
use crate::values::{EmbedderPolicy, OpenerPolicy};

/// The headers that the setters of this file write.
pub(super) const NAMES: [HeaderName; 10] = [
    names::CROSS_ORIGIN_OPENER_POLICY,
    names::CROSS_ORIGIN_OPENER_POLICY_REPORT_ONLY,
    names::CROSS_ORIGIN_EMBEDDER_POLICY,
    names::CROSS_ORIGIN_EMBEDDER_POLICY_REPORT_ONLY,
    names::PERMISSIONS_POLICY_REPORT_ONLY,
    names::INTEGRITY_POLICY,
    names::INTEGRITY_POLICY_REPORT_ONLY,
    names::DOCUMENT_POLICY,
    names::DOCUMENT_POLICY_REPORT_ONLY,
    names::REQUIRE_DOCUMENT_POLICY,
];

/// Headers that may name endpoints, each once, written when they are set and checked against the
/// declared endpoints when everything is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(Vec<Member>);

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: HeaderName,
    /// Its setter, as faults name it.
    pub(super) field: &'static str,
    pub(super) endpoints: Vec<String>,
    pub(super) value: Result<Option<HeaderValue>, PolicyError>,
}

impl Members {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub(super) fn without(&mut self, name: &HeaderName) {
        self.0.retain(|member| member.name != *name);
    }
}

impl SecHeaders {
    /// `Cross-Origin-Opener-Policy`. [`OpenerPolicy::SameOrigin`] breaks log-in and payment windows
    /// that report back to the page that opened them.
    pub fn opener_policy(self, policy: impl Into<Reported<OpenerPolicy>>) -> Self {
        let name = names::CROSS_ORIGIN_OPENER_POLICY;
        self.isolate(name, "opener_policy", &policy.into())
    }

    /// `Cross-Origin-Opener-Policy-Report-Only`: what a stricter policy would cut off. It must name
    /// an endpoint, as in `OpenerPolicy::SameOrigin.report_to("main")`.
    pub fn opener_policy_report_only(self, policy: impl Into<Reported<OpenerPolicy>>) -> Self {
        let name = names::CROSS_ORIGIN_OPENER_POLICY_REPORT_ONLY;
        self.isolate_on_trial(name, "opener_policy_report_only", &policy.into())
    }

    /// `Cross-Origin-Embedder-Policy`, which no preset sets: it breaks every image, frame and script
    /// from elsewhere that does not answer with CORP or CORS. For pages that need
    /// `SharedArrayBuffer` or exact timers.
    pub fn embedder_policy(self, policy: impl Into<Reported<EmbedderPolicy>>) -> Self {
        let name = names::CROSS_ORIGIN_EMBEDDER_POLICY;
        self.isolate(name, "embedder_policy", &policy.into())
    }

    /// `Cross-Origin-Embedder-Policy-Report-Only`: what a stricter policy would not load. It must
    /// name an endpoint.
    pub fn embedder_policy_report_only(self, policy: impl Into<Reported<EmbedderPolicy>>) -> Self {
        let name = names::CROSS_ORIGIN_EMBEDDER_POLICY_REPORT_ONLY;
        self.isolate_on_trial(name, "embedder_policy_report_only", &policy.into())
    }

    /// `Permissions-Policy-Report-Only`, beside the enforced one: for a stricter policy on trial.
    /// Without an endpoint only observers in the page see its reports.
    pub fn permissions_report_only(self, policy: PermissionsPolicy) -> Self {
        let name = names::PERMISSIONS_POLICY_REPORT_ONLY;
        let value = policy.header();
        self.member(
            name,
            "permissions_report_only",
            policy.endpoint_names(),
            value,
        )
    }

    /// `Integrity-Policy`, which no preset sets: scripts (and style sheets) without digest are not
    /// loaded.
    pub fn integrity_policy(self, policy: IntegrityPolicy) -> Self {
        let value = policy.header();
        let name = names::INTEGRITY_POLICY;
        self.member(name, "integrity_policy", policy.endpoint_names(), value)
    }

    /// `Integrity-Policy-Report-Only`: which scripts (and style sheets) have no digest.
    pub fn integrity_policy_report_only(self, policy: IntegrityPolicy) -> Self {
        let value = policy.header();
        let name = names::INTEGRITY_POLICY_REPORT_ONLY;
        self.member(
            name,
            "integrity_policy_report_only",
            policy.endpoint_names(),
            value,
        )
    }

    /// `Document-Policy`: switches and bounds of the document, read by Chromium.
    pub fn document_policy(self, policy: DocumentPolicy) -> Self {
        let value = policy.header();
        let name = names::DOCUMENT_POLICY;
        self.member(name, "document_policy", policy.endpoint_names(), value)
    }

    /// `Document-Policy-Report-Only`: what a stricter policy would stop.
    pub fn document_policy_report_only(self, policy: DocumentPolicy) -> Self {
        let value = policy.header();
        let name = names::DOCUMENT_POLICY_REPORT_ONLY;
        self.member(
            name,
            "document_policy_report_only",
            policy.endpoint_names(),
            value,
        )
    }

    /// `Require-Document-Policy`: what the documents in frames of this page must promise by their own
    /// `Document-Policy`. Frames that do not are not shown.
    pub fn require_document_policy(self, policy: DocumentPolicy) -> Self {
        let value = policy.header();
        let name = names::REQUIRE_DOCUMENT_POLICY;
        self.member(
            name,
            "require_document_policy",
            policy.endpoint_names(),
            value,
        )
    }

    fn isolate<P: Copy>(self, name: HeaderName, field: &'static str, policy: &Reported<P>) -> Self {
        let value = policy.header().map(Some);
        self.member(name, field, policy.endpoint(), value)
    }

    fn isolate_on_trial<P: Copy>(
        self,
        name: HeaderName,
        field: &'static str,
        policy: &Reported<P>,
    ) -> Self {
        let value = match policy.endpoint() {
            Some(_) => policy.header().map(Some),
            // Neither the page nor anybody else would see a report.
            None => Err(PolicyError::one(
                "report-to",
                FaultKind::UnknownEndpoint,
                "names no endpoint, without which browsers ignore it",
            )),
        };
        self.member(name, field, policy.endpoint(), value)
    }

    fn member<'a>(
        mut self,
        name: HeaderName,
        field: &'static str,
        endpoints: impl IntoIterator<Item = &'a str>,
        value: Result<Option<HeaderValue>, PolicyError>,
    ) -> Self {
        self.members.without(&name);
        self.members.0.push(Member {
            name,
            field,
            endpoints: endpoints.into_iter().map(ToOwned::to_owned).collect(),
            value,
        });
        self
    }
}
