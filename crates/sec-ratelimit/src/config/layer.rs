//! What the sections of all limiters say about their layer.

use sec_core::PathRules;

use super::unknown;
use crate::{BanConfig, ConfigError, ConfigErrorKind, Fields, RateLimitLayer, SpikesConfig};
#[cfg(feature = "shared")]
use crate::{BanFollower, Bans, SharedStores};

/// The keys of a section that are about its layer.
pub(crate) struct LayerKeys<'a> {
    pub(crate) enabled: bool,
    pub(crate) shadow: bool,
    pub(crate) headers: &'a [String],
    pub(crate) retry_jitter: f64,
    pub(crate) include: &'a [String],
    pub(crate) exclude: &'a [String],
    pub(crate) ban: Option<&'a BanConfig>,
    pub(crate) spikes: Option<&'a SpikesConfig>,
}

const HEADERS: &str = "ietf, legacy";

impl LayerKeys<'_> {
    /// All faults at once, taking no memory.
    pub(crate) fn faults(&self) -> Vec<ConfigError> {
        let headers = self.headers.iter().enumerate();
        let headers = headers.filter_map(|name| header_field(name).err());
        let paths = path_faults(self.include, self.exclude);
        let share = check_share(self.retry_jitter).err();
        let bans = self.ban.map(BanConfig::faults).into_iter().flatten();
        let spikes = self.spikes.map(SpikesConfig::faults).into_iter().flatten();
        let spikes = spikes.map(|fault| fault.below("spikes"));
        let lists = headers.chain(paths).chain(share);
        lists.chain(bans).chain(spikes).collect()
    }

    /// With blocks of this process alone.
    pub(crate) fn layer<L: Clone>(
        &self,
        layer: RateLimitLayer<L>,
    ) -> Result<RateLimitLayer<L>, ConfigError> {
        let layer = self.without_blocks(layer)?;
        match self.ban {
            Some(ban) => {
                let escalate = ban.escalate();
                ban.unshared()?;
                layer.ban(escalate)
            }
            None => Ok(layer),
        }
    }

    /// With blocks that may be shared, and what then carries them.
    #[cfg(feature = "shared")]
    pub(crate) fn layer_sharing<L: Clone>(
        &self,
        layer: RateLimitLayer<L>,
        stores: &SharedStores,
    ) -> Result<(RateLimitLayer<L>, Option<BanFollower>), ConfigError> {
        let Some((ban, shared)) = self.ban.and_then(|ban| Some((ban, ban.shared.as_ref()?))) else {
            return Ok((self.layer(layer)?, None));
        };
        let layer = self.without_blocks(layer)?;
        let sharing = shared.sharing(stores);
        let sharing = sharing.map_err(|fault| fault.below("ban.shared"))?;
        let sharing = sharing.clock(layer.clock());
        let (bans, follower) = Bans::shared(ban.escalate(), sharing)?;
        Ok((layer.ban_with(bans), Some(follower)))
    }

    fn without_blocks<L: Clone>(
        &self,
        layer: RateLimitLayer<L>,
    ) -> Result<RateLimitLayer<L>, ConfigError> {
        let layer = layer
            .enabled(self.enabled)
            .shadow(self.shadow)
            .headers(header_fields(self.headers)?)
            .paths(path_rules(self.include, self.exclude)?)
            .retry_jitter(self.retry_jitter)?;
        match self.spikes {
            Some(spikes) => {
                let spikes = spikes.spikes().map_err(|fault| fault.below("spikes"))?;
                Ok(layer.spikes(spikes))
            }
            None => Ok(layer),
        }
    }
}

/// The header fields of a list of names.
fn header_fields(names: &[String]) -> Result<Fields, ConfigError> {
    names.iter().enumerate().try_fold(Fields::NONE, |all, one| {
        header_field(one).map(|field| all.and(field))
    })
}

fn header_field((index, name): (usize, &String)) -> Result<Fields, ConfigError> {
    match name.as_str() {
        "ietf" => Ok(Fields::IETF),
        "legacy" => Ok(Fields::LEGACY),
        _ => {
            let field = format!("headers[{index}]");
            Err(ConfigError::new(field, unknown(HEADERS)))
        }
    }
}

/// The rules of two lists of prefixes.
pub(crate) fn path_rules(include: &[String], exclude: &[String]) -> Result<PathRules, ConfigError> {
    prefixes(include, exclude).try_fold(PathRules::all(), with_prefix)
}

/// All that is wrong with two lists of prefixes.
pub(crate) fn path_faults<'a>(
    include: &'a [String],
    exclude: &'a [String],
) -> impl Iterator<Item = ConfigError> + 'a {
    let alone = |prefix| with_prefix(PathRules::all(), prefix).err();
    prefixes(include, exclude).filter_map(alone)
}

/// The list, the place in it, and the prefix.
type Prefix<'a> = (&'static str, usize, &'a str);

fn prefixes<'a>(include: &'a [String], exclude: &'a [String]) -> impl Iterator<Item = Prefix<'a>> {
    let named = |list, prefixes: &'a [String]| {
        let prefixes = prefixes.iter().enumerate();
        prefixes.map(move |(index, prefix)| (list, index, prefix.as_str()))
    };
    named("include", include).chain(named("exclude", exclude))
}

fn with_prefix(
    rules: PathRules,
    (list, index, prefix): Prefix<'_>,
) -> Result<PathRules, ConfigError> {
    let rules = match list {
        "include" => rules.include(prefix),
        _ => rules.exclude(prefix),
    };
    rules.map_err(|error| {
        let kind = ConfigErrorKind::Path(error.to_string());
        ConfigError::new(format!("{list}[{index}]"), kind)
    })
}

pub(crate) fn check_share(share: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&share) {
        Ok(())
    } else {
        Err(ConfigError::new("retry_jitter", ConfigErrorKind::Share))
    }
}
