//! From a configuration section to a header set: the same rules, by the same constructors.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use http::HeaderName;
use sec_core::{FieldFaults, PathRules};

use super::reporting::in_terms_of_the_section;
use super::{HeadersConfig, HstsConfig, Mode, PrecedenceConfig, Preset};
use crate::csp::{Csp, Directive, Source};
use crate::error::{Fault, FaultKind, PolicyError};
use crate::policy::{HeaderPolicy, Precedence, SecHeaders};
use crate::values::Hsts;

impl HeaderPolicy {
    /// The policy that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the section, by its field.
    pub fn from_config(config: &HeadersConfig) -> Result<Self, PolicyError> {
        SecHeaders::from_config(config)
            .build()
            .map_err(|error| in_terms_of_the_section(config, error))
    }
}

impl SecHeaders {
    /// The header set that a configuration section describes, to be changed further in code. What is
    /// wrong with the section is told by [`build`](Self::build).
    pub fn from_config(config: &HeadersConfig) -> Self {
        let mut headers = match config.preset {
            Preset::None => Self::none(),
            Preset::WebApp => Self::web_app(),
            Preset::Api => Self::api(),
            Preset::Strict => Self::strict(),
        };
        headers = headers.precedence(match config.precedence {
            PrecedenceConfig::Handler => Precedence::Handler,
            PrecedenceConfig::Policy => Precedence::Policy,
        });
        if config.remove_disclosing {
            headers = headers.remove_disclosing();
        }
        headers = headers.configure(config);
        if let Some(hsts) = &config.hsts {
            headers = headers.configure_hsts(hsts);
        }
        headers = headers
            .legacy_report_to(config.legacy_report_to)
            .configure_overrides(config);
        headers.configure_endpoints(config)
    }

    /// What a section can say of the whole and of an override alike.
    pub(super) fn configure(mut self, config: &HeadersConfig) -> Self {
        for name in &config.leave_out {
            self = self.by_name("leave_out", name, Self::leave_out);
        }
        for name in &config.remove {
            self = self.by_name("remove", name, Self::remove);
        }
        for name in &config.keep {
            self = self.by_name("keep", name, |headers, name| headers.keep(&name));
        }
        self.read("frame_options", &config.frame_options, Self::frame_options)
            .read(
                "referrer_policy",
                &config.referrer_policy,
                Self::referrer_policy,
            )
            .read(
                "resource_policy",
                &config.resource_policy,
                Self::resource_policy,
            )
            .configure_csp(config)
            .configure_permissions(config)
            .configure_isolation(config)
            .configure_documents(config)
    }

    fn configure_hsts(mut self, config: &HstsConfig) -> Self {
        let hsts = Hsts::max_age(config.max_age).include_subdomains(config.include_subdomains);
        if !config.preload {
            return self.hsts(hsts);
        }
        match hsts.preload() {
            Ok(hsts) => self.hsts(hsts),
            Err(error) => {
                self.take_faults("", error);
                self
            }
        }
    }

    fn configure_csp(mut self, config: &HeadersConfig) -> Self {
        for (field, map) in [
            ("csp", &config.csp),
            ("csp_development", &config.csp_development),
            ("csp_report_only", &config.csp_report_only),
        ] {
            if let Some(error) = repeated(map) {
                self.take_faults(field, error);
            }
        }
        if !config.csp.is_empty() {
            self = self.edit_csp(|csp| said(csp, &config.csp));
            if config.frame_options.is_none() {
                self = self.frame_options_of_policy();
            }
        }
        if !config.csp_report_only.is_empty() {
            self = self.csp_report_only(said(Csp::empty(), &config.csp_report_only));
        }
        // Read in production as well: a fault in it should not wait for the next developer.
        for (name, values) in &config.csp_development {
            match development(name, values) {
                Ok((directive, sources)) if config.mode == Mode::Development => {
                    self = self.edit_csp(|csp| csp.add(directive, sources));
                }
                Ok(_) => {}
                Err(error) => self.take_faults("csp_development", error),
            }
        }
        self
    }

    pub(super) fn read<T: FromStr<Err = PolicyError>>(
        mut self,
        field: &str,
        text: &Option<String>,
        set: impl FnOnce(Self, T) -> Self,
    ) -> Self {
        match text.as_deref().map(T::from_str) {
            Some(Ok(value)) => set(self, value),
            Some(Err(error)) => {
                self.take_faults(field, error);
                self
            }
            None => self,
        }
    }

    fn by_name(
        mut self,
        field: &str,
        name: &str,
        change: impl FnOnce(Self, HeaderName) -> Self,
    ) -> Self {
        match HeaderName::from_str(name) {
            Ok(name) => change(self, name),
            Err(_) => {
                let message = format!("`{}` is no header name", name.escape_debug());
                self.take_faults(field, PolicyError::one("", FaultKind::Header, message));
                self
            }
        }
    }
}

impl HeadersConfig {
    pub(crate) fn path_rules(&self) -> Result<PathRules, PolicyError> {
        path_rules(&self.include, &self.exclude)
    }
}

/// Each rule on its own, so that every fault names its place.
pub(crate) fn path_rules(include: &[String], exclude: &[String]) -> Result<PathRules, PolicyError> {
    let mut rules = PathRules::all();
    let mut faults = Vec::new();
    let both = [("include", include), ("exclude", exclude)];
    for (field, list) in both {
        for (index, rule) in list.iter().enumerate() {
            let changed = match field {
                "include" => rules.clone().include(rule),
                _ => rules.clone().exclude(rule),
            };
            match changed {
                Ok(changed) => rules = changed,
                Err(error) => faults.push(Fault::new(
                    format!("{field}[{index}]"),
                    FaultKind::Setting,
                    error.to_string(),
                )),
            }
        }
    }
    PolicyError::unless_empty(faults, rules)
}

pub(crate) fn report(error: Option<PolicyError>, faults: &mut FieldFaults) {
    for fault in error.into_iter().flat_map(PolicyError::into_faults) {
        faults.add(fault.field(), fault.message());
    }
}

fn said(csp: Csp, map: &BTreeMap<String, Vec<String>>) -> Csp {
    map.iter()
        .fold(csp, |csp, (name, values)| csp.directive(name, values))
}

/// The names that stand twice, which a file can do by their case: browsers would keep the first.
fn repeated(map: &BTreeMap<String, Vec<String>>) -> Option<PolicyError> {
    let mut seen = BTreeSet::new();
    let twice = map
        .keys()
        .find(|name| !seen.insert(name.to_ascii_lowercase()))?;
    Some(PolicyError::one(
        twice,
        FaultKind::Directive,
        "stands twice: names are compared without regard to case",
    ))
}

fn development(name: &str, values: &[String]) -> Result<(Directive, Vec<Source>), PolicyError> {
    let Some(directive) = Directive::named(name) else {
        return Err(PolicyError::one(
            name,
            FaultKind::Directive,
            "is no directive with sources",
        ));
    };
    let mut sources = Vec::with_capacity(values.len());
    let mut faults = Vec::new();
    for value in values {
        match value.parse() {
            Ok(source) => sources.push(source),
            Err(error) => faults.extend(PolicyError::into_faults(error)),
        }
    }
    let faults = faults.into_iter().map(|fault: Fault| fault.within(name));
    PolicyError::unless_empty(faults.collect(), (directive, sources))
}
