//! Bots in a configuration file: the one form of their rules.

use std::sync::Arc;
use std::time::Duration;

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use super::cache::Cache;
use super::resolve::host_name;
use super::{BotLayer, Bots, Good, Inner, Resolver, Times};
use crate::shed::rules;
use crate::{ConfigError, ConfigErrorKind};

/// The rules of [`Bots`] and the settings of a [`BotLayer`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BotsConfig {
    /// Whether the layer does anything. Default: true.
    pub enabled: bool,
    /// Words of user agents that are not wanted, in any case. Default: none. An agent is what a client says it is: this
    /// keeps out who says so.
    pub bad: Vec<String>,
    /// Whether the crawlers of [`GoodBot::well_known`] are good bots. Default: true.
    pub well_known: bool,
    /// More good bots. Default: none.
    pub good: Vec<GoodBot>,
    /// What happens to who says it is a good bot and is not: `refuse`, the default, or `mark`.
    pub on_spoofed: OnSpoofed,
    /// How long a confirmed address counts. Default: 6 h; it is renewed after half of that.
    #[serde(with = "sec_core::duration")]
    pub keep_verified: Duration,
    /// How long a false claim counts. Default: 1 h.
    #[serde(with = "sec_core::duration")]
    pub keep_spoofed: Duration,
    /// How long a failed look-up is not repeated. Default: 1 min.
    #[serde(with = "sec_core::duration")]
    pub retry: Duration,
    /// How long both look-ups of an address may take together. Default: 5 s.
    #[serde(with = "sec_core::duration")]
    pub timeout: Duration,
    /// How many addresses are remembered. Default: 4096, some 400 kB. False claims push no confirmed address out.
    pub capacity: usize,
    /// How many look-ups may wait; further ones are not queued. Default: 256.
    pub waiting: usize,
    /// Path prefixes that the layer is for. Default: empty, which is all.
    pub include: Vec<String>,
    /// Path prefixes that it is not for. Default: none.
    pub exclude: Vec<String>,
}

/// A bot that is welcome when its address is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoodBot {
    /// What verdicts and events call it.
    pub name: String,
    /// The word of its user agent, in any case.
    pub agent: String,
    /// The domains its addresses' names lie under, themselves included.
    pub domains: Vec<String>,
}

/// What happens to a false claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnSpoofed {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes with its verdict in the extensions, where a policy of challenges finds it.
    Mark,
}

impl GoodBot {
    /// A bot by its name, the word of its agent, and its domains.
    #[must_use]
    pub fn new<'a>(name: &str, agent: &str, domains: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            name: name.into(),
            agent: agent.into(),
            domains: domains.into_iter().map(Into::into).collect(),
        }
    }

    /// The crawlers whose operators publish that their addresses can be confirmed by DNS: Google ("Verifying Googlebot"),
    /// Microsoft ("How to verify Bingbot"), Apple ("About Applebot"), Yandex ("How to check that a robot belongs to Yandex"),
    /// Baidu. `googleusercontent.com` is not among them: customers' machines have names there.
    #[must_use]
    pub fn well_known() -> Vec<Self> {
        vec![
            Self::new("Googlebot", "googlebot", ["googlebot.com", "google.com"]),
            Self::new("Bingbot", "bingbot", ["search.msn.com"]),
            Self::new("Applebot", "applebot", ["applebot.apple.com"]),
            Self::new(
                "YandexBot",
                "yandexbot",
                ["yandex.ru", "yandex.net", "yandex.com"],
            ),
            Self::new("Baiduspider", "baiduspider", ["baidu.com", "baidu.jp"]),
        ]
    }
}

