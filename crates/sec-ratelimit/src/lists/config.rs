//! The lists in a configuration file.

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use super::parse::{Network, content};
use super::{AddressFault, AddressList, AddressListError, AddressRule, Entry};

/// Allow and block lists as a configuration file gives them. Long lists belong into files of their own: read them
/// with [`AddressList::blocking`].
///
/// ```
/// # use sec_ratelimit::{AddressListConfig, AddressListLayer};
/// let config: AddressListConfig = serde_json::from_str(
///     r#"{"block": ["203.0.113.0/24"], "allow": ["203.0.113.7"]}"#,
/// )?;
/// let layer = AddressListLayer::from_config(&config)?;
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AddressListConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// Whether refusals are only reported. Default: false.
    pub shadow: bool,
    /// Networks and addresses that are served whatever a wider entry says. Default: none.
    pub allow: Vec<String>,
    /// Networks and addresses that are not served. Default: none.
    pub block: Vec<String>,
}

impl AddressListConfig {
    /// The lists. The line of a fault is the entry's place in its list, from 1.
    ///
    /// # Errors
    ///
    /// Every entry that is wrong.
    pub fn list(&self) -> Result<AddressList, AddressListError> {
        let mut entries = Vec::new();
        let mut faults = Vec::new();
        for (texts, rule) in [
            (&self.allow, AddressRule::Allow),
            (&self.block, AddressRule::Block),
        ] {
            for (index, text) in texts.iter().enumerate() {
                match Network::parse(content(text).unwrap_or_default()) {
                    Ok(network) => entries.push(Entry { network, rule }),
                    Err(kind) => faults.push(AddressFault::new(rule, index, text, kind)),
                }
            }
        }
        AddressListError::unless_empty(faults)?;
        Ok(AddressList::of(entries))
    }
}

impl Default for AddressListConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            shadow: false,
            allow: Vec::new(),
            block: Vec::new(),
        }
    }
}

impl Section for AddressListConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let Err(error) = self.list() else { return };
        for fault in error.faults() {
            let list = match fault.rule() {
                AddressRule::Allow => "allow",
                AddressRule::Block => "block",
            };
            let index = fault.line().saturating_sub(1);
            faults.add(
                format!("{list}[{index}]"),
                format_args!("{:?} {}", fault.text(), fault.kind()),
            );
        }
    }
}
