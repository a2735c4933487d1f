//! The limits: each is a layer or a part of one, and keeps what the operator is shown.

use sec_ratelimit::{
    AddressListConfig, AddressListError, AddressListLayer, Bans, ConcurrencyLayer, ConfigError,
    LoginLimit, RateLimitConfig, RateLimitLayer, ShedLayer, Spikes, Statistics,
};
use serde_json::{Value, json};

use crate::app::Failure;
use crate::config;

pub struct Limits {
    /// Who is served at all.
    pub lists: AddressListLayer,
    /// Everything under way, together.
    pub shed: ShedLayer,
    /// Everything, by address, with blocks.
    pub address: RateLimitLayer,
    /// Everything under way, by address.
    pub at_once: ConcurrencyLayer,
    /// Everything, by account.
    pub caller: RateLimitLayer,
    pub signup: RateLimitLayer,
    pub write: RateLimitLayer,
    pub export: ConcurrencyLayer,
    pub login: LoginLimit,
    counted: [Statistics; 4],
}

impl Limits {
    pub fn new(settings: &config::Limits) -> Result<Self, Failure> {
        let (address, by_address) = counted(&settings.address)?;
        let (caller, by_caller) = counted(&settings.caller)?;
        let (signup, signups) = counted(&settings.signup)?;
        let (write, writes) = counted(&settings.write)?;
        Ok(Self {
            lists: AddressListLayer::from_config(&settings.lists)?,
            shed: settings.shed.layer()?,
            address,
            at_once: settings.at_once.layer()?,
            caller: caller.spikes(Spikes::new(settings.spikes.detector()?)),
            signup,
            write,
            export: settings.export.layer()?,
            login: LoginLimit::from_config(&settings.login)?,
            counted: [by_address, by_caller, signups, writes],
        })
    }

    /// Other lists, from the next request on. With a fault in them, the old ones stay.
    pub fn replace_lists(&self, settings: &AddressListConfig) -> Result<(), AddressListError> {
        self.lists.lists().replace(settings.list()?);
        Ok(())
    }

    /// Who is blocked; nothing where the file has no `[limits.address.ban]`.
    pub fn bans(&self) -> Option<&Bans> {
        self.address.bans()
    }

    /// What the operator is shown.
    pub fn overview(&self) -> Value {
        let policies: Vec<_> = self.counted.iter().flat_map(policies).collect();
        let blocks = self.bans().map(blocks).unwrap_or_default();
        let shed = self.shed.shed();
        json!({
            "policies": policies,
            "blocks": blocks,
            "under_way": {"requests": shed.in_flight(), "limit": shed.limit()},
            "listed_networks": self.lists.lists().current().len(),
        })
    }
}

/// A layer, and what it counts for the operator.
fn counted(settings: &RateLimitConfig) -> Result<(RateLimitLayer, Statistics), ConfigError> {
    let limiter = settings.limiter()?;
    // Addresses are personal data: without `show_addresses` a hash is shown.
    let statistics = Statistics::of(&limiter).show_addresses(true);
    let layer = settings.layer_of(limiter)?.statistics(statistics.clone())?;
    Ok((layer, statistics))
}

fn policies(statistics: &Statistics) -> Vec<Value> {
    let policies = statistics.policies().into_iter().map(|policy| {
        let top = policy.top().iter().take(10).map(|key| {
            json!({
                "key": key.address().map_or_else(|| id(key.id()), |address| address.to_string()),
                "requests": key.requests(),
                "at_most_too_high_by": key.error(),
            })
        });
        json!({
            "name": policy.name(),
            "allowed": policy.allowed(),
            "refused": policy.refused(),
            "top": top.collect::<Vec<_>>(),
        })
    });
    policies.collect()
}

/// The longest first.
fn blocks(bans: &Bans) -> Vec<Value> {
    let blocks = bans.blocks().into_iter().take(100).map(|block| {
        json!({
            "address": block.address().map_or_else(|| id(block.id()), |address| address.to_string()),
            "seconds": block.rest().as_secs(),
            "blocks": block.count(),
            "by_hand": block.is_manual(),
        })
    });
    blocks.collect()
}

fn id(id: u64) -> String {
    format!("{id:016x}")
}
