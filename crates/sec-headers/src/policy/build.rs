use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use sec_core::Scheme;

use super::apply::{Built, Winning};
use super::form::{Form, Template};
use super::{HeaderPolicy, Precedence, SecHeaders};
use crate::csp::Csp;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::names;
use crate::reporting::check_address;

/// Room for a handler's own headers, so that taking them over seldom rebuilds the map's index.
const ROOM: usize = 12;

/// How long browsers keep the endpoints of `Report-To`: they come with every answer anyway.
const REPORT_TO_AGE: Duration = Duration::from_secs(86_400);

impl SecHeaders {
    /// Checks everything and writes every value out, so that no request pays for it or fails by it.
    ///
    /// # Errors
    ///
    /// All faults at once: broken sources, contradictions, endpoints that nobody declared, a
    /// preload that the list would refuse, and the same in every route and named set.
    pub fn build(&self) -> Result<HeaderPolicy, PolicyError> {
        let mut faults = Vec::new();
        let mut built = self.build_set(&mut faults);
        if self.clear_site_data.is_some() {
            faults.push(Fault::new(
                "clear_site_data",
                FaultKind::Setting,
                "belongs to a route or a named set: every answer would empty the browser",
            ));
        }
        built.overrides = self.build_overrides(&mut faults);
        PolicyError::unless_empty(faults, HeaderPolicy::new(Arc::new(built)))
    }

    /// This set alone, without its overrides.
    pub(super) fn build_set(&self, faults: &mut Vec<Fault>) -> Built {
        faults.extend(self.faults.iter().cloned());
        let csp = self.with_reports(self.csp.as_ref());
        let report_only = self.with_reports(self.csp_report_only.as_ref());
        for (field, csp) in [("csp", &csp), ("csp_report_only", &report_only)] {
            let name = csp.as_ref().and_then(Csp::endpoint_name);
            self.check_endpoints(field, name, faults);
        }
        if report_only.as_ref().is_some_and(Csp::reports_nowhere) {
            faults.push(Fault::new(
                "csp_report_only.report-to",
                FaultKind::UnknownEndpoint,
                "a policy on trial reports nowhere, and nobody would ever hear of it: name an endpoint",
            ));
        }
        let permissions = self.permissions.as_ref();
        if let Some(policy) = permissions {
            self.check_endpoints("permissions", policy.endpoint_names(), faults);
        }
        for member in self.members.iter() {
            let names = member.endpoints.iter().map(String::as_str);
            self.check_endpoints(member.field, names, faults);
        }
        faults.extend(self.hsts.as_ref().and_then(crate::Hsts::fault));
        faults.extend(self.contradicting_frames());

        let mut shared: Vec<(HeaderName, HeaderValue)> = self.fixed.clone();
        let mut put = |name: HeaderName, field: &str, value| match value {
            Ok(Some(value)) => shared.push((name, value)),
            Ok(None) => {}
            Err(error) => append(faults, field, error),
        };
        if let Some(permissions) = permissions {
            put(
                names::PERMISSIONS_POLICY,
                "permissions",
                permissions.header(),
            );
        }
        for member in self.members.iter() {
            put(member.name.clone(), member.field, member.value.clone());
        }
        put(
            names::REPORTING_ENDPOINTS,
            "endpoints",
            self.endpoints.header(),
        );
        if self.legacy_report_to && self.endpoints.header().is_ok() {
            put(
                names::REPORT_TO,
                "endpoints",
                self.endpoints.report_to(REPORT_TO_AGE),
            );
        }

        let mut forms = Vec::with_capacity(2);
        for scheme in [Scheme::Http, Scheme::Https] {
            let templates = [
                (CONTENT_SECURITY_POLICY, "csp", &csp),
                (
                    CONTENT_SECURITY_POLICY_REPORT_ONLY,
                    "csp_report_only",
                    &report_only,
                ),
            ];
            let mut written = Vec::new();
            for (name, field, csp) in templates {
                match csp.as_ref().map(|csp| csp.template(scheme)) {
                    Some(Ok(template)) if template.is_empty() => {}
                    Some(Ok(template)) => written.push(Template {
                        name,
                        csp: template,
                    }),
                    // Told once, not for each scheme.
                    Some(Err(error)) if scheme.is_https() => append(faults, field, error),
                    Some(Err(_)) | None => {}
                }
            }
            forms.push(self.form(scheme, &shared, written, faults));
        }
        let wins = |name: &HeaderName| self.precedence_of(name) == Precedence::Policy;
        Built {
            https: forms.pop().unwrap_or_default(),
            http: forms.pop().unwrap_or_default(),
            added: self.added.clone().into(),
            // As `share`.
            clear_site_data: self.clear_site_data.clone(),
            says_cache_control: self.says_cache_control,
            winning: Winning {
                anywhere: self.precedence == Precedence::Policy
                    || self
                        .exceptions
                        .iter()
                        .any(|(_, whose)| *whose == Precedence::Policy),
                cache_control: wins(&CACHE_CONTROL),
                clear_site_data: wins(&names::CLEAR_SITE_DATA),
            },
            overrides: None,
        }
    }

