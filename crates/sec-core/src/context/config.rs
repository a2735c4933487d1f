//! The context in a configuration file.

use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;

use super::ContextLayer;
use crate::{
    AddrGrouping, ClientAddress, FieldFaults, Forwarding, Scheme, Section, TrustedProxies,
};

/// The section that says how clients reach the service; all that can be said without code.
///
/// ```toml
/// [context]
/// forwarding = "x-forwarded"          # none, x-forwarded, forwarded, or one header's name
/// trusted_proxies = ["10.0.0.0/8"]    # whose word counts
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ContextConfig {
    /// [`Forwarding`] by name. Default: `none`.
    pub forwarding: String,
    /// Addresses and networks. Default: none.
    pub trusted_proxies: Vec<String>,
    /// See [`TrustedProxies::hops`]. Default: walk by the networks.
    pub hops: Option<u8>,
    /// Whether TLS ends in this service itself. Default: false.
    pub tls: bool,
    /// See [`AddrGrouping`]. Default: 32.
    pub ipv4_bits: u8,
    /// See [`AddrGrouping`]. Default: 64.
    pub ipv6_bits: u8,
    /// See [`ContextLayer::request_id_header`]. Default: `x-request-id`.
    pub request_id_header: String,
    /// See [`ContextLayer::coalesce`]. Default: 10 s.
    #[serde(with = "crate::duration")]
    pub coalesce: Duration,
}

impl Default for ContextConfig {
    fn default() -> Self {
        Self {
            forwarding: "none".to_owned(),
            trusted_proxies: Vec::new(),
            hops: None,
            tls: false,
            ipv4_bits: 32,
            ipv6_bits: 64,
            request_id_header: "x-request-id".to_owned(),
            coalesce: Duration::from_secs(10),
        }
    }
}

impl ContextConfig {
    /// The layer that this describes.
    ///
    /// # Errors
    /// Every field that is wrong, with its path.
    pub fn layer(&self) -> Result<ContextLayer, FieldFaults> {
        let mut faults = FieldFaults::new();
        let mut note = |path: &str, reason: &dyn std::fmt::Display| faults.add(path, reason);
        let forwarding = self
            .forwarding
            .parse::<Forwarding>()
            .map_err(|e| note("forwarding", &e))
            .ok();
        let proxies = TrustedProxies::networks(&self.trusted_proxies);
        let mut proxies = proxies.map_err(|e| note("trusted_proxies", &e)).ok();
        if let (Some(given), Some(hops)) = (proxies.take_if(|_| self.hops.is_some()), self.hops) {
            proxies = given.hops(hops).map_err(|e| note("hops", &e)).ok();
        }
        let address = forwarding.zip(proxies).and_then(|(forwarding, proxies)| {
            ClientAddress::new(forwarding, proxies)
                .map_err(|e| note("forwarding", &e))
                .ok()
        });
        let grouping = AddrGrouping::new(self.ipv4_bits, self.ipv6_bits);
        let grouping = grouping
            .map_err(|e| {
                note(
                    if e.is_ipv4() {
                        "ipv4_bits"
                    } else {
                        "ipv6_bits"
                    },
                    &e,
                )
            })
            .ok();
        let header = self.request_id_header.parse::<HeaderName>();
        let header = header.map_err(|e| note("request_id_header", &e)).ok();
        let (Some(address), Some(grouping), Some(header)) = (address, grouping, header) else {
            return Err(faults);
        };
        let connection = if self.tls {
            Scheme::Https
        } else {
            Scheme::Http
        };
        Ok(ContextLayer::new()
            .client_address(address)
            .grouping(grouping)
            .connection_scheme(connection)
            .request_id_header(header)
            .coalesce(self.coalesce))
    }
}

impl Section for ContextConfig {
    fn check(&self, faults: &mut FieldFaults) {
        if let Err(own) = self.layer() {
            for fault in own.iter() {
                faults.add(fault.path(), fault.reason());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_the_layer_does_by_default() {
        assert!(ContextConfig::default().layer().is_ok());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let config = ContextConfig {
            forwarding: "x forwarded".to_owned(),
            trusted_proxies: vec!["proxy".to_owned()],
            ipv6_bits: 129,
            request_id_header: "a b".to_owned(),
            ..ContextConfig::default()
        };
        let faults = FieldFaults::of(&config);
        let paths: Vec<_> = faults.iter().map(|fault| fault.path().to_owned()).collect();
        assert_eq!(
            paths,
            [
                "forwarding",
                "trusted_proxies",
                "ipv6_bits",
                "request_id_header"
            ]
        );
    }

    #[test]
    fn half_a_forwarding_is_a_fault() {
        let config = ContextConfig {
            forwarding: "x-forwarded".to_owned(),
            ..ContextConfig::default()
        };
        let faults = FieldFaults::of(&config);
        assert!(faults.iter().any(
            |fault| fault.path() == "forwarding" && fault.reason().contains("no trusted proxy")
        ));
    }
}
