//! Limits from a file.

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use crate::html::{Budget, HtmlPolicy, PolicyError};
use crate::json::JsonLimits;

/// The section of this crate in a configuration file. All keys have defaults.
///
/// ```
/// use sec_sanitize::{SanitizeConfig, SanitizeLimits};
///
/// let config: SanitizeConfig = serde_json::from_str(r#"{"json": {"max_bytes": 16384}}"#)?;
/// let limits = SanitizeLimits::try_from(&config)?;
/// assert_eq!(limits.json().max_bytes, 16_384);
/// assert!(limits.comment().clean("<b>hello").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SanitizeConfig {
    /// What `Valid<Json<T>>`, `Valid<Form<T>>` and `Valid<Query<T>>` accept.
    pub json: JsonConfig,
    /// What `HtmlPolicy::comment()` may cost.
    pub comment: HtmlConfig,
    /// What `HtmlPolicy::article()` may cost.
    pub article: HtmlConfig,
}

/// See [`JsonLimits`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonConfig {
    /// Bytes of a body, 1 to 16 MiB. Default 65 536.
    pub max_bytes: usize,
    /// Nesting, 1 to 100. Default 32.
    pub max_depth: usize,
    /// Values in all, 1 to 1 000 000. Default 10 000.
    pub max_nodes: usize,
    /// Entries in the list of errors, 1 to 64. Default 16.
    pub max_errors: usize,
}

/// See [`Budget`]. What is left out keeps the policy's own limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HtmlConfig {
    /// Bytes of a text, 1 to 16 MiB.
    pub input_bytes: Option<usize>,
    /// Tags, 1 to 1 000 000.
    pub elements: Option<usize>,
    /// Nesting, 1 to 512.
    pub depth: Option<usize>,
    /// Bytes of the result, 1 to 64 MiB.
    pub output_bytes: Option<usize>,
}

impl Default for JsonConfig {
    fn default() -> Self {
        let JsonLimits {
            max_bytes,
            max_depth,
            max_nodes,
            max_errors,
            ..
        } = JsonLimits::default();
        Self {
            max_bytes,
            max_depth,
            max_nodes,
            max_errors,
        }
    }
}

impl HtmlConfig {
    fn budget(&self, own: &Budget) -> Budget {
        Budget {
            input_bytes: self.input_bytes.unwrap_or(own.input_bytes),
            elements: self.elements.unwrap_or(own.elements),
            depth: self.depth.unwrap_or(own.depth),
            output_bytes: self.output_bytes.unwrap_or(own.output_bytes),
            ..*own
        }
    }
}

/// The validated form of [`SanitizeConfig`].
#[derive(Clone, Debug)]
pub struct SanitizeLimits {
    json: JsonLimits,
    comment: HtmlPolicy,
    article: HtmlPolicy,
}

impl SanitizeLimits {
    /// For the request's extensions: what the `Valid` extractors accept.
    #[must_use]
    pub fn json(&self) -> JsonLimits {
        self.json
    }

    /// [`HtmlPolicy::comment`] with the configured budget.
    #[must_use]
    pub fn comment(&self) -> &HtmlPolicy {
        &self.comment
    }

    /// [`HtmlPolicy::article`] with the configured budget.
    #[must_use]
    pub fn article(&self) -> &HtmlPolicy {
        &self.article
    }
}

impl TryFrom<&SanitizeConfig> for SanitizeLimits {
    type Error = FieldFaults;

    fn try_from(config: &SanitizeConfig) -> Result<Self, FieldFaults> {
        let mut faults = FieldFaults::new();
        let limits = validate(config, &mut faults);
        faults.into_result()?;
        Ok(limits)
    }
}

impl Section for SanitizeConfig {
    fn check(&self, faults: &mut FieldFaults) {
        validate(self, faults);
    }
}

/// The one set of rules; where a value is wrong, the default stands in until the faults are reported.
fn validate(config: &SanitizeConfig, faults: &mut FieldFaults) -> SanitizeLimits {
    let json = &config.json;
    for (field, value, max) in [
        ("json.max_bytes", json.max_bytes, 16 * 1024 * 1024),
        ("json.max_depth", json.max_depth, 100),
        ("json.max_nodes", json.max_nodes, 1_000_000),
        ("json.max_errors", json.max_errors, 64),
    ] {
        if value == 0 || value > max {
            faults.add(field, format_args!("must be from 1 to {max}"));
        }
    }
    let mut policy = |section: &str, config: &HtmlConfig, policy: HtmlPolicy| match policy
        .with_budget(config.budget(policy.budget()))
    {
        Ok(policy) => policy,
        Err(PolicyError::Budget(error)) => {
            let reason = format_args!("must be from 1 to {}", error.max).to_string();
            faults.add(format!("{section}.{}", error.field), reason);
            policy
        }
        Err(error) => {
            faults.add(section, error);
            policy
        }
    };
    let comment = policy("comment", &config.comment, HtmlPolicy::comment());
    let article = policy("article", &config.article, HtmlPolicy::article());
    let json = JsonLimits::default()
        .with_max_bytes(json.max_bytes)
        .with_max_depth(json.max_depth)
        .with_max_nodes(json.max_nodes)
        .with_max_errors(json.max_errors);
    SanitizeLimits {
        json,
        comment,
        article,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_keys() {
        let text = r#"{"json":{"max_depth":101,"max_bytes":0},"comment":{"depth":0},"article":{"output_bytes":1}}"#;
        let config: SanitizeConfig = serde_json::from_str(text).unwrap();
        let faults = SanitizeLimits::try_from(&config).unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path().to_owned()).collect();
        assert_eq!(paths, ["json.max_bytes", "json.max_depth", "comment.depth"]);
        assert!(serde_json::from_str::<SanitizeConfig>(r#"{"jsn":{}}"#).is_err());
    }

    #[test]
    fn defaults_are_those_of_the_types() {
        let limits = SanitizeLimits::try_from(&SanitizeConfig::default()).unwrap();
        assert_eq!(limits.json(), JsonLimits::default());
        assert_eq!(limits.article().budget(), HtmlPolicy::article().budget());
    }
}