impl Default for BotsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bad: Vec::new(),
            well_known: true,
            good: Vec::new(),
            on_spoofed: OnSpoofed::Refuse,
            keep_verified: Duration::from_secs(6 * 60 * 60),
            keep_spoofed: Duration::from_secs(60 * 60),
            retry: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
            capacity: 4096,
            waiting: 256,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl BotsConfig {
    /// A layer with this section's settings around bots that were made from it.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn layer_of(&self, bots: Bots) -> Result<BotLayer, ConfigError> {
        let layer = BotLayer::new(bots).enabled(self.enabled);
        let layer = layer.on_spoofed(self.on_spoofed);
        Ok(layer.paths(rules(&self.include, &self.exclude)?))
    }

    pub(super) fn bots(&self, resolver: Arc<dyn Resolver>) -> Result<Bots, ConfigError> {
        let (times, cache) = (self.times()?, self.cache()?);
        let mut bad = Vec::new();
        for (index, text) in self.bad.iter().enumerate() {
            bad.push(Arc::from(word(text, || format!("bad[{index}]"))?));
        }
        let mut good = Vec::new();
        for (index, bot) in self.good.iter().enumerate() {
            good.push(bot.good(&format!("good[{index}]."))?);
        }
        if self.well_known {
            for bot in GoodBot::well_known() {
                good.push(bot.good("well_known.")?);
            }
        }
        let inner = Inner::new(good, bad, resolver, times, cache);
        Ok(Bots(Arc::new(inner)))
    }

    fn times(&self) -> Result<Times, ConfigError> {
        for (field, time) in [
            ("keep_verified", self.keep_verified),
            ("keep_spoofed", self.keep_spoofed),
            ("retry", self.retry),
            ("timeout", self.timeout),
        ] {
            let longest = Duration::from_secs(7 * 24 * 60 * 60);
            if time.is_zero() || time > longest {
                let kind = ConfigErrorKind::Misused("must be longer than zero and at most a week");
                return Err(ConfigError::new(field, kind));
            }
        }
        Ok(Times {
            verified: self.keep_verified,
            spoofed: self.keep_spoofed,
            failed: self.retry,
            timeout: self.timeout,
        })
    }

    fn cache(&self) -> Result<Cache, ConfigError> {
        for (field, number) in [("capacity", self.capacity), ("waiting", self.waiting)] {
            if !(1..=1_000_000).contains(&number) {
                let kind = ConfigErrorKind::OutOfRange {
                    least: 1,
                    most: 1_000_000,
                };
                return Err(ConfigError::new(field, kind));
            }
        }
        Ok(Cache::new(self.capacity, self.waiting))
    }
}

impl GoodBot {
    fn good(&self, prefix: &str) -> Result<Good, ConfigError> {
        let field = |name: &str| format!("{prefix}{name}");
        let none = ConfigErrorKind::Misused("at least one domain is needed");
        if self.domains.is_empty() {
            return Err(ConfigError::new(field("domains"), none));
        }
        let mut domains = Vec::new();
        for (index, domain) in self.domains.iter().enumerate() {
            // A single label would be a whole top-level domain.
            let name = host_name(domain).filter(|name| name.contains('.'));
            let kind = ConfigErrorKind::Misused("must be a domain of at least two labels");
            let name =
                name.ok_or_else(|| ConfigError::new(field(&format!("domains[{index}]")), kind))?;
            domains.push(name.into_boxed_str());
        }
        word(&self.name, || field("name"))?;
        Ok(Good {
            name: Arc::from(self.name.as_str()),
            agent: word(&self.agent, || field("agent"))?.into_boxed_str(),
            domains: domains.into(),
        })
    }
}

/// A word to look for, in lower case. One that is very short would be in many agents.
fn word(text: &str, field: impl Fn() -> String) -> Result<String, ConfigError> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !printable || !(3..=128).contains(&text.len()) || text.trim() != text {
        let kind = ConfigErrorKind::Misused("must be 3 to 128 printable ASCII characters");
        return Err(ConfigError::new(field(), kind));
    }
    Ok(text.to_ascii_lowercase())
}

impl Section for BotsConfig {
    fn check(&self, faults: &mut FieldFaults) {
        let mut results = vec![
            self.times().map(drop),
            self.cache().map(drop),
            rules(&self.include, &self.exclude).map(drop),
        ];
        for (index, text) in self.bad.iter().enumerate() {
            results.push(word(text, || format!("bad[{index}]")).map(drop));
        }
        for (index, bot) in self.good.iter().enumerate() {
            results.push(bot.good(&format!("good[{index}].")).map(drop));
        }
        for error in results.into_iter().filter_map(Result::err) {
            faults.add(error.field(), error.kind());
        }
    }
}
