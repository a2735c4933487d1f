use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};

use super::private::{POLICIES, is_targeted};
use crate::csp::CspTemplate;

/// Up to how many names are compared one by one.
const FEW: usize = 8;

/// What clients of one scheme are told.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Every header of the policy, those with a nonce in their form without one.
    pub(super) base: HeaderMap,
    /// Those with a nonce.
    pub(super) templates: Box<[Template]>,
    /// What is taken from the handler's headers: removed ones, and those that the policy wins.
    pub(super) dropped: Box<[HeaderName]>,
}

#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: HeaderName,
    pub(super) csp: CspTemplate,
}

impl Form {
    pub(super) fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }

    pub(super) fn drops(&self, name: &HeaderName) -> bool {
        // The names are sorted. Comparing the few of a preset one by one is quicker than a search.
        if self.dropped.len() <= FEW {
            return self.dropped.contains(name);
        }
        let found = self
            .dropped
            .binary_search_by(|dropped| dropped.as_str().cmp(name.as_str()));
        found.is_ok()
    }

    /// Moves the handler's headers in, repeated ones whole; each replaces the policy's.
    pub(super) fn take_over(&self, headers: &mut HeaderMap, own: HeaderMap) -> Kept {
        let mut all = Kept::default();
        if own.is_empty() {
            return all;
        }
        headers.reserve(own.len());
        let mut kept = true;
        headers.extend(own.into_iter().filter(|(name, _)| {
            // Further values of the same header come without its name.
            if let Some(name) = name {
                kept = !self.drops(name);
                all.note(name, kept);
            }
            kept
        }));
        all
    }
}

/// What the handler's headers, as far as they were kept, may mean for caches.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    /// A Content-Security-Policy of the handler's own, or of a layer within.
    pub(super) policy: bool,
    pub(super) cache_control: bool,
    /// A header that speaks to one cache alone.
    pub(super) targeted: bool,
}

impl Kept {
    fn note(&mut self, name: &HeaderName, kept: bool) {
        self.policy |= kept && POLICIES.contains(&name);
        self.cache_control |= kept && *name == CACHE_CONTROL;
        self.targeted |= kept && *name != CACHE_CONTROL && is_targeted(name);
    }
}
