//! What a section says of single routes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{HeadersConfig, Mode};
use crate::cache_control::CacheControl;
use crate::clear_site_data::SiteData;
use crate::csp::Source;
use crate::error::PolicyError;
use crate::policy::SecHeaders;

/// A table below `[headers.routes]` or `[headers.named]`: what differs from the rest of the section.
///
/// Its keys mean what they mean in [`HeadersConfig`], and begin with what that says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OverrideConfig {
    /// Directives that replace those of the section.
    pub csp: BTreeMap<String, Vec<String>>,
    /// Sources that are added to directives in development.
    pub csp_development: BTreeMap<String, Vec<String>>,
    /// A whole policy on trial, in place of the section's.
    pub csp_report_only: BTreeMap<String, Vec<String>>,
    /// Who may frame the page; see [`SecHeaders::frame_ancestors`]. An empty list is `'none'`.
    pub frame_ancestors: Option<Vec<String>>,
    /// Features that replace those of the section.
    pub permissions: BTreeMap<String, Vec<String>>,
    /// Endpoints of features, `*` for all others.
    pub permissions_endpoints: BTreeMap<String, String>,
    /// A whole permissions policy on trial, in place of the section's.
    pub permissions_report_only: BTreeMap<String, Vec<String>>,
    /// Its endpoints.
    pub permissions_report_only_endpoints: BTreeMap<String, String>,
    /// `X-Frame-Options`; [`frame_ancestors`](Self::frame_ancestors) sets it as well.
    pub frame_options: Option<String>,
    /// `Referrer-Policy`.
    pub referrer_policy: Option<String>,
    /// `Cross-Origin-Opener-Policy`.
    pub opener_policy: Option<String>,
    /// `Cross-Origin-Resource-Policy`.
    pub resource_policy: Option<String>,
    /// `Cross-Origin-Embedder-Policy`.
    pub embedder_policy: Option<String>,
    /// `Cross-Origin-Opener-Policy-Report-Only`.
    pub opener_policy_report_only: Option<String>,
    /// `Cross-Origin-Embedder-Policy-Report-Only`.
    pub embedder_policy_report_only: Option<String>,
    /// `Integrity-Policy`.
    pub integrity_policy: Option<String>,
    /// `Integrity-Policy-Report-Only`.
    pub integrity_policy_report_only: Option<String>,
    /// `Document-Policy`.
    pub document_policy: Option<String>,
    /// `Document-Policy-Report-Only`.
    pub document_policy_report_only: Option<String>,
    /// `Require-Document-Policy`.
    pub require_document_policy: Option<String>,
    /// Headers that are left out.
    pub leave_out: Vec<String>,
    /// Headers that are taken off answers.
    pub remove: Vec<String>,
    /// Headers that are not taken off after all.
    pub keep: Vec<String>,
    /// `Clear-Site-Data`: names such as `cache`; see [`SecHeaders::clear_site_data`].
    pub clear_site_data: Option<Vec<String>>,
}

impl OverrideConfig {
    /// The keys that the section has too, for the same code to read them.
    fn as_section(&self, mode: Mode) -> HeadersConfig {
        HeadersConfig {
            mode,
            csp: self.csp.clone(),
            csp_development: self.csp_development.clone(),
            csp_report_only: self.csp_report_only.clone(),
            permissions: self.permissions.clone(),
            frame_options: self.frame_options.clone(),
            referrer_policy: self.referrer_policy.clone(),
            opener_policy: self.opener_policy.clone(),
            resource_policy: self.resource_policy.clone(),
            embedder_policy: self.embedder_policy.clone(),
            permissions_endpoints: self.permissions_endpoints.clone(),
            permissions_report_only: self.permissions_report_only.clone(),
            permissions_report_only_endpoints: self.permissions_report_only_endpoints.clone(),
            opener_policy_report_only: self.opener_policy_report_only.clone(),
            embedder_policy_report_only: self.embedder_policy_report_only.clone(),
            integrity_policy: self.integrity_policy.clone(),
            integrity_policy_report_only: self.integrity_policy_report_only.clone(),
            document_policy: self.document_policy.clone(),
            document_policy_report_only: self.document_policy_report_only.clone(),
            require_document_policy: self.require_document_policy.clone(),
            keep: self.keep.clone(),
            leave_out: self.leave_out.clone(),
            remove: self.remove.clone(),
            ..HeadersConfig::default()
        }
    }

    /// The change that it makes.
    fn change(&self, mode: Mode) -> impl Fn(SecHeaders) -> SecHeaders + Send + Sync + 'static {
        let section = self.as_section(mode);
        let frame_ancestors = self.frame_ancestors.clone();
        let clear_site_data = self.clear_site_data.clone();
        move |mut headers| {
            if let Some(texts) = &frame_ancestors {
                let read = |text: &str| text.parse::<Source>();
                let sources = headers.read_list("frame_ancestors", texts, read);
                headers = headers.frame_ancestors(sources);
            }
            if let Some(texts) = &clear_site_data {
                let read = |text: &str| text.parse::<SiteData>();
                let data = headers.read_list("clear_site_data", texts, read);
                if texts.is_empty() || !data.is_empty() {
                    headers = headers.clear_site_data(data);
                }
            }
            headers.configure(&section)
        }
    }
}

impl SecHeaders {
    pub(super) fn configure_overrides(mut self, config: &HeadersConfig) -> Self {
        for (rule, change) in &config.routes {
            self = self.route(rule, change.change(config.mode));
        }
        for (name, change) in &config.named {
            self = self.named(name, change.change(config.mode));
        }
        for (rule, text) in &config.cache {
            match text.parse::<CacheControl>() {
                Ok(value) => self = self.cache(rule, value),
                Err(error) => self.take_faults(&format!("cache {rule:?}"), error),
            }
        }
        self
    }

    fn read_list<T>(
        &mut self,
        field: &str,
        texts: &[String],
        read: impl Fn(&str) -> Result<T, PolicyError>,
    ) -> Vec<T> {
        let mut values = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match read(text) {
                Ok(value) => values.push(value),
                Err(error) => self.take_faults(&format!("{field}[{index}]"), error),
            }
        }
        values
    }
}
