//! What a layer knows of its limiter, whichever kind it is.

use std::sync::Arc;

use sec_core::Clock;

use crate::policies::{Policies, PolicySet};
use crate::{Statistics, Tier};

#[derive(Clone)]
pub(crate) struct About {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policies: Arc<PolicySet>,
    /// The tiers that only the caller can exhaust.
    pub(crate) own: Arc<[Box<str>]>,
    /// The first tier whose key no layer can make.
    pub(crate) given: Option<usize>,
    /// Whether a tier counts by route.
    pub(crate) by_route: bool,
    /// What the limiter counts into.
    pub(crate) statistics: Option<Statistics>,
}

impl About {
    pub(crate) fn new<'a>(
        tiers: impl Iterator<Item = &'a Tier> + Clone,
        clock: Arc<dyn Clock>,
        policies: &Policies,
        statistics: Option<&Statistics>,
    ) -> Self {
        let own = tiers.clone().filter(|tier| !tier.key.is_shared());
        Self {
            clock,
            policies: policies.mine(),
            own: own.map(|tier| tier.name.as_str().into()).collect(),
            given: tiers.clone().position(|tier| tier.key.is_given()),
            by_route: tiers.clone().any(|tier| tier.key.has_route()),
            statistics: statistics.cloned(),
        }
    }
}
