//! The keys for policies that report, and for the endpoints that they name.

use std::collections::BTreeMap;

use super::HeadersConfig;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::permissions::{Feature, PermissionsPolicy};
use crate::policy::SecHeaders;
use crate::reported::Reported;
use crate::values::{EmbedderPolicy, OpenerPolicy};

impl SecHeaders {
    pub(super) fn configure_endpoints(mut self, config: &HeadersConfig) -> Self {
        for (name, address) in &config.endpoints {
            self = self.endpoint(name, address);
        }
        let Some(address) = &config.report_endpoint else {
            return self;
        };
        if config.endpoints.contains_key("csp") {
            let why = "declares an endpoint named `csp`, and so does `endpoints`: rename that one";
            let fault = PolicyError::one("report_endpoint", FaultKind::Endpoint, why);
            self.take_faults("", fault);
        }
        self.report_to("csp", address)
    }

    pub(super) fn configure_permissions(mut self, config: &HeadersConfig) -> Self {
        if !config.permissions.is_empty() || !config.permissions_endpoints.is_empty() {
            let policy = self.permissions_or_default();
            let policy = self.granted("permissions", policy, &config.permissions);
            let policy = self.reported(
                "permissions_endpoints",
                policy,
                &config.permissions_endpoints,
            );
            self = self.permissions(policy);
        }
        let (trial, endpoints) = (
            &config.permissions_report_only,
            &config.permissions_report_only_endpoints,
        );
        if !trial.is_empty() || !endpoints.is_empty() {
            let policy = PermissionsPolicy::new();
            let policy = self.granted("permissions_report_only", policy, trial);
            let policy = self.reported("permissions_report_only_endpoints", policy, endpoints);
            self = self.permissions_report_only(policy);
        }
        self
    }

    pub(super) fn configure_isolation(self, config: &HeadersConfig) -> Self {
        type Opener = Reported<OpenerPolicy>;
        type Embedder = Reported<EmbedderPolicy>;

        self.read(
            "opener_policy",
            &config.opener_policy,
            |headers, policy: Opener| headers.opener_policy(policy),
        )
        .read(
            "opener_policy_report_only",
            &config.opener_policy_report_only,
            |headers, policy: Opener| headers.opener_policy_report_only(policy),
        )
        .read(
            "embedder_policy",
            &config.embedder_policy,
            |headers, policy: Embedder| headers.embedder_policy(policy),
        )
        .read(
            "embedder_policy_report_only",
            &config.embedder_policy_report_only,
            |headers, policy: Embedder| headers.embedder_policy_report_only(policy),
        )
    }

    pub(super) fn configure_documents(self, config: &HeadersConfig) -> Self {
        self.read(
            "integrity_policy",
            &config.integrity_policy,
            Self::integrity_policy,
        )
        .read(
            "integrity_policy_report_only",
            &config.integrity_policy_report_only,
            Self::integrity_policy_report_only,
        )
        .read(
            "document_policy",
            &config.document_policy,
            Self::document_policy,
        )
        .read(
            "document_policy_report_only",
            &config.document_policy_report_only,
            Self::document_policy_report_only,
        )
        .read(
            "require_document_policy",
            &config.require_document_policy,
            Self::require_document_policy,
        )
    }

    fn granted(
        &mut self,
        field: &str,
        mut policy: PermissionsPolicy,
        map: &BTreeMap<String, Vec<String>>,
    ) -> PermissionsPolicy {
        for (feature, grants) in map {
            match policy.clone().configure(feature, grants) {
                Ok(changed) => policy = changed,
                Err(error) => self.take_faults(field, error),
            }
        }
        policy
    }

    fn reported(
        &mut self,
        field: &str,
        mut policy: PermissionsPolicy,
        map: &BTreeMap<String, String>,
    ) -> PermissionsPolicy {
        for (feature, endpoint) in map {
            if feature == "*" {
                policy = policy.report_to(endpoint);
                continue;
            }
            match Feature::written(feature) {
                Ok(feature) => policy = policy.report_feature_to(feature, endpoint),
                Err(error) => {
                    let faults = error.into_faults().into_iter();
                    let faults: Vec<Fault> = faults.map(|fault| fault.within(feature)).collect();
                    if let Err(error) = PolicyError::unless_empty(faults, ()) {
                        self.take_faults(field, error);
                    }
                }
            }
        }
        policy
    }
}

/// A fault in the terms of the section: a policy knows its endpoints by name, and of a text the file
/// has one line; the policy of a route is a table of `routes`.
pub(super) fn in_terms_of_the_section(config: &HeadersConfig, error: PolicyError) -> PolicyError {
    let mut error = error
        .rename("permissions.report-to", "permissions_endpoints")
        .rename(
            "permissions_report_only.report-to",
            "permissions_report_only_endpoints",
        );
    for field in [
        "opener_policy",
        "opener_policy_report_only",
        "embedder_policy",
        "embedder_policy_report_only",
        "integrity_policy",
        "integrity_policy_report_only",
        "document_policy",
        "document_policy_report_only",
        "require_document_policy",
    ] {
        error = error.rename(&format!("{field}.report-to"), field);
    }
    if config.report_endpoint.is_some() {
        error = error.rename("endpoints.csp", "report_endpoint");
    }
    error
        .rename_start("route \"", "routes.\"")
        .rename_start("named \"", "named.\"")
        .rename_start("cache \"", "cache.\"")
}