    fn form(
        &self,
        scheme: Scheme,
        shared: &[(HeaderName, HeaderValue)],
        templates: Vec<Template>,
        faults: &mut Vec<Fault>,
    ) -> Form {
        let mut base = HeaderMap::with_capacity(shared.len().saturating_add(ROOM));
        for (name, value) in shared {
            base.insert(name.clone(), share(value));
        }
        let mut dropped = self.removed.clone();
        if let Some(hsts) = self.hsts {
            if scheme.is_https() {
                match HeaderValue::try_from(hsts.text()) {
                    Ok(value) => _ = base.insert(STRICT_TRANSPORT_SECURITY, share(&value)),
                    Err(error) => {
                        faults.push(Fault::new("hsts", FaultKind::Hsts, error.to_string()));
                    }
                }
            } else {
                // RFC 6797, section 7.2: not over plain http, the handler's own included.
                dropped.push(STRICT_TRANSPORT_SECURITY);
            }
        }
        for template in &templates {
            base.insert(template.name.clone(), share(&template.csp.render(None)));
        }
        let wins = |name: &&HeaderName| self.precedence_of(name) == Precedence::Policy;
        let own: Vec<HeaderName> = base.keys().filter(wins).cloned().collect();
        dropped.extend(own);
        // Looked up by binary search, see `Form::drops`.
        dropped.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        Form {
            base,
            templates: templates
                .into_iter()
                .filter(|template| template.csp.uses_nonce())
                .collect(),
            dropped: dropped.into(),
        }
    }

    fn precedence_of(&self, name: &HeaderName) -> Precedence {
        let exception = self.exceptions.iter().find(|(known, _)| known == name);
        exception.map_or(self.precedence, |(_, precedence)| *precedence)
    }

    /// The policy with the endpoint of [`SecHeaders::report_to`] where it names none, and with a
    /// `report-uri` beside each `report-to`.
    fn with_reports(&self, csp: Option<&Csp>) -> Option<Csp> {
        let mut csp = csp?.clone();
        if csp.reports_nowhere()
            && let Some(name) = &self.csp_endpoint
        {
            csp = csp.report_to(name);
        }
        let address = csp
            .endpoint_name()
            .and_then(|name| self.endpoints.address(name))
            // A wrong address is told once, as the endpoint's.
            .filter(|address| check_address(address).is_ok())
            .map(ToOwned::to_owned);
        match address {
            Some(address) if !csp.has_report_uri() => Some(csp.report_uri(address)),
            _ => Some(csp),
        }
    }

    fn check_endpoints<'a>(
        &self,
        field: &str,
        names: impl IntoIterator<Item = &'a str>,
        faults: &mut Vec<Fault>,
    ) {
        let field = format!("{field}.report-to");
        for name in names {
            if self.endpoints.address(name).is_none() {
                let declared: Vec<&str> = self.endpoints.names().collect();
                let message = format!(
                    "reports to `{}`, which is no declared endpoint (declared: [{}])",
                    name.escape_debug(),
                    declared.join(", ")
                );
                faults.push(Fault::new(&field, FaultKind::UnknownEndpoint, message));
            }
        }
    }
}

/// The first clone of a value made from a `String` moves it behind a reference count; doing that
/// here keeps the allocation off the first request.
fn share(value: &HeaderValue) -> HeaderValue {
    value.clone()
}

fn append(faults: &mut Vec<Fault>, field: &str, error: PolicyError) {
    let more = error.into_faults().into_iter();
    for fault in more.map(|fault| fault.within(field)) {
        // An endpoint's fault shows in the policy that names it as well; once is enough.
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
}
