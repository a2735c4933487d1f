#![allow(missing_docs, reason = "tests")]

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::Deserialize;

use super::*;
use crate::section::{FieldFaults, Section};

mod env;
mod file;
mod guess;
mod secrets;
mod sources;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    enabled: bool,
    burst: u16,
    ratio: f64,
    #[serde(with = "crate::duration")]
    window: Duration,
    name: String,
    hosts: Vec<String>,
    ports: Vec<u16>,
    mode: Mode,
    store: Store,
    tiers: Vec<Tier>,
    quotas: BTreeMap<Name, u32>,
    by_port: BTreeMap<u16, u32>,
    proxy: Option<IpAddr>,
    nested: Nested,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            burst: 7,
            ratio: 0.5,
            window: Duration::from_secs(60),
            name: "default".into(),
            hosts: Vec::new(),
            ports: Vec::new(),
            mode: Mode::Strict,
            store: Store::Memory,
            tiers: Vec::new(),
            quotas: BTreeMap::new(),
            by_port: BTreeMap::new(),
            proxy: None,
            nested: Nested::default(),
        }
    }
}

impl Section for Limits {
    fn check(&self, faults: &mut FieldFaults) {
        if self.burst == 0 {
            faults.add("burst", "must not be zero");
        }
        for (index, tier) in self.tiers.iter().enumerate() {
            faults.nested(format_args!("tiers[{index}]"), |faults| {
                if tier.limit > 100 {
                    faults.add("limit", format_args!("{} is above 100", tier.limit));
                }
            });
        }
        faults.nested("nested", |faults| {
            if self.nested.depth > 3 {
                faults.add("depth", "is too deep");
            }
        });
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Strict,
    Lax,
    Custom { level: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Store {
    Memory,
    Redis { url: String, pool: u8, tls: bool },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    limit: u32,
    window: String,
    per: IpAddr,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name(String);

/// Without `deny_unknown_fields`: the loader sees unknown keys all the same.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Nested {
    depth: u8,
    label: String,
}

fn limits(text: &str, variables: &[(&str, &str)]) -> Result<Limits, Vec<String>> {
    let mut load = Loader::new()
        .text("sec.toml", text)
        .map_err(|faults| lines(&faults))?
        .env_prefix("SEC")
        .env_from(variables.iter().copied());
    let limits = load.section::<Limits>("limits");
    load.finish(limits).map_err(|faults| lines(&faults))
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.to_string().lines().map(ToOwned::to_owned).collect()
}

fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    limits(text, variables).expect_err("there must be faults")
}
