//! The limits of one caller.

use std::sync::Arc;

/// The limits that apply to one caller, for tiers with [`limit_looked_up`](crate::Tier::limit_looked_up).
///
/// [`LimitLookupLayer`](crate::LimitLookupLayer) puts them into the request's extensions. A host that knows
/// them anyway, such as from its own look-up of an API key, can do the same.
///
/// ```
/// use sec_ratelimit::Limits;
///
/// let plan = Limits::all(600).tier("day", 100_000); // 600 in every tier but `day`
/// let unknown = Limits::own();                      // those of the tiers
/// # let _ = (plan, unknown);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    all: Option<u64>,
    tiers: Arc<[(Box<str>, u64)]>,
}

impl Limits {
    /// Each tier's own.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// The same in every tier that asks. 0 admits nothing, `u64::MAX` everything; but an exact quota
    /// cannot grow, and larger limits count as its own.
    #[must_use]
    pub fn all(limit: u64) -> Self {
        Self {
            all: Some(limit),
            ..Self::default()
        }
    }

    /// Another one in the tier of this name. A name that no tier has means nothing.
    #[must_use]
    pub fn tier(mut self, name: impl Into<Box<str>>, limit: u64) -> Self {
        let tiers = self.tiers.iter().cloned();
        self.tiers = tiers.chain([(name.into(), limit)]).collect();
        self
    }

    /// The limit in this tier. The last word counts.
    pub(crate) fn of(&self, tier: &str) -> Option<u64> {
        let own = self.tiers.iter().rfind(|(name, _)| **name == *tier);
        own.map(|(_, limit)| *limit).or(self.all)
    }
}

/// One limit for every tier that asks, or each tier's own.
impl From<Option<u64>> for Limits {
    fn from(limit: Option<u64>) -> Self {
        limit.map_or_else(Self::own, Self::all)
    }
}

/// One limit for every tier that asks.
impl From<u64> for Limits {
    fn from(limit: u64) -> Self {
        Self::all(limit)
    }
}
